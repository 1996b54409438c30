"""The CA that signs devices' certificates: one of the user's own, or one that the installation has made."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from nameplate.data_dir import StartError
from nameplate.domain.certificates import Authority, Certificates, mint_authority, private_bytes, read_authority
from nameplate.domain.secrets import MasterKey
from nameplate.settings import Settings
from nameplate.store.installation import Installation

_NAME = "device-ca"


def certificates(
    settings: Settings, installation: Installation, master: MasterKey, key: bytes, now: int
) -> Certificates:
    """Return what mints this installation's certificates.

    `key` is the installation's; `now` is in milliseconds. Raises StartError if the configured CA cannot be used.
    """
    if settings.ca_certificate is None and settings.ca_key is None:
        authority = _own(installation, master, now)
    elif settings.ca_certificate is None or settings.ca_key is None:
        message = "NAMEPLATE_CA_CERTIFICATE and NAMEPLATE_CA_KEY belong together: give both, or none."
        raise StartError(message)
    else:
        authority = _configured(settings.ca_certificate, settings.ca_key, now)
    return Certificates(authority, settings.certificate_days, key)


def _configured(certificate: Path, key: Path, now: int) -> Authority:
    try:
        return read_authority(certificate.read_bytes(), key.read_bytes(), now)
    except OSError as error:
        message = f"The CA cannot be read: {error.filename}: {error.strerror}."
        raise StartError(message) from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"The CA in {certificate} and {key} cannot be used: {error}. Give a CA and its key, not encrypted."
        raise StartError(message) from None


def _own(installation: Installation, master: MasterKey, now: int) -> Authority:
    """Return the installation's own CA, made when it is first needed."""
    kept = installation.kept(master, _NAME, lambda: _write(mint_authority(now)))
    length = int.from_bytes(kept[:4], "big")
    return read_authority(kept[4 : 4 + length], kept[4 + length :], now)


def _write(authority: Authority) -> bytes:
    """Write certificate and key as one value, so that both are kept or neither."""
    certificate = authority.certificate.public_bytes(Encoding.DER)
    return len(certificate).to_bytes(4, "big") + certificate + private_bytes(authority.key)
