"""Device lists in memory: read whole, as tests want them."""

import io
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from nameplate.files.detection import detect
from nameplate.files.layout import Layout
from nameplate.files.reading import read
from nameplate.files.rows import Finding, Rows

Row = dict[str, Any]


def opener(data: bytes) -> Callable[[], BinaryIO]:
    """Return what opens this file from its beginning."""
    return lambda: io.BytesIO(data)


def read_all(data: bytes, name: str = "devices.csv", given: Layout | None = None) -> tuple[list[Row], list[Finding]]:
    """Return a file's rows, each as an object, and its findings."""
    layout = detect(opener(data), name, given or Layout())
    return collected(read(opener(data), layout))


def collected(read_: Iterable[tuple[Rows, list[Finding]]]) -> tuple[list[Row], list[Finding]]:
    """Return all rows, each as an object, and all findings."""
    rows: list[Row] = []
    findings: list[Finding] = []
    for some, found in read_:
        rows += objects(some)
        findings += found
    return rows, findings


def objects(rows: Rows) -> list[Row]:
    """Return rows as objects, without the columns that their file does not have."""
    columns = {
        "line": list(rows.lines),
        "DeviceName": rows.names,
        "Nickname": rows.nicknames,
        "DeviceSecret": rows.secrets,
        "Sn": rows.sns,
        "Tags": rows.tags,
    }
    there = {name: values for name, values in columns.items() if values is not None}
    return [dict(zip(there, values, strict=True)) for values in zip(*there.values(), strict=True)]


def places(findings: Iterable[Finding]) -> list[tuple[int, str]]:
    """Return where findings are."""
    return [(finding.line, finding.column) for finding in findings]
