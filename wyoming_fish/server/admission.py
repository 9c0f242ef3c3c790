"""Admission: which connections to close for a new one at the connection limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from ..fish.owner import NETWORK_SHARE, Owner, Shares

__all__ = ["AdmittedConnection", "connections_to_close"]

Key = TypeVar("Key")

# A reply with audio ends only if its network or address has so many connections more than the new
# one's. A home speaks fewer replies at the same time.
HEARD_MARGIN: Final = 20


class AdmittedConnection(Protocol):
    """A connection, as far as admission looks at it."""

    @property
    def owner(self) -> Owner:
        """The client's address and network."""

    @property
    def is_ending(self) -> bool:
        """Whether it is being closed."""

    @property
    def is_silent(self) -> bool:
        """Whether it has sent no event so far."""

    @property
    def is_busy(self) -> bool:
        """Whether it waits for speech."""

    @property
    def unheard_since(self) -> float | None:
        """When it began to wait for audio; None if it does not wait."""


def connections_to_close(
    connections: Mapping[Key, AdmittedConnection],
    owner: Owner,
    max_per_address: int,
    max_total: int,
) -> list[Key] | None:
    """Return the ``connections`` to close for a new one of ``owner``; None: refuse the new one.

    So a thousand silent or refused connections cannot lock out a client with a request. Idle
    connections of an address or network that has more than the new client's own cannot either, nor
    can requests of the largest network, or of the largest address in the client's own network.
    """
    max_per_network = math.ceil(NETWORK_SHARE * max_per_address)
    to_close: list[Key] = []
    for maximum, party in (
        (max_per_address, owner),
        (max_per_network, (owner.network,)),
        (max_total, ()),
    ):
        counted = {
            key: connection
            for key, connection in connections.items()
            if key not in to_close and connection.owner[: len(party)] == party
        }
        if len(counted) >= maximum:
            least_useful = _least_useful(counted, owner)
            if least_useful is None:
                return None
            to_close.append(least_useful)
    return to_close


def _least_useful(connections: Mapping[Key, AdmittedConnection], owner: Owner) -> Key | None:
    """Return the one of ``connections`` to close for ``owner``, if any.

    The order is: connections that are ending, silent ones, idle ones, those that have waited
    longest for audio, then those with audio. A request is ended only if its network, or its
    address in the client's own network, then still has no fewer than the client's. One with audio
    is ended only if that has far more.
    """
    shares = Shares(connection.owner for connection in connections.values())
    own_network, own_address = shares.of(owner)
    largest_network, _ = max(shares.of(connection.owner) for connection in connections.values())

    def share(key: Key) -> tuple[int, int]:
        return shares.of(connections[key].owner)

    def has_more(connection: AdmittedConnection, margin: int) -> bool:
        """Whether its owner has more connections than the new client's, by over ``margin``."""
        network, address = shares.of(connection.owner)
        if connection.owner.network == owner.network:
            return address > own_address + margin
        return network == largest_network > own_network + margin

    for key, connection in connections.items():
        if connection.is_ending:
            return key
    if silent := [key for key, connection in connections.items() if connection.is_silent]:
        return max(silent, key=share)
    if idle := [
        key
        for key, connection in connections.items()
        if not connection.is_busy and has_more(connection, 0)
    ]:
        return max(idle, key=share)
    busy: dict[tuple[bool, int, int, float], Key] = {}
    for key, connection in connections.items():
        is_heard = connection.unheard_since is None
        if has_more(connection, HEARD_MARGIN if is_heard else 1):
            network, address = shares.of(connection.owner)
            is_neighbor = connection.owner.network == owner.network
            since = connection.unheard_since or 0.0
            busy[is_heard, -network, -address if is_neighbor else 0, since] = key
    return busy[min(busy)] if busy else None
