"""How much is measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.sites import Sites


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and where the registries come from."""

    rounds: int
    quick: bool
    sites: Sites
    say: Callable[[str], None]
    file_rows: int
    """In the files that are imported."""

    @property
    def scratch(self) -> Path:
        """Where the files go."""
        return self.sites.scratch

    def each_round(self, what: str) -> Iterable[int]:
        """Count the rounds, saying so."""
        for number in range(1, self.rounds + 1):
            self.say(f"{what}: round {number} of {self.rounds}")
            yield number

    def size(self, full: int, quick: int) -> int:
        """Return how much to do: less when a quick run was asked for."""
        return quick if self.quick else full
