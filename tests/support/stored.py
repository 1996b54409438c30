"""What is stored, read past the operations, in the words and formats of the wire."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from sqlalchemy import func, select

from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.server import open_registry
from nameplate.settings import Settings
from nameplate.store.devices import Device
from nameplate.store.groups import Group
from nameplate.store.products import Product
from nameplate.store.schema import device as device_table
from nameplate.store.schema import group_member
from tests.support.server import Server

Fields = dict[str, Any]

_BEIJING: Final = timezone(timedelta(hours=8))
_NET_TYPES: Final = {"WIFI": 3, "CELLULAR": 6, "ETHERNET": 7, "OTHER": 8}


class Stored:
    """Reads a server's database beside it. Every field is there under each name that the wire has for it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = registry.store

    def product(self, key: str) -> Fields:
        """Return a product's fields."""
        found = self._product(key)
        return {
            "ProductKey": found.key,
            "ProductName": found.name,
            "ProductSecret": found.open_secret(self._registry.master),
            "NodeType": found.node_type,
            "DataFormat": found.data_format,
            "AuthType": found.auth_type,
            "AliyunCommodityCode": found.commodity,
            "Description": found.description,
            "ProtocolType": found.protocol,
            "NetType": _NET_TYPES[found.net_type],
            "ValidateType": found.validation,
            "CategoryKey": found.category,
            "GmtCreate": found.created_at,
            "DeviceCount": self.count(product_id=found.id)["DeviceCount"],
            # Nameplate has no other.
            "Id2": False,
            "Owner": True,
            "ProductStatus": "DEVELOPMENT_STATUS",
        }

    def device(self, chosen: Fields) -> Fields:
        """Return a device's fields; it is chosen by IotId, or by ProductKey and DeviceName."""
        found = self._device(chosen)
        product = self._store.products.get(found.product_id)
        status_at = found.created_at if found.status_at is None else found.status_at
        modified_at = found.created_at if found.modified_at is None else found.modified_at
        return {
            "ProductKey": product.key,
            "ProductName": product.name,
            "NodeType": product.node_type,
            "DeviceName": found.name,
            "DeviceSecret": self._secret(product, found),
            "DeviceId": self._registry.iot_ids.device_id(found.id),
            "IotId": self._registry.iot_ids.iot_id(found.id),
            "Nickname": found.nickname,
            "Sn": found.sn,
            "Status": Status(found.status).name,
            "DeviceStatus": Status(found.status).name,
            "Timestamp": status_at,
            "Region": self._registry.region,
            "Owner": True,
            **{f"Gmt{name}": _cookie(at) for name, at in (("Create", found.created_at), ("Modified", modified_at))},
            **{f"Utc{name}": _utc(at) for name, at in (("Create", found.created_at), ("Modified", modified_at))},
            **{f"Utc{name}": _utc(at) for name, at in (("Active", found.activated_at), ("Online", found.online_at))},
        }

    def beijing(self, chosen: Fields) -> Fields:
        """Return the times of a device that are in UTC+8."""
        found = self._device(chosen)
        times = {"GmtCreate": found.created_at, "GmtActive": found.activated_at, "GmtOnline": found.online_at}
        return {name: _beijing(at) for name, at in {**times, "LastOnlineTime": found.online_at}.items()}

    def certificate(self, chosen: Fields) -> Fields:
        """Return the fields of a device's certificate."""
        found = self._store.certificates.find(self._device(chosen).id)
        assert found is not None
        certificate = x509.load_der_x509_certificate(found.certificate)
        key = load_der_private_key(found.open_key(self._registry.master), None)
        return {
            "CertSN": str(certificate.serial_number),
            "Certificate": certificate.public_bytes(Encoding.PEM).decode(),
            "PrivateKey": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            # It is there.
            "Status": 2,
        }

    def props(self, chosen: Fields) -> Fields:
        """Return a device's tags, as the text of an object."""
        tags = self._store.tags.of(self._device(chosen).id)
        return {"Props": json.dumps(dict(sorted(tags.items())), separators=(",", ":"), ensure_ascii=False)}

    def group(self, group_id: str) -> Fields:
        """Return a group's fields."""
        found = self._group(group_id)
        counts = self.count(group_id=found.id)
        return {
            "GroupId": found.key,
            "GroupName": found.name,
            "GroupDesc": found.description,
            "GroupType": "LINK_PLATFORM",
            "UtcCreate": _utc(found.created_at),
            "DeviceOnline": counts["onlineCount"],
            "DeviceActive": counts["activeCount"],
            **counts,
        }

    def scope(self, chosen: Fields) -> Fields:
        """Return how many devices there are of a product and of a group."""
        product_id = self._product(chosen["ProductKey"]).id if "ProductKey" in chosen else None
        group_id = self._group(chosen["GroupId"]).id if "GroupId" in chosen else None
        return self.count(product_id=product_id, group_id=group_id)

    def batch(self, chosen: Fields) -> Fields:
        """Return a batch's fields."""
        found = self._store.batches.find(int(chosen["ApplyId"]))
        assert found is not None
        return {
            "ApplyId": found.id,
            "ProductKey": found.product_key,
            "Status": found.state.value,
            "Total": found.total,
            "Done": found.done,
            "Failed": found.refused,
        }

    def names(self, chosen: Fields, path: str) -> Fields:
        """Return the names in the list of a failed check's answer that is at a path."""
        refused = [row.name for row in self._store.batches.refused(int(chosen["ApplyId"]))]
        if path == ".Data.InvalidList":
            return {"Name": refused}
        sent = self._store.batches.names(int(chosen["ApplyId"]))
        return {"Name": [name for name in sent if name not in refused]}

    def refused(self, chosen: Fields, name: str) -> Fields:
        """Return a batch's row that was refused."""
        rows = {row.name: row for row in self._store.batches.refused(int(chosen["ApplyId"]))}
        return {"DeviceName": name, "NickName": rows[name].nickname, "ErrorMsg": rows[name].reason}

    def count(self, product_id: int | None = None, group_id: int | None = None) -> Fields:
        """Count devices of a product, of a group, or all."""
        where = [] if product_id is None else [device_table.c.product_id == product_id]
        if group_id is not None:
            members = select(group_member.c.device_id).where(group_member.c.group_id == group_id)
            where.append(device_table.c.id.in_(members))
        active, online = device_table.c.activated_at.is_not(None), device_table.c.status == Status.ONLINE
        counts = [select(func.count()).where(*where, *more) for more in ((), (online,), (active,))]
        with self._store.database.transaction() as connection:
            devices, online_now, ever = (connection.scalar(one.select_from(device_table)) for one in counts)
        return {"DeviceCount": devices, "deviceCount": devices, "onlineCount": online_now, "activeCount": ever}

    def _product(self, key: str) -> Product:
        found = self._store.products.find(key)
        assert found is not None
        return found

    def _device(self, chosen: Fields) -> Device:
        if "IotId" in chosen:
            number = self._registry.iot_ids.read(chosen["IotId"])
            assert number is not None
            found = self._store.devices.find(number)
        else:
            found = self._store.devices.find_name(self._product(chosen["ProductKey"]).id, chosen["DeviceName"])
        assert found is not None
        return found

    def _group(self, group_id: str) -> Group:
        found = self._store.groups.find(group_id)
        assert found is not None
        return found

    def _secret(self, product: Product, found: Device) -> str:
        if found.secret is not None:
            return found.open_secret(self._registry.master)
        if product.auth_type == "x509":
            return ""
        return product.device_secrets(self._registry.master).secret(found.id, found.generation)


@contextmanager
def beside(server: Server) -> Iterator[Stored]:
    """Open a running server's database."""
    with open_registry(
        Settings(data_dir=server.data_dir, database_url=server.settings.get("database_url"))
    ) as registry:
        yield Stored(registry)


def _utc(moment: int | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cookie(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%a, %d-%b-%Y %H:%M:%S GMT")


def _beijing(moment: int | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment / 1000, _BEIJING).isoformat(" ", "seconds").removesuffix("+08:00")
