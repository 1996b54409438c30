"""The rows of a part that comes from a file, and how they compare to devices that exist."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import orjson

from nameplate.domain.device import first_id
from nameplate.domain.file_batch import VALUE_LENGTH, FindingKind
from nameplate.domain.product import AuthType
from nameplate.domain.secrets import MasterKey, unpack
from nameplate.store.database import Existing
from nameplate.store.devices import secret_owner
from nameplate.store.findings import StoredFinding
from nameplate.store.parts import Claim
from nameplate.store.products import Product

_EXISTS: Final = "A device of this name exists with another {column}."
_EXISTS_FIX: Final = "Correct the name, or apply with replace_secrets to give the device what this row says."
_TAKEN: Final = "A device of this name was created between the check and now."
_TAKEN_FIX: Final = "Retry, which compares it with this row, or correct the name."

Tags = Mapping[str, str]


class Difference(NamedTuple):
    """A column in which a row is not as its device; the value is not told if it is a secret."""

    column: str
    value: str | None


class FileRows:
    """The columns of a claimed part; one that its file does not have is None."""

    def __init__(self, claim: Claim, read_sealed: Callable[[Claim], bytes]) -> None:
        """`read_sealed` is asked for the secrets when they are needed."""
        assert claim.lines is not None
        self._claim = claim
        self._read_sealed = read_sealed
        self.lines: Sequence[int] = memoryview(claim.lines).cast("I")

    @cached_property
    def names(self) -> list[str]:
        """The names."""
        assert self._claim.names is not None
        names: list[str] = orjson.loads(self._claim.names)
        return names

    @cached_property
    def nicknames(self) -> list[str | None] | None:
        """The nicknames."""
        return None if self._claim.nicknames is None else _texts(self._claim.nicknames)

    @cached_property
    def sns(self) -> list[str | None] | None:
        """The serial numbers."""
        return None if self._claim.sns is None else _texts(self._claim.sns)

    @cached_property
    def tags(self) -> list[Tags | None] | None:
        """The tags."""
        tags: list[Tags | None] | None = None if self._claim.tags is None else orjson.loads(self._claim.tags)
        return tags

    @cached_property
    def sealed(self) -> list[bytes | None] | None:
        """The secrets, each sealed for the device that its row would have."""
        return unpack(self._read_sealed(self._claim)) if self._claim.has_sealed else None

    def id_of(self, row: int) -> int:
        """Return the id that a row's device has, or would have."""
        return first_id(self._claim.batch_id) + self._claim.first + row

    def secret(self, row: int, master: MasterKey) -> str | None:
        """Return the secret that a row brings, or None."""
        sealed = None if self.sealed is None else self.sealed[row]
        return None if sealed is None else master.open_once(sealed, secret_owner(self.id_of(row))).decode()

    def finding(self, row: int, place: int, difference: Difference) -> StoredFinding:
        """Say that a device of a row's name exists otherwise."""
        problem = _EXISTS.format(column=difference.column)
        return self._finding(row, place, FindingKind.CONFLICT, difference, (problem, _EXISTS_FIX))

    def taken(self, row: int) -> StoredFinding:
        """Say that a row's name was taken meanwhile."""
        name = Difference("DeviceName", self.names[row])
        return self._finding(row, 0, FindingKind.TAKEN, name, (_TAKEN, _TAKEN_FIX))

    def _finding(
        self, row: int, place: int, kind: FindingKind, difference: Difference, words: tuple[str, str]
    ) -> StoredFinding:
        column, value = difference
        shown = value and value[:VALUE_LENGTH]
        return StoredFinding(self.lines[row], place, kind, self._claim.first + row, column, shown, *words)


class Comparison:
    """Compares rows with devices of one product. An empty cell says nothing."""

    def __init__(self, rows: FileRows, product: Product, master: MasterKey) -> None:
        self._rows = rows
        self._master = master
        self._has_certificates = product.auth_type == AuthType.X509
        self._derived: Callable[[int, int], str] | None = None
        if rows.sealed is not None and not self._has_certificates:
            self._derived = product.device_secrets(master).secret

    def differences(self, row: int, device: Existing, tags: Tags | None) -> list[Difference]:
        """Return in what a row is not as the device of its name."""
        rows = self._rows
        found = []
        for column, texts, there in (("Nickname", rows.nicknames, device.nickname), ("Sn", rows.sns, device.sn)):
            text = None if texts is None else texts[row]
            if text is not None and text != there:
                found.append(Difference(column, text))
        wanted = None if rows.tags is None else rows.tags[row]
        if wanted and wanted != (tags or {}):
            found.append(Difference("Tags", orjson.dumps(wanted).decode()))
        secret = rows.secret(row, self._master)
        if secret is not None and secret != self._secret(device):
            found.append(Difference("DeviceSecret", None))
        return found

    def _secret(self, device: Existing) -> str:
        if device.secret is not None:
            return self._master.open_once(device.secret, secret_owner(device.id)).decode()
        return "" if self._derived is None else self._derived(device.id, device.generation)


def _texts(written: str) -> list[str | None]:
    texts: list[str | None] = orjson.loads(written)
    return texts
