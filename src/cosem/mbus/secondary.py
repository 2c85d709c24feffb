"""The slave on a wired M-Bus: addresses, selection, frame count, speed; what it measures is an application's business.

`hear` is the whole station for one frame, as a simulated bus calls it; `receive`, `take` and the timer are the machine
around it for a line of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cosem.errors import DecodeError
from cosem.link.base import Discarded
from cosem.link.mbus_frame import Acknowledge, Frame, LineSplitter, LongFrame, ShortFrame, build
from cosem.mbus.addresses import BROADCAST, LARGEST, SELECTED, TEST, SecondaryAddress, check_primary
from cosem.mbus.link_fields import (
    ADDRESS_RECORD,
    APPLICATION_ERROR,
    APPLICATION_RESET,
    BAUD,
    DATA_SEND,
    FCB,
    FCV,
    REQ_UD1,
    REQ_UD2,
    RSP_UD,
    SELECT,
    SELECT_MSB,
    SND_NKE,
    SND_UD,
    STANDARD_LINE,
    UNIMPLEMENTED_CI,
)
from cosem.mbus.link_state import (
    COUNT,
    SELECTION,
    SPEED,
    Count,
    CountEvent,
    Selection,
    SelectionEvent,
    Speed,
    SpeedEvent,
)

E5 = b"\xe5"
_COUNTED = 0xFF & ~(FCB | FCV)
"""C without the count."""
FALLBACK = 600.0
"""Seconds after which a slave that hears nothing at a new speed goes back. Recalled: two to ten minutes; the longest,
because a master that looks for its slaves at the new speed needs its time."""
CHARACTER_PATIENCE = 0.5
"""Seconds between octets of one frame: the standard wants none, converters cut frames up."""


class Request(NamedTuple):
    """What is asked: alarms (class 1) or data (class 2), the subcode of the last application reset, and when.

    `access_number` counts answers, for the header; a repetition of the last answer asks nobody.
    """

    alarm: bool
    subcode: int
    access_number: int
    now: float


class Application(Protocol):
    """What stands behind a station: it answers with whole application layers."""

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        """Return CI and data of every telegram of the answer, in order; none where there is nothing to say.

        All but the last end with DIF 1F, which is the application's own to write.
        """

    def accept(self, ci: int, octets: bytes) -> bool:
        """Take what was sent; False where this CI is not served, which the next answer then says."""


@dataclass(slots=True)
class _Dialogue:
    """The count of one address (its own, or 253) and the answers that hang on it."""

    count: Count = Count.FRESH
    kept: bytes = b""
    """The last answer; sent again for the same frame count bit, if the same is asked."""
    asked: int = 0
    said: tuple[int, bytes] | None = None
    """What was sent last, for the same reason."""
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)

    def reset(self) -> None:
        self.count = COUNT[self.count, CountEvent.RESET]
        self.kept, self.said = b"", None
        self.waiting.clear()

    def repeats(self, control: int) -> bool:
        """Count a frame and say whether it is the one before again."""
        if not control & FCV:
            return False
        before = self.count
        self.count = COUNT[before, CountEvent.SET if control & FCB else CountEvent.CLEAR]
        return self.count is before


class SecondaryStation:
    """One slave. `identity` has no wildcards; its fabrication number, if any, serves enhanced selection.

    `primary` is its address (0: none given yet), `baud` its speed, `speeds` the ones it can be switched to. `reaction`
    in seconds lies between the end of a frame and the beginning of its answer.
    """

    def __init__(
        self,
        application: Application,
        identity: SecondaryAddress,
        *,
        primary: int = 0,
        baud: int = STANDARD_LINE.baud,
        speeds: Sequence[int] = (300, 2400, 9600),
        reaction: float = 0.02,
        fallback: float = FALLBACK,
    ) -> None:
        self.application = application
        self.identity = identity
        self.key = int.from_bytes(identity.octets)
        """The identity as a number, for whoever looks through many."""
        self.trial_until: float | None = None
        """When the former speed comes back if nothing is understood at the new one."""
        self.primary = check_primary(primary, special=False)
        self.baud = baud
        self.speeds = frozenset(speeds) & frozenset(BAUD.values())
        self.reaction = reaction
        self.fallback = fallback
        self.selection = Selection.UNSELECTED
        self.speed = Speed.SETTLED
        self.subcode = 0
        self.access_number = 0
        self._own, self._as_selected = _Dialogue(), _Dialogue()
        self._refused = False
        self._former = baud
        self._splitter = LineSplitter()
        self._answer = b""
        self._due: float | None = None
        self._octets_at: float | None = None

    # --- one frame -----------------------------------------------------------------------------------------

    def hear(self, frame: Frame, now: float) -> bytes:
        """Take a frame that came whole at this slave's speed; return the answer, b"" where there is none."""
        if isinstance(frame, Acknowledge):
            return b""
        if self.trial_until is not None:
            self.settle(now)
            self._move_speed(SpeedEvent.HEARD)
        address = frame.address
        if address == SELECTED:
            if isinstance(frame, LongFrame) and frame.ci in (SELECT, SELECT_MSB):
                return self._select(frame)
            if self.selection is not Selection.SELECTED:
                return b""
            dialogue = self._as_selected
        elif address in (self.primary, TEST, BROADCAST):
            dialogue = self._own
        else:
            return b""
        answer = (
            self._short(frame, dialogue, now) if isinstance(frame, ShortFrame) else self._long(frame, dialogue, now)
        )
        return b"" if address == BROADCAST else answer

    def _select(self, frame: LongFrame) -> bytes:
        if frame.control & _COUNTED != SND_UD:
            return b""
        data = frame.data
        if frame.ci == SELECT_MSB:
            # Each field turned round: mode 2, most significant octet first.
            data = data[3::-1] + data[5:3:-1] + data[6:8] + data[8:10] + data[:9:-1]
        try:
            wanted = SecondaryAddress.from_selection(data)
        except DecodeError:
            return b""
        meant = wanted.matches(self.identity)
        if not meant and self.selection is Selection.UNSELECTED:
            return b""
        event = SelectionEvent.MEANT if meant else SelectionEvent.OTHER
        self.selection = SELECTION[self.selection, event]
        self._as_selected.reset()
        return E5 if meant else b""

    def _short(self, frame: ShortFrame, dialogue: _Dialogue, now: float) -> bytes:
        control = frame.control & _COUNTED
        if control == SND_NKE:
            dialogue.reset()
            if frame.address == SELECTED:
                self.selection = SELECTION[self.selection, SelectionEvent.DESELECT]
            return E5
        if control not in (REQ_UD1, REQ_UD2):
            return b""
        if dialogue.repeats(frame.control) and dialogue.kept and dialogue.asked == control:
            return dialogue.kept
        dialogue.said, dialogue.asked = None, control
        dialogue.kept = self._next(dialogue, control == REQ_UD1, now)
        return dialogue.kept

    def _next(self, dialogue: _Dialogue, alarm: bool, now: float) -> bytes:
        """Return the next telegram of the answer under way, or the first of a new one."""
        if self._refused:
            self._refused = False
            return build(RSP_UD, self.primary, APPLICATION_ERROR, bytes((UNIMPLEMENTED_CI,)))
        if alarm or not dialogue.waiting:
            self.access_number = self.access_number + 1 & 0xFF
            request = Request(alarm, self.subcode, self.access_number, now)
            dialogue.waiting = deque(self.application.answer(request))
        if not dialogue.waiting:
            return E5
        ci, data = dialogue.waiting.popleft()
        return build(RSP_UD, self.primary, ci, data)

    def _long(self, frame: LongFrame, dialogue: _Dialogue, now: float) -> bytes:
        if frame.control & _COUNTED != SND_UD:
            return b""
        said = (frame.ci, frame.data)
        # Many masters never turn the bit of what they send: only the same frame again is a repetition.
        repeated = dialogue.repeats(frame.control) and dialogue.said == said
        dialogue.said, dialogue.kept = said, b""
        dialogue.waiting.clear()
        # Orders to the link do no harm when they are carried out twice, and one forgotten by a fallback has to be.
        if frame.ci in BAUD:
            return self._switch(BAUD[frame.ci], now)
        if frame.ci == APPLICATION_RESET:
            self.subcode = frame.data[0] if frame.data else 0
            self._refused = False
        elif frame.ci == DATA_SEND and len(frame.data) == 3 and frame.data[:2] == ADDRESS_RECORD:
            if frame.data[2] <= LARGEST:
                self.primary = frame.data[2]
        elif not repeated:
            self._refused = not self.application.accept(frame.ci, frame.data)
        return E5

    # --- the speed -----------------------------------------------------------------------------------------

    def _switch(self, baud: int, now: float) -> bytes:
        if baud not in self.speeds:
            return b""
        if baud != self.baud:
            if self.speed is Speed.SETTLED:
                self._former = self.baud
            self._move_speed(SpeedEvent.SWITCH)
            self.baud = baud
            self.trial_until = now + self.fallback
        return E5

    def _move_speed(self, event: SpeedEvent) -> None:
        self.speed = SPEED[self.speed, event]
        if self.speed is Speed.SETTLED:
            self.trial_until = None

    def settle(self, now: float) -> None:
        """Go back to the former speed where nothing was understood at the new one for too long."""
        if self.trial_until is not None and now >= self.trial_until:
            self.baud = self._former
            self._move_speed(SpeedEvent.FALLBACK)

    def restart(self) -> None:
        """Begin anew as after a loss of power; addresses and speed are kept."""
        self.selection = SELECTION[self.selection, SelectionEvent.RESTART]
        self._own.reset()
        self._as_selected.reset()
        self.subcode = 0
        self._refused = False

    # --- a line of its own ---------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the line; implements `cosem.link.base.Machine`."""
        self.handle_timer(now)
        for item in self._splitter.feed(octets):
            self._item(item, now)
        self._octets_at = now if self._splitter.waiting else None

    def _item(self, item: tuple[Frame, bytes] | Discarded, now: float) -> None:
        if isinstance(item, Discarded):
            return
        # A master that asks anew does not want the answer before.
        self._answer = self.hear(item[0], now)
        self._due = now + self.reaction if self._answer else None

    def take(self) -> bytes:
        """Return the answer once its time has come."""
        if self._due is not None or not self._answer:
            return b""
        answer, self._answer = self._answer, b""
        return answer

    def next_timer(self) -> float | None:
        """Return when an answer, or the former speed, is due, or a frame that does not go on is given up."""
        stale = None if self._octets_at is None else self._octets_at + CHARACTER_PATIENCE
        return min((time for time in (self._due, self.trial_until, stale) if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Let what is due happen."""
        self.settle(now)
        if self._octets_at is not None and now >= self._octets_at + CHARACTER_PATIENCE:
            self._octets_at = None
            for item in self._splitter.flush():
                self._item(item, now)
        if self._due is not None and now >= self._due:
            self._due = None

    def lost(self, now: float) -> None:
        """Forget what was under way: the line is gone."""
        self._splitter = LineSplitter()
        self._answer, self._due, self._octets_at = b"", None, None
