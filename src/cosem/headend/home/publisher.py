"""The connection to a broker: everything is said once at the beginning, then what changes; for ever, over every break.

The broker's will says "offline" when the process dies. What an earlier process told of devices that are gone since is
found again among the retained messages, and taken away.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Engine

from cosem.headend.home.discovery import config_topic, node, parts_of, topics_of
from cosem.headend.home.messages import Told, messages, own
from cosem.headend.home.meters import MOST, Meter, meters
from cosem.headend.home.settings import HomeSettings

LOG: Final = logging.getLogger("cosem.headend.home")
CLIENT_LOG: Final = logging.getLogger("cosem.headend.home.client")
CLIENT_LOG.setLevel(logging.WARNING)  # it would tell of every packet
SECONDS: Final = 10.0
"""How long a broker may take."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
AT_ONCE: Final = 8
GATHER_SECONDS: Final = 0.2
"""What changes within this time is looked at together."""
LOOK_SECONDS: Final = 30.0
"""How often everything is looked at: values grow old, and other processes change the folder."""
LONGEST_FOUND: Final = 1 << 20


class Publisher:
    """Tells a broker of the devices of a head-end. `clock` gives UTC seconds, `random` numbers from 0 to 1.

    `follow` is a listener of `Headend.live`; `run` goes on until it is cancelled.
    """

    def __init__(
        self,
        engine: Engine,
        settings: HomeSettings,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        every: float = LOOK_SECONDS,
    ) -> None:
        self.settings = settings
        self._engine = engine
        self._clock = clock
        self._random = random
        self._every = every
        self._meters: dict[int, Meter] = {}
        self._sent: dict[str, bytes] = {}
        self._topics: dict[int, set[str]] = {}
        self._gone: dict[int, dict[str, str]] = {}
        self._earlier: dict[int, bytes] = {}
        """Discovery messages that were retained before this connection."""
        self._again = False
        self._dirty: set[int] = set()
        self._whole = True
        self._something = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.connected = False
        self.published = 0
        self.failures = 0
        """How often there was no connection, or one broke."""

    def follow(self, kind: str, content: dict[str, Any]) -> None:
        """Hear of what the head-end tells; of any thread."""
        if "device" in content and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._touch, content["device"])

    def _touch(self, number: int) -> None:
        self._dirty.add(number)
        self._something.set()

    async def run(self) -> None:
        """Stay connected and tell what there is.

        What goes wrong on the way is logged once, and tried again, less and less often. Raises `ConfigError` where
        password or certificates cannot be read.
        """
        import aiomqtt

        self._loop = asyncio.get_running_loop()
        password, context = self.settings.password(), self.settings.context()
        pause, said = FIRST_PAUSE, ""
        while True:
            _end_if_asked()
            client = aiomqtt.Client(
                self.settings.host,
                self.settings.port,
                identifier=f"cosem-{self.settings.id}",
                username=self.settings.user,
                password=password,
                tls_context=context,
                will=aiomqtt.Will(self.settings.status, b"offline", qos=1, retain=True),
                timeout=SECONDS,
                # Many small messages, each waited for: what is small must not wait for what follows.
                socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
                logger=CLIENT_LOG,
                max_queued_incoming_messages=10_000,
            )
            try:
                async with client:
                    self.connected = True
                    pause, said = FIRST_PAUSE, ""
                    LOG.info("connected", extra={"fields": {"broker": self.settings.host}})
                    await self._tell(client)
            except* (aiomqtt.MqttError, OSError, TimeoutError) as error:
                why = _first(error)
                if why != said:
                    LOG.warning("no connection", extra={"fields": {"broker": self.settings.host, "why": why}})
                said = why
            except* Exception:
                LOG.exception("what is told broke off; it begins anew")
            finally:
                self.connected = False
            self.failures += 1
            # Full jitter: many that a broker lost together do not come back together.
            await asyncio.sleep(max(0.1, pause * self._random()))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _tell(self, client: Any) -> None:
        """Carry one connection, until it breaks."""
        self._sent.clear()
        self._earlier.clear()
        self._whole = self._again = True
        self._something.set()
        _end_if_asked()
        if self.settings.discovery is not None:
            await client.subscribe(f"{self.settings.discovery}/status", qos=1)
            await client.subscribe(f"{self.settings.discovery}/device/+/config", qos=1)
        both = [asyncio.create_task(self._hear(client)), asyncio.create_task(self._changes(client))]
        try:
            # A group of tasks would leave this one cancelled (Python 3.11), and it goes on with the next connection.
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            # An end that is asked for is no death: the will stays with the broker.
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            with suppress(Exception):
                await client.publish(self.settings.status, b"offline", qos=1, retain=True)
            raise
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _changes(self, client: Any) -> None:
        while True:
            _end_if_asked()
            with suppress(TimeoutError):
                # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                async with asyncio.timeout(self._every):
                    await self._something.wait()
                await asyncio.sleep(GATHER_SECONDS)
            whole = self._whole or not self._something.is_set()
            self._something.clear()
            dirty, self._dirty = self._dirty, set()
            self._whole = False
            if self._again:
                self._again = False
                self._sent.clear()
                await self._say(client, [Told(None, self.settings.status, b"online"), *own(self.settings)])
            try:
                told, removed = await asyncio.to_thread(self._look, None if whole else dirty)
            except Exception:
                # What went wrong here once (a locked database) must not end the nights to come.
                LOG.exception("devices were not looked at; it is tried again")
                self._whole = True
                await asyncio.sleep(FIRST_PAUSE)
                self._something.set()
                continue
            await self._say(client, told)
            await self._clear(client, removed)
            await self._compare(client)

    def _look(self, numbers: set[int] | None) -> tuple[list[Told], set[str]]:
        """Return what is to be said, and the topics that nobody has any more."""
        with self._engine.connect() as connection:
            found = meters(connection, group=self.settings.group, numbers=numbers)
        if numbers is None:
            if len(found) == MOST > len(self._meters):
                LOG.warning("too many devices", extra={"fields": {"told": MOST}})
            self._meters = found
        else:
            # What is new, or gone, is found when everything is looked at.
            self._meters |= {number: meter for number, meter in found.items() if number in self._meters}
            found = {number: meter for number, meter in found.items() if number in self._meters}
        told = list(
            messages(self.settings, found.values(), self._clock(), gone=self._gone, everybody=self._meters.values())
        )
        now: dict[int, set[str]] = {number: set() for number in found}
        for item in told:
            if item.device is not None and item.retain:
                now[item.device].add(item.topic)
        known = set(self._topics) if numbers is None else set(found)
        removed = {topic for number in known for topic in self._topics.get(number, set()) - now.get(number, set())}
        if numbers is None:
            self._topics = now
        else:
            self._topics |= now
        return told, removed - {item.topic for item in told}

    async def _say(self, client: Any, told: Iterable[Told]) -> None:
        """Publish what is not there so already, in order of topic kinds: one after the other in each, some at once."""
        fresh = []
        for item in told:
            old = self._sent.get(item.topic)
            if old == item.payload:
                continue
            if old is not None and item.topic.endswith("/config") and item.device is not None:
                self._vanished(item.device, old, item.payload)
            self._sent[item.topic] = item.payload
            fresh.append(item)
        for first in range(0, len(fresh), AT_ONCE):
            await asyncio.gather(
                *(
                    client.publish(item.topic, item.payload, qos=1, retain=item.retain)
                    for item in fresh[first : first + AT_ONCE]
                )
            )
            self.published += len(fresh[first : first + AT_ONCE])

    async def _clear(self, client: Any, topics: Iterable[str]) -> None:
        """Take retained messages away. A discovery message without content removes its device."""
        for topic in sorted(topics, key=lambda topic: not topic.endswith("/config")):
            self._sent.pop(topic, None)
            await client.publish(topic, b"", qos=1, retain=True)
            self.published += 1

    def _vanished(self, number: int, before: bytes, after: bytes) -> None:
        """Note components that a device had and has no more; they are taken away by the next message."""
        old, new = parts_of(before), parts_of(after)
        if lost := {key: platform for key, platform in old.items() if key not in new}:
            self._gone.setdefault(number, {}).update(lost)
            self._touch(number)

    async def _hear(self, client: Any) -> None:
        """Hear when Home Assistant comes, and what is retained of earlier times."""
        pattern = re.compile(re.escape(f"{self.settings.discovery}/device/{self.settings.id}_") + r"(\d{1,15})/config")
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload or b"")
            if topic == f"{self.settings.discovery}/status" and payload == b"online":
                LOG.info("Home Assistant is there: everything is said again")
                self._whole = self._again = True
            elif message.retain and 0 < len(payload) <= LONGEST_FOUND and (found := pattern.fullmatch(topic)):
                self._earlier[int(found[1])] = payload
                self._whole = True
            else:
                continue
            self._something.set()

    async def _compare(self, client: Any) -> None:
        """Take away what an earlier process told of and nobody has any more: devices, and parts of them."""
        earlier, self._earlier = self._earlier, {}
        for number, payload in earlier.items():
            if number in self._meters:
                self._vanished(number, payload, self._sent[config_topic(self.settings, number)])
                continue
            start = f"{self.settings.topic}/device/"
            mine = {topic for topic in topics_of(payload) if topic.startswith(start) and not set(topic) & set("+#\0")}
            LOG.info("taken away", extra={"fields": {"identifier": node(self.settings, number)}})
            await self._clear(client, {config_topic(self.settings, number), *mine})


def _end_if_asked() -> None:
    """End where that was asked for and forgotten: the client waits by wait_for, see `Publisher._changes`."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]
