"""`nameplate products`: what devices can be of."""

from typing import Annotated

import typer

from nameplate.cli.plans import table
from nameplate.cli.session import Session, with_session
from nameplate.domain.product import AuthType

products = typer.Typer(no_args_is_help=True, help="Products: what devices are of.")

_MOST: int = 1000


@products.command("list")
@with_session
def list_products(session: Session) -> None:
    """List the products, newest first."""
    with session.connected() as remote:
        found, after = [], None
        while True:
            page = remote.get("/v1/products", limit=_MOST, after=after)
            found += page["items"]
            after = page["next"]
            if after is None:
                break
    rows = [(one["key"], one["kind"], one["auth_type"], one["name"]) for one in found]
    session.answer(found, table(("key", "kind", "auth", "name"), rows))


@products.command("create")
@with_session
def create_product(
    session: Session,
    name: Annotated[str, typer.Argument(help="4 to 30 letters, digits, _ and Chinese characters, which count 2.")],
    gateway: Annotated[bool, typer.Option("--gateway", help="Its devices connect others.")] = False,
    auth_type: Annotated[AuthType, typer.Option(help="With x509 each device gets a certificate.")] = AuthType.SECRET,
    description: Annotated[str | None, typer.Option(help="Up to 100 characters.")] = None,
) -> None:
    """Create a product and print its key."""
    body = {"name": name, "kind": "gateway" if gateway else "device", "auth_type": auth_type.value}
    body |= {} if description is None else {"description": description}
    with session.connected() as remote:
        made = remote.post("/v1/products", body)
    session.answer(made, made["key"])
