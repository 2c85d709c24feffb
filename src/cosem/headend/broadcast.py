"""Telling all meters of a segment at once: one datagram under the broadcast key, over an association both ends know.

Nothing is answered, so nothing is believed: who did not hear it is found by reading, and told alone.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.set import SetRequestNormal
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Dial, Post
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.client.plan import counter_name
from cosem.client.url import MeterUrl
from cosem.codec import axdr
from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.inventory import Inventory
from cosem.headend.schema import broadcast_channel
from cosem.headend.vault import Sealer
from cosem.io.aio import AsyncioDriver, Outlet
from cosem.io.udp import open_udp
from cosem.link.wrapper import DatagramWrapperLink
from cosem.obis import Obis
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys

CLIENT: Final = 102
"""The client that meters know without an AARQ: pre-established, for what goes to all (IDIS, DSMR)."""
ALL: Final = 0x7F
"""The logical device address of all."""
MAX_URLS: Final = 1000
PROTECTED: Final = 0x30


@dataclass(frozen=True, slots=True)
class Channel:
    """How a segment is told at once. `urls` are broadcast or multicast addresses, or concentrators that pass it on."""

    segment: int
    urls: tuple[str, ...]
    title: bytes
    sealed: bytes | None


class Broadcasts:
    """The broadcast channels of segments."""

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        counters: CounterStore,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._counters = counters
        self._clock = clock

    def set(self, segment: str, urls: tuple[str, ...], title: bytes, keys: Keys | None, who: str) -> None:
        """Say how a segment is told at once; without URLs it is not. Raises `ConfigError`.

        `keys` are the broadcast key and the authentication key that its meters share.
        """
        if len(urls) > MAX_URLS or len(title) != 8:
            raise ConfigError(f"up to {MAX_URLS} addresses, and a system title of 8 octets")
        if keys is not None and (keys.global_broadcast_encryption_key is None or keys.authentication_key is None):
            raise ConfigError("what is protected for all needs a broadcast key and an authentication key")
        for url in urls:
            parsed = MeterUrl.parse(url)
            if parsed.transport != "udp" or parsed.framing != "wrapper":
                raise ConfigError(f"{url}: what goes to all goes by UDP with the wrapper (udp://)")
        now = self._clock()
        with self._engine.begin() as connection:
            number = Inventory(connection).segment(segment)
            sealed = None if keys is None else self._sealer.seal(_joined(keys), _context(number))
            row = {"segment": number, "urls": json.dumps(urls), "title": title.hex(), "sealed": sealed}
            statement = upsert(broadcast_channel).values(row)
            changed = {name: statement.excluded[name] for name in ("urls", "title", "sealed")}
            connection.execute(statement.on_conflict_do_update(index_elements=["segment"], set_=changed))
            record(connection, now, who, "set broadcast", segment, after={"urls": urls, "protected": keys is not None})

    def channel(self, connection: Connection, segment: int) -> Channel | None:
        """Return the channel of a segment; None where there is none."""
        query = select(broadcast_channel).where(broadcast_channel.c.segment == segment)
        row = connection.execute(query).one_or_none()
        if row is None or not (urls := tuple(json.loads(row.urls))):
            return None
        return Channel(segment, urls, bytes.fromhex(row.title), row.sealed)

    async def write(self, channel: Channel, class_id: int, name: Obis, attribute: int, value: axdr.Data) -> int:
        """Send one unconfirmed SET to all; return to how many addresses it went. Raises `OSError`."""
        request = SetRequestNormal(AttributeDescriptor(class_id, name, attribute), None, axdr.encode(value))
        keys = Keys()
        if channel.sealed is not None:
            keys = _parted(self._sealer.unseal(channel.sealed, _context(channel.segment)))
        settings = AssociationSettings(
            client_sap=CLIENT,
            server_sap=ALL,
            protection=PROTECTED if channel.sealed is not None else 0,
            keys=keys,
            system_title=channel.title,
            lease=partial(self._lease, channel, keys.global_broadcast_encryption_key),
            pre_established=True,
            broadcast=True,
        )
        sent = 0
        for url in channel.urls:
            await self._to(MeterUrl.parse(url), settings, request)
            sent += 1
        return sent

    def _lease(self, channel: Channel, key: bytes | None, count: int) -> tuple[int, int]:
        return self._counters.lease(f"broadcast {counter_name(channel.title, key)}", count)

    async def _to(self, url: MeterUrl, settings: AssociationSettings, request: SetRequestNormal) -> None:
        initiator = Initiator(DatagramWrapperLink(), settings)
        driver = AsyncioDriver(initiator, url.host, url.port, opener=partial(open_to_all, url.host, url.port))

        def talk() -> Generator[Any, Any, None]:
            yield Dial()
            yield from open_association(initiator, bytes)
            yield Post(request)

        try:
            await driver.run(talk())
            # The event loop hands a datagram to the system at once, or when the socket has room again.
            await asyncio.sleep(0)
        finally:
            driver.close()


async def open_to_all(host: str, port: int, wire: asyncio.Protocol) -> Outlet:
    """Return where to send; the socket may address all hosts of a network."""
    outlet = await open_udp(host, port, wire)
    held = outlet._transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return outlet


def emergency_profile(content: EmergencyProfile) -> axdr.Data:
    """Return an emergency profile as it is written."""
    return Limiter.attributes[8].type.to_data(content)


def _context(segment: int) -> str:
    return f"segment {segment} broadcast"


def _joined(keys: Keys) -> bytes:
    return (keys.global_broadcast_encryption_key or b"") + (keys.authentication_key or b"")


def _parted(octets: bytes) -> Keys:
    half = len(octets) // 2
    return Keys(authentication_key=octets[half:], global_broadcast_encryption_key=octets[:half])
