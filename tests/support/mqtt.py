"""An MQTT client, one step at a time."""

import queue
import time
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.devices import FieldDevice

_PATIENCE: Final = 20


class MqttClient:
    """One connection; what the broker answers is waited for."""

    def __init__(
        self, port: int, client_id: str, username: str = "", password: str | None = None, *, clean: bool = True
    ) -> None:
        # Not by way of this object: a client in a circle is collected after its sockets, which are then left open.
        events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._events = events
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean, reconnect_on_failure=False)
        if username:
            self.client.username_pw_set(username, password)
        self.client.on_connect = lambda *found: events.put(("connect", found[3].value))
        self.client.on_subscribe = lambda *found: events.put(("subscribe", [code.value for code in found[3]]))
        self.client.on_message = lambda *found: events.put(("message", (found[2].topic, found[2].payload)))
        self.client.on_disconnect = lambda *found: events.put(("disconnect", found[3].value))
        self._port = port

    @classmethod
    def of(cls, device: FieldDevice, port: int, chosen: str = "any") -> Self:
        """Return a device's client."""
        return cls(port, device.client_id(chosen), device.username, device.password(chosen))

    def connect(self, address: str = "") -> int:
        """Connect, from an address of this machine; return the CONNACK's code, -1 if the broker hangs up instead."""
        self.client.connect("127.0.0.1", self._port, bind_address=address)
        self.client.loop_start()
        kind, value = self.next("connect", "disconnect")
        return int(value) if kind == "connect" else -1

    def subscribe(self, topic: str) -> list[int]:
        """Subscribe, and return what was granted; nothing if the broker cuts the connection instead."""
        self.client.subscribe(topic, 1)
        kind, value = self.next("subscribe", "disconnect")
        return list(value) if kind == "subscribe" else []

    def receive(self, seconds: float = _PATIENCE) -> tuple[str, bytes] | None:
        """Return the next message, or None."""
        try:
            return self.next("message", seconds=seconds)[1]  # type: ignore[no-any-return]  # as it was put there
        except queue.Empty:
            return None

    def next(self, *kinds: str, seconds: float = _PATIENCE) -> tuple[str, Any]:
        """Return the next event of these kinds. Raises queue.Empty."""
        end = time.monotonic() + seconds
        while True:
            found = self._events.get(timeout=max(0.0, end - time.monotonic()))
            if found[0] in kinds:
                return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
