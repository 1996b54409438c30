"""Results by group, as they are kept in a file: each group with the circumstances it was measured in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.figure import Figure


@dataclass(frozen=True, slots=True)
class Group:
    """What one group came to."""

    name: str
    machine: Mapping[str, Any]
    rounds: int
    quick: bool
    seconds: float
    cores_used_by: Mapping[str, float]
    figures: Sequence[Figure]

    def as_json(self) -> dict[str, Any]:
        """Return everything that is known, rounds included."""
        return {
            "machine": dict(self.machine),
            "rounds": self.rounds,
            "quick": self.quick,
            "seconds": round(self.seconds),
            "cores_used_by": dict(self.cores_used_by),
            "figures": [figure.as_json() for figure in self.figures],
        }

    @classmethod
    def from_json(cls, name: str, found: Mapping[str, Any]) -> Self:
        """Return the group that was written as JSON."""
        figures = [Figure.from_json(figure) for figure in found["figures"]]
        return cls(name, **{**found, "figures": figures})


def read(path: Path) -> list[Group]:
    """Return the groups in a file; none if there is no file."""
    if not path.exists():
        return []
    return [Group.from_json(name, found) for name, found in json.loads(path.read_text())["groups"].items()]


def write(path: Path, groups: Sequence[Group]) -> None:
    """Write groups to a file."""
    document = {"groups": {group.name: group.as_json() for group in groups}}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def merge(path: Path, groups: Sequence[Group]) -> None:
    """Put groups into a file, each in the place of what the file had of it."""
    write(path, list({group.name: group for group in (*read(path), *groups)}.values()))
