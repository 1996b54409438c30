"""Loads what a start of `nameplate` would, in the process that others are forked from."""

import importlib
import pkgutil
from typing import Final

from nameplate import cli

# Nobody asks for these before there is a server to run.
_LATE: Final = ("uvicorn.lifespan.off", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl")
_COMMANDS: Final = [f"{cli.__name__}.{found.name}" for found in pkgutil.iter_modules(cli.__path__)]

for _name in ("nameplate.server", "nameplate.processes", *_COMMANDS, *_LATE):
    importlib.import_module(_name)
