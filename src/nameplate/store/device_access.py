"""What products allow their devices beyond connecting: to fetch their secrets themselves, and more topics."""

from sqlalchemy import bindparam, select

from nameplate.domain.topics import Action, Rule
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import product, topic_rule


class DeviceAccess:
    """Dynamic registration and topic rules by product."""

    def __init__(self, database: Database) -> None:
        self._database = database
        switch = select(product.c.dynamic_registration).where(product.c.id == bindparam("product_id"))
        self._may_register = database.prepare(switch)
        rules = select(topic_rule.c.action, topic_rule.c.filter).where(
            topic_rule.c.product_id == bindparam("product_id")
        )
        self._rules = database.prepare(rules.order_by(topic_rule.c.filter, topic_rule.c.action))

    def may_register(self, product_id: int) -> bool:
        """Whether devices of a product may fetch their secrets with the product's."""
        row = self._may_register.row(product_id=product_id)
        return row is not None and bool(row[0])

    def set_registration(self, product_id: int, *, allowed: bool) -> None:
        """Let devices of a product fetch their secrets, or not any more."""
        update = product.update().where(product.c.id == product_id).values(dynamic_registration=int(allowed))
        with self._database.transaction() as connection:
            connection.execute(update)

    def rules(self, product_id: int) -> list[Rule]:
        """Return the topics that a product's devices may use beyond their own."""
        return [Rule(Action(action), text) for action, text in self._rules.rows(product_id=product_id)]

    def allow(self, product_id: int, rule: Rule) -> bool:
        """Add a rule; False if it is there already."""
        values = {"product_id": product_id, "action": rule.action.value, "filter": rule.filter}
        with self._database.transaction() as connection:
            return insert_new(connection, topic_rule, values)

    def disallow(self, product_id: int, rule: Rule) -> bool:
        """Remove a rule; False if there is none."""
        here = (topic_rule.c.product_id == product_id, topic_rule.c.action == rule.action.value)
        delete = topic_rule.delete().where(*here, topic_rule.c.filter == rule.filter)
        with self._database.transaction() as connection:
            return connection.execute(delete).rowcount == 1
