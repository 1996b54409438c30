import csv
import stat
import subprocess
import sys
from pathlib import Path


def test_the_demo_registers_devices_and_writes_their_credentials(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nameplate", "demo", "--devices", "450"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "devices per second" in ended.stdout
    output = tmp_path / "devices.csv"
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [row["DeviceName"] for row in rows] == [f"pump-{number:06}" for number in range(450)]
    assert len({row["DeviceSecret"] for row in rows}) == 450
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["devices.csv"]
