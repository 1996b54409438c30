"""Asks Nameplate over HTTP, from a broker's process: a kept connection for each thread."""

import http.client
import threading
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

_ATTEMPTS: Final = 2
_OK: Final = 200


class HookAnswerError(ValueError):
    """An answer with another status than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class HookClient:
    """One server's hooks, asked from many threads."""

    def __init__(self, url: str, secret: str | None, timeout: float) -> None:
        """Ask the server at `url`, with the secret that it wants; `timeout` is in seconds."""
        parts = urlsplit(url)
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place = parts.netloc
        self._timeout = timeout
        self._headers = {"content-type": "application/json"}
        if secret is not None:
            self._headers["authorization"] = f"Bearer {secret}"
        self._local = threading.local()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a hook and return its answer. Raises OSError or ValueError if there is none."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._post(path, orjson.dumps(body))
            except (http.client.HTTPException, ConnectionError) as error:
                # A connection that was kept may have been closed meanwhile: a new one is tried once.
                self._close()
                if attempt == _ATTEMPTS:
                    raise ConnectionError(str(error)) from error
            except OSError:
                self._close()
                raise
        raise AssertionError

    def _post(self, path: str, body: bytes) -> dict[str, Any]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(self._place, timeout=self._timeout)
        connection.request("POST", path, body, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != _OK:
            raise HookAnswerError(answer.status, content.decode("utf-8", "replace"))
        found: dict[str, Any] = orjson.loads(content)
        return found

    def _close(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
