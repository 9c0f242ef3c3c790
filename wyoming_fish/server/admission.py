"""Admission: which connections are given up for one more, when there are as many as may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..fish.owner import NETWORK_SHARE, Owner, Shares

__all__ = ["Client", "given_up"]

Key = TypeVar("Key")
AConnection = TypeVar("AConnection", bound="State")


class State(Protocol):
    """What a connection does."""

    @property
    def ending(self) -> bool:
        """Whether it is being closed."""

    @property
    def silent(self) -> bool:
        """Whether it has asked for nothing so far."""

    @property
    def busy(self) -> bool:
        """Whether it waits for an answer."""

    @property
    def unheard_since(self) -> float | None:
        """When it began to wait for audio, if it is busy and does not hear any."""


class Client(NamedTuple, Generic[AConnection]):
    """A connection, and the party at its other end."""

    connection: AConnection
    owner: Owner


def given_up(
    clients: Mapping[Key, Client[AConnection]], owner: Owner, per_address: int, in_all: int
) -> list[Key] | None:
    """Return the ``clients`` that make room for ``owner``; None: there is no room.

    So a thousand that connect and say nothing, or that do not close when they are refused, keep
    out no client that has something to say. Nor do those that wait for nothing at an address, or in
    a network, that has more of them than the client's own; nor do requests of the largest network
    that are not heard.
    """
    network = math.ceil(NETWORK_SHARE * per_address)
    going: list[Key] = []
    for most, party in ((per_address, owner), (network, (owner.network,)), (in_all, ())):
        here = {
            k: c for k, c in clients.items() if k not in going and c.owner[: len(party)] == party
        }
        if len(here) >= most:
            oldest = _least_useful(here, owner)
            if oldest is None:
                return None
            going.append(oldest)
    return going


def _least_useful(clients: Mapping[Key, Client[AConnection]], owner: Owner) -> Key | None:
    """Return the one of ``clients`` that gives way to ``owner``, if any.

    Those that are being closed come first, then silent ones, then idle ones, and then those that
    have waited longest for audio. A request gives way only to a network that then still has fewer.
    """
    for key, client in clients.items():
        if client.connection.ending:
            return key
    sizes = Shares(client.owner for client in clients.values())
    if silent := [key for key, client in clients.items() if client.connection.silent]:
        return max(silent, key=lambda key: sizes.of(clients[key].owner))
    own_network, own_address = sizes.of(owner)
    largest_network, _ = max(sizes.of(client.owner) for client in clients.values())

    def is_of_a_crowd(client: Client[AConnection]) -> bool:
        network, address = sizes.of(client.owner)
        if client.owner.network == owner.network:
            return address > own_address
        return network == largest_network > own_network

    idle = [
        k for k, client in clients.items() if is_of_a_crowd(client) and not client.connection.busy
    ]
    if idle or largest_network <= own_network + 1:
        return max(idle, key=lambda key: sizes.of(clients[key].owner), default=None)
    unheard = {
        since: key
        for key, client in clients.items()
        if sizes.of(client.owner)[0] == largest_network
        and (since := client.connection.unheard_since) is not None
    }
    return unheard[min(unheard)] if unheard else None
