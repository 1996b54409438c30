"""How a program is loaded: once, and left alone by the collector from then on."""

import gc
import sys
from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import a module, and have the collector leave alone what that made.

    All of it stays until the end. To look through it, while it is made and at the end, takes a third of a start.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def program(module: str, function: str) -> tuple[str, ...]:
    """Return the command that runs a function of a module in a process of its own."""
    return sys.executable, "-c", f"from nameplate.loading import load; load({module!r}).{function}()"
