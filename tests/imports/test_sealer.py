"""Secrets that are sealed beside the reading of their file."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from nameplate.domain.device import first_id
from nameplate.domain.secrets import MasterKey, unpack
from nameplate.files.vault import Vault
from nameplate.imports.reading_order import Order, write_order
from nameplate.imports.sealer import Sealer, SealerGoneError
from nameplate.loading import program
from nameplate.store.devices import SECRET_OWNER, secret_owner
from tests.support.disk import wait_until

KEY = secrets.token_bytes(32)
PARTS = (["a" * 32, None, "b" * 16], [f"{number:032x}" for number in range(10_000)], [None], ["c"] * 3)
HOLDS_ONE = f"""
import sys, time
from nameplate.imports.sealer import Sealer
sealer = Sealer(bytes(32), {SECRET_OWNER!r})
for first in (1, 2):
    sealer.seal(["secret"], first)()
print(sealer.process.pid, flush=True)
time.sleep(600)
"""
SEALER_DIES = """
import nameplate.imports.sealer as sealer
sealer._PROGRAM = ("false",)
from nameplate.imports.reading import main
main()
"""


def test_each_part_comes_back_sealed_for_its_devices() -> None:
    master = MasterKey(KEY)
    with Sealer(KEY, SECRET_OWNER) as sealer:
        first, asked = 1 << 24, []
        for part in PARTS:
            asked.append((first, part, sealer.seal(part, first)))
            first += len(part)
        for first, part, sealed in asked:
            opened = [
                value and master.open(value, secret_owner(number)).decode()
                for number, value in enumerate(unpack(sealed()), first)
            ]
            assert opened == part


def test_a_file_of_one_part_needs_no_process() -> None:
    with Sealer(KEY, SECRET_OWNER) as sealer:
        sealer.seal(["secret"], 1)()
        assert sealer.process is None


def test_whoever_waits_for_a_process_that_has_died_is_told() -> None:
    with Sealer(KEY, SECRET_OWNER) as sealer:
        for first in (1, 2):
            sealer.seal(["secret"], first)()
        assert sealer.process is not None
        sealer.process.kill()
        with pytest.raises(SealerGoneError):
            sealer.seal(["secret"] * 10_000, 3)()


def test_it_ends_with_the_process_that_has_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS_ONE], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        number = int(holder.stdout.readline())
        assert Path(f"/proc/{number}").exists()
        holder.kill()
    wait_until(lambda: not Path(f"/proc/{number}").exists())


def test_an_interrupt_from_the_terminal_does_not_end_it() -> None:
    with Sealer(KEY, SECRET_OWNER) as sealer:
        for first in (1, 2):
            sealer.seal(["secret"], first)()
        assert sealer.process is not None
        os.kill(sealer.process.pid, signal.SIGINT)
        assert len(unpack(sealer.seal(["secret"] * 3, 3)())) == 3


ORDER = orjson.dumps({"master_key": bytes(32).hex(), "owner": SECRET_OWNER}) + b"\n"


@pytest.mark.parametrize("told", [b"", ORDER[:-9], ORDER, ORDER + b'{"secrets": ["cut o'])
def test_it_is_asked_for_nothing_or_for_what_is_cut_off(told: bytes) -> None:
    ended = subprocess.run(program("nameplate.imports.sealer", "main"), input=told, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_reading_whose_sealer_has_died_ends_without_a_word(tmp_path: Path) -> None:
    with Vault(tmp_path / "file", KEY) as vault:
        vault.append(b"DeviceName,DeviceSecret\n" + b"".join(b"pump-%d,%032d\n" % (n, n) for n in range(9)))
    order = Order(
        path=str(tmp_path / "file"),
        key=KEY.hex(),
        received=vault.received,
        name="file.csv",
        layout={},
        columns=None,
        batch_id=first_id(1) >> 24,
        first=0,
        rows_per_part=2,
        memory=100 * 2**20,
        directory=str(tmp_path),
        master_key=KEY.hex(),
        secret_owner=SECRET_OWNER,
        is_correction=False,
        lines=0,
    )
    command = [sys.executable, "-c", SEALER_DIES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdin is not None
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdin.write(write_order(order, None))
        reading.stdin.flush()
        told = reading.stdout.read()
        assert (reading.wait(), reading.stderr.read()) == (1, b"")
    assert b'"kind":"layout"' in told
    assert b'"kind":"end"' not in told
