"""Mode E of either side as a link: text messages first, then the HDLC link inside takes over.

Both implement `cosem.link.base.Link`. They say on `line` what the serial line has to be, always after the octets sent
before have had their time on it. The meter's confirmation comes at the new speed, still in seven bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from cosem.errors import ConfigError, DecodeError, LocalProtocolError
from cosem.link.base import Address, Discarded, Link, LinkDown, LinkEvent, LinkUp
from cosem.link.line import Line, LineSettings
from cosem.link.mode_e.messages import (
    ACK,
    BAUD,
    MAX_LINE,
    Identification,
    asks_for,
    is_readout,
    letter_for,
    opening,
    parse_identification,
    parse_opening,
    parse_select,
    select,
    with_parity,
    without_parity,
    words,
)
from cosem.link.mode_e.settings import LONGEST_MESSAGE, ModeESettings
from cosem.link.mode_e.state import CLIENT, SERVER, Event, State, Table

LAST_FRAME = 20
"""Octets that the last frame has at the most, the UA of a DISC or an FRMR, for the time it takes on the line."""


MakeLink = Callable[[LineSettings], Link]
"""Makes the HDLC link of a line: how patient it is depends on the speed."""


class _ModeELink(ABC):
    """What both ends share. `make` gives the link that takes over, `line` is the line that a driver keeps to."""

    repairs: ClassVar[bool] = True
    """HDLC does."""

    table: Table

    def __init__(self, make: MakeLink, settings: ModeESettings | None = None, line: Line | None = None) -> None:
        self.settings = settings or ModeESettings()
        self.line = line or Line(self.settings.initial)
        self.inner = make(self.line.settings)
        self._make = make
        self._letter = "0"
        self.state = State.IDLE
        self._out: list[bytes] = []
        self._buffer = bytearray()
        self._due: float | None = None
        self._open: set[Address] = set()
        """Connections of HDLC, those of a client from the order on."""

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU for HDLC."""
        self.inner.send(address, apdu, now, confirmed=confirmed)

    def take(self) -> bytes:
        """Return the octets to send."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets + self.inner.take() if self._handed_over else octets

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the line."""
        if self.state is State.HDLC:
            return self._track(self.inner.receive(octets, now), now)
        self._buffer += octets
        events = self._heard(now)
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            bare, right = without_parity(line[_begin(line) :])
            if right:
                events += self._message(bare.rstrip(b"\r\n"), now)
            else:
                events.append(Discarded(line, "wrong parity: are the speed and the character format right?"))
        if len(self._buffer) > MAX_LINE:
            events.append(Discarded(bytes(self._buffer), f"more than {MAX_LINE} octets without an end of line"))
            self._buffer.clear()
        return events

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        inner = self.inner.next_timer() if self._handed_over else None
        times = [time for time in (self._due, inner) if time is not None]
        return min(times, default=None)

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Go on with what had to wait: a reaction time, a change of the line, a message that did not come."""
        events: list[LinkEvent] = []
        if self._handed_over:
            events += self._track(self.inner.handle_timer(now), now)
        if self._due is not None and now >= self._due:
            if self._out:
                # Nobody took the last message yet; the line does not change below it.
                self._due = now + self.settings.times.slack
            else:
                self._due = None
                events += self._timed(now)
        return events

    @property
    def _handed_over(self) -> bool:
        return self.state in (State.HDLC, State.CLOSING)

    def _heard(self, now: float) -> list[LinkEvent]:
        """Something came; the messages in it follow."""
        return []

    @abstractmethod
    def _message(self, line: bytes, now: float) -> list[LinkEvent]:
        """Take a text message without its CR LF."""

    @abstractmethod
    def _timed(self, now: float) -> list[LinkEvent]:
        """Do what the time that is up was waited for."""

    def _move(self, event: Event) -> bool:
        following = self.table.get((self.state, event))
        if following is None:
            return False
        self.state = following
        return True

    def _say(self, message: bytes) -> float:
        """Send a text message; return how long it takes."""
        self._out.append(with_parity(message) if self.settings.software_parity else message)
        return self.line.settings.seconds(len(message))

    def _rest(self) -> None:
        """Forget what was under way; the line is as mode E begins."""
        self._buffer.clear()
        self._due = None
        self._open.clear()
        self.line.settings = self.settings.initial

    def _track(self, events: list[LinkEvent], now: float) -> list[LinkEvent]:
        """Know which HDLC connections are open; behind the last one the port is as it was."""
        down = False
        for event in events:
            if isinstance(event, LinkUp):
                self._open.add(event.address)
            elif isinstance(event, LinkDown):
                self._open.discard(event.address)
                down = True
        if self.state is State.HDLC and down and not self._open:
            self._closed(now)
        return events

    @abstractmethod
    def _closed(self, now: float) -> None:
        """The last HDLC connection is closed."""

    def _hand_over(self) -> None:
        """Eight bits and HDLC from now on."""
        self._buffer.clear()
        self.line.settings = LineSettings(BAUD[self._letter])
        self.inner = self._make(self.line.settings)


def _begin(line: bytes) -> int:
    """Return where a message begins, behind the noise of a head that turns round; 0 where there is none."""
    return next((at for at, octet in enumerate(line) if octet & 0x7F in (ACK, 0x2F)), 0)


class ModeEClient(_ModeELink):
    """The reading end: `connect` opens the port first where it is not open yet."""

    table = CLIENT

    def __init__(self, make: MakeLink, settings: ModeESettings | None = None, line: Line | None = None) -> None:
        super().__init__(make, settings, line)
        self.identification: Identification | None = None
        """Who answered the opening."""
        self._wanted: list[Address] = []
        self._tries = 0
        self._opened_at = 0.0
        self._problem = ""
        self._left: str | None = None
        """The speed at which a meter was left in HDLC without a DISC it answered."""
        self._orderly = False
        self._rest_until = 0.0

    @property
    def agreed(self) -> int | None:
        """The speed of HDLC that was agreed on with who answered, None where there is no HDLC to be had."""
        found = self.identification
        offers = found is not None and (found.mode == "E" or self.settings.insist) and found.letter in BAUD
        return BAUD[self._letter] if offers else None

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Open the port if need be, and HDLC towards `address`; `LinkUp` follows, or `LinkDown` with the reason."""
        if self.state is State.HDLC:
            events = self.inner.connect(address, now)
            self._open.add(address)
            return self._track(events, now)
        if address in self._wanted:
            raise LocalProtocolError(f"{address} is being connected already")
        self._wanted.append(address)
        if self.state is State.IDLE:
            self._rest()
            self._tries, self._problem, self.identification = 0, "", None
            if self.settings.wake_up:
                self._move(Event.WAKE)
                times = self.settings.times
                count = int(times.wake_up / self.line.settings.seconds(1))
                self._due = now + max(times.wake_up, self._say(bytes(count)))
            elif now < self._rest_until:
                self._move(Event.WAIT)
                self._due = self._rest_until
            else:
                self._move(Event.CONNECT)
                self._ask(now)
        return []

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Close HDLC towards `address`, or end the opening."""
        if self.state is State.HDLC:
            self._orderly = True
            return self._track(self.inner.disconnect(address, now), now)
        if address not in self._wanted:
            return []
        self._move(Event.DISCONNECT)
        return self._failed("closed by this side")

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address because the transport is gone."""
        events = self.inner.lost(now)
        if self.state is State.HDLC:
            self._left = self._letter
        self._move(Event.LOST)
        return events + self._failed("the transport was lost")

    def _failed(self, reason: str) -> list[LinkEvent]:
        events: list[LinkEvent] = [LinkDown(address, reason) for address in self._wanted]
        self._wanted.clear()
        self._out.clear()
        self._rest()
        return events

    def _closed(self, now: float) -> None:
        self._left = None if self._orderly else self._letter
        # The meter changes its port back first.
        self._rest_until = now + self.line.settings.seconds(LAST_FRAME) + 2 * self.settings.times.margin
        self._move(Event.CLOSED)
        self._rest()

    def _ask(self, now: float) -> None:
        """Send the opening and wait for the identification."""
        self._tries += 1
        self._opened_at = now
        self._buffer.clear()
        times = self.settings.times
        self._due = now + self._say(opening(self.settings.address)) + times.longest_reaction + times.slack

    def _heard(self, now: float) -> list[LinkEvent]:
        if self.state is State.OPENING and self._due is not None:
            latest = self._opened_at + LONGEST_MESSAGE
            self._due = max(self._due, min(now + self.settings.times.inter_character, latest))
        return []

    def _message(self, line: bytes, now: float) -> list[LinkEvent]:
        if self.state is State.OPENING:
            return self._identified(line, now)
        if self.state in (State.SELECTING, State.CONFIRMING):
            begin = line.find(ACK)
            if begin >= 0 and line[begin:] == select(self._letter)[:-2]:
                self._move(Event.CONFIRMED)
                self._settle(now)
                return []
            if is_readout(line):
                self._move(Event.READOUT)
                return self._failed(
                    "the meter answers the selection of HDLC with a data readout in plain text: it refuses mode E here"
                )
        return self._unusable(line, f"no message to expect while {self.state.value}")

    def _unusable(self, line: bytes, reason: str) -> list[LinkEvent]:
        self._problem = f"something came that could not be used: {reason}"
        return [Discarded(line, reason)] if line else []

    def _identified(self, line: bytes, now: float) -> list[LinkEvent]:
        begin = max(line.find(b"/"), 0)
        if line[begin:] == opening(self.settings.address)[:-2]:
            # An echo that nobody took out.
            return [Discarded(line, "our own opening")]
        try:
            found = parse_identification(line[begin:])
        except DecodeError as error:
            return self._unusable(line, f"no identification ({error.what})")
        self.identification = found
        offered = BAUD.get(found.letter)
        if offered is None or not (found.mode == "E" or self.settings.insist):
            self._move(Event.OTHER_MODE)
            if found.mode == "E":
                return self._failed(f"the meter offers a speed that nobody knows: {found.letter!r}")
            return self._failed(words(found))
        limit = self.settings.max_baud or offered
        self._letter = letter_for(min(limit, offered))
        self._left = None
        self._move(Event.IDENTIFIED)
        times = self.settings.times
        self._due = now + (times.quick_reaction if found.quick else times.reaction)
        return []

    def _timed(self, now: float) -> list[LinkEvent]:
        state, times = self.state, self.settings.times
        if state is State.OPENING:
            return self._silent(now)
        if state is State.CONFIRMING and self.settings.confirmation:
            self._move(Event.GIVE_UP)
            return self._failed(f"the meter does not confirm the change to {BAUD[self._letter]} Bd")
        self._move(Event.DUE)
        if state is State.WAKING:
            self._due = now + times.wake_pause
        elif state is State.PAUSING:
            self._ask(now)
        elif state is State.REACTING:
            self._due = now + self._say(select(self._letter)) + times.margin
        elif state is State.SELECTING:
            self._buffer.clear()
            self.line.settings = self.settings.seven_bits(BAUD[self._letter])
            self._due = now + self.line.settings.seconds(6) + times.longest_reaction + times.slack
        elif state is State.CONFIRMING:
            self._settle(now)
        elif state is State.SETTLING:
            return self._connect_wanted(now)
        return []

    def _connect_wanted(self, now: float) -> list[LinkEvent]:
        self._orderly = False
        events: list[LinkEvent] = []
        for address in self._wanted:
            try:
                events += self.inner.connect(address, now)
                self._open.add(address)
            except LocalProtocolError as error:
                # The order was given long ago: who gave it hears of it as of any other failure.
                events.append(LinkDown(address, str(error)))
        self._wanted.clear()
        return self._track(events, now)

    def _settle(self, now: float) -> None:
        self._hand_over()
        self._due = now + self.settings.times.settle

    def _silent(self, now: float) -> list[LinkEvent]:
        """No identification came in time."""
        if self._buffer and not self._problem:
            self._problem = (
                f"{len(self._buffer)} octets came that are no message: the speed or the parity may be another"
            )
        if self._tries < self.settings.tries:
            self._move(Event.REPEAT)
            self._ask(now)
            return []
        if self._left is not None:
            # It does not hear 300 Bd because it is still where the last session left it.
            self._letter, self._left = self._left, None
            self._move(Event.RESUME)
            self._hand_over()
            return self._connect_wanted(now)
        self._move(Event.GIVE_UP)
        asked = opening(self.settings.address)[:-2].decode("ascii")
        often = "once" if self._tries == 1 else f"{self._tries} times"
        return self._failed(f"no identification after {asked} was sent {often} at {self.line.settings}; {self._hint()}")

    def _hint(self) -> str:
        if self._problem:
            return self._problem
        if self.settings.address:
            return "is this the device address of the meter? Without one any meter answers"
        return (
            "is the head on the optical port, and the right way round? A meter whose last session was cut off hears "
            "again when its inactivity time-out is over (some minutes); one with a battery may need wakeup=yes; one "
            "without mode E may speak HDLC at once (hdlc+serial://)"
        )


class ModeEServer(_ModeELink):
    """The end that is read: answers the opening, changes the speed, and is an HDLC server until the last DISC."""

    table = SERVER

    def __init__(self, make: MakeLink, settings: ModeESettings | None = None, line: Line | None = None) -> None:
        super().__init__(make, settings, line)
        if self.settings.identification.letter not in BAUD or self.settings.identification.mode != "E":
            raise ConfigError("a meter of mode E offers a speed from 0 to 9, and HDLC")

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the line."""
        events = super().receive(octets, now)
        if self.state is State.HDLC:
            self._stay(now)
        return events

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Do as the HDLC link does: a meter opens no port."""
        return self.inner.connect(address, now)

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Forget an HDLC connection."""
        return self._track(self.inner.disconnect(address, now), now)

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address because the transport is gone."""
        events = self.inner.lost(now)
        self._move(Event.LOST)
        self._out.clear()
        self._rest()
        return events

    def _closed(self, now: float) -> None:
        """The last frame leaves first, then the line changes back."""
        self._move(Event.CLOSED)
        self._due = now + self.line.settings.seconds(LAST_FRAME) + self.settings.times.margin

    def _stay(self, now: float) -> None:
        # Open connections have a time-out of their own.
        self._due = None if self._open else now + self.settings.times.inactivity

    def _heard(self, now: float) -> list[LinkEvent]:
        # Nulls wake those who sleep.
        self._buffer[:] = self._buffer.replace(b"\x00", b"")
        return []

    def _message(self, line: bytes, now: float) -> list[LinkEvent]:
        begin = line.rfind(b"/?")
        if begin >= 0 and (self.state, Event.OPENED) in self.table:
            return self._asked(line[begin:], now)
        begin = line.rfind(ACK)
        if begin >= 0 and self.state is State.OFFERED:
            return self._selected(line[begin:], now)
        return [Discarded(line, f"no message to expect while {self.state.value}")] if line else []

    def _asked(self, line: bytes, now: float) -> list[LinkEvent]:
        try:
            address = parse_opening(line)
        except DecodeError as error:
            return [Discarded(line, error.what)]
        if not asks_for(address, self.settings.address):
            return [Discarded(line, "for another device address")]
        self._move(Event.OPENED)
        self._out.clear()
        self.line.settings = self.settings.initial
        self._due = now + self._reaction
        return []

    @property
    def _reaction(self) -> float:
        times = self.settings.times
        return times.quick_reaction if self.settings.identification.quick else times.reaction

    def _selected(self, line: bytes, now: float) -> list[LinkEvent]:
        try:
            chosen = parse_select(line)
        except DecodeError as error:
            return [Discarded(line, error.what)]
        offered = BAUD[self.settings.identification.letter]
        if not chosen.hdlc or BAUD.get(chosen.letter, offered + 1) > offered:
            self._move(Event.REFUSED)
            self._rest()
            return [Discarded(line, "selects something else than HDLC at a speed that was offered")]
        self._letter = chosen.letter
        self._move(Event.SELECTED)
        self._due = now + self._reaction
        return []

    def _timed(self, now: float) -> list[LinkEvent]:
        state, times = self.state, self.settings.times
        self._move(Event.DUE)
        if state is State.REACTING:
            takes = self._say(self.settings.identification.encode())
            # The other side's reaction, and the six characters of its choice.
            self._due = now + takes + times.longest_reaction + self.line.settings.seconds(6) + times.slack
        elif state is State.SWITCHING:
            self.line.settings = self.settings.seven_bits(BAUD[self._letter])
            self._due = now + self._say(select(self._letter)) + times.margin
        elif state is State.ANSWERING:
            self._hand_over()
            self._stay(now)
        elif state is State.HDLC:
            self._rest()
            return self.inner.lost(now)
        else:
            self._rest()
        return []
