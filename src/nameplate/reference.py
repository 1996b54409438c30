"""The reference pages, written from the code: operations, refusals, settings."""

from nameplate import operations
from nameplate.errors import catalogue
from nameplate.refusal import Refusal
from nameplate.settings import PREFIX, Settings
from nameplate.wire.operation import OPERATIONS, Operation, Parameter, wire_name

__all__ = ["errors_page", "operations", "operations_page", "settings_page"]

_KINDS = {str: "String", int: "Long", bool: "Boolean"}


def operations_page() -> str:
    """Write docs/operations.md."""
    parts = [
        "# Operations",
        "",
        "Generated from the code by `make docs`. Names are literal, misspellings included.",
        "",
    ]
    for operation in OPERATIONS.values():
        parts += _operation(operation)
    return "\n".join(parts).rstrip() + "\n"


def errors_page() -> str:
    """Write docs/errors.md."""
    parts = [
        "# Refusals",
        "",
        "Generated from the code by `make docs`. With HTTP 200 a refusal is the operation's own answer: `Success` is",
        "false, with `Code` and `ErrorMessage`. Every other status is the gateway's: `Code` and `Message`.",
        "",
        "| Code | HTTP | Message |",
        "|---|---|---|",
    ]
    parts += [_refusal(refusal) for refusal in catalogue()]
    return "\n".join(parts) + "\n"


def settings_page() -> str:
    """Write docs/settings.md."""
    parts = [
        "# Settings",
        "",
        "Generated from the code by `make docs`. Each is an environment variable and an option of `nameplate serve`;",
        "the option wins. Secrets are taken from the environment only.",
        "",
        "| Variable | Option | Default | |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        option = "" if is_secret(name) else f"`--{name.replace('_', '-')}`"
        default = "" if field.default is None else f"`{field.default}`"
        parts.append(f"| `{PREFIX}{name.upper()}` | {option} | {default} | {field.description} |")
    return "\n".join(parts) + "\n"


def is_secret(name: str) -> bool:
    """Whether a setting is a secret, and so has no command-line option: others can read command lines."""
    return "SecretStr" in str(Settings.model_fields[name].annotation)


def _operation(operation: Operation) -> list[str]:
    lane = "" if not operation.inline else " A cheap read."
    parts = [
        f"## {operation.action}",
        "",
        operation.documentation,
        "",
        f"Needs the role `{operation.role}`.{lane}",
        "",
    ]
    parts += ["| Parameter | Type | Required |", "|---|---|---|"]
    for parameter in operation.parameters:
        required = "yes" if parameter.required else "no"
        parts += [f"| {name} | {kind} | {required} |" for name, kind in _names(parameter)]
    return [*parts, ""]


def _names(parameter: Parameter) -> list[tuple[str, str]]:
    if parameter.kind is not list:
        return [(parameter.name, _KINDS[parameter.kind])]
    if parameter.item is str:
        return [(f"{parameter.name}.N", "String")]
    return [(f"{parameter.name}.N.{wire_name(field)}", "String") for field in parameter.item._fields]


def _refusal(refusal: Refusal) -> str:
    return f"| `{refusal.code}` | {refusal.status} | {refusal.message} |"
