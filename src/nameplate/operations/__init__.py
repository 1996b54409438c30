"""What the API can do: a file per noun, a function per Action.

Importing this package declares them all.
"""

from nameplate.operations import batches, devices, products

__all__ = ["batches", "devices", "products"]
