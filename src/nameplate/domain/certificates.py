"""Certificates of devices: how they are minted, and the links that they are downloaded by."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nameplate.domain.device_auth import Identity

CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

LINK_SECONDS: Final = 900
"""For how long a download link works."""

_CA_DAYS: Final = 20 * 365
# A device's clock may be a little behind.
_BEFORE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for."""

    product_key: str
    device_name: str
    iot_id: str

    @property
    def identity(self) -> Identity:
        """The two names by which its device connects."""
        return Identity(self.product_key, self.device_name)


@dataclass(frozen=True, slots=True)
class Minted:
    """A new certificate (DER), its serial number in decimal, and its private key (PKCS 8, DER)."""

    serial: str
    certificate: bytes
    private_key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate and its private key."""

    certificate: x509.Certificate
    key: CaKey


class Certificates:
    """Mints the certificates of one installation's devices, and signs the links to them."""

    def __init__(self, authority: Authority, days: int, link_key: bytes) -> None:
        self._authority = authority
        self._days = days
        self._link_key = link_key
        self._issuer_key = _key_identifier(authority)
        self.ca_pem = authority.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def mint(self, subject: Subject, now: int) -> Minted:
        """Return a certificate for a device, valid from `now` (milliseconds) and no longer than its CA's."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins = _moment(now) - _BEFORE
        ends = min(_moment(now) + timedelta(days=self._days), self._authority.certificate.not_valid_after_utc)
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(self._authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._issuer_key, critical=False)
        )
        certificate = builder.sign(self._authority.key, hashes.SHA256())
        return Minted(str(serial), certificate.public_bytes(serialization.Encoding.DER), private_bytes(key))

    def sign_link(self, batch_id: int, expires_at: int) -> str:
        """Return what shows that this installation has given out a link to a batch's certificates.

        `expires_at` is in seconds since 1970 UTC.
        """
        sealed = blake2b(f"{batch_id}:{expires_at}".encode(), key=self._link_key, digest_size=20, person=b"cert-link")
        return sealed.hexdigest()

    def is_link(self, batch_id: int, expires_at: int, signature: str, now: int) -> bool:
        """Whether a link is one of this installation's and has not ended by `now`, in milliseconds."""
        is_own = hmac.compare_digest(self.sign_link(batch_id, expires_at).encode(), signature.encode())
        return is_own and now < expires_at * 1000


def mint_authority(now: int) -> Authority:
    """Return a new CA that signs devices' certificates only, for 20 years from `now`, in milliseconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nameplate device CA")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now) - _BEFORE)
        .not_valid_after(_moment(now) + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def read_authority(certificate: bytes, key: bytes, now: int) -> Authority:
    """Return the CA of a PEM or DER certificate and an unencrypted private key.

    Raises ValueError, saying what is wrong, if they do not fit, or cannot sign certificates at `now`, in milliseconds.
    """
    is_pem = certificate.lstrip().startswith(b"-----")
    read = (x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate)(certificate)
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    private = load(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the private key is neither EC nor RSA")  # noqa: EM101, TRY003, TRY004 (what is wrong with the file)
    if private.public_key() != read.public_key():
        raise ValueError("the private key is not the certificate's")  # noqa: EM101, TRY003 (likewise)
    if not _may_sign(read):
        raise ValueError("the certificate is not a CA's")  # noqa: EM101, TRY003 (likewise)
    if not read.not_valid_before_utc <= _moment(now) < read.not_valid_after_utc:
        raise ValueError("the certificate is not valid now")  # noqa: EM101, TRY003 (likewise)
    return Authority(read, private)


def private_bytes(key: CaKey) -> bytes:
    """Return a private key as PKCS 8, DER, not encrypted."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())


def certificate_pem(certificate: bytes) -> str:
    """Write a DER certificate as PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM).decode()


def private_key_pem(key: bytes) -> str:
    """Write a DER private key as PEM, PKCS 8, not encrypted."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (
        serialization.load_der_private_key(key, password=None)
        .private_bytes(serialization.Encoding.PEM, form, plain)
        .decode()
    )


def _name(subject: Subject) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.product_key),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.device_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, subject.iot_id),
        ]
    )


def _key_identifier(authority: Authority) -> x509.AuthorityKeyIdentifier:
    """Return what points to a CA's key: in the CA's own words, or who checks a certificate would not find it."""
    extensions = authority.certificate.extensions
    try:
        own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return constraints.ca
    return constraints.ca and usage.key_cert_sign


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
