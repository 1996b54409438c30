"""HTTP by hand: bytes to a socket and answers back, and what an answer has to look like."""

import hashlib
import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from tests.support.server import ROOT_SECRET
from tests.support.signer import Answer, Client, now, sign_acs3, sign_v1

MIB = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
GATEWAY = {"RequestId", "HostId", "Code", "Message", "Recommend"}
BUSINESS = {"RequestId", "Success", "Code", "ErrorMessage"}


def fields(answer: Answer) -> dict[str, Any]:
    """Return an answer's fields, of JSON or of XML, by its content type."""
    if answer.headers["content-type"] == "application/json;charset=utf-8":
        return answer.json
    assert answer.headers["content-type"] == "text/xml;charset=utf-8", answer
    root = ET.fromstring(answer.text)  # noqa: S314 (the server is our own)
    return {"Root": root.tag, **{child.tag: child.text for child in root}}


def expect(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Assert an exact refusal, in the shape of its family, and return its fields."""
    found = fields(answer)
    root = found.pop("Root", None)
    assert (answer.status, found.get("Code")) == (status, code), answer.text
    assert ROOT_SECRET not in answer.text
    if status == 200:
        assert set(found) - {"Data"} == BUSINESS
        assert found["Success"] in (False, "false")
        assert found["ErrorMessage"]
        assert root is None or root.endswith("Response")
    else:
        assert set(found) == GATEWAY
        assert found["Message"]
        assert found["Recommend"].endswith(f"/errors?Keyword={code}")
        assert root in (None, "Error")
    return found


def signed(
    client: Client, action: str, changes: Mapping[str, str | None] | None = None, *, method: str = "POST"
) -> dict[str, str]:
    """Return a v1 call's parameters with their signature, to be sent in any way."""
    parameters = client.parameters(action, changes or {})
    return {**parameters, "Signature": sign_v1(method, parameters, client.secret)}


def post(client: Client, action: str, changes: Mapping[str, str | None] | None = None, **more: str | None) -> Answer:
    """Send a v1 call in the form body."""
    return client.send("POST", signed(client, action, {**(changes or {}), **more}))


def acs3(
    client: Client, action: str, headers: Mapping[str, str | None], query: Mapping[str, str] | None = None
) -> Answer:
    """Send an ACS3 call with other headers, or (None) without some."""
    changes = {name.replace("-", "_"): value for name, value in headers.items()}
    return client.acs3(action, query=query, form=None, method="POST", **changes)


def acs3_headers(
    client: Client, action: str, *, method: str = "POST", query: Mapping[str, str] | None = None, body: bytes = b""
) -> dict[str, str]:
    """Return an ACS3 call's headers, Authorization included, to be sent in any way."""
    headers = {
        "host": f"{client.host}:{client.port}",
        "x-acs-action": action,
        "x-acs-version": "2018-01-20",
        "x-acs-date": now(),
        "x-acs-signature-nonce": uuid4().hex,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    signature = sign_acs3(method, query or {}, headers, body, client.secret)
    names = ";".join(sorted(headers))
    authorization = f"ACS3-HMAC-SHA256 Credential={client.key_id},SignedHeaders={names},Signature={signature}"
    return {**headers, "authorization": authorization}


def request(
    method: str,
    target: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    length: bool = True,
) -> bytes:
    """Write a request. It has a Host, a Content-Length if there is a body, and asks to close unless `headers` say."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    for name, value in (("host", "127.0.0.1"), ("connection", "close")):
        if name not in names:
            pairs.append((name, value))
    if body and length:
        pairs.append(("content-length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode() + body


def form(parameters: Mapping[str, str], raw: bytes = b"") -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a form, with something raw at its end."""
    return {"content-type": FORM}, urlencode(parameters).encode() + raw


def chunked(body: bytes, size: int = 65_536) -> bytes:
    """Write a body in chunks."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def connected(port: int, seconds: float = 10) -> Iterator[socket.socket]:
    """Connect; nothing on the socket waits for longer than this."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        yield connection


def exchange(port: int, data: bytes, seconds: float = 10) -> list[Answer]:
    """Send bytes and return every answer that comes before the server closes the connection."""
    with connected(port, seconds) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        return read_answers(connection)


def ask(port: int, data: bytes, seconds: float = 10) -> Answer:
    """Send bytes and return the one answer."""
    (answer,) = exchange(port, data, seconds)
    return answer


def read_answers(connection: socket.socket) -> list[Answer]:
    """Read until the server closes the connection; it has to."""
    parts: list[bytes] = []
    with suppress(ConnectionError):
        while part := connection.recv(MIB):
            parts.append(part)
    answers = []
    rest = b"".join(parts)
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers["content-length"])
        answers.append(Answer(int(first.split()[1]), headers, rest[:size].decode()))
        rest = rest[size:]
    return answers


@contextmanager
def memory_within(process_id: int, most: int) -> Iterator[None]:
    """Assert that a process, at its largest, grows by no more than `most` bytes meanwhile."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5")  # the peak is now what it holds now
    before = _memory(process_id, "VmRSS")
    yield
    grown = _memory(process_id, "VmHWM") - before
    assert grown <= most, f"the server grew by {grown / MIB:.0f} MiB"


def _memory(process_id: int, name: str) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
