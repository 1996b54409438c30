"""Live connections of one device, event by event."""

from nameplate.domain.presence import Connection, Connections


def one(client_id: str = "c", address: str = "10.0.0.1", peer: str = "10.0.0.1:1", since: int = 1) -> Connection:
    return Connection(client_id, address, peer, since)


def test_a_second_address_at_the_same_time_is_told() -> None:
    live = Connections()
    assert live.open(one()) == []
    assert live.open(one(peer="10.0.0.1:2")) == []
    assert live.open(one(address="10.0.0.2", peer="10.0.0.2:1")) == [one(peer="10.0.0.1:2")]


def test_another_client_id_at_the_same_address_is_not() -> None:
    live = Connections([one("a")])
    assert live.open(one("b")) == []
    assert sorted(connection.client_id for connection in live) == ["a", "b"]


def test_where_the_broker_does_not_tell_addresses_nothing_is() -> None:
    live = Connections([one(address="", peer="")])
    assert live.open(one("d", address="10.0.0.9")) == []
    assert live.open(one("e", address="")) == []


def test_the_end_of_an_earlier_connection_does_not_end_the_later_one() -> None:
    live = Connections()
    live.open(one(peer="10.0.0.1:1"))
    live.open(one(peer="10.0.0.1:2"))
    live.close("c", "10.0.0.1:1")
    assert [connection.peer for connection in live] == ["10.0.0.1:2"]
    live.close("c", "10.0.0.1:2")
    assert list(live) == []


def test_an_end_that_is_told_before_its_beginning_counts() -> None:
    live = Connections()
    live.close("c", "10.0.0.1:1")
    assert live.open(one()) == []
    assert list(live) == []
    live.open(one(peer="10.0.0.1:2"))
    assert [connection.peer for connection in live] == ["10.0.0.1:2"]


def test_an_end_without_a_peer_ends_the_connection_of_that_client_id() -> None:
    live = Connections([one("a"), one("b")])
    live.close("a", "")
    live.close("nobody", "")
    assert [connection.client_id for connection in live] == ["b"]
