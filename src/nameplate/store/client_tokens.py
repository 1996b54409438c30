"""ClientTokens: the same request sent twice is done once."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from nameplate.errors import TOKEN_CONTENT_DIFFERS
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import client_token


@dataclass(frozen=True, slots=True)
class ClientToken:
    """One account's token, and a digest of the request that it came with."""

    account_id: int
    text: str
    digest: bytes


class ClientTokens:
    """Tokens that have been used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        found = select(client_token.c.digest, client_token.c.answer).where(
            client_token.c.account_id == bindparam("account_id"), client_token.c.token == bindparam("text")
        )
        self._find = database.prepare(found)

    def find(self, token: ClientToken | None) -> int | None:
        """Return what the same request was answered before, so that nothing stands in its way now; else None.

        Raises TOKEN_CONTENT_DIFFERS if the token came with another request.
        """
        row = None if token is None else self._find.row(account_id=token.account_id, text=token.text)
        if token is None or row is None:
            return None
        if row[0] != token.digest:
            raise TOKEN_CONTENT_DIFFERS()
        return int(row[1])

    def add(self, token: ClientToken | None, answer: int, now: int) -> None:
        """Remember that a token's request has been done. Raises TOKEN_CONTENT_DIFFERS."""
        if token is not None:
            with self._database.transaction() as connection:
                redeem(connection, token, answer, now)


def redeem(connection: Connection, token: ClientToken | None, answer: int, now: int) -> int | None:
    """Bind the token to `answer` and return None, or return the answer that it is bound to already.

    Raises TOKEN_CONTENT_DIFFERS if it came with another request before. Must be called in the transaction that makes
    the answer true, before anything else in it.
    """
    if token is None:
        return None
    values = {"account_id": token.account_id, "token": token.text, "digest": token.digest}
    if insert_new(connection, client_token, {**values, "answer": answer, "created_at": now}):
        return None
    found = select(client_token.c.digest, client_token.c.answer)
    found = found.where(client_token.c.account_id == token.account_id, client_token.c.token == token.text)
    digest, earlier = connection.execute(found).one()
    if digest != token.digest:
        raise TOKEN_CONTENT_DIFFERS()
    return int(earlier)
