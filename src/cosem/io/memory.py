"""Both ends in one process, in virtual time: no socket, no waiting, and the same run every time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from cosem.errors import ConnectionLost, CosemError, Timeout
from cosem.link.base import Machine
from cosem.link.conversing import Conversing, Dial, Hangup, Running, Save
from cosem.link.memory import LossyPipe

T = TypeVar("T")

CLIENT_SIDE, SERVER_SIDE = 0, 1
MAX_ROUNDS = 10_000_000


class MemoryDriver:
    """Runs conversations of `initiator` against `responder` over a pipe. `now` is virtual and starts at 0.

    `hook`, if given, is called before every delivery with the number of the step: tests make the n-th one fail there.
    """

    def __init__(
        self,
        initiator: Conversing,
        responder: Machine | None,
        pipe: LossyPipe | None = None,
        *,
        hook: Callable[[int], None] | None = None,
        redial: bool = True,
    ) -> None:
        self.initiator = initiator
        self.responder = responder
        self.pipe = pipe or LossyPipe()
        self.now = 0.0
        self.steps = 0
        self.connected = True
        self.hook = hook
        self.redial = redial

    def run(self, conversation: Generator[Any, Any, T], *, until: float | None = None) -> T:
        """Run a conversation to its end and return its result, or raise its error.

        Raises `Timeout` where nothing is left that could ever happen, or `until` is reached.
        """
        running = self.initiator.start(conversation, self.now)
        for _ in range(MAX_ROUNDS):
            if running.done:
                self._pump()
                return running.outcome()
            if not self._step(until):
                break
        self.initiator.cancel(running, self.now)
        if running.done and not isinstance(running.error, (CosemError, type(None))):
            return running.outcome()
        raise Timeout("nothing is left that could answer")

    def cut(self) -> None:
        """Cut the line: both ends learn that the transport is gone."""
        self.connected = False
        self.pipe.cut()
        self.initiator.lost(self.now)
        if self.responder is not None:
            self.responder.lost(self.now)

    def _step(self, until: float | None) -> bool:
        """Let the next thing happen; False where there is none."""
        if (order := self.initiator.driver_step()) is not None:
            self._order(*order)
            return True
        self._pump()
        if self._deliver():
            return True
        times = [self.pipe.next_time(), self.initiator.next_timer()]
        if self.responder is not None:
            times.append(self.responder.next_timer())
        following = min((time for time in times if time is not None), default=None)
        if following is None or (until is not None and following > until):
            return False
        self.now = max(self.now, following)
        self.initiator.handle_timer(self.now)
        if self.responder is not None:
            self.responder.handle_timer(self.now)
        return True

    def _pump(self) -> None:
        """Move what both ends want to send into the pipe."""
        octets = self.initiator.take()
        if octets and self.connected:
            self.pipe.send(CLIENT_SIDE, octets, self.now)
        if self.responder is not None:
            octets = self.responder.take()
            if octets and self.connected:
                self.pipe.send(SERVER_SIDE, octets, self.now)

    def _deliver(self) -> bool:
        """Deliver what has arrived, one write at a time."""
        octets = self.pipe.deliver(SERVER_SIDE, self.now)
        if octets is not None:
            self._count()
            if self.responder is not None and self.connected:
                self.responder.receive(octets, self.now)
            return True
        octets = self.pipe.deliver(CLIENT_SIDE, self.now)
        if octets is not None:
            self._count()
            if self.connected:
                self.initiator.receive(octets, self.now)
            return True
        return False

    def _count(self) -> None:
        self.steps += 1
        if self.hook is not None:
            self.hook(self.steps)

    def _order(self, running: Running[Any], step: Save | Dial | Hangup) -> None:
        """Carry out what a conversation asks of the driver."""
        value: Any = None
        failure: Exception | None = None
        if isinstance(step, Save):
            try:
                value = step.action()
            except Exception as error:
                failure = error
        elif isinstance(step, Dial):
            self.connected = self.connected or self.redial
            failure = None if self.connected else ConnectionLost("the line is cut")
        else:
            self.cut()
        self.initiator.answer(running, value, self.now, failure)
