"""Conversations of the concentrator's own with a device below it: the same ones that clients hold, over the carrier."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

from cosem.association.initiator import Initiator
from cosem.association.running import Running
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Dial, Hangup, Save, Step
from cosem.client.core import ClientOptions, Core
from cosem.concentrator.carrier import Carrier
from cosem.concentrator.forwarder import Forwarder
from cosem.errors import ConnectionLost, CosemError
from cosem.link.base import Link
from cosem.link.wrapper import WrapperLink

Random = Callable[[int], bytes]


class Line(Protocol):
    """The way to a device as the octets of a client's link; `cause` says why nothing came, and is taken off."""

    cause: str

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets of the client."""

    def take(self) -> bytes:
        """Return octets for the client."""

    def lost(self, now: float) -> None:
        """Learn that the client is gone."""


class Talk:
    """One conversation with one device. `done` is called with the talk when it is over: `outcome` has what came of it.

    With `link` and `dial` it goes over another link than the wrapper: `dial` gives the line of a device, and is told
    what to call when something came. What the carrier could not deliver ends the conversation as a lost connection,
    with the carrier's cause.
    """

    def __init__(
        self,
        carrier: Carrier,
        name: bytes,
        settings: AssociationSettings,
        random: Random,
        conversation: Callable[[Core], Generator[Step, Any, Any]],
        done: Callable[[Talk], object],
        options: ClientOptions | None = None,
        *,
        link: Link | None = None,
        dial: Callable[[bytes, Callable[[], object]], Line] | None = None,
    ) -> None:
        self.name = name
        self.carrier = carrier
        self.machine = Initiator(link or WrapperLink(), settings)
        self._dial = dial or self._forwarder
        self.core = Core(self.machine, random, options)
        self.running: Running[Any] | None = None
        self.cause = ""
        self._conversation = conversation
        self._done = done
        self._line: Line | None = None
        self._pumping = False
        self._finished = False

    def start(self) -> None:
        """Begin."""
        self.running = self.machine.start(self._conversation(self.core), self.carrier.now)
        self.pump()

    def outcome(self) -> Any:
        """Return the result of the conversation, or raise its error."""
        assert self.running is not None
        return self.running.outcome()

    def cancel(self) -> None:
        """End the conversation where it is: somebody else wants the device."""
        assert self.running is not None
        self.machine.cancel(self.running, self.carrier.now)
        self._hang_up()
        self.pump()

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next, in the carrier's seconds."""
        return None if self._finished else self.machine.next_timer()

    def handle_timer(self) -> None:
        """Let what is due happen."""
        self.machine.handle_timer(self.carrier.now)
        self.pump()

    def pump(self) -> None:
        """Move what both ends have to say, until there is nothing more."""
        if self._pumping or self._finished or self.running is None:
            return
        self._pumping = True
        try:
            while self._turn():
                pass
        finally:
            self._pumping = False
        if self.running.done and not self._finished:
            self._finished = True
            if self._line is not None:
                self._line.lost(self.carrier.now)
            self._done(self)

    def _turn(self) -> bool:
        machine, now = self.machine, self.carrier.now
        order = machine.driver_step()
        if order is not None:
            self._order(*order)
            return True
        octets = machine.take()
        if octets and self._line is not None:
            self._line.receive(octets, now)
            return True
        if self._line is None:
            return False
        octets = self._line.take()
        if octets:
            machine.receive(octets, now)
            return True
        if self._line.cause:
            self.cause, self._line.cause = self._line.cause, ""
            self._hang_up()
            return True
        return False

    def _order(self, running: Running[Any], step: Save | Dial | Hangup) -> None:
        value: Any = None
        failure: Exception | None = None
        if isinstance(step, Save):
            try:
                value = step.action()
            except CosemError as error:
                failure = error
        elif isinstance(step, Dial):
            reached = self.carrier.device(self.name)
            if reached is None or not reached.there:
                self.cause = "not known" if reached is None else reached.state
                failure = ConnectionLost(f"{self.name.hex()} is {self.cause}")
            else:
                self._line = self._dial(self.name, self.pump)
        else:
            self._hang_up()
        self.machine.answer(running, value, self.carrier.now, failure)

    def _forwarder(self, name: bytes, told: Callable[[], object]) -> Line:
        return Forwarder(self.carrier, name, urgent=False, tells_failures=False, told=told, failed=lambda cause: told())

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.lost(self.carrier.now)
        self.machine.lost(self.carrier.now)
