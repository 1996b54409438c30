"""An account in this process: calls operations directly, and works on batches only when told to."""

from typing import Any
from uuid import uuid4

from nameplate import operations
from nameplate.call import Call, Registry
from nameplate.domain.access import Role
from nameplate.leases import Leases
from nameplate.refusal import RefusedError
from nameplate.store.access_keys import NewAccessKey
from nameplate.wire.operation import OPERATIONS
from nameplate.worker import Worker

__all__ = ["Account", "operations"]


class Account:
    """One account's calls to one registry."""

    def __init__(self, registry: Registry, name: str = "root", lease_seconds: float = 10) -> None:
        registry.store.access_keys.put(NewAccessKey(f"key-{name}", "s", name, Role.ADMIN), registry.master, 0)
        key = registry.store.access_keys.find(f"key-{name}")
        assert key is not None
        self.id = key.account_id
        self.registry = registry
        leases = Leases(registry.store, registry.clock, lease_seconds)
        self.worker = Worker(registry, leases)

    def call(self, action: str, **arguments: Any) -> Any:
        """Perform an operation and return its answer. Raises its refusals."""
        call = Call(self.registry, action, self.id, Role.ADMIN, "http://127.0.0.1")
        answer = OPERATIONS[action].function(call, **arguments)
        return answer() if callable(answer) else answer

    def product(self, name: str = "", **more: Any) -> str:
        """Create a product and return its key."""
        chosen = name or f"p_{uuid4().hex[:20]}"
        return str(self.call("CreateProduct", product_name=chosen, node_type=0, **more)["ProductKey"])

    def register(self, product: str, *names: str) -> list[str]:
        """Register devices one by one and return their IotIds."""
        made = [self.call("RegisterDevice", product_key=product, device_name=name) for name in names]
        return [device["Data"]["IotId"] for device in made]

    def refusal(self, action: str, **arguments: Any) -> str:
        """Perform an operation that has to be refused, and return the code."""
        try:
            answer = self.call(action, **arguments)
        except RefusedError as refused:
            return refused.code
        message = f"{action} was answered {answer}"
        raise AssertionError(message)

    def work(self) -> None:
        """Do every waiting part's step."""
        while self.worker.work():
            pass
