"""What is downloaded by a signed link: the certificates of a batch, as a ZIP file."""

import io
import re
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from nameplate.call import Registry
from nameplate.domain.certificates import certificate_pem, private_key_pem
from nameplate.domain.device import first_id

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9\-_@.]")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,14}")


class Downloads:
    """Checks links and makes the files behind them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def certificates(self, batch: str, expires: str, signature: str) -> bytes | None:
        """Return the ZIP file of a batch's certificates, or None if the link is not valid, or not any more.

        In it is a directory for each device, and the CA's certificate.
        """
        if _NUMBER.fullmatch(batch) is None or _NUMBER.fullmatch(expires) is None:
            return None
        batch_id, registry = int(batch), self._registry
        if not registry.certificates.is_link(batch_id, int(expires), signature, registry.clock()):
            return None
        file = io.BytesIO()
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr("ca.pem", registry.certificates.ca_pem)
            used: set[str] = set()
            for name, found in registry.store.certificates.between(first_id(batch_id), first_id(batch_id + 1) - 1):
                directory = _directory(name, used)
                archive.writestr(f"{directory}/certificate.pem", certificate_pem(found.certificate))
                archive.writestr(f"{directory}/private-key.pem", private_key_pem(found.open_key(registry.master)))
        return file.getvalue()


def _directory(name: str, used: set[str]) -> str:
    """Return a directory's name for a device: not every system allows what a device's name may hold."""
    safe = _UNSAFE.sub("_", name).rstrip(".")
    directory, number = safe, 1
    # Some systems do not tell letters of different case apart.
    while directory.lower() in used:
        number += 1
        directory = f"{safe}~{number}"
    used.add(directory.lower())
    return directory
