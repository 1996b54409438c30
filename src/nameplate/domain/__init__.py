"""The rules: what a name, a batch, a device, a secret is.

Pure: no I/O, no clock, no database.
"""
