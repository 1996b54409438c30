"""The tables.

Times are milliseconds since 1970 UTC; ids are assigned by the application (see `counters`).
"""

from nameplate.store.schema.batches import batch, part, part_names, refusal
from nameplate.store.schema.brokers import connection, device_token, topic_rule
from nameplate.store.schema.devices import block, certificate, device, product, tally
from nameplate.store.schema.exports import export
from nameplate.store.schema.files import finding, upload
from nameplate.store.schema.installation import (
    access_key,
    account,
    client_token,
    counter,
    installation,
    nonce,
    worker,
)
from nameplate.store.schema.labels import device_group, group_member, tag
from nameplate.store.schema.metadata import metadata, nonce_metadata
from nameplate.store.schema.webhooks import webhook, webhook_delivery

__all__ = [
    "access_key",
    "account",
    "batch",
    "block",
    "certificate",
    "client_token",
    "connection",
    "counter",
    "device",
    "device_group",
    "device_token",
    "export",
    "finding",
    "group_member",
    "installation",
    "metadata",
    "nonce",
    "nonce_metadata",
    "part",
    "part_names",
    "product",
    "refusal",
    "tag",
    "tally",
    "topic_rule",
    "upload",
    "webhook",
    "webhook_delivery",
    "worker",
]
