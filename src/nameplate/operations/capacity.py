"""How much a call may ask for."""

from nameplate.call import Call
from nameplate.domain.batch import CERTIFICATES_PER_CALL, ROWS_PER_CALL
from nameplate.domain.product import AuthType
from nameplate.errors import TOO_MANY_DEVICES, TOO_MANY_NAMES
from nameplate.store.products import Product


def rows_per_call(product: Product) -> int:
    """Return how many devices of a product one call may name."""
    return CERTIFICATES_PER_CALL if product.auth_type == AuthType.X509 else ROWS_PER_CALL


def rows_to_keep(call: Call, sent: int, most: int) -> int:
    """Return how many of the rows that were sent are taken; the caller is warned if that is not all.

    The vendor leaves the rest out without a word. Raises TOO_MANY_NAMES if the installation is strict.
    """
    if sent > most:
        if call.registry.strict:
            raise TOO_MANY_NAMES(count=sent, most=most)
        call.warnings.append(f"{sent} names were sent; the last {sent - most} were left out")
    return min(sent, most)


def foresee_room(call: Call, product_id: int, more: int) -> None:
    """Refuse to check names of devices beyond the installation's limit for a product: TOO_MANY_DEVICES."""
    most = call.registry.limits.devices
    if most is None:
        return
    there = call.store.tallies.promised(product_id)
    if there + more > most:
        raise TOO_MANY_DEVICES(most=most, there=there, more=more)
