"""Who may call what: the roles of access keys."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What an access key may do; each role may also do what the ones before it may."""

    READER = "reader"
    """Look things up, secrets included."""

    REGISTRAR = "registrar"
    """Register devices."""

    ADMIN = "admin"
    """Create and change products."""

    def may(self, needed: "Role") -> bool:
        """Whether a key of this role may call what needs `needed`."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
