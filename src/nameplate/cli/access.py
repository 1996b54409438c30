"""`nameplate access`: what a product allows its devices, which no operation of the wire sets."""

import json
import sys
from typing import Annotated

import typer

from nameplate.call import Registry
from nameplate.cli.options import DatabaseUrl, DataDir, fail, opened_registry
from nameplate.domain.topics import Action, Rule, is_filter
from nameplate.logs import say
from nameplate.store.products import Product

access = typer.Typer(no_args_is_help=True, help="What products allow their devices.")

Key = Annotated[str, typer.Argument(help="The ProductKey.")]
Actions = Annotated[Action, typer.Argument(help="What devices may do.")]
Filter = Annotated[
    str, typer.Argument(help="Topic filter; ${productKey} and ${deviceName} stand for each device's own.")
]


@access.command("show")
def show_product(key: Key, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print what a product allows, as JSON."""
    with opened_registry(data_dir, database_url) as registry:
        product, allowed = _find(registry, key), registry.store.device_access
        shown = {
            "ProductKey": key,
            "DynamicRegistration": allowed.may_register(product.id),
            "Topics": [{"Action": rule.action, "Filter": rule.filter} for rule in allowed.rules(product.id)],
        }
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")


@access.command("dynamic-registration")
def dynamic_registration(
    key: Key,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether its devices may fetch their secrets.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let devices that have never connected fetch their DeviceSecrets with the ProductSecret, or not any more."""
    with opened_registry(data_dir, database_url) as registry:
        registry.store.device_access.set_registration(_find(registry, key).id, allowed=on)
    say(f"dynamic registration of {key} is {'on' if on else 'off'}")


@access.command("allow")
def allow_topic(
    key: Key, action: Actions, topic: Filter, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Let a product's devices publish or subscribe to a topic beyond their own."""
    if not is_filter(topic):
        fail(f"{topic!r} is no topic filter: + is a whole level, and # the last one.")
    with opened_registry(data_dir, database_url) as registry:
        is_new = registry.store.device_access.allow(_find(registry, key).id, Rule(action, topic))
    say(f"devices of {key} may {action} {topic}" + ("" if is_new else ", as before"))


@access.command("disallow")
def disallow_topic(
    key: Key, action: Actions, topic: Filter, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Take back what `allow` gave."""
    with opened_registry(data_dir, database_url) as registry:
        if not registry.store.device_access.disallow(_find(registry, key).id, Rule(action, topic)):
            fail(f"There is no such rule of {key}. `nameplate access show {key}` has them.")
    say(f"devices of {key} may not {action} {topic} any more, unless it is their own")


def _find(registry: Registry, key: str) -> Product:
    product = registry.store.products.find(key)
    if product is None:
        fail(f"There is no product {key}.")
    return product
