"""The control port of a neighbourhood: whoever holds it opens covers, cuts feeders, and sees how everything is.

JSON, one object a line, both ways. A request names what it wants in ``do``, and may have an ``id`` that its answer has
too; an answer has ``answer``, or ``error`` with one sentence.

| ``do`` | takes | answers |
| --- | --- | --- |
| ``time`` | | ``now`` (UTC seconds), ``speed``, ``late`` whether it lives slower than that |
| ``units`` | | every device as it was delivered, with its ``feeder``; no keys |
| ``feeders`` | | the names of the feeders |
| ``look`` | ``units``: names; all without | how each is now |
| ``actions`` | ``where`` | what can be done to a unit or a feeder |
| ``act`` | ``where``, ``words``, ``given`` | what came of it |
| ``speed`` | ``value`` 1 to 3,600 | as ``time`` |
| ``push to`` | ``value`` HOST:PORT | where pushes go to from now on |
| ``story`` | ``after``: a line's number | the lines behind it, as far as they are kept |
| ``follow`` | | nothing; from now on every line of the story, as ``line``, and each second ``time`` |
| ``line map`` | | the power line as a picture, SVG |
| ``line`` | | the same as data: stretches of cable with their cabinets, and how each meter stands |

There is no password: it is for loopback, and whoever is no client of this form (a browser, say) is hung up on at the
first line that is no request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

from cosem.errors import ConfigError, CosemError
from cosem.simulator.feeder_picture import document, picture, snapshot
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from cosem.simulator.neighbourhood.unit import MeterUnit, Unit

LONGEST: Final = 1 << 16
"""Octets of a request."""
LONGEST_ANSWER: Final = 1 << 24
SLOWEST, FASTEST = 1, 3600
QUEUED: Final = 1000
"""Lines of the story that wait for a follower; a slower one is hung up on."""
PULSE: Final = 1.0


class Driver(Protocol):
    """Who lets the neighbourhood live."""

    @property
    def speed(self) -> float:
        """Virtual seconds a second."""

    @property
    def late(self) -> bool:
        """Whether it cannot keep up."""

    def set_speed(self, speed: float) -> None:
        """Live at another speed from now on."""

    def push_to(self, destination: str) -> None:
        """Carry pushes to HOST:PORT. Raises `ConfigError` for what is none."""


class ControlServer:
    """Answers at the control port."""

    def __init__(self, neighbourhood: Neighbourhood, driver: Driver) -> None:
        self._neighbourhood = neighbourhood
        self._driver = driver
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._followers: list[Callable[[dict[str, Any]], None]] = []
        neighbourhood.told.append(lambda line: self._spread({"line": line.document()}))
        self._answers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "time": lambda given: self._time(),
            "units": lambda given: [unit_document(unit) for unit in neighbourhood.units.values()],
            "feeders": lambda given: list(neighbourhood.feeders),
            "look": self._look,
            "actions": lambda given: list(neighbourhood.actions(_text(given, "where"))),
            "act": self._act,
            "speed": self._speed,
            "push to": self._push_to,
            "story": self._story,
            "line map": lambda given: self._map(),
            "line": lambda given: self._drawn(),
        }

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and return the address. Raises `ConfigError` where it cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST)
        except OSError as error:
            raise ConfigError(f"the control port at {host}:{port}: {error.strerror}") from None
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                try:
                    request = json.loads(line)
                except (ValueError, RecursionError):
                    return
                if not isinstance(request, dict):
                    return
                if request.get("do") == "follow":
                    await self._follow(writer)
                    return
                writer.write(_line(self._answer(request)))
                await writer.drain()
        except (OSError, ValueError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # Cancelled when the server stops: asyncio would tell of a task that nobody asked for.
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        marked = {"id": request["id"]} if isinstance(request.get("id"), (int, str)) else {}
        do = request.get("do")
        answer = self._answers.get(do) if isinstance(do, str) else None
        if answer is None:
            return marked | {"error": f"do is none of {', '.join(self._answers)}, follow"}
        try:
            return marked | {"answer": answer(request)}
        except CosemError as error:
            return marked | {"error": str(error)}

    async def _follow(self, writer: asyncio.StreamWriter) -> None:
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUED)

        def told(document: dict[str, Any]) -> None:
            try:
                waiting.put_nowait(document)
            except asyncio.QueueFull:
                # Who does not read is let go, not waited for: neither is what is on its way to there.
                writer.transport.abort()

        loop = asyncio.get_running_loop()
        self._followers.append(told)
        try:
            pulse = loop.time() + PULSE
            while not writer.is_closing():
                try:
                    async with asyncio.timeout_at(pulse):
                        document = await waiting.get()
                except TimeoutError:
                    document, pulse = {"time": self._time()}, loop.time() + PULSE
                writer.write(_line(document))
                await writer.drain()
        finally:
            self._followers.remove(told)

    def _spread(self, document: dict[str, Any]) -> None:
        for told in tuple(self._followers):
            told(document)

    # --- answers --------------------------------------------------------------------------------------------

    def _time(self) -> dict[str, Any]:
        driver = self._driver
        return {"now": self._neighbourhood.now, "speed": driver.speed, "late": driver.late}

    def _look(self, given: Mapping[str, Any]) -> dict[str, Any]:
        units = self._neighbourhood.units
        names = given.get("units")
        if names is None:
            return {name: unit.look() for name, unit in units.items()}
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError("units is a list of names")
        return {name: self._neighbourhood.unit(name).look() for name in names}

    def _act(self, given: Mapping[str, Any]) -> str:
        values = given.get("given", {})
        if not isinstance(values, dict):
            raise ConfigError("given is an object")
        return self._neighbourhood.act(_text(given, "where"), _text(given, "words"), values)

    def _speed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        value = given.get("value")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not SLOWEST <= value <= FASTEST:
            raise ConfigError(f"a speed is {SLOWEST} to {FASTEST} times real time")
        self._driver.set_speed(value)
        # Who reckons with the speed of before would be ahead of it at once.
        self._spread({"time": self._time()})
        return self._time()

    def _push_to(self, given: Mapping[str, Any]) -> str:
        destination = _text(given, "value")
        self._driver.push_to(destination)
        return destination

    def _story(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        after = given.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int):
            raise ConfigError("after is the number of a line")
        return [line.document() for line in self._neighbourhood.story if line.number > after]

    def _map(self) -> str:
        network = self._neighbourhood.line.line.network
        title = f"{self._neighbourhood.line.name}: the power line and its repeaters"
        return picture(network.feeder, [("now", snapshot(network))], title=title)

    def _drawn(self) -> dict[str, Any]:
        site = self._neighbourhood.line
        names = {unit.station: unit.name for unit in site.units if isinstance(unit, MeterUnit)}
        return {"name": site.name, **document(site.line.network, names)}


def unit_document(unit: Unit) -> dict[str, Any]:
    """Return a unit as JSON, as it was delivered; its keys are not in it."""
    sheet = unit.sheet
    return {
        "name": sheet.name,
        "kind": sheet.kind,
        "model": sheet.model,
        "segment": sheet.segment,
        "place": sheet.place,
        "parent": sheet.parent,
        "channel": sheet.channel,
        "identity": sheet.identity,
        "feeder": unit.feeder or None,
        "tags": list(sheet.tags),
    }


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"{name} is a text")
    return value


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


class ControlClient:
    """Whoever plays with a neighbourhood: requests one after the other over one connection.

    Where it breaks, the next request makes a new one.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def call(self, do: str, **given: Any) -> Any:
        """Return the answer to a request. Raises `ConfigError` for what is refused, and where nobody is there."""
        async with self._lock:
            try:
                async with asyncio.timeout(PATIENCE):
                    reader, writer = self._streams or await self._connected()
                    writer.write(_line({"do": do, **given}))
                    await writer.drain()
                    document = _read(await reader.readline())
            except BaseException as error:
                # An answer that comes later would be taken for that of the next request.
                self.hang_up()
                if isinstance(error, (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError)):
                    raise ConfigError(f"the neighbourhood at {self.host}:{self.port} does not answer") from None
                raise
        if "error" in document:
            raise ConfigError(str(document["error"]))
        return document.get("answer")

    async def act(self, where: str, words: str, **given: Any) -> str:
        """Do something to a unit or a feeder; return what came of it."""
        return str(await self.call("act", where=where, words=words, given=given))

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what is told (``line`` or ``time``) until the connection ends, over a connection of its own."""
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=LONGEST_ANSWER)
        try:
            writer.write(_line({"do": "follow"}))
            while line := await reader.readline():
                yield _read(line)
        finally:
            writer.close()

    def hang_up(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST_ANSWER)
        return self._streams


PATIENCE: Final = 10.0
"""Seconds that a client waits for an answer."""


def _read(line: bytes) -> dict[str, Any]:
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("this is no answer")
    return document
