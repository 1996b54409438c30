"""A device on the vendor's SDK, unmodified; runs in an environment of its own (`make test` makes it).

Takes what it is from its only argument, does one thing, and prints what came of it, both as JSON.
"""

import json
import os
import queue
import socket
import ssl
import sys
import threading
from contextlib import suppress
from typing import Any

from linkkit import linkkit  # type: ignore[import-not-found]  # it is in an environment of its own

events: "queue.Queue[tuple[str, Any]]" = queue.Queue()


def wait(kind: str, seconds: float) -> Any:
    """Return what the next event of this kind has, or None."""
    while True:
        try:
            found, value = events.get(timeout=seconds)
        except queue.Empty:
            return None
        if found == kind:
            return value


def device(about: dict[str, Any]) -> Any:
    made = linkkit.LinkKit(
        host_name=about.get("region", "cn-shanghai"),
        product_key=about["product_key"],
        device_name=about["name"],
        device_secret=about.get("secret", ""),
        product_secret=about.get("product_secret", ""),
        auth_type=about.get("auth_type"),
    )
    secure = "TLS" if about.get("cadata") else ""
    made.config_mqtt(
        port=about["port"], secure=secure, endpoint="127.0.0.1", cadata=about.get("cadata"), check_hostname=False
    )
    made.on_connect = lambda _flag, code, _: events.put(("connect", code))
    made.on_subscribe_topic = lambda _mid, granted, _: events.put(("subscribe", list(granted)))
    made.on_topic_message = lambda topic, payload, _qos, _: events.put(("message", [topic, payload.decode()]))
    made.on_device_dynamic_register = lambda code, value, _: events.put(("register", [code, value]))
    return made


def leave(made: Any) -> None:
    """Disconnect, or give that up after a second; the socket is closed in the end anyway.

    The SDK's own thread may acknowledge the message just then, on the same TLS connection and without a lock. Then
    this fails, or waits for that thread, which waits for the next keep-alive.
    """

    def disconnect() -> None:
        with suppress(ssl.SSLError):
            made.disconnect()

    leaving = threading.Thread(target=disconnect, daemon=True)
    leaving.start()
    leaving.join(timeout=1)


def connect(about: dict[str, Any]) -> dict[str, Any]:
    """Connect, subscribe to a topic, publish to it, and receive that."""
    made = device(about)
    made.connect_async()
    seconds = about["seconds"]
    if wait("connect", seconds) != 0:
        return {"connected": False}
    topic = f"/{about['product_key']}/{about['name']}/user/get"
    made.subscribe_topic(topic, 1)
    granted = wait("subscribe", seconds)
    made.publish_topic(topic, "hello", 1)
    message = wait("message", seconds)
    leave(made)
    return {"connected": True, "granted": granted, "message": message}


def register(about: dict[str, Any]) -> dict[str, Any]:
    """Fetch the device's secret with the product's: over HTTPS or, with an `auth_type`, over MQTT."""
    real = socket.getaddrinfo
    # Its hosts are fixed; whoever leaves the cloud changes DNS.
    socket.getaddrinfo = lambda _, port, *more: real("127.0.0.1", about["https"] if port == 443 else port, *more)
    made = device(about)
    made.connect_async()
    code, secret = wait("register", about["seconds"]) or (None, None)
    return {"code": code, "secret": secret}


about = json.loads(sys.argv[1])
sys.stdout.write(json.dumps({"connect": connect, "register": register}[about["do"]](about)))
sys.stdout.flush()
# Its threads would go on trying to connect.
os._exit(0)
