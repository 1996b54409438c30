"""What anybody may read: the OpenAPI document, and what the codes of problems mean."""

from typing import Any

from nameplate.rest.openapi import document
from nameplate.rest.problems import catalogue
from nameplate.rest.routes import route


@route("GET", "/v1/openapi.json", role=None)
def get_openapi() -> dict[str, Any]:
    """Return this document."""
    return document()


@route("GET", "/v1/problems", role=None, media_type="text/markdown")
def get_problems() -> str:
    """Explain the codes of problems."""
    return "\n".join(["# Problems", "", *problems_table(), ""])


def problems_table() -> list[str]:
    """Write the catalogue of problems as the lines of a table."""
    lines = ["| Code | HTTP | What it means | What to do |", "|---|---|---|---|"]
    rows = [(f"`{one.code}`", str(one.status), f"{one.title}. {one.detail}", one.fix) for one in catalogue()]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
