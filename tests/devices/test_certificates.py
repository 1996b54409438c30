"""X.509: a certificate for each device, all of a batch or none, and the link to them."""

import io
from datetime import timedelta
from zipfile import ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import text

from nameplate.domain.certificates import LINK_SECONDS
from nameplate.http.downloads import Downloads
from nameplate.operations.imports import Credentials
from tests.support.account import Account


@pytest.fixture
def valves(account: Account) -> str:
    """The key of an X.509 product without devices."""
    return account.product(auth_type="x509")


def register(account: Account, product: str, names: list[str]) -> int:
    """Take names through both steps and return the ApplyId, whatever came of it."""
    batch = int(account.call("BatchCheckDeviceNames", product_key=product, device_name=names)["Data"]["ApplyId"])
    account.work()
    account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=batch)
    account.work()
    return batch


def status(account: Account, product: str, batch: int) -> dict[str, object]:
    found: dict[str, object] = account.call("QueryBatchRegisterDeviceStatus", product_key=product, apply_id=batch)[
        "Data"
    ]
    return found


def read(account: Account, product: str, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    info = account.call("QueryDeviceCert", product_key=product, device_name=name)["DeviceCertInfo"]
    certificate = x509.load_pem_x509_certificate(info["Certificate"].encode())
    assert info["CertSN"] == str(certificate.serial_number)
    key = load_pem_private_key(info["PrivateKey"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return certificate, key


def stored(account: Account, product: str) -> tuple[int, int]:
    """How many devices and how many certificates a product has."""
    devices = "SELECT count(*) FROM device JOIN product ON product.id = product_id WHERE key = :key"
    certificates = devices.replace("FROM device", "FROM certificate JOIN device ON device.id = device_id")
    with account.registry.store.database.transaction() as connection:
        found = [connection.execute(text(sql), {"key": product}).scalar_one() for sql in (devices, certificates)]
    return found[0], found[1]


def test_each_device_has_a_certificate_that_its_ca_signed_and_no_secret(account: Account, valves: str) -> None:
    batch = register(account, valves, ["valve-1", "valve-2"])
    assert status(account, valves, batch)["Status"] == "CREATE_SUCCESS"
    ca = x509.load_pem_x509_certificate(account.registry.certificates.ca_pem.encode())
    serials = set()
    for name in ("valve-1", "valve-2"):
        detail = account.call("QueryDeviceDetail", product_key=valves, device_name=name)["Data"]
        assert detail["DeviceSecret"] == ""
        certificate, key = read(account, valves, name)
        certificate.verify_directly_issued_by(ca)
        spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        assert key.public_key().public_bytes(*spki) == certificate.public_key().public_bytes(*spki)
        subject = [attribute.value for attribute in certificate.subject]
        assert subject == [valves, name, detail["IotId"]]
        assert certificate.not_valid_after_utc <= ca.not_valid_after_utc
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc > timedelta(days=3649)
        serials.add(certificate.serial_number)
    assert len(serials) == 2


def test_one_name_that_is_taken_meanwhile_keeps_the_whole_batch_from_being_created(
    account: Account, valves: str
) -> None:
    names = ["valve-1", "valve-2", "valve-3"]
    batch = int(account.call("BatchCheckDeviceNames", product_key=valves, device_name=names)["Data"]["ApplyId"])
    account.work()
    account.register(valves, "valve-2")
    account.call("BatchRegisterDeviceWithApplyId", product_key=valves, apply_id=batch)
    account.work()
    found = status(account, valves, batch)
    assert (found["Status"], found["Failed"], found["ValidList"]) == ("CREATE_FAILED", 3, {"Name": []})
    assert stored(account, valves) == (1, 1)
    assert account.call("QueryProduct", product_key=valves)["Data"]["DeviceCount"] == 1
    assert account.refusal("QueryCertUrlByApplyId", apply_id=batch) == "iot.device.IncorrentDeviceApplyInfo"
    assert (
        account.refusal("QueryDeviceCert", product_key=valves, device_name="valve-1") == "iot.device.NotExistedDevice"
    )


def test_a_call_takes_1000(account: Account, valves: str) -> None:
    assert account.refusal("BatchRegisterDevice", product_key=valves, count=1001) == "iot.device.DeviceCountExceeded"
    names = [f"valve-{number:04}" for number in range(1001)]
    batch = register(account, valves, names)
    assert status(account, valves, batch)["Total"] == 1000
    assert stored(account, valves) == (1000, 1000)


def test_minted_names_have_certificates_too(account: Account, valves: str) -> None:
    batch = int(account.call("BatchRegisterDevice", product_key=valves, count=3)["Data"]["ApplyId"])
    account.work()
    assert status(account, valves, batch)["Status"] == "CREATE_SUCCESS"
    assert stored(account, valves) == (3, 3)


def test_an_imported_device_has_its_secret_and_no_certificate(account: Account, valves: str) -> None:
    rows = [Credentials("imported-1", "its-own-1"), Credentials("imported-2", "its-own-2")]
    account.call("BatchImportDevice", product_key=valves, device_list=rows)
    account.work()
    account.call("ImportDevice", product_key=valves, device_name="imported-3", device_secret="its-own-3")
    for number in (1, 2, 3):
        about = {"product_key": valves, "device_name": f"imported-{number}"}
        assert account.call("QueryDeviceInfo", **about)["Data"]["DeviceSecret"] == f"its-own-{number}"
        assert account.refusal("QueryDeviceCert", **about) == "iot.common.APINotSupportedInInstance"
    assert stored(account, valves) == (3, 0)


def test_a_deleted_device_takes_its_certificate_along(account: Account, valves: str) -> None:
    account.register(valves, "valve-1")
    first, _ = read(account, valves, "valve-1")
    account.call("DeleteDevice", product_key=valves, device_name="valve-1")
    assert stored(account, valves) == (0, 0)
    account.register(valves, "valve-1")
    assert read(account, valves, "valve-1")[0].serial_number != first.serial_number


def test_other_products_have_no_certificates(account: Account, key: str) -> None:
    account.register(key, "pump-1")
    batch = register(account, key, ["pump-2"])
    about = {"product_key": key, "device_name": "pump-1"}
    assert account.refusal("QueryDeviceCert", **about) == "iot.common.APINotSupportedInInstance"
    assert account.refusal("QueryCertUrlByApplyId", apply_id=batch) == "iot.common.APINotSupportedInInstance"


class Link:
    """A link to a batch's certificates, taken apart."""

    def __init__(self, account: Account, batch: int) -> None:
        url = account.call("QueryCertUrlByApplyId", apply_id=batch)["CertUrl"]
        place, _, query = url.partition("?")
        assert place == f"http://127.0.0.1/certs/{batch}.zip"
        values = dict(pair.split("=") for pair in query.split("&"))
        self.batch, self.expires, self.signature = str(batch), values["Expires"], values["Signature"]
        self._downloads = Downloads(account.registry)

    def follow(self, **changes: str) -> bytes | None:
        return self._downloads.certificates(**{**self.parts, **changes})

    @property
    def parts(self) -> dict[str, str]:
        return {"batch": self.batch, "expires": self.expires, "signature": self.signature}


def test_behind_the_link_is_a_directory_for_each_device(account: Account, valves: str) -> None:
    names = ["valve-1", "Valve-1", "a:b@c.d", "trailing."]
    batch = register(account, valves, names)
    content = Link(account, batch).follow()
    assert content is not None
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.read("ca.pem").decode() == account.registry.certificates.ca_pem
        directories = ["valve-1", "Valve-1~2", "a_b@c.d", "trailing"]
        files = [f"{one}/{file}" for one in directories for file in ("certificate.pem", "private-key.pem")]
        assert archive.namelist() == ["ca.pem", *files]
        for name, directory in zip(names, directories, strict=True):
            info = account.call("QueryDeviceCert", product_key=valves, device_name=name)["DeviceCertInfo"]
            assert archive.read(f"{directory}/certificate.pem").decode() == info["Certificate"]
            assert archive.read(f"{directory}/private-key.pem").decode() == info["PrivateKey"]


def test_a_link_that_was_changed_is_not_followed(account: Account, valves: str) -> None:
    batch, other = register(account, valves, ["valve-1"]), register(account, valves, ["valve-2"])
    link, another = Link(account, batch), Link(account, other)
    assert link.follow() is not None
    changes = [
        {"batch": another.batch},
        {"expires": str(int(link.expires) + 1)},
        {"expires": f"0{link.expires}"},
        {"expires": "9" * 15},
        {"expires": "9" * 400},
        {"signature": another.signature if another.expires != link.expires else another.signature[::-1]},
        {"signature": link.signature.upper()},
        {"signature": link.signature[:-1]},
        {"signature": ""},
        {"signature": "é" * 40},
        {"batch": f"{batch} "},
        {"batch": "-1"},
    ]
    assert [change for change in changes if link.follow(**change) is not None] == []


def test_a_link_ends(account: Account, valves: str) -> None:
    batch = register(account, valves, ["valve-1"])
    now = account.registry.clock() // 1000
    certificates = account.registry.certificates
    downloads = Downloads(account.registry)
    for seconds, is_valid in ((-1, False), (0, False), (LINK_SECONDS, True)):
        signature = certificates.sign_link(batch, now + seconds)
        found = downloads.certificates(str(batch), str(now + seconds), signature)
        assert (found is not None) == is_valid
    assert abs(int(Link(account, batch).expires) - now - LINK_SECONDS) <= 5
