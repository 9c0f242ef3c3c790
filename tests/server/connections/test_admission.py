"""Which connections make room for one more."""

from dataclasses import dataclass, replace

import pytest

from wyoming_fish.fish.owner import NO_OWNER, Owner, owner_at
from wyoming_fish.server.admission import HEARD_MARGIN, connections_to_close


@dataclass
class _Connection:
    is_ending: bool = False
    is_silent: bool = False
    is_busy: bool = False
    unheard_since: float | None = None
    owner: Owner = NO_OWNER


IDLE, BUSY = _Connection(), _Connection(is_busy=True)


def _clients(connection: _Connection, *addresses: str) -> list[_Connection]:
    return [replace(connection, owner=owner_at(address)) for address in addresses]


def _connections_to_close(
    clients: list[_Connection], address: str, *, max_per_address: int, max_total: int
) -> list[int] | None:
    return connections_to_close(
        dict(enumerate(clients)), owner_at(address), max_per_address, max_total
    )


def test_an_address_keeps_no_other_of_its_network_out() -> None:
    """One that has all the connections that it may leaves half as many to the network."""
    clients = _clients(BUSY, *["fd00:1::1"] * 4)
    assert _connections_to_close(clients, "fd00:1::1", max_per_address=4, max_total=9) is None
    assert _connections_to_close(clients, "fd00:1::2", max_per_address=4, max_total=9) == []


def test_a_network_keeps_no_other_out() -> None:
    """However many addresses it has, it may have half as many again as one address."""
    clients = _clients(BUSY, *[f"fd00:1::{number}" for number in range(6)])
    assert _connections_to_close(clients, "fd00:1::9", max_per_address=4, max_total=9) is None
    for house in ("fd00:2::1", "192.168.1.2"):
        assert _connections_to_close(clients, house, max_per_address=4, max_total=9) == []


@pytest.mark.parametrize(
    ("idle", "given"),
    [
        # Those of one address or of several in a network that has more; there, of the address that
        # has most.
        ("192.168.1.3 192.168.1.3 fd00:2::1 fd00:2::2 fd00:2::2", [3]),
        ("fd00:2::1 fd00:2::2 fd00:2::3 192.168.1.3 192.168.1.3", [0]),
        # Those of an address that has more in the client's own network.
        ("fd00:1::3 fd00:1::3 fd00:1::3 fd00:1::2 fd00:1::2", [0]),
        ("fd00:1::3 fd00:1::3 192.168.1.3 192.168.1.4 192.168.1.5", [0]),
        # None, if no other has more.
        ("fd00:1::2 fd00:1::2 192.168.1.3 192.168.1.4 192.168.1.5", None),
        ("fd00:1::2 fd00:1::2 fd00:2::1 fd00:2::1 192.168.1.3", None),
    ],
)
def test_an_idle_one_makes_room_for_who_has_fewer(idle: str, given: list[int] | None) -> None:
    """Networks are compared first, then the addresses of the client's own network."""
    clients = _clients(IDLE, *idle.split())
    assert _connections_to_close(clients, "fd00:1::2", max_per_address=5, max_total=5) == given
    busy = _clients(BUSY, *idle.split())
    assert _connections_to_close(busy, "fd00:1::2", max_per_address=5, max_total=5) is None


@pytest.mark.parametrize(
    ("unheard", "given"),
    [
        # Of the largest network, however many addresses it has, the one that has waited longest.
        ("192.168.1.3:1 fd00:2::1:7 fd00:2::2:5 fd00:2::3:6", 2),
        ("fd00:2::1:7 192.168.1.3:6 192.168.1.3:5 192.168.1.3:6", 2),
        # None that is heard.
        ("192.168.1.3: 192.168.1.3:9 192.168.1.3:8 192.168.1.3:", 2),
        ("192.168.1.3: 192.168.1.3: 192.168.1.3: fd00:2::1:5", None),
        # In the client's own network, of the largest address.
        ("fd00:1::3:1 fd00:1::4:9 fd00:1::4:8 192.168.1.4:1", 2),
        ("fd00:1::3:9 fd00:1::3:8 fd00:1::3:7 192.168.1.4:1", 2),
        # None, if its network or address would then have fewer than the client's own.
        ("192.168.1.3:1 192.168.1.3:1 fd00:1::3:1 192.168.1.4:1", None),
        ("fd00:1::3:1 fd00:1::3:1 fd00:1::2:1 192.168.1.4:1", None),
    ],
)
def test_a_request_that_is_not_heard_makes_room_for_a_smaller_party(
    unheard: str, given: int | None
) -> None:
    """So requests whose texts never end keep out nobody, and those that are heard are not cut."""
    clients = []
    for client in unheard.split():
        address, _, since = client.rpartition(":")
        connection = _Connection(is_busy=True, unheard_since=float(since) if since else None)
        clients += _clients(connection, address)
    expected = None if given is None else [given]
    assert _connections_to_close(clients, "fd00:1::2", max_per_address=9, max_total=4) == expected
    # Idle ones go first.
    clients += _clients(IDLE, *["192.168.1.3"] * 4)
    assert _connections_to_close(clients, "fd00:1::2", max_per_address=9, max_total=8) == [4]


def test_those_without_use_make_room_first() -> None:
    """One that is being closed before a silent one, and that before an idle one."""
    clients = _clients(IDLE, *["192.168.1.3"] * 3)
    clients += _clients(_Connection(is_silent=True), "192.168.1.4")
    assert _connections_to_close(clients, "192.168.1.2", max_per_address=9, max_total=4) == [3]
    # A silent one of the largest network comes before others: they have hardly had time to speak.
    clients += _clients(_Connection(is_silent=True), "192.168.1.3")
    assert _connections_to_close(clients, "192.168.1.2", max_per_address=9, max_total=5) == [4]
    clients += _clients(_Connection(is_ending=True), "192.168.1.5")
    assert _connections_to_close(clients, "192.168.1.2", max_per_address=9, max_total=6) == [5]
    assert _connections_to_close(clients[:3], "192.168.1.2", max_per_address=9, max_total=3) == [0]


def test_replies_with_audio_keep_out_nobody() -> None:
    """The newest ends for a network or address with far fewer connections, and for no other."""
    for address, neighbor in (("192.168.1.3", "192.168.1.2"), ("fd00:1::3", "fd00:1::2")):
        for count, expected in ((HEARD_MARGIN, None), (HEARD_MARGIN + 1, [HEARD_MARGIN])):
            clients = _clients(BUSY, *[address] * count)
            limits = {"max_per_address": 99, "max_total": count}
            assert _connections_to_close(clients, neighbor, **limits) == expected
            assert _connections_to_close(clients, "10.0.0.1", **limits) == expected
            assert _connections_to_close(clients, address, **limits) is None
