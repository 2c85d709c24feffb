"""The machine of a master on a wired M-Bus: one exchange after the other, repeated as it was after silence.

Conversations over it are in `cosem.mbus.primary`; several may be started, and each has the bus to itself until it
ends. Several buses are several machines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from cosem.errors import ConnectionLost, LocalProtocolError
from cosem.link.base import Discarded
from cosem.link.conversing import Dial, Hangup, Running, Save, Sleep
from cosem.link.echo import EchoCanceller
from cosem.link.line import Line
from cosem.link.mbus_frame import ACKNOWLEDGE, FrameSplitter, LongFrame
from cosem.link.scheduler import Scheduler
from cosem.mbus.addresses import LARGEST
from cosem.mbus.link_fields import (
    RESPONSE_MASK,
    RSP_UD,
    STANDARD_BITS,
    STANDARD_LINE,
    STANDARD_SECONDS,
)
from cosem.mbus.link_state import MASTER, Master, MasterEvent

T = TypeVar("T")

E5 = bytes((ACKNOWLEDGE,))
QUIET_BITS = 33
"""Bit times without an octet that end what was no answer (EN 13757-2)."""
MAX_ANSWER = 0x100 + 8
"""Octets of the longest frame, and some noise: a line that never falls silent is given up on."""

SPREAD = 1.0
"""Seconds over which a slow network may spread the octets of one answer beside their time on the line."""


@dataclass(frozen=True, slots=True)
class MasterTimes:
    """Seconds and counts of a master.

    `answer`: a slave may take so long to begin its answer, and never less than the standard's 330 bit times and 50 ms;
    the default is what real slaves at 2400 Bd take. `gap`: silence that ends a frame, beside the standard's 33 bit
    times, for adapters that hand octets over in pieces. `tries`: how often a frame is sent in all. `latency`: what
    converters and networks take, both ways.
    """

    answer: float = 1.1
    gap: float = 0.1
    tries: int = 3
    latency: float = 0.0


class Wants(Enum):
    """What an exchange waits for."""

    ACKNOWLEDGE = "E5"
    RESPONSE = "RSP_UD, or E5 for no data"
    NOTHING = "nobody answers"


class Kind(Enum):
    """How an exchange ended."""

    SILENCE = "nobody answered"
    ACKNOWLEDGED = "E5"
    ANSWERED = "a frame"
    GARBLED = "octets that are no answer: several slaves at once, or noise"
    SENT = "sent to all"


class Exchange(NamedTuple):
    """Send a frame and wait. `tries` None takes the machine's own.

    `patient` listens until the answer time is over: what comes in it beside a clean answer makes it garbled, so that
    slow slaves do not hide behind a quick one.
    """

    octets: bytes
    address: int
    wants: Wants
    tries: int | None = None
    patient: bool = False


class Heard(NamedTuple):
    """What came of an exchange: the last try's end, the frame of an answer, the octets, and how often it was sent.

    `garbled` is how many of the tries brought octets that are no answer.
    """

    kind: Kind
    frame: LongFrame | None = None
    octets: bytes = b""
    tries: int = 1
    garbled: int = 0


@dataclass(slots=True)
class Statistics:
    """What happened on the bus: frames sent, of these repetitions, silences, garbled answers, octets unasked for."""

    sent: int = 0
    repeated: int = 0
    silent: int = 0
    garbled: int = 0
    unasked: int = 0


class BusMaster:
    """One bus; implements `cosem.link.conversing.Conversing`. Steps are `Exchange`, `Sleep`, `Dial` and `Hangup`.

    `line` is the line a serial port keeps to; for a transparent converter it says what speed the converter has. `echo`
    is how echoes of our own octets are treated, as in `cosem.link.echo`.
    """

    def __init__(self, line: Line | None = None, times: MasterTimes | None = None, *, echo: str = "auto") -> None:
        self.line = line or Line(STANDARD_LINE)
        self.times = times or MasterTimes()
        self.echo = EchoCanceller(echo)
        self.state = Master.IDLE
        self.statistics = Statistics()
        self.connected = True
        """Whether there is a transport, as far as this side knows."""
        self.now = 0.0
        self.base_speed = self.line.settings.baud
        """Speed of slaves that were not switched."""
        self.speeds: dict[int, int] = {}
        """Speed of slaves that were, by primary address (253 for the selected one)."""
        self._scheduler = Scheduler(self._carry_out)
        self._active: Running[Any] | None = None
        self._queue: deque[Running[Any]] = deque()
        self._step: Exchange | None = None
        self._owner: Running[Any] | None = None
        self._dialling: Running[Any] | None = None
        self._tries = self._garbled = 0
        self._buffer = b""
        self._splitter = FrameSplitter()
        self._frame: LongFrame | None = None
        self._spoiled = False
        self._out: list[bytes] = []
        self._deadline = self._heard_at = self._limit = self._free_at = 0.0

    # --- conversations -------------------------------------------------------------------------------------

    def start(self, conversation: Generator[Any, Any, T], now: float) -> Running[T]:
        """Start a conversation; it waits until the bus is free."""
        self.now = now
        running = Running(conversation)
        self._queue.append(running)
        self._advance()
        return running

    def cancel(self, running: Running[Any], now: float) -> None:
        """Throw `Cancelled` into a conversation; an answer under way is waited for before the next one begins."""
        self.now = now
        if running.done:
            return
        if running in self._queue:
            self._queue.remove(running)
        if running is self._owner:
            self._owner = self._step = None
            self._move(MasterEvent.STOP)
            self._free_at = max(self._deadline, now + self._gap)
        if running is self._dialling:
            self._dialling = None
        self._scheduler.cancel(running)
        self._advance()

    def _advance(self) -> None:
        self._scheduler.advance()
        while self._active is None or self._active.done:
            if not self._queue:
                self._active = None
                return
            self._active = self._queue.popleft()
            self._scheduler.resume(self._active)
            self._scheduler.advance()

    def _carry_out(self, running: Running[Any], step: Any) -> None:
        if isinstance(step, Exchange):
            if not self.connected:
                raise ConnectionLost("there is no connection to the bus")
            self._owner, self._step = running, step
            self._tries = self._garbled = 0
            self._send_when_free()
        elif isinstance(step, Sleep):
            self._scheduler.sleep(running, self.now + step.seconds)
        elif isinstance(step, (Save, Dial, Hangup)):
            if isinstance(step, Dial):
                self._dialling = running
            self._scheduler.driver.append((running, step))
        else:
            raise LocalProtocolError(f"a conversation on a bus yields steps, not {type(step).__name__}")

    def driver_step(self) -> tuple[Running[Any], Save | Dial | Hangup] | None:
        """Return the next step the driver has to carry out and answer, or None."""
        driver = self._scheduler.driver
        return driver.popleft() if driver else None

    def answer(self, running: Running[Any], value: Any, now: float, error: BaseException | None = None) -> None:
        """Hand the outcome of a driver step back."""
        self.now = now
        if running is self._dialling:
            self._dialling = None
            self.connected = error is None
            self.echo.reset()
        self._scheduler.wake(running, value, error)
        self._advance()

    # --- sending -------------------------------------------------------------------------------------------

    def _move(self, event: MasterEvent) -> None:
        self.state = MASTER[self.state, event]

    def speed_of(self, address: int) -> int:
        """Return the speed at which a slave is spoken to."""
        return self.speeds.get(address, self.base_speed)

    def answer_time(self) -> float:
        """Return how long a slave may take to begin its answer at the speed of the line, in seconds."""
        standard = STANDARD_BITS / self.line.settings.baud + STANDARD_SECONDS
        return max(self.times.answer, standard) + self.times.latency

    @property
    def _gap(self) -> float:
        return QUIET_BITS / self.line.settings.baud + self.times.gap

    def _send_when_free(self) -> None:
        if self.state is Master.IDLE and self.now >= self._free_at:
            self._send()

    def _send(self) -> None:
        step = self._step
        assert step is not None
        speed = self.speed_of(step.address)
        if speed != self.line.settings.baud:
            self.line.settings = self.line.settings._replace(baud=speed)
        self._tries += 1
        self.statistics.sent += 1
        self.statistics.repeated += self._tries > 1
        self._out.append(step.octets)
        self._buffer, self._frame, self._spoiled = b"", None, False
        self._splitter = FrameSplitter()
        sent = self.now + self.line.settings.seconds(len(step.octets))
        if step.wants is Wants.NOTHING:
            self._move(MasterEvent.POST)
            self._free_at = sent + QUIET_BITS / speed + STANDARD_SECONDS + self.times.latency
            self._deadline = self._free_at
            return
        self._move(MasterEvent.SEND)
        self._deadline = sent + self.answer_time()
        self._limit = self._deadline + self.line.settings.seconds(MAX_ANSWER) + self._gap + SPREAD

    def take(self) -> bytes:
        """Return the octets to send."""
        if not self._out:
            return b""
        octets = b"".join(self._out)
        self._out.clear()
        self.echo.sent(octets)
        return octets

    # --- receiving -----------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the line; what nobody asked for is counted and forgotten."""
        self.now = now
        self._octets(self.echo.received(octets, now))
        self._advance()

    def _octets(self, octets: bytes) -> None:
        if not octets:
            return
        self._move(MasterEvent.OCTETS)
        self._heard_at = self.now
        step = self._step
        if self.state is Master.RESTING or step is None:
            self.statistics.unasked += len(octets)
            self._free_at = max(self._free_at, self.now + self._gap)
            return
        self._buffer = (self._buffer + octets)[:MAX_ANSWER]
        if step.wants is Wants.RESPONSE:
            for item in self._splitter.feed(octets):
                if isinstance(item, Discarded) or self._frame is not None or not _answers(item[0], step.address):
                    self._spoiled = True
                else:
                    self._frame = item[0]
        if not step.patient and (self._frame is not None or self._buffer == E5):
            self._conclude()

    def _conclude(self) -> None:
        """End the try: the answer is there, or no more will come."""
        step = self._step
        assert step is not None
        clean = not (step.patient and (self._spoiled or self._splitter.waiting))
        if self._frame is None and step.wants is Wants.RESPONSE and not step.patient:
            # Noise that looks like the beginning of a frame may hide the answer behind it.
            for item in self._splitter.flush():
                if not isinstance(item, Discarded) and _answers(item[0], step.address):
                    self._frame = item[0]
        if self._frame is not None and clean:
            self._move(MasterEvent.WHOLE)
            self._finish(Kind.ANSWERED)
        elif self._buffer == E5:
            self._move(MasterEvent.WHOLE)
            self._finish(Kind.ACKNOWLEDGED)
        else:
            self._move(MasterEvent.BROKEN)
            self.statistics.garbled += 1
            self._garbled += 1
            self._again(Kind.GARBLED)

    def _again(self, kind: Kind) -> None:
        """Send the same octets again, with the same frame count bit, or give up."""
        step = self._step
        assert step is not None
        if self._tries < (step.tries or self.times.tries):
            self._send_when_free()
        else:
            self._finish(kind)

    def _finish(self, kind: Kind) -> None:
        running, self._owner, self._step = self._owner, None, None
        if running is not None:
            frame = self._frame if kind is Kind.ANSWERED else None
            heard = Heard(kind, frame, self._buffer, self._tries, self._garbled)
            self._scheduler.wake(running, heard)

    def lost(self, now: float) -> None:
        """Learn that the transport is gone: whoever waits for an answer gets `ConnectionLost`."""
        self.now = now
        self.connected = False
        self._move(MasterEvent.LOST)
        self._out.clear()
        self._free_at = now
        running, self._owner, self._step = self._owner, None, None
        if running is not None:
            self._scheduler.wake(running, error=ConnectionLost("the connection to the bus was lost"))
        self._advance()

    # --- time ----------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        if self.state is Master.WAITING:
            return self._deadline
        if self.state is Master.HEARING:
            quiet = self._heard_at + self._gap
            if self._step is not None and self._step.patient:
                quiet = max(quiet, self._deadline)
            return min(quiet, self._limit)
        if self.state is Master.RESTING or self._step is not None:
            return self._free_at
        return None

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = [time for time in (self._due(), self.echo.due, *self._scheduler.times()) if time is not None]
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """Let what is due happen."""
        self.now = now
        self._octets(self.echo.release(now))
        due = self._due()
        if due is not None and now >= due:
            self._timed()
        self._scheduler.handle_timer(now)
        self._advance()

    def _timed(self) -> None:
        if self.state is Master.WAITING:
            self._move(MasterEvent.SILENT)
            self.statistics.silent += 1
            self._again(Kind.SILENCE)
        elif self.state is Master.HEARING:
            self._conclude()
        else:
            if self.state is Master.RESTING:
                self._move(MasterEvent.RESTED)
            step = self._step
            if step is not None and step.wants is Wants.NOTHING and self._tries:
                self._finish(Kind.SENT)
            elif step is not None:
                self._send_when_free()


def _answers(frame: LongFrame, address: int) -> bool:
    """Say whether a frame is an answer of the slave that was asked; a pseudo-address stands for any."""
    return frame.control & RESPONSE_MASK == RSP_UD and (frame.address == address or address > LARGEST)
