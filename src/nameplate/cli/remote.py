"""A server, as commands see it: REST over HTTP, tried again while that can help."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from nameplate.cli.ending import CommandError, misuse
from nameplate.cli.patience import Patience
from nameplate.cli.problems import ProblemError, read_problem
from nameplate.cli.profiles import KEY_ID, KEY_SECRET, Profile, profiles_path

_CONNECT_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 60.0
_NOT_NOW: Final = (502, 503, 504)
# A connection that broke may hold the file for as long as the other side takes it for alive.
_BUSY: Final = "nameplate.upload.IsBusy"
_MOST_RETRY_AFTER: Final = 30.0
_NUMBER: Final = re.compile(r"^\[Errno -?[0-9]+\] ")
_LARGEST_PROBLEM: Final = 64 * 1024
_TIMEOUT: Final = httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)


class LostError(CommandError):
    """The connection broke, or there was none; the call may be sent again."""


class Remote:
    """One server and the access key to call it with.

    Everything may be sent twice: what changes something carries an Idempotency-Key, a piece of a file its offset.
    """

    def __init__(self, profile: Profile, patience: Patience) -> None:
        if profile.access_key_id is None or profile.access_key_secret is None:
            misuse(
                f"No access key: set {KEY_ID} and {KEY_SECRET}, or put one into {profiles_path(os.environ)}. "
                "Where the server runs, `nameplate keys create` makes one."
            )
        token = profile.security_token
        self._server = profile.server
        self._patience = patience
        self._http = httpx.Client(
            base_url=profile.server,
            auth=(profile.access_key_id, profile.access_key_secret),
            headers={} if token is None else {"x-nameplate-security-token": token},
            timeout=_TIMEOUT,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 (JSON)
        """Return what is there."""
        return self.call("GET", path, params=_given(query)).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Any:  # noqa: ANN401 (JSON)
        """Have something done, once, however often it has to be asked for."""
        headers = {"idempotency-key": key or secrets.token_hex(16)}
        return self.call("POST", path, headers=headers, **({} if body is None else {"json": body})).json()

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 (httpx's own)
        """Send a request until it is answered. Raises ProblemError if it is refused, and CommandError."""
        while True:
            with self.trying(), self.opened(method, path, **request) as response:
                response.read()
                return response

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Wait, if what is done in here fails and another attempt may mend that; it is for the caller to make one."""
        try:
            yield
        except LostError as error:
            self._patience.wait(error)
        except ProblemError as error:
            if error.status not in _NOT_NOW and error.name != _BUSY:
                raise
            self._patience.wait(error, is_there=True, least=error.retry_after)

    @contextmanager
    def opened(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:  # noqa: ANN401 (httpx's own)
        """Send a request once, and yield its answer, whose body has yet to be read. Raises ProblemError, LostError."""
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success:
                    raise self._refused(response)
                self._patience.answered()
                yield response
        except httpx.TransportError as error:
            raise LostError(self._lost(error)) from None
        except httpx.InvalidURL:
            misuse(f"{self._server} is not a URL.")

    def _refused(self, response: httpx.Response) -> ProblemError:
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _LARGEST_PROBLEM:
                break
        retry_after = response.headers.get("retry-after", "")
        seconds = min(float(retry_after), _MOST_RETRY_AFTER) if retry_after.isdecimal() else 0.0
        return read_problem(response.status_code, body, seconds)

    def _lost(self, error: httpx.TransportError) -> str:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            reason = _NUMBER.sub("", str(error)) or "no answer"
            return f"No connection to {self._server}: {reason}. Is it running, and is --server right?"
        if isinstance(error, httpx.TimeoutException):
            return f"{self._server} has not answered for {_SILENT_SECONDS:.0f} seconds."
        return f"The connection to {self._server} broke: {error}."


def _given(query: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
