"""What meters push: received on TCP and UDP, kept as it came, acknowledged, and made events and alarms of.

The order is the safe one: on the disk, then acknowledged, then looked into. A storm of last gasps is written in
batches; its order is that of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select

from cosem.apdu.notify import DataNotificationConfirm
from cosem.association.initiator import CONFIRMATION_WANTED
from cosem.client.keyfile import DeviceKeys
from cosem.client.listen import Listener, Push, Senders
from cosem.companions.companion import Companion, companion
from cosem.errors import ConfigError
from cosem.headend.happenings import Happened, keep
from cosem.headend.pushed import Pushed, keep_latest, pushed_values
from cosem.headend.schema import device, device_type, push_log
from cosem.link.base import Link
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink
from cosem.obis import obis
from cosem.pushes.readings import Reading

BATCH: Final = 2000
WAITING: Final = 100_000
"""Pushes that may wait to be written; what comes beyond is not acknowledged, and meters send it again."""
IDLE_SECONDS: Final = 300.0
MAX_CONNECTIONS: Final = 5000
NAMES: Final = (obis("0-0:42.0.0.255"), obis("0-0:96.1.0.255"))
"""Logical device name and serial number: what tells a sender that is not ciphered."""
CLOCK: Final = obis("0-0:1.0.0.255")
PUSHED: Final = {4: "alarm", 5: "last gasp", 6: "customer", 7: "connectivity"}


@dataclass(slots=True)
class _Arrived:
    push: Push
    peer: str
    at: float
    confirm: Callable[[], None] | None


class Intake:
    """Receives pushes. `told` hears of every batch: what is new, and which alarms it opened.

    `within` takes part in the batch's transaction, for what must be written together with it (`notify.Notifier`).
    `sender` names the device of a system title, a logical device name or a serial number.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float],
        told: Callable[[list[Happened], list[int]], None] | None = None,
        within: Callable[[Connection, list[Happened], list[int], int], None] | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._told = told
        self._within = within
        self._senders = Senders()
        self._by_title: dict[bytes, int] = {}
        self._by_name: dict[str, int] = {}
        self._proving: set[int] = set()
        """Devices whose keys prove what they push: values in clear are nobody's."""
        self._companions: dict[int, str] = {}
        self._queue: asyncio.Queue[_Arrived] = asyncio.Queue(WAITING)
        self._servers: list[Any] = []
        self._task: asyncio.Task[None] | None = None
        self.valued: Callable[[set[int]], None] | None = None
        """Told which devices pushed values."""
        self.connections = 0
        self.received = 0
        self.refused = 0
        """Pushes that found the queue full."""

    def know(self, connection: Connection, keys: Iterable[DeviceKeys]) -> None:
        """Learn who may push: devices by title and name, and their keys. Counters seen so far are kept."""
        query = select(device.c.id, device.c.name, device.c.system_title, device_type.c.companion).join(
            device_type, device.c.type == device_type.c.id, isouter=True
        )
        for number, name, title, profile in connection.execute(query):
            self._by_name[name] = number
            self._companions[number] = profile or "idis"
            if title:
                self._by_title[bytes.fromhex(title)] = number
                self._proving.add(number)
        self._senders = self._senders.renewed(keys)

    async def start(self, host: str, port: int, *, udp: bool = True) -> int:
        """Listen on TCP, and on UDP at the same port; return the port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), host, port)
        port = server.sockets[0].getsockname()[1]
        self._servers.append(server)
        if udp:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (host, port))
            self._servers.append(transport)
        self._task = asyncio.create_task(self._run())
        return int(port)

    async def close(self) -> None:
        """Stop listening; what arrived is written first."""
        for server in self._servers:
            server.close()
        if self._task is not None:
            await self.drained()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def drained(self) -> None:
        """Wait until everything that arrived is written and looked into."""
        await self._queue.join()

    def listener(self, link: Link) -> Listener:
        """Return what takes the octets of one connection apart."""
        return Listener(link, self._senders)

    def arrived(self, push: Push, peer: str, confirm: Callable[[], None] | None) -> None:
        """Take a push; `confirm` is called once it is on the disk."""
        try:
            self._queue.put_nowait(_Arrived(push, peer, self._clock(), confirm))
            self.received += 1
        except asyncio.QueueFull:
            self.refused += 1

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                fresh, opened, valued = await asyncio.to_thread(self._write, batch)
                for item in batch:
                    if item.confirm is not None:
                        item.confirm()
                if self._told is not None and (fresh or opened):
                    self._told(fresh, opened)
                if self.valued is not None and valued:
                    self.valued(valued)
            finally:
                for _ in batch:
                    self._queue.task_done()

    @property
    def waiting(self) -> int:
        """How many pushes wait to be written."""
        return self._queue.qsize()

    def _write(self, batch: Sequence[_Arrived]) -> tuple[list[Happened], list[int], set[int]]:
        rows = []
        happened: list[Happened] = []
        pushed: list[Pushed] = []
        for item in batch:
            number = self.device_of(item.push)
            rows.append(
                {
                    "at": int(item.at),
                    "peer": item.peer,
                    "device": number,
                    "octets": item.push.octets,
                    "problem": item.push.problem or (None if number is not None else "nobody known"),
                }
            )
            if number is not None and item.push.problem is None:
                happened += self.happened(number, item.push, int(item.at))
                if item.push.verified or number not in self._proving:
                    pushed += pushed_values(number, item.push.readings, int(item.at))
        with self._engine.begin() as connection:
            connection.execute(insert(push_log), rows)
            now = int(self._clock())
            fresh, opened = keep(connection, happened, now)
            if self._within is not None:
                self._within(connection, fresh, opened, now)
            return fresh, opened, keep_latest(connection, pushed)

    def device_of(self, push: Push) -> int | None:
        """Return the device that pushed: by its title where a key proved it, by the name it gives otherwise."""
        if push.system_title is not None and push.system_title in self._by_title:
            return self._by_title[push.system_title]
        for reading in push.readings if push.value is not None else ():
            if reading.obis in NAMES and reading.text is not None:
                found = self._by_name.get(reading.text)
                if found is None and len(reading.text) > 3:
                    found = self._by_name.get(reading.text[3:])
                if found is not None:
                    return found
        return None

    def happened(self, number: int, push: Push, now: int) -> list[Happened]:
        """Return what a push says that happened: bits of alarm descriptors, or that there was one of its kind."""
        profile = _companion(self._companions.get(number, "idis"))
        at = now
        found: list[Happened] = []
        kind = ""
        for reading in push.readings:
            if reading.obis == CLOCK and (moment := reading.date_time) is not None:
                at = _seconds(moment, now)
            elif bytes(reading.obis)[:1] == b"\x00" and bytes(reading.obis)[2:4] == b"\x19\x09":
                kind = PUSHED.get(bytes(reading.obis)[1], "interval")
            words = _alarm_words(profile, reading)
            found += [Happened(number, at, "alarm", word, source="push", alarming=True) for word in words]
        if not found and kind in ("last gasp", "connectivity", "alarm"):
            found.append(Happened(number, at, "push", kind, source="push", alarming=kind == "last gasp"))
        return [Happened(item.device, at, item.group, item.words, None, "push", item.alarming) for item in found]


def _companion(name: str) -> Companion:
    try:
        return companion(name)
    except ConfigError:
        return companion("idis")


def _alarm_words(profile: Companion, reading: Reading) -> tuple[str, ...]:
    for register in profile.alarms:
        if reading.obis in (register.descriptor, register.register) and isinstance(reading.value.value, int):
            return register.words(reading.value.value)
    return ()


def _seconds(text: str, default: int) -> int:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return default
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _confirmation(push: Push, link: Link, send: Callable[[bytes], None], now: float) -> Callable[[], None] | None:
    """Return what acknowledges a push that wants it."""
    invoke = push.invoke
    if invoke is None or not invoke & CONFIRMATION_WANTED or push.problem is not None:
        return None

    def confirm() -> None:
        link.send(push.address, DataNotificationConfirm(b"").encode(invoke), now, confirmed=False)
        send(link.take())

    return confirm


class _Connection(asyncio.Protocol):
    """One meter that connected to push."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._link = WrapperLink()
        self._listener = intake.listener(self._link)
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._intake.connections += 1
        if self._intake.connections > MAX_CONNECTIONS:
            self._transport.abort()
        self._wait()

    def _wait(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(IDLE_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._wait()
        now = self._loop.time()
        peer = str((self._transport.get_extra_info("peername") or ("?",))[0])
        for push in self._listener.receive(data, now):
            self._intake.arrived(push, peer, _confirmation(push, self._link, self._send, now))

    def _send(self, octets: bytes) -> None:
        if octets and not self._transport.is_closing():
            self._transport.write(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        self._intake.connections -= 1
        if self._idle is not None:
            self._idle.cancel()


class _Datagrams(asyncio.DatagramProtocol):
    """Everybody who pushes by UDP; a datagram stands for itself."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        link = DatagramWrapperLink()
        now = self._loop.time()
        for push in self._intake.listener(link).receive(data, now):
            self._intake.arrived(
                push,
                str(addr[0]),
                _confirmation(push, link, lambda octets: self._transport.sendto(octets, addr), now),
            )
