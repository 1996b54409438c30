"""A reader whose server has ended ends too, and has nothing to say about it."""

import io
import subprocess
import sys
from dataclasses import fields

import pytest

from nameplate.imports.reading_order import Order, read_order, write_order
from nameplate.loading import program

NOBODY_LISTENS = """
import os
from nameplate.imports.reading import Teller
read, write = os.pipe()
os.close(read)
Teller(os.fdopen(write, "wb")).tell("layout", layout={})
"""


def make_order(lines: set[int]) -> tuple[bytes, Order]:
    values = {field.name: field.name for field in fields(Order)}
    order = Order(**{**values, "is_correction": True, "lines": len(lines)})  # type: ignore[arg-type]  # only written
    return write_order(order, lines), order


def run(command: tuple[str, ...], told: bytes) -> tuple[int, bytes, bytes]:
    ended = subprocess.run(command, input=told, capture_output=True, check=False, timeout=60)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_server_that_ends_before_it_has_said_what_to_read(kept: float) -> None:
    written, _ = make_order({1, 2, 3})
    told = written[: int(len(written) * kept)]
    assert run(program("nameplate.imports.reading", "main"), told) == (1, b"", b"")


def test_a_server_that_ends_while_it_is_told() -> None:
    assert run((sys.executable, "-c", NOBODY_LISTENS), b"") == (1, b"", b"")


def test_an_order_is_whole_or_none() -> None:
    written, order = make_order({1, 2, 300_000})
    assert read_order(io.BytesIO(written)) == (order, {1, 2, 300_000})
    for length in range(len(written)):
        with pytest.raises(EOFError):
            read_order(io.BytesIO(written[:length]))
