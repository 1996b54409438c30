"""What devices may be labelled and grouped by.

The limits are the vendor's (page 30527 and the pages of SaveDeviceProp and CreateDeviceGroup).
"""

import re
from typing import Any, Final

from nameplate.domain.names import is_label

TAGS_PER_DEVICE: Final = 100
TAGS_PER_QUERY: Final = 10
PROPS_BYTES: Final = 5 * 1024
VALUE_LENGTH: Final = 128
GROUPS_PER_ACCOUNT: Final = 1_000
GROUPS_PER_GROUP: Final = 100
GROUP_LEVELS: Final = 3
GROUPS_PER_DEVICE: Final = 10
DEVICES_PER_GROUP: Final = 100_000
GROUP_KEY_LENGTH: Final = 16

_KEY: Final = re.compile(r"[A-Za-z0-9\-_.:@]{1,64}")
_RESERVED: Final = "abc"
# Half of a character: JSON can write it, UTF-8 cannot.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def is_tag_key(text: str) -> bool:
    """Whether `text` may be a tag's key: 1 to 64 letters, digits and `- _ . : @`; `abc` is reserved."""
    return _KEY.fullmatch(text) is not None and text != _RESERVED


def tag_value(value: Any) -> str | None:  # noqa: ANN401 (JSON)
    """Return the text that a JSON value is as a tag, or None if it cannot be one: null, nested, or too long.

    Numbers are expected as they were written: to read one may be to change it.
    """
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    if not isinstance(text, str) or len(text) > VALUE_LENGTH or _SURROGATE.search(text):
        return None
    return text


def is_group_name(text: str) -> bool:
    """Whether `text` may name a group: 4 to 30 columns."""
    return is_label(text, 4, 30)
