"""The subject of a device's certificate, as brokers write it."""

import re
from typing import Final

from nameplate.domain.certificates import Subject

# Brokers write RFC 4514 (`CN=…,O=…`), OpenSSL's old form (`/O=…/CN=…`), or `O = …, CN = …`.
_PART: Final = re.compile(r"\s*([A-Za-z0-9.]+)\s*=\s*([A-Za-z0-9\-_@.:]+)\s*")
_NAMES: Final = {
    "o": "product_key",
    "organizationname": "product_key",
    "2.5.4.10": "product_key",
    "cn": "device_name",
    "commonname": "device_name",
    "2.5.4.3": "device_name",
    "serialnumber": "iot_id",
    "2.5.4.5": "iot_id",
}
_LONGEST: Final = 512


def read_subject(text: str) -> Subject | None:
    """Read whom a certificate is for; None if it is not one that this registry's CA would sign.

    Every part has to be there once: a subject with two common names is nobody's.
    """
    if len(text) > _LONGEST:
        return None
    found: dict[str, str] = {}
    for part in re.split("[,/+]", text.removeprefix("/")):
        read = _PART.fullmatch(part)
        name = None if read is None else _NAMES.get(read[1].lower())
        if read is None or name is None or name in found:
            return None
        found[name] = read[2]
    return Subject(**found) if len(found) == len(Subject.__slots__) else None
