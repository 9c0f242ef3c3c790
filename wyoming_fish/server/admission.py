"""Admission: which connections to close for a new one at the connection limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..fish.owner import NETWORK_SHARE, Owner, Shares

__all__ = ["Client", "connections_to_close"]

Key = TypeVar("Key")
AConnection = TypeVar("AConnection", bound="State")


class State(Protocol):
    """The state of a connection that admission looks at."""

    @property
    def ending(self) -> bool:
        """Whether it is being closed."""

    @property
    def silent(self) -> bool:
        """Whether it has sent no event so far."""

    @property
    def busy(self) -> bool:
        """Whether it waits for speech."""

    @property
    def unheard_since(self) -> float | None:
        """When it began to wait for audio; None if it does not wait."""


class Client(NamedTuple, Generic[AConnection]):
    """A connection and its owner."""

    connection: AConnection
    owner: Owner


def connections_to_close(
    clients: Mapping[Key, Client[AConnection]], owner: Owner, per_address: int, in_all: int
) -> list[Key] | None:
    """Return the ``clients`` to close for ``owner``; None: refuse the new connection.

    So a thousand silent or refused connections cannot lock out a client with a request. Idle
    connections of an address or network that has more than the new client's own cannot either, nor
    can requests without audio of the largest network, or of the largest address in the client's own
    network.
    """
    network = math.ceil(NETWORK_SHARE * per_address)
    to_close: list[Key] = []
    for most, party in ((per_address, owner), (network, (owner.network,)), (in_all, ())):
        here = {
            k: c for k, c in clients.items() if k not in to_close and c.owner[: len(party)] == party
        }
        if len(here) >= most:
            oldest = _least_useful(here, owner)
            if oldest is None:
                return None
            to_close.append(oldest)
    return to_close


def _least_useful(clients: Mapping[Key, Client[AConnection]], owner: Owner) -> Key | None:
    """Return the one of ``clients`` to close for ``owner``, if any.

    The order is: connections that are ending, silent ones, idle ones, then those that have waited
    longest for audio. A request is ended only if its network, or its address in the client's own
    network, then still has no fewer than the client's.
    """
    for key, client in clients.items():
        if client.connection.ending:
            return key
    sizes = Shares(client.owner for client in clients.values())
    if silent := [key for key, client in clients.items() if client.connection.silent]:
        return max(silent, key=lambda key: sizes.of(clients[key].owner))
    own_network, own_address = sizes.of(owner)
    largest_network, _ = max(sizes.of(client.owner) for client in clients.values())

    def is_of_a_crowd(client: Client[AConnection], margin: int) -> bool:
        network, address = sizes.of(client.owner)
        if client.owner.network == owner.network:
            return address > own_address + margin
        return network == largest_network > own_network + margin

    idle = [
        key
        for key, client in clients.items()
        if not client.connection.busy and is_of_a_crowd(client, 0)
    ]
    if idle:
        return max(idle, key=lambda key: sizes.of(clients[key].owner))
    unheard: dict[tuple[int, int, float], Key] = {}
    for key, client in clients.items():
        since = client.connection.unheard_since
        if since is not None and is_of_a_crowd(client, 1):
            network, address = sizes.of(client.owner)
            is_neighbor = client.owner.network == owner.network
            unheard[-network, -address if is_neighbor else 0, since] = key
    return unheard[min(unheard)] if unheard else None
