"""The asyncio driver: the same machine and conversations, any number of meters in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol, TypeVar

from cosem.io.blocking import Trace, dial_error
from cosem.link.conversing import Conversing, Dial, Hangup, Running, Save

T = TypeVar("T")


class Outlet(Protocol):
    """The sending half of a connection."""

    def write(self, octets: bytes, /) -> None:
        """Send octets."""

    def close(self) -> None:
        """Close the connection."""


Opener = Callable[[asyncio.Protocol], Awaitable[Outlet]]
"""Opens what is no TCP connection: everything that comes goes to the protocol. Raises `OSError` or `CosemError`."""


class _Wire(asyncio.Protocol):
    """What the event loop calls; hands everything to the driver."""

    def __init__(self, driver: AsyncioDriver) -> None:
        self.driver = driver
        self.cut = False

    def data_received(self, data: bytes) -> None:
        if not self.cut:
            self.driver._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.driver._lost(self)


class AsyncioDriver:
    """Runs conversations of one machine over one connection; several may be under way at once.

    The connection is TCP to `host` and `port`, or what `opener` opens.
    """

    def __init__(
        self,
        machine: Conversing,
        host: str,
        port: int,
        *,
        timeout: float = 10.0,
        trace: Trace | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.machine = machine
        self.host = host
        self.port = port
        self.timeout = timeout
        self.trace = trace
        self._opener = opener
        self._loop = asyncio.get_running_loop()
        self._wire: _Wire | None = None
        self._transport: Outlet | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._watched: list[tuple[Running[Any], asyncio.Future[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation to its end and return its result, or raise its error."""
        running = self.machine.start(conversation, self._loop.time())
        future: asyncio.Future[T] = self._loop.create_future()
        self._watched.append((running, future))
        self._pump()
        try:
            return await future
        except asyncio.CancelledError:
            self.machine.cancel(running, self._loop.time())
            self._pump()
            raise

    def close(self) -> None:
        """Close the connection and the timer; conversations under way end in `Cancelled`."""
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timer_at = None
        for running, _ in self._watched:
            self.machine.cancel(running, self._loop.time())
        self._settle()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            # What still comes by it belongs to nothing that is asked from now on.
            self._wire.cut = True
        if self._transport is not None:
            self._transport.close()
        self._transport = self._wire = None

    def _received(self, octets: bytes) -> None:
        if self.trace is not None:
            self.trace("<", octets)
        self.machine.receive(octets, self._loop.time())
        self._pump()

    def _lost(self, wire: _Wire) -> None:
        if wire is not self._wire:
            return
        self._wire = self._transport = None
        self.machine.lost(self._loop.time())
        self._pump()

    def _pump(self) -> None:
        """Send, carry out orders, set the timer, and settle what is finished."""
        while (order := self.machine.driver_step()) is not None:
            running, step = order
            if isinstance(step, Hangup):
                self._carry_out_hangup(running)
                continue
            task = self._loop.create_task(self._order(running, step))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._send()
        self._settle()
        self._set_timer()

    def _send(self) -> None:
        octets = self.machine.take()
        if octets and self._transport is not None:
            if self.trace is not None:
                self.trace(">", octets)
            self._transport.write(octets)

    def _carry_out_hangup(self, running: Running[Any]) -> None:
        """Hang up at once: there is nothing to wait for. What was to be sent before goes first."""
        error: Exception | None = None
        try:
            self._send()
            self._hang_up()
            self.machine.lost(self._loop.time())
        except Exception as raised:
            error = raised
        self.machine.answer(running, None, self._loop.time(), error)

    def _settle(self) -> None:
        for running, _ in self._watched:
            if running.done:
                break
        else:
            return
        finished = [(running, future) for running, future in self._watched if running.done]
        self._watched = [item for item in self._watched if not item[0].done]
        for running, future in finished:
            if future.done():
                continue
            if running.error is not None:
                future.set_exception(running.error)
            else:
                future.set_result(running.result)

    def _set_timer(self) -> None:
        due = self.machine.next_timer()
        if due == self._timer_at and self._timer is not None:
            return
        # A later deadline keeps the earlier timer: it fires, finds nothing due and is set anew. Answers come thousands
        # of times a second, and moving a timer each time would cost more than the answer.
        if due is not None and self._timer is not None and self._timer_at is not None and due > self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = due
        if due is not None:
            self._timer = self._loop.call_at(due, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._timer_at = None
        self.machine.handle_timer(self._loop.time())
        self._pump()

    async def _order(self, running: Running[Any], step: Save | Dial) -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            if isinstance(step, Save):
                value = await self._loop.run_in_executor(None, step.action)
            else:
                await self._dial()
        except Exception as raised:
            # Whatever it is: the conversation that waits for this step must learn of it.
            error = raised
        self.machine.answer(running, value, self._loop.time(), error)
        self._pump()

    async def _dial(self) -> None:
        self._hang_up()
        wire = _Wire(self)
        try:
            async with asyncio.timeout(self.timeout):
                transport: Outlet
                if self._opener is not None:
                    transport = await self._opener(wire)
                else:
                    transport, _ = await self._loop.create_connection(lambda: wire, self.host, self.port)
        except (OSError, UnicodeError) as error:
            raise dial_error(self.host, self.port, error) from None
        self._wire = wire
        self._transport = transport
