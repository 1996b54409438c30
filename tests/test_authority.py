"""The CA that signs devices' certificates: the installation's own, or one of the user's."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from nameplate.data_dir import StartError
from nameplate.server import clock, open_registry
from nameplate.settings import Settings
from tests.support.account import Account
from tests.support.server import Server

NOW = datetime.fromtimestamp(clock() // 1000, UTC)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Our own CA")])


@dataclass
class Ca:
    """Files of a CA of the user's own."""

    certificate: Path
    key: Path

    def settings(self, data_dir: Path, **more: Any) -> Settings:
        return Settings(data_dir=data_dir, ca_certificate=self.certificate, ca_key=self.key, **more)


def make(directory: Path, key: Any = None, **changes: Any) -> Ca:
    """Write a CA's files, or those of something that is not quite one."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    from_days, to_days = changes.get("days", (-1, 365))
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(changes.get("of", key).public_key())
        .serial_number(7)
        .not_valid_before(NOW + timedelta(days=from_days))
        .not_valid_after(NOW + timedelta(days=to_days))
    )
    if changes.get("is_ca", True) is not None:
        constraints = x509.BasicConstraints(ca=changes.get("is_ca", True), path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    if "identifier" in changes:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(changes["identifier"]), critical=False)
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    certificate = builder.sign(key, None if is_edwards else hashes.SHA256())
    made = Ca(directory / "ca.pem", directory / "ca-key.pem")
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    encryption = changes.get("encryption", NoEncryption())
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return made


def minted(settings: Settings) -> tuple[x509.Certificate, x509.Certificate]:
    """Register a device; returns its certificate, and the CA's as it is shown."""
    with open_registry(settings) as registry:
        account = Account(registry)
        key = account.product(auth_type="x509")
        account.register(key, "valve-1")
        info = account.call("QueryDeviceCert", product_key=key, device_name="valve-1")["DeviceCertInfo"]
        ca = x509.load_pem_x509_certificate(registry.certificates.ca_pem.encode())
        return x509.load_pem_x509_certificate(info["Certificate"].encode()), ca


def test_the_installations_own_ca_stays_the_same(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    first, ca = minted(settings)
    second, again = minted(settings)
    assert ca == again
    for certificate in (first, second):
        certificate.verify_directly_issued_by(ca)


@pytest.mark.parametrize(
    "new_key",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["EC", "RSA"],
)
def test_a_ca_of_the_users_own_signs(data_dir: Path, tmp_path: Path, new_key: Callable[[], Any]) -> None:
    made = make(tmp_path, new_key())
    certificate, ca = minted(made.settings(data_dir))
    assert ca.public_bytes(Encoding.PEM) == made.certificate.read_bytes()
    certificate.verify_directly_issued_by(ca)


def test_a_certificate_names_its_cas_key_as_the_ca_does(data_dir: Path, tmp_path: Path) -> None:
    """Who looks for the CA by this identifier would not find it by another one."""
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    identifier = hashlib.sha256(spki).digest()[:20]
    certificate, _ = minted(make(tmp_path, key, identifier=identifier).settings(data_dir))
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found.key_identifier == identifier


def test_a_certificate_is_not_valid_for_longer_than_its_ca_or_than_is_set(data_dir: Path, tmp_path: Path) -> None:
    made = make(tmp_path, days=(-1, 30))
    certificate, ca = minted(made.settings(data_dir))
    assert certificate.not_valid_after_utc == ca.not_valid_after_utc
    certificate, _ = minted(made.settings(data_dir, certificate_days=2))
    assert timedelta(days=2) <= certificate.not_valid_after_utc - certificate.not_valid_before_utc < timedelta(days=3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another key": ({"of": ec.generate_private_key(ec.SECP256R1())}, "the private key is not the certificate's"),
    "no CA": ({"is_ca": False}, "the certificate is not a CA's"),
    "no CA either": ({"is_ca": None}, "the certificate is not a CA's"),
    "over": ({"days": (-10, -1)}, "the certificate is not valid now"),
    "not begun": ({"days": (1, 10)}, "the certificate is not valid now"),
    "encrypted": ({"encryption": BestAvailableEncryption(b"password")}, "[Pp]assword"),
    "Edwards": ({"key": ed25519.Ed25519PrivateKey.generate()}, "neither EC nor RSA"),
    "DSA": ({"key": dsa.generate_private_key(2048)}, "neither EC nor RSA"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_sign_is_refused_at_the_start(data_dir: Path, tmp_path: Path, wrong: str) -> None:
    changes, said = WRONG[wrong]
    made = make(tmp_path, **changes)
    with pytest.raises(StartError, match=said) as raised, open_registry(made.settings(data_dir)):
        pass
    assert str(made.certificate) in str(raised.value)
    assert "PRIVATE" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\0\1\2"])
@pytest.mark.parametrize("file", ["certificate", "key"])
def test_files_that_hold_something_else_are_refused(data_dir: Path, tmp_path: Path, file: str, content: bytes) -> None:
    made = make(tmp_path)
    getattr(made, file).write_bytes(content)
    with pytest.raises(StartError, match="cannot be used"), open_registry(made.settings(data_dir)):
        pass


def test_files_that_are_not_there_are_named(data_dir: Path, tmp_path: Path) -> None:
    made = make(tmp_path)
    made.key.unlink()
    with pytest.raises(StartError, match=r"ca-key.pem: No such file"), open_registry(made.settings(data_dir)):
        pass


@pytest.mark.parametrize("given", ["ca_certificate", "ca_key"])
def test_one_file_without_the_other_is_refused(data_dir: Path, tmp_path: Path, given: str) -> None:
    settings = Settings(data_dir=data_dir).model_copy(update={given: tmp_path / "ca.pem"})
    with pytest.raises(StartError, match="belong together"), open_registry(settings):
        pass


def test_ca_show_prints_the_certificate_and_a_wrong_ca_is_said_on_one_line(data_dir: Path, tmp_path: Path) -> None:
    made = make(tmp_path)
    server = Server(data_dir, ca_certificate=str(made.certificate), ca_key=str(made.key))
    shown = server.run("ca", "show")
    assert (shown.returncode, shown.stdout) == (0, made.certificate.read_text())
    made.key.unlink()
    failed = server.run("ca", "show")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("nameplate: The CA cannot be read: ")
