"""What of the vendor's API is covered, written from the code: the coverage page."""

from nameplate import operations
from nameplate.domain.rates import RATES
from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS, Operation

__all__ = ["coverage_page", "operations"]


def coverage_page() -> str:
    """Write docs/coverage.md."""
    uncovered = sorted(VENDOR_ACTIONS.difference(OPERATIONS))
    parts = [
        "# Coverage",
        "",
        f"Generated from the code by `make docs`. Of the vendor's {len(VENDOR_ACTIONS)} actions Nameplate covers",
        f"{len(OPERATIONS)}: what registers, finds, changes, labels and removes products and devices. The calls per",
        "second are the vendor's, for an account; they are enforced with the setting `quotas=vendor`. Every call may",
        "carry an IotInstanceId.",
        "",
        "| Action | Calls per second | |",
        "|---|--:|---|",
        *(_covered(OPERATIONS[action]) for action in sorted(OPERATIONS)),
        "",
        "## Not covered",
        "",
        "A call of one of these is refused with `InvalidAction.NotFound` and a link to this page.",
        "",
        ", ".join(uncovered),
    ]
    return "\n".join(parts) + "\n"


def _covered(operation: Operation) -> str:
    summary = operation.documentation.split("\n\n")[0].replace("\n", " ")
    return f"| {operation.action} | {RATES[operation.action]} | {summary} {_difference(operation)} |".replace("  ", " ")


def _difference(operation: Operation) -> str:
    """Return the sentence that says where an operation differs from the vendor's, if there is one."""
    sentences = operation.documentation.replace("\n", " ").split(". ")
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence.startswith("Unlike"))
