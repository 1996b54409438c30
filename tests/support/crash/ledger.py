"""What clients asked for, and what they were told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import uuid4

from tests.support.signer import numbered

FINAL: Final = frozenset({"CHECK_FAILED", "CREATE_SUCCESS", "CREATE_FAILED"})
# One step goes through the statements of authentication; going through them again in each would show nothing new.
AUTHENTICATION: Final = r"^nonces|FROM access_key|FROM batch JOIN"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Credentials:
    secret: str
    iot_id: str

    @property
    def device(self) -> int:
        """The device's number in the database, which the documentation says the IotId starts with."""
        number = 0
        for character in self.iot_id[:11]:
            number = number * 62 + ALPHABET.index(character)
        return number


@dataclass
class Request:
    """One thing that a client wants, and what it was told about it.

    A batch of names, or of minted names, or one device. With `secrets` its devices are imported; one that is certified
    is of an X.509 product, and the secret that it is shown with is its private key.
    """

    product: str
    names: list[str] = field(default_factory=list)
    nicknames: dict[str, str] = field(default_factory=dict)
    minted: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    is_batch: bool = True
    is_certified: bool = False
    ends: frozenset[str] = frozenset({"CREATE_SUCCESS"})
    may_be_refused: frozenset[str] = frozenset()
    token: str = field(default_factory=lambda: uuid4().hex)

    answer: int | None = None
    ended: str = ""
    shown: dict[str, Credentials] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.minted or len(self.names)


class BatchRow(NamedTuple):
    id: int
    state: str
    total: int
    done: int
    refused: int


class DeviceRow(NamedTuple):
    id: int
    product: str
    name: str
    nickname: str | None
    is_imported: int
    certificates: int

    def answer(self, done: Mapping[int, Request]) -> int:
        """What the request that made it was answered: a batch's number is the high part of its devices'."""
        batch = self.id >> 24
        return batch if batch in done else self.id


@dataclass
class Ledger:
    """Everything that was asked for and told."""

    requests: list[Request] = field(default_factory=list)
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """What was done, as the database says, although the answer never arrived; by ClientToken."""

    def ask(self, request: Request) -> Request:
        self.requests.append(request)
        return request

    def hear(self, request: Request, answer: int) -> None:
        assert self.lost.get(request.token, answer) == answer
        assert request.answer in (None, answer)
        request.answer = answer


def read_credentials(data: Mapping[str, str]) -> Credentials:
    return Credentials(data["DeviceSecret"], data["IotId"])


def import_parameters(request: Request) -> dict[str, str]:
    """As DeviceList.N.…"""
    parameters = {}
    for number, name in enumerate(request.names, 1):
        parameters[f"DeviceList.{number}.DeviceName"] = name
        parameters[f"DeviceList.{number}.DeviceSecret"] = request.secrets[name]
    return parameters


def names_parameters(request: Request) -> dict[str, str]:
    """As DeviceName.N, or with nicknames as DeviceNameList.N.…"""
    if not request.nicknames:
        return numbered("DeviceName", request.names)
    parameters = {}
    for number, name in enumerate(request.names, 1):
        parameters[f"DeviceNameList.{number}.DeviceName"] = name
        parameters[f"DeviceNameList.{number}.DeviceNickname"] = request.nicknames.get(name, "")
    return parameters


def new_names(count: int) -> list[str]:
    start = uuid4().hex[:12]
    return [f"{start}-{number}" for number in range(count)]


def report(record: Callable[[str, object], None], where: str, kills: int, more: str) -> None:
    record(f"kills {where}", kills)
    print(f"{kills} kills {where}; {more}")  # noqa: T201 (shown with -rP)
