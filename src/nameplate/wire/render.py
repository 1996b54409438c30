"""Answers: one dict, written as JSON or as XML.

In XML a dict is an element with elements in it and a list is its element repeated, so the vendor's wrappers
(`{"ValidList": {"Name": […]}}`) need no rule of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import orjson

from nameplate.refusal import RefusedError

_DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>"
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ESCAPED: Final = re.compile("[&<>\r]")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Format(Enum):
    """How answers are written.

    The content types are the exact strings that the vendor's SDKs test for.
    """

    JSON = "application/json;charset=utf-8"
    XML = "text/xml;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer.

    `code` is what came of the call: OK, or the refusal's code.
    """

    code: str
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is around every answer to one call: its format, its Action, its RequestId and the host that was asked."""

    form: Format
    action: str
    request_id: str
    host: str

    def success(self, fields: Mapping[str, Any]) -> Response:
        """Write an operation's answer.

        It carries no Code: a generic Node client throws at any it does not know.
        """
        answer = {"RequestId": self.request_id, "Success": True, **fields}
        return self._write("OK", 200, f"{self.action}Response", answer)

    def refusal(self, refused: RefusedError) -> Response:
        """Write a refusal in its family's shape: the operation's own answer, or the gateway's error."""
        if refused.is_business:
            answer: dict[str, Any] = {"RequestId": self.request_id, "Success": False}
            answer |= {"Code": refused.code, "ErrorMessage": refused.message}
            if refused.data is not None:
                answer["Data"] = refused.data
            return self._write(refused.code, 200, f"{self.action}Response", answer)
        answer = {"RequestId": self.request_id, "HostId": self.host, "Code": refused.code, "Message": refused.message}
        answer["Recommend"] = f"http://{self.host}/errors?Keyword={refused.code}"
        return self._write(refused.code, refused.status, "Error", answer)

    def _write(self, code: str, status: int, root: str, answer: Mapping[str, Any]) -> Response:
        body = orjson.dumps(answer) if self.form is Format.JSON else write_xml(root, answer)
        return Response(code, status, self.form.value, body)


def write_xml(root: str, answer: Mapping[str, Any]) -> bytes:
    """Write a document with this root.

    Characters that XML cannot hold become U+FFFD.
    """
    parts = [_DECLARATION]
    _write(root, answer, parts)
    return "".join(parts).encode()


def _write(name: str, value: object, parts: list[str]) -> None:
    if isinstance(value, Mapping):
        parts.append(f"<{name}>")
        for key, item in value.items():
            _write(key, item, parts)
        parts.append(f"</{name}>")
    elif isinstance(value, list):
        for item in value:
            _write(name, item, parts)
    else:
        parts.append(f"<{name}>{_text(value)}</{name}>")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _NOT_XML.sub("\ufffd", str(value))
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text)
