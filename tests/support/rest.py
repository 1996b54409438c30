"""A client of REST that knows nothing of our code: httpx, over a socket."""

from typing import Any, Self
from uuid import uuid4

import httpx

from tests.support.signer import Client


class RestClient:
    """One access key's calls to `/v1`; keeps which routes were called."""

    def __init__(self, key: Client, **more: Any) -> None:
        headers = {"x-nameplate-security-token": token} if (token := key.common.get("SecurityToken")) else {}
        url = f"http://{key.host}:{key.port}"
        settings: dict[str, Any] = {"auth": (key.key_id, key.secret), "headers": headers, "timeout": 30} | more
        self.http = httpx.Client(base_url=url, trust_env=False, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send anything at all."""
        return self.http.request(method, path, **more)

    def ok(self, method: str, path: str, **more: Any) -> Any:
        """Send a call that has to succeed, and return its JSON."""
        answer = self.send(method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def refused(self, status: int, code: str, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Send a call that has to be refused, and return the problem."""
        return problem(self.send(method, path, **more), status, code)

    def product(self, **more: Any) -> str:
        """Create a product and return its key."""
        return str(self.ok("POST", "/v1/products", json={"name": f"p_{uuid4().hex[:20]}", **more})["key"])


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem that says what, where and what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert set(found) == {"type", "title", "status", "detail", "code", "where", "fix", "request_id"}
    assert (found["code"], found["status"]) == (code, status)
    assert found["type"] == f"/v1/problems#{code}"
    assert found["title"]
    assert found["detail"]
    assert found["fix"]
    assert found["request_id"] == answer.headers["x-request-id"]
    return found
