"""A simulated utility meter on the wire: answers by its model, alarms, and what it is sent under its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosem.device.utility.orders import ACCESS_DENIED, UNKNOWN_RECEIVER, WRONG_KEY, WRONG_PARAMETER
from cosem.device.utility.speaker import Speaker
from cosem.errors import CounterExhausted, DecodeError, SecurityError, TagMismatch, WeakProtection
from cosem.link.mbus_frame import Frame
from cosem.mbus.addresses import FABRICATION_RECORD, SecondaryAddress
from cosem.mbus.ci import Content, Direction, meaning
from cosem.mbus.link_fields import APPLICATION_ERROR
from cosem.mbus.model import APPLICATION_ALL
from cosem.mbus.readings import FLAGS
from cosem.mbus.record import decode_records
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.mbus.telegram import State, Telegram, decode_message

ALARM = 0x71


class WiredApplication:
    """What stands behind a station: implements `cosem.mbus.secondary.Application`."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self._error: int | None = None

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        """Return the telegrams of what was asked; of an application that the model has not, everything.

        A meter whose message counter is at its end has nothing to say until it gets a new key.

        An alarm is there while something is not acknowledged or lasts. A meter that protects says it in a protected
        telegram with its error flags, others in an alarm telegram.
        """
        if self._error is not None:
            error, self._error = self._error, None
            return [(APPLICATION_ERROR, bytes((error,)))]
        speaker = self.speaker
        wired = speaker.model.wired
        if wired is None:
            return ()
        names = wired.applications.get(request.subcode >> 4, wired.applications[APPLICATION_ALL])
        try:
            if request.alarm:
                return self._alarm()
            telegrams = speaker.wired_telegrams(names)
        except CounterExhausted:
            return ()
        # The lower half of the subcode is the telegram that is wanted first.
        return telegrams[request.subcode & 0x0F :] or telegrams[-1:]

    def _alarm(self) -> Sequence[tuple[int, bytes]]:
        speaker = self.speaker
        raised = speaker.sources.raised()
        if not raised:
            return ()
        if speaker.key is not None and FLAGS in speaker.model.by_name:
            return speaker.wired_telegrams((FLAGS,))
        return [(ALARM, raised.to_bytes((raised.bit_length() + 7) // 8, "little"))]

    def accept(self, ci: int, octets: bytes) -> bool:
        """Carry out what was sent; what is refused is what the next answer says."""
        means = meaning(ci, wired=True, length=len(octets))
        if means.content is not Content.RECORDS or means.direction is not Direction.TO_DEVICE:
            return False
        orders = self.speaker.orders
        try:
            telegram = self._opened(bytes((ci,)) + octets)
            records = decode_records(telegram.application).records
        except TagMismatch:
            self._error = orders.refuse(WRONG_KEY)
        except SecurityError:
            self._error = orders.refuse(ACCESS_DENIED)
        except DecodeError:
            self._error = orders.refuse(WRONG_PARAMETER)
        else:
            if telegram.address != self.speaker.address:
                self._error = orders.refuse(UNKNOWN_RECEIVER)
            else:
                protected = telegram.state is State.OPENED
                self._error = orders.carry_out(records, protected=protected, keys=self.speaker.keys)
        return True

    def _opened(self, message: bytes) -> Telegram:
        meter, keys = self.speaker.address, self.speaker.keys
        try:
            return decode_message(message, wired=True, meter=meter, keys=keys)
        except WeakProtection:
            # In clear there is still one thing that a meter with a key may take: a new key that proves itself.
            return decode_message(message, wired=True, meter=meter)


class UtilityStation(SecondaryStation):
    """A slave whose meter counts up to the moment at which it is asked, and is silent when its battery is empty.

    `epoch`: UTC seconds at which the bus's own time was 0. `settings` are those of `SecondaryStation`.
    """

    def __init__(self, speaker: Speaker, *, epoch: int = 0, **settings: Any) -> None:
        numbered = FABRICATION_RECORD in speaker.model.by_head
        identity = SecondaryAddress(speaker.address.header, speaker.address.identification if numbered else None)
        super().__init__(WiredApplication(speaker), identity, **settings)
        self.speaker = speaker
        self.epoch = epoch

    def hear(self, frame: Frame, now: float) -> bytes:
        """Take a frame as `SecondaryStation` does."""
        meter = self.speaker.meter
        meter.settle(self.epoch + int(now))
        return super().hear(frame, now) if meter.alive else b""
