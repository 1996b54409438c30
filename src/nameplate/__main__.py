"""`python -m nameplate` is the command line."""

from nameplate.cli import app

app()
