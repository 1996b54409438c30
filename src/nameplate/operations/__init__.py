"""What the API can do: a file per noun, a function per Action.

Importing this package declares them all.
"""

from nameplate.operations import (
    batches,
    certificates,
    device_lists,
    device_status,
    devices,
    groups,
    imports,
    products,
    tags,
)

__all__ = [
    "batches",
    "certificates",
    "device_lists",
    "device_status",
    "devices",
    "groups",
    "imports",
    "products",
    "tags",
]
