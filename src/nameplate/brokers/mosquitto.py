"""For Mosquitto, which asks nobody: its password file and its access list, for devices that use plain passwords.

Such a device's user name is `{deviceName}&{productKey}` and its password is its DeviceSecret. Of the access list the
`user` and `topic` lines of the chosen products' devices are Nameplate's; all others stay as they are.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.domain.device_auth import read_username
from nameplate.domain.topics import Action, Rule, fill, own_filters
from nameplate.store.applicants import Applicant

_PAGE: Final = 10_000
_ITERATIONS: Final = 101
"""What Mosquitto's own program takes; a DeviceSecret has 128 bits, which no number of guesses finds."""

_SALT_BYTES: Final = 12
_MOST_SLASHES: Final = 200
"""Mosquitto refuses the whole list for a filter with more."""

_ACCESS: Final = {None: "readwrite", Action.PUBLISH: "write", Action.SUBSCRIBE: "read"}


class Files(NamedTuple):
    """The texts of both files."""

    passwords: str
    access: str


class Drift(NamedTuple):
    """How the files differ from the registry: user names."""

    missing: list[str]
    """Devices that the files keep out and should not."""

    changed: list[str]
    """Devices whose passwords or topics are not those of the files."""

    unwanted: list[str]
    """Devices that the files let in and should not: deleted or disabled."""

    def __bool__(self) -> bool:
        return any(self)


class _Entry(NamedTuple):
    """What the files have of one device."""

    password: str
    access: list[str]


class Mosquitto:
    """What the files have to say of some products' devices."""

    def __init__(self, registry: Registry, product_keys: Iterable[str]) -> None:
        self._registry = registry
        self._keys = sorted(set(product_keys))
        self.left_out: list[str] = []
        """User names that the password file cannot hold: it takes what follows a colon for the password."""

        self.rules_left_out: list[str] = []
        """Filters of rules that the access list cannot hold."""

        self._wanted = dict(self._entries())

    @property
    def devices(self) -> int:
        """How many devices may connect."""
        return len(self._wanted)

    def drift(self, present: Files) -> Drift:
        """Return how files differ from the registry."""
        passwords, access = self._own_passwords(present.passwords), self._own_sections(present.access)
        wanted, there = self._wanted, passwords.keys() | access.keys()
        changed = [
            name
            for name, entry in wanted.items()
            if name in there and (passwords.get(name), access.get(name)) != ([entry.password], entry.access)
        ]
        return Drift(
            [name for name in wanted if name not in there],
            changed,
            sorted(name for name in there if name not in wanted),
        )

    def write(self, present: Files) -> Files:
        """Return the files as they should be; what is not of these products' devices stays."""
        kept = [line for line in _lines(present.passwords) if not self._is_own(_credentials(line)[0])]
        passwords = [*kept, *(f"{name}:{entry.password}" for name, entry in self._wanted.items())]
        access: list[str] = []
        for name, lines in _sections(present.access):
            # What is for everybody may stand behind a device's topics too.
            is_own = name is not None and self._is_own(name)
            access += [line for line in lines[1:] if not _is_topic(line)] if is_own else lines
        for name, entry in self._wanted.items():
            access += [f"user {name}", *entry.access]
        return Files(_join(passwords), _join(access))

    def _entries(self) -> Iterator[tuple[str, _Entry]]:
        rules = {key: self._rules(key) for key in self._keys}
        for device in self._devices():
            name = f"{device.name}&{device.product_key}"
            if device.status == Status.DISABLE or device.has_certificate:
                continue
            if ":" in name:
                self.left_out.append(name)
                continue
            filters = own_filters(device.identity)
            filters += [(rule.action, fill(rule.filter, device.identity)) for rule in rules[device.product_key]]
            access = [f"topic {_ACCESS[action]} {text}" for action, text in filters]
            yield name, _Entry(self._hash(name, device.open_secret(self._registry.master)), access)

    def _rules(self, key: str) -> list[Rule]:
        """Return the topics that a product allows its devices beyond their own, and that the list can hold."""
        product = self._registry.store.products.find(key)
        rules = [] if product is None else self._registry.store.device_access.rules(product.id)
        fitting = [rule for rule in rules if _fits(rule.filter)]
        self.rules_left_out += [rule.filter for rule in rules if rule not in fitting]
        return fitting

    def _devices(self) -> Iterator[Applicant]:
        for key in self._keys:
            page = self._registry.store.applicants.page(key, "", _PAGE)
            while page:
                yield from page
                page = self._registry.store.applicants.page(key, page[-1].name, _PAGE)

    def _hash(self, name: str, password: str) -> str:
        # The same salt each time, so that what has not changed is written as it was.
        keyed = hashlib.blake2b(
            name.encode(), key=self._registry.token_key, digest_size=_SALT_BYTES, person=b"mosquitto-salt"
        )
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), keyed.digest(), _ITERATIONS)
        salt, made = (base64.b64encode(part).decode() for part in (keyed.digest(), digest))
        return f"$7${_ITERATIONS}${salt}${made}"

    def _is_own(self, name: str) -> bool:
        identity = read_username(name)
        return identity is not None and identity.product_key in self._keys

    def _own_passwords(self, text: str) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in _lines(text):
            name, password = _credentials(line)
            if self._is_own(name):
                found.setdefault(name, []).append(password)
        return found

    def _own_sections(self, text: str) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, lines in _sections(text):
            if name is not None and self._is_own(name):
                # Mosquitto puts the sections of one user together.
                found.setdefault(name, []).extend(filter(_is_topic, lines))
        return found


def _fits(text: str) -> bool:
    """Whether a line can hold a filter, and Mosquitto takes the line."""
    return text.isprintable() and text == text.strip() and text.count("/") <= _MOST_SLASHES


def _lines(text: str) -> list[str]:
    """Split a text where Mosquitto does, which `splitlines` does not."""
    return text.removesuffix("\n").split("\n") if text else []


def _credentials(line: str) -> tuple[str, str]:
    """Return the user name and the password of a line, as Mosquitto finds them."""
    name, _, password = line.lstrip(":").partition(":")
    return name.strip(), password


def _sections(text: str) -> list[tuple[str | None, list[str]]]:
    """Split an access list: what is for everybody, then each user's lines, the one that names him first."""
    found: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in _lines(text):
        word, _, rest = line.lstrip(" ").partition(" ")
        if word == "user":
            found.append((rest.strip(), []))
        found[-1][1].append(line)
    return found


def _is_topic(line: str) -> bool:
    return line.lstrip(" ").startswith("topic ")


def _join(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
