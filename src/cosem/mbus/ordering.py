"""What a master does with a meter whose model and key it may have: values in clear, clock, valve, a new key, records.

An answer is opened with the meter's key, and believed only as it: a meter that has a key is not believed in clear, and
an answer of somebody else is none. An order goes under the protection that the meter itself answers with, and what it
says to that is read: an application error is `MeterRefused`. Errors are those of `Primary` and `decode` besides.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeVar

from cosem.errors import ConfigError, DecodeError, MeterRefused, RemoteProtocolError, SecurityError, WeakProtection
from cosem.link.conversing import Sleep
from cosem.link.mbus_frame import build
from cosem.mbus.addresses import BROADCAST, SELECTED
from cosem.mbus.ci import Content
from cosem.mbus.fixed import FixedData
from cosem.mbus.key_change import wrap, wrap_counted
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import APPLICATION_ERROR, RSP_UD
from cosem.mbus.model import Model, Models, Protection, models
from cosem.mbus.moments import Moment
from cosem.mbus.primary import MeterAddress, Primary, Reply, named
from cosem.mbus.readings import JsonValue, joined, named_values
from cosem.mbus.record import Record, Records, decode_records
from cosem.mbus.reports import ApplicationError
from cosem.mbus.sending import CLEAR, acknowledge_alarms, move_valve, order, set_clock, transfer_key
from cosem.mbus.telegram import State, Telegram, decode
from cosem.mbus.wireless import Address

T = TypeVar("T")
Conversation = Generator[Any, Any, T]
KeyForm = Literal["counted", "bare"]
"""How a new key is wrapped: with a change counter and a tag (AES-GCM), or by itself (AES-CBC)."""

CLOCKS: Final = (b"\x06\x6d", b"\x04\x6d")
"""DIB and VIB of a clock, the one with seconds first."""
CLOCK_OFF: Final = timedelta(minutes=2)
"""What a clock that was just set may be off: type F has no seconds, and a bus takes its time."""
NOBODY: Final = Address(b"\xff\xff", b"\xff" * 4, 0xFF, 0xFF)
VALVE: Final = "valve"
"""The field of a model that says where the valve is."""
VALVE_STATES: Final = {"close": ("closed",), "release": ("released", "open"), "open": ("open",)}
VALVE_PATIENCE: Final = (0.0, 2.0, 5.0, 10.0)
"""Seconds before each look at a valve: its motor takes its time."""


class Answer(NamedTuple):
    """An answer in clear: whose it is, as far as it says so, its telegrams, and the records of all of them."""

    meter: Address | None
    telegrams: tuple[Telegram, ...]
    records: Records


class Meters:
    """The meters of one bus. `known`: their models, those of the package without it.

    `stamp` of an order is a number that grows from program to program (seconds since a fixed day): message counters and
    change counters are not below it.
    """

    def __init__(self, bus: Primary, keys: KeyStore | None = None, known: Models | None = None) -> None:
        self.bus = bus
        self.keys = KeyStore() if keys is None else keys
        self.known = models() if known is None else known
        self._verified: dict[int, Address] = {}
        """Who proved himself at a primary address: an answer there that says nobody's name is his."""
        self._access: dict[bytes, int] = {}
        self._counters: dict[bytes, int] = {}

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, where: MeterAddress) -> Conversation[Answer]:
        """Read a meter and open every telegram of its answer."""
        return self.opened(where, (yield from self.bus.read(where)))

    def opened(self, where: MeterAddress, replies: Iterable[Reply], *, believe_clear: bool = False) -> Answer:
        """Open telegrams that a meter answered. Raises `MeterRefused`, `DecodeError`, `SecurityError`.

        `believe_clear`: also of a meter that has a key, for one that is only now given it.
        """
        primary = where if isinstance(where, int) else SELECTED
        expected = self._expected(where)
        telegrams: list[Telegram] = []
        parts: list[Records] = []
        for ci, octets in replies:
            # An application error carries no value, and slaves send it as it is: it is told, not believed.
            keys = None if believe_clear or ci == APPLICATION_ERROR else self.keys
            telegram = decode(build(RSP_UD, primary, ci, octets), link="wired", keys=keys, meter=expected)
            if telegram.content is Content.ERROR:
                error = ApplicationError.from_octets(telegram.application)
                raise MeterRefused(named(where), error.code, error.words)
            if telegram.content is Content.FIXED:
                self._check_number(FixedData.from_octets(telegram.application))
            telegrams.append(telegram)
            if telegram.content is Content.RECORDS:
                parts.append(decode_records(telegram.application))
        meter = telegrams[0].address if telegrams else expected
        if meter is not None and telegrams and telegrams[0].verified and isinstance(where, int):
            self._verified[where] = meter
        return Answer(meter, tuple(telegrams), joined(parts))

    def _expected(self, where: MeterAddress) -> Address | None:
        if isinstance(where, int):
            return self._verified.get(where)
        return Address.from_header(where.octets) if "F" not in where.identification else None

    def _check_number(self, data: FixedData) -> None:
        """Refuse the fixed structure, which nothing protects, of a meter that has a key."""
        meter = Address(b"\xff\xff", data.identification, 0xFF, 0xFF)
        if self.keys.knows(meter):
            raise WeakProtection(f"meter {data.identification_number} has a key, and this telegram came in clear")

    def values(self, answer: Answer) -> dict[str, JsonValue]:
        """Return the values of an answer by the names that its meter's model has for them."""
        return named_values(answer.records, self.known.of(answer.meter))

    # --- ordering ------------------------------------------------------------------------------------------

    def order(self, where: MeterAddress, records: Iterable[Record], *, stamp: int = 0) -> Conversation[Answer | None]:
        """Send records, under the meter's key where it has one, and return what it answers to them; 255 does not."""
        items = tuple(records)
        if where == BROADCAST:
            yield from self.bus.send(where, *order(NOBODY, items))
            return None
        meter, protection = yield from self._who(where)
        return (yield from self._ordered(where, meter, protection, items, stamp))

    def _ordered(
        self, where: MeterAddress, meter: Address, protection: Protection, records: Iterable[Record], stamp: int
    ) -> Conversation[Answer]:
        yield from self._send(where, meter, protection, records, stamp)
        return (yield from self.read(where))

    def _send(
        self, where: MeterAddress, meter: Address, protection: Protection, records: Iterable[Record], stamp: int
    ) -> Conversation[None]:
        if protection.mode == 7:
            raise ConfigError("orders under security mode 7 are not made: they need an authentication layer")
        index = meter.link
        self._access[index] = self._access.get(index, 0) + 1 & 0xFF
        self._counters[index] = max(self._counters.get(index, -1) + 1, stamp)
        ci, octets = order(
            meter,
            records,
            protection=protection,
            keys=self.keys,
            access_number=self._access[index],
            counter=self._counters[index],
        )
        yield from self.bus.send(where, ci, octets)

    def _who(self, where: MeterAddress, *, believe_clear: bool = False) -> Conversation[tuple[Address, Protection]]:
        """Return who is there and how it protects what it says."""
        replies = yield from self.bus.read(where, limit=1)
        if replies and replies[0].ci == APPLICATION_ERROR:
            # What it refused before this order is not what is asked.
            replies = yield from self.bus.read(where, limit=1)
        try:
            answer = self.opened(where, replies)
        except WeakProtection:
            if not believe_clear:
                raise
            answer = self.opened(where, replies, believe_clear=True)
        if answer.meter is None or not answer.telegrams:
            if answer.meter is not None and not self.keys.knows(answer.meter):
                return answer.meter, CLEAR
            raise RemoteProtocolError(f"{named(where)} does not say who it is: ask for it by its secondary address")
        telegram = answer.telegrams[0]
        number = telegram.access_number
        if number is not None:
            self._access.setdefault(answer.meter.link, number)
        if telegram.state is not State.OPENED:
            return answer.meter, CLEAR
        return answer.meter, Protection(telegram.security_mode, telegram.header.configuration.key_id)

    def set_clock(
        self, where: MeterAddress, local: datetime, *, summer_time: bool = False, stamp: int = 0
    ) -> Conversation[Answer | None]:
        """Set a clock (255: all of them, in clear) to a local time, and see that it shows it."""
        if where == BROADCAST:
            return (yield from self.order(where, [set_clock(local, summer_time=summer_time, seconds=False)]))
        meter, protection = yield from self._who(where)
        heads = _heads(self.known.of(meter), "clock") or CLOCKS[1:]
        seconds = CLOCKS[0] in heads
        if not seconds and CLOCKS[1] not in heads:
            raise ConfigError(f"the model of {named(where)} sets its clock by another record: send that")
        record = set_clock(local, summer_time=summer_time, seconds=seconds)
        answer = yield from self._ordered(where, meter, protection, [record], stamp)
        shown = _clock(answer.records)
        # A meter that keeps normal time all the year takes the hour of summer time back.
        wanted = (local, local - timedelta(hours=1)) if summer_time else (local,)
        if shown is not None and all(abs(shown - moment) > CLOCK_OFF for moment in wanted):
            raise RemoteProtocolError(f"{named(where)} acknowledged the time {local} and shows {shown}")
        return answer

    def move_valve(self, where: MeterAddress, action: str, *, stamp: int = 0) -> Conversation[Answer]:
        """Close, release or open a valve, as the meter's model says it, and see that it moves."""
        meter, protection = yield from self._who(where)
        model = self.known.of(meter)
        numbers = [] if model is None else [number for number, deed in model.valve.items() if deed == action]
        if model is None or not numbers:
            raise ConfigError(f"no model says how the valve of {named(where)} is moved by {action!r}")
        yield from self._send(where, meter, protection, [move_valve(numbers[0])], stamp)
        position: JsonValue = None
        for seconds in VALVE_PATIENCE:
            yield Sleep(seconds)
            answer = yield from self.read(where)
            position = self.values(answer).get(VALVE)
            if position is None or position in VALVE_STATES[action]:
                return answer
        raise RemoteProtocolError(f"{named(where)} acknowledged {action!r}, and its valve is {position}")

    def acknowledge(self, where: MeterAddress, *, stamp: int = 0) -> Conversation[Answer | None]:
        """Have a meter forget alarms that are over."""
        return (yield from self.order(where, [acknowledge_alarms()], stamp=stamp))

    def change_key(
        self,
        where: MeterAddress,
        new: bytes,
        *,
        under: bytes,
        form: KeyForm = "counted",
        key_id: int = 0,
        stamp: int = 0,
    ) -> Conversation[Answer]:
        """Give a meter a new key, wrapped `under` its default key, and see that it answers under it.

        The store has the new key afterwards. Where the meter does not prove it the store keeps the old one. A meter
        that speaks in clear may get its first one: whoever answers in its place learns nothing from a wrapped key.
        """
        meter, protection = yield from self._who(where, believe_clear=True)
        if form == "counted":
            counter = max(self._counters.get(meter.link, -1) + 1, stamp)
            wrapped = wrap_counted(under, new, meter, counter, key_id)
        else:
            wrapped = wrap(under, new)
        yield from self._send(where, meter, protection, [transfer_key(wrapped)], stamp)
        undo = self.keys.replace(meter, new, protection.key_id or key_id)
        try:
            return (yield from self.read(where))
        except WeakProtection:
            undo()
            raise RemoteProtocolError(f"{named(where)} acknowledged a new key and still speaks in clear") from None
        except SecurityError:
            undo()
            raise RemoteProtocolError(f"{named(where)} acknowledged a new key and does not use it") from None
        except BaseException:
            # It may have the new one or the old one: whoever gave it knows both.
            undo()
            raise


def _heads(model: Model | None, kind: str) -> tuple[bytes, ...]:
    if model is None:
        return ()
    return tuple(head for item in model.orders if item.kind == kind for head in item.heads)


def _clock(records: Records) -> datetime | None:
    for record in records.records:
        if record.head.octets in CLOCKS and isinstance(record.value, Moment):
            try:
                return record.value.to_datetime()
            except DecodeError:
                return None
    return None
