"""What of the vendor's API is covered, written from the code: the coverage page."""

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from nameplate import operations
from nameplate.domain.rates import RATES
from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS, Operation

__all__ = ["coverage_page", "operations"]

_NOUNS: Final = (
    operations.products,
    operations.batches,
    operations.imports,
    operations.certificates,
    operations.devices,
    operations.device_lists,
    operations.device_status,
    operations.tags,
    operations.groups,
)
_NOT_COVERED: Final = (
    ("Firmware upgrades (OTA)", "OTA"),
    ("Edge instances and drivers", "Edge"),
    ("Speech and sound codes", "Speech|SoundCode|SharePromotion|ShareTask"),
    ("Applications and projects (IoT Studio)", "Studio|Project|Solution"),
    (
        "Data sources, services and parsers",
        "DataAPI|DataSource|ForApi|Parser|Destination|Analytics|DTData|Download|UserDefineTable|TimelineTable",
    ),
    ("Thing models and scripts", "ThingModel|ThingScript|ThingTemplate|Script$"),
    (
        "Properties, events, services and shadows",
        "Propert|Event|Things?Service|ServiceData|Shadow|HotStorage|Timeline|DeviceFile",
    ),
    ("Rules and scenes", "Rule"),
    ("Messages, topics and subscriptions", "Pub|RRpc|Topic|Message|ConsumerGroup|Subscri|ClientId"),
    ("Gateways and their sub-devices", "Topo|SubDevice"),
    ("Moving devices to other instances and accounts", "Distribute|Provisioning|Migration"),
    ("Vehicles, places, pictures, power stations, LoRaWAN", "Vehicle|Gis|Recognize|PowerStation|LoRa|Lora"),
    ("Jobs and tasks", "Job|Task|SchedulePeriod"),
    ("Tunnels to devices", "Tunnel"),
    ("Licenses", "License"),
    (
        "Dynamic groups; tags of products and of groups",
        "DynamicGroup|SuperDeviceGroup|GroupTag|ByTags|ProductTags",
    ),
    ("Everything else", ""),
)
"""The vendor's other nouns, and what is in the names of their actions; the first counts."""

_ABOUT: Final = f"""\
# Coverage

Generated from the code by `make docs`. Of the {len(VENDOR_ACTIONS)} actions of the vendor's API Nameplate covers
{len(OPERATIONS)}: what registers, finds, changes, labels and removes products and devices.

{{links}}

What holds for every operation:

- Codes of refusals are the vendor's, texts are not. [Refusals](errors.md) has them all.
- IotInstanceId may be left out. If it is sent it must be what the setting `instance_id` says.
- Calls per second are the vendor's, for an account. Each server process enforces them, with the setting
  `quotas=vendor`. QueryDevice and QueryProductList have 2 once CurrentPage × PageSize reaches 100,000.
"""


_ABOUT_THE_REST: Final = """\
## Not covered

A call of one of these is refused with `InvalidAction.NotFound` and a link to this page.

| | | Actions |
|---|--:|---|"""


def coverage_page() -> str:
    """Write docs/coverage.md."""
    titles = [*(_title(noun) for noun in _NOUNS), "Not covered"]
    links = " · ".join(f"[{title}](#{title.lower().replace(' ', '-')})" for title in titles)
    parts = [_ABOUT.format(links=links)]
    for noun in _NOUNS:
        parts += [f"## {_title(noun)}", "", (inspect.getdoc(noun) or "").partition("\n\n")[0], ""]
        parts += ["| Action | Calls per second | What it does | Limits, and differences from the vendor's |"]
        parts += ["|---|--:|---|---|", *_rows(noun), ""]
    parts.append(_ABOUT_THE_REST)
    parts += [f"| {title} | {len(actions)} | {', '.join(actions)} |" for title, actions in uncovered()]
    return "\n".join(parts) + "\n"


def uncovered() -> Iterator[tuple[str, list[str]]]:
    """Yield the vendor's nouns that are not covered, and the Actions of each."""
    rest = sorted(VENDOR_ACTIONS.difference(OPERATIONS))
    for title, pattern in _NOT_COVERED:
        yield title, [action for action in rest if re.search(pattern, action)]
        rest = [action for action in rest if not re.search(pattern, action)]


def _title(noun: ModuleType) -> str:
    return noun.__name__.rpartition(".")[2].replace("_", " ").capitalize()


def _rows(noun: ModuleType) -> list[str]:
    return [_row(operation) for operation in OPERATIONS.values() if operation.function.__module__ == noun.__name__]


def _row(operation: Operation) -> str:
    summary, *more = re.split(r"(?<=\.) ", " ".join(operation.documentation.split()))
    notes = " ".join(more).replace("Unlike the vendor's", "**Unlike the vendor's**")
    link = f"[{operation.action}](operations.md#{operation.action.lower()})"
    return f"| {link} | {RATES[operation.action]} | {summary} | {notes} |"
