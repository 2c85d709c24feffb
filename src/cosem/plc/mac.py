"""The MAC layer of one station (IEC 61334-5-1, 4): frames in slots, repetition with credits, and who may speak when.

A station that has a frame with credit left sends it again in the slots right behind, with one credit less, and so does
everybody else who has it, at the same instant and with the same octets. A frame takes its slots times one more than its
initial credit, and until then nobody else begins.

Time is the number of the slot that begins. A copy is given to `receive` in the slot behind its last one, then
`handle_timer` is called where it is due, then `take` returns what this station begins to send now. Between these
slots nothing happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.errors import EncodeError
from cosem.plc.addresses import ALL_CONFIGURED, ALL_PHYSICAL, NEW, NO_BODY
from cosem.plc.mac_events import (
    AlarmHeard,
    MacConfirm,
    MacEvent,
    MacIndication,
    MacRefused,
    MacRequest,
    RepeaterDecided,
)
from cosem.plc.mac_frame import MAX_DELTA, SUBFRAME, Credits, MacFrame, build, read
from cosem.plc.mac_settings import MIN_DELTA_RESET, Counters, MacSettings
from cosem.plc.mac_state import Lock, Sync
from cosem.plc.mac_sync import Follower
from cosem.plc.phy import MAX_ALARM_REPETITIONS
from cosem.plc.reception import Reception
from cosem.plc.repeater_call import RepeaterCall, Turn

MAX_WAITING: Final = 64
"""Frames that wait to be sent; a host that hands over more is not listening to confirmations."""


@dataclass(slots=True)
class _Chorus:
    """A frame this station sends: `at` is the slot of the next copy, `credit` what that copy has left."""

    frame: MacFrame
    at: int
    credit: int
    goes_on: bool


class Mac:
    """One station: an initiator or a server, by its settings.

    `address` is the own one: NEW for a server that is not registered. `initiator` is whom a registered server follows:
    both are kept over an outage, and the station is made anew with them at `now`.
    `overhears` picks frames of the own network that are for others and are to be told all the same.
    """

    def __init__(
        self,
        settings: MacSettings | None = None,
        *,
        address: int = NEW,
        initiator: int = NO_BODY,
        now: int = 0,
        overhears: Callable[[MacFrame], bool] | None = None,
    ) -> None:
        self.settings = settings or MacSettings()
        self.counters = Counters()
        self.follower = Follower(self.settings, self.counters, address, initiator, now)
        self.overhears = overhears
        self.min_delta_credit = MIN_DELTA_RESET
        self.repeater: int = self.settings.repeater
        self.turn: Turn | None = None
        self._dynamic = self.settings.repeats_at_first
        self._alarms = 0
        self._waiting: deque[MacRequest] = deque()
        self._chorus: _Chorus | None = None
        self._busy_until = 0
        self._current: MacFrame | None = None
        self._ready = 0
        self._confirm: tuple[int, MacConfirm] | None = None
        self._received: dict[int, Credits] = {}
        self._refused: list[MacEvent] = []
        self._check = self.settings.check
        self._is_initiator = self.settings.initiator

    # --- what others see ----------------------------------------------------------------------------------------

    @property
    def address(self) -> int:
        """The own address."""
        return self.follower.address

    @property
    def initiator(self) -> int:
        """Whom this station follows (class 50, initiator_mac_address); NO_BODY for nobody."""
        return self.follower.initiator

    @property
    def locked(self) -> bool:
        """Whether it follows its initiator and no other (class 50, synchronization_locked)."""
        return self.follower.lock is Lock.LOCKED

    @property
    def synchronized(self) -> bool:
        """Whether slots are known; an initiator makes them."""
        return self._is_initiator or self.follower.sync is Sync.SYNCHRONIZED

    @property
    def repeats(self) -> bool:
        """Whether this station sends on what it hears (class 50, repeater_status). An initiator does not."""
        if self._is_initiator or self.repeater == Repeater.NEVER:
            return False
        return self.repeater == Repeater.ALWAYS or self._dynamic

    @property
    def repeats_at(self) -> int | None:
        """The slot of the next copy where sending it is all that is due by then; None where `next_timer` has to be
        asked."""
        return None if self._chorus is None or self._confirm is not None else self._chorus.at

    @property
    def busy_until(self) -> int:
        """The slot in which the last frame heard or sent is over, all its repetitions with it."""
        return self._busy_until

    def take_settings(self, settings: MacSettings) -> None:
        """Take other settings (class 50 was written); they hold from the next frame on. Time-outs: `set_timeouts`."""
        self.settings = settings
        self._check = settings.check
        self.follower.take_settings(settings)

    # --- octets in ----------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, quality: Reception, now: int) -> list[MacEvent]:
        """Take one copy, NS to check sequence as it was heard, that ended before slot `now`."""
        counters = self.counters
        frame = read(octets, self._check)
        if frame is None:
            counters.crc_nok += 1
            if not self._is_initiator:
                self.follower.preamble(quality, now)
            return self._events()
        counters.crc_ok += 1
        subframes = len(octets) // SUBFRAME
        left = frame.credits.current
        if now <= self._busy_until and self._is_copy(frame):
            self.follower.frame_ok(now)
            return []
        self._current = frame
        self._busy_until = now + subframes * left
        if self.turn is not None:
            self._busy_until = max(self._busy_until, self.turn.ends)
        if self._is_initiator:
            if frame.destination == self.follower.address:
                self._note(frame)
                return [MacIndication(frame, quality, now)]
            return []
        admitted = self.follower.admit(frame, quality, now)
        if frame.destination == ALL_PHYSICAL and self.settings.plan.is_initiator(frame.source):
            counters.broadcasts[frame.source] = counters.broadcasts.get(frame.source, 0) + 1
        if not admitted:
            return self._events()
        if left and self.repeats:
            counters.repetitions += 1
            self._chorus = _Chorus(frame, now, left - 1, self.settings.keeps_repeating)
        events = self._events() if self.follower.events else []
        if self._is_for_me(frame.destination):
            self._note(frame)
            self.min_delta_credit = min(self.min_delta_credit, frame.credits.hops)
            events.append(MacIndication(frame, quality, now))
        elif self.overhears is not None and self.overhears(frame):
            events.append(MacIndication(frame, quality, now, overheard=True))
        return events

    def is_attentive(self, initiator: int) -> bool:
        """Whether more comes of a good frame of `initiator`'s network for somebody else than `overheard` does.

        A server that is synchronised to it and has nothing to send, to repeat or to tell only counts such frames.
        """
        follower = self.follower
        return (
            follower.initiator != initiator
            or follower.sync is not Sync.SYNCHRONIZED
            or self._is_initiator
            or self.overhears is not None
            or self._chorus is not None
            or self.turn is not None
            or bool(self._waiting)
            or self.repeats
        )

    def overheard(self, copies: int, frame: MacFrame, now: int) -> None:
        """Take several copies of frames for others at once, the last of which (`frame`) ended before slot `now`.

        The same as `receive` for each of them while `is_attentive` is false; for media that keep count instead.
        """
        self.counters.crc_ok += copies
        self._current = frame
        self._busy_until = now + frame.subframes * frame.credits.current
        self.follower.frame_ok(now)

    def hear_alarm(self, level: float, now: int) -> list[MacEvent]:
        """Learn that the pattern of an alarm came in a pause."""
        return [AlarmHeard(level, now)]

    def _is_copy(self, frame: MacFrame) -> bool:
        current = self._current
        return (
            current is not None
            and frame.sdu == current.sdu
            and frame.source == current.source
            and frame.destination == current.destination
            and frame.credits.initial == current.credits.initial
            and frame.credits.delta == current.credits.delta
        )

    def _is_for_me(self, destination: int) -> bool:
        follower = self.follower
        if destination in (follower.address, ALL_PHYSICAL) or destination in follower.groups:
            return True
        return destination == ALL_CONFIGURED and follower.address != NEW

    def _note(self, frame: MacFrame) -> None:
        """Remember how a partner was heard; a server needs only its initiator, an initiator its servers."""
        self._received[frame.source] = frame.credits

    # --- what the host wants ------------------------------------------------------------------------------------

    def transmit(self, request: MacRequest, now: int) -> list[MacEvent]:
        """Take a frame to send, in the slot behind `now` at the earliest; `MacConfirm` follows when it was sent."""
        if not self.synchronized:
            return [MacRefused(request, "no slots are known: the station is not synchronised")]
        if len(self._waiting) >= MAX_WAITING:
            return [MacRefused(request, f"{MAX_WAITING} frames are waiting")]
        try:
            build(self._frame_of(request), self._check)
        except EncodeError as error:
            return [MacRefused(request, error.what)]
        if not self._waiting:
            self._ready = now + 1
        self._waiting.append(request)
        return []

    def alarm(self, repetitions: int) -> None:
        """Tell an alarm in as many of the next pauses (0 to 15; 0 stops it)."""
        self._alarms = min(max(repetitions, 0), MAX_ALARM_REPETITIONS)

    @property
    def alarms_left(self) -> int:
        """In how many more pauses an alarm is told."""
        return self._alarms

    def take_alarm(self) -> bool:
        """Whether this station tells an alarm in the pause that comes; counts it."""
        if not self._alarms or not self.synchronized:
            return False
        self._alarms -= 1
        return True

    def begin_call(self, call: RepeaterCall, draw: int, begin: int | None = None) -> Turn:
        """Take part in a repeater call; `draw` is a random number.

        Its special slots begin with slot `begin`: behind the frame that calls and its repetitions, if nothing else is
        said. The call decides at its end; until then the medium is busy.
        """
        begin = self._busy_until if begin is None else begin
        if self._is_initiator:
            self.turn = Turn(call, 0, Repeater.ALWAYS, begin)
        else:
            position = call.position(self.address, draw) if self.synchronized else None
            self.turn = Turn(call, position, self.repeater, begin)
        self._busy_until = max(self._busy_until, self.turn.ends)
        return self.turn

    # --- slots out ----------------------------------------------------------------------------------------------

    def take(self, now: int) -> bytes | None:
        """Return the copy (NS to check sequence) that this station begins to send with slot `now`, or None."""
        chorus = self._chorus
        if chorus is not None and chorus.at < now:
            # Its slot went by without us: a copy that comes late would be no copy but a disturbance.
            chorus = self._chorus = None
        if chorus is not None and chorus.at == now:
            return self._next_copy(chorus)
        if chorus is None and self._waiting and now >= self._begin_of(self._waiting[0]):
            return self._begin(self._waiting.popleft(), now)
        return None

    def _begin(self, request: MacRequest, now: int) -> bytes | None:
        self._ready = now + 1
        if not self.synchronized:
            self._refused.append(MacRefused(request, "synchronisation was lost before it could be sent"))
            return None
        if request.latest is not None and now > request.latest:
            self._refused.append(MacRefused(request, "the medium was busy too long"))
            return None
        frame = self._frame_of(request)
        self.counters.transmissions += 1
        self._current = frame
        self._busy_until = now + frame.subframes * (frame.credits.initial + 1)
        self._chorus = _Chorus(frame, now, frame.credits.initial, True)
        # A modem confirms when the frame was sent once, before the repetitions.
        behind = now + frame.subframes
        self._confirm = behind, MacConfirm(request, behind, self._busy_until)
        return self._next_copy(self._chorus)

    def _next_copy(self, chorus: _Chorus) -> bytes:
        copy = chorus.frame.with_credit(chorus.credit)
        if chorus.credit and chorus.goes_on:
            chorus.at += copy.subframes
            chorus.credit -= 1
        else:
            self._chorus = None
        return build(copy, self._check)

    def _frame_of(self, request: MacRequest) -> MacFrame:
        heard = self._received.get(request.destination)
        credit = request.credit
        if credit is None:
            credit = heard.initial if heard is not None and self.settings.answers_with_received_credit else 0
        delta = 0 if self._is_initiator or heard is None else min(heard.hops, MAX_DELTA)
        source = self.address if request.source is None else request.source
        return MacFrame(source, request.destination, Credits(credit, credit, delta), request.sdu)

    def _begin_of(self, request: MacRequest) -> int:
        return max(self._ready, request.not_before, self._busy_until + self.settings.turnaround)

    # --- time ---------------------------------------------------------------------------------------------------

    def next_timer(self) -> int | None:
        """Return the next slot in which something is due: a copy to send, a confirmation, a time-out. None for
        never."""
        due = [] if self._is_initiator else [self.follower.next_timer()]
        if self._chorus is not None:
            due.append(self._chorus.at)
        elif self._waiting:
            due.append(self._begin_of(self._waiting[0]))
        if self._confirm is not None:
            due.append(self._confirm[0])
        if self._refused:
            due.append(self._ready)
        if self.turn is not None:
            due.append(self.turn.ends)
        return min((slot for slot in due if slot is not None), default=None)

    def handle_timer(self, now: int) -> list[MacEvent]:
        """Let what is due happen, and return what came of it."""
        events, self._refused = self._refused, []
        if self._confirm is not None and now >= self._confirm[0]:
            events.append(self._confirm[1])
            self._confirm = None
        if self.turn is not None and now >= self.turn.ends:
            turn, self.turn = self.turn, None
            if turn.repeats is not None and self.repeater == Repeater.DYNAMIC:
                self._dynamic = turn.repeats
            events.append(RepeaterDecided(self.repeats, turn.repeats is not None, now))
        if not self._is_initiator:
            self.follower.handle_timer(now)
        return events + self._events()

    def _events(self) -> list[MacEvent]:
        events, self.follower.events = self.follower.events, []
        return events
