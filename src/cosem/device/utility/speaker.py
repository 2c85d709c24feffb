"""The voice of a simulated utility meter: its records by its model, protected with its key, and what it is ordered.

`wired` and `radio` put what comes from here on a line. All numbers that must never repeat are counted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cosem.device.utility.consumption import Consumption
from cosem.device.utility.meter import Medium, UtilityMeter, UtilitySettings
from cosem.device.utility.orders import Orders
from cosem.device.utility.quantities import Sources
from cosem.errors import ConfigError, CounterExhausted
from cosem.mbus.afl import AuthenticationLayer, message_control
from cosem.mbus.ci import HeaderKind
from cosem.mbus.dib import MORE_RECORDS_FOLLOW
from cosem.mbus.ell import FIRST, SECOND, ExtendedLink, SessionNumber
from cosem.mbus.header import NO_HEADER, Header
from cosem.mbus.keys import KeyStore
from cosem.mbus.model import Model, Protection
from cosem.mbus.record import Record, encode_records
from cosem.mbus.sending import CLEAR, configuration_of, plain_text, wired_message
from cosem.mbus.telegram import Telegram, encode
from cosem.mbus.wireless import Address

RSP_UD, SND_NR = 0x08, 0x44
WIRED_RECORDS, SHORT_RECORDS, BARE_RECORDS = 0x72, 0x7A, 0x78
ROOM: Final = 200
"""Octets of records in one telegram, so that every header and tag fits beside them."""
MAC: Final = 8
MAX_COUNTER: Final = 0xFFFF_FFFF
MAX_SESSION: Final = (1 << 29) - 1
"""Minutes in 25 bits, sessions in 4."""
_MORE: Final = bytes((MORE_RECORDS_FOLLOW,))


@dataclass(slots=True)
class Speaker:
    """What one meter says and how it protects it. `default_key`: what it came with, under which new keys are wrapped.

    `key`: the one in use; None while it has none, and speaks in clear. `access_window`: how far ahead of the last one
    the access number of an order may be, as `KeyStore` has it: 0 refuses the last one alone.

    Raises `ConfigError` where the model and the meter do not fit each other.
    """

    meter: UtilityMeter
    model: Model
    default_key: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    access_window: int = 0
    address: Address = field(init=False)
    keys: KeyStore = field(init=False)
    sources: Sources = field(init=False)
    orders: Orders = field(init=False)
    access_number: int = field(init=False, default=0)
    counter: int = field(init=False, default=0)
    """The last message counter."""
    _session: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.address = self.model.address(self.meter.settings.identification)
        self.keys = KeyStore(access_window=self.access_window)
        self.sources = Sources(self.meter, self.model.flags)
        self.orders = Orders(self.meter, self.model, self.address, self.sources, self.install, self.default_key)
        if self.key is not None:
            self.install(self.key, 0)
        parts = list(self.model.wired.applications.values()) if self.model.wired is not None else []
        if self.model.radio is not None:
            parts.append(self.model.radio.sends)
        for names in parts:
            self.records(names)

    def install(self, key: bytes, key_id: int) -> None:
        """Use a key from now on, under its id and as the one of modes that have no id.

        A message counter that is at its end begins anew under another key.
        """
        if key != self.key and self.counter >= MAX_COUNTER:
            self.counter = 0
        self.key = key
        for number in {0, key_id & 0x0F, *(part.key_id for part in self._protections())}:
            self.keys.add(self.address, key, number)

    def _protections(self) -> Iterable[Protection]:
        return (part.protection for part in (self.model.wired, self.model.radio) if part is not None)

    def records(self, names: Iterable[str]) -> list[Record]:
        """Return the records of these fields, of what the meter shows now."""
        return [self.sources.record(self.model.by_name[name]) for name in names]

    def _count(self) -> None:
        """Take the next message counter. Raises `CounterExhausted`: one that came again would show the plain text."""
        if self.counter >= MAX_COUNTER:
            raise CounterExhausted(f"meter {self.address} has no message counter left: it needs a new key")
        self.counter += 1

    def _next(self) -> int:
        self.access_number = self.access_number + 1 & 0xFF
        return self.access_number

    def _now(self, protection: Protection) -> Protection:
        """Return the protection in use: none before there is a key."""
        return CLEAR if self.key is None else protection

    def _header(self, kind: HeaderKind, protection: Protection, text: bytes) -> Header:
        address = self.address if kind is HeaderKind.LONG else None
        configuration = configuration_of(protection, len(text), self.counter)
        return Header(kind, address, self._next(), int(self.meter.status), configuration)

    # --- on the wire ---------------------------------------------------------------------------------------

    def wired_telegrams(self, names: Sequence[str]) -> list[tuple[int, bytes]]:
        """Return CI and what follows it, of as many telegrams as these fields need; all but the last end with 1Fh.

        Each has an access number (and a message counter) of its own: telegrams of one answer would otherwise be taken
        for repetitions of each other.
        """
        if self.model.wired is None:
            raise ConfigError(f"model {self.model.name}: nothing is said of how it answers on the wire")
        protection = self._now(self.model.wired.protection)
        pieces = _pieces([record.octets for record in self.records(names)])
        answer = []
        for index, piece in enumerate(pieces):
            text = plain_text(protection.mode, piece, _MORE if index < len(pieces) - 1 else b"")
            self._count()
            header = self._header(HeaderKind.LONG, protection, text)
            answer.append(wired_message(Telegram.on_wire(RSP_UD, 0, WIRED_RECORDS, text, header), self.keys))
        return answer

    def _next_session(self) -> SessionNumber:
        """Return a session number that was never there: more than sixteen in a minute borrow from the next one."""
        minutes = (self.meter.now - self.meter.start) // 60
        self._session = max(minutes << 4, self._session + 1)
        if self._session > MAX_SESSION:
            raise CounterExhausted(f"meter {self.address} has no session number left")
        return SessionNumber(int(self.key is not None), self._session >> 4, self._session & 0x0F)

    # --- by radio ------------------------------------------------------------------------------------------

    def radio_frame(self) -> bytes:
        """Return the next frame that is sent by radio."""
        radio = self.model.radio
        if radio is None:
            raise ConfigError(f"model {self.model.name}: nothing is said of how it sends")
        self._count()
        protection = self._now(radio.protection)
        text = plain_text(protection.mode, encode_records(self.records(radio.sends)))
        ell, header, ci = None, NO_HEADER, BARE_RECORDS
        if radio.ell == SECOND:
            ell = ExtendedLink(SECOND, 0, self._next(), session=self._next_session())
        else:
            header, ci = self._header(HeaderKind.SHORT, protection, text), SHORT_RECORDS
            if radio.ell == FIRST:
                ell = ExtendedLink(FIRST, 0, header.access_number)
        afl = None
        if radio.afl and self.key is not None:
            afl = AuthenticationLayer(control=message_control(MAC), counter=self.counter)
        telegram = Telegram.on_air(SND_NR, self.address, ci, text, header, ell=ell, afl=afl, form=radio.form)
        return encode(telegram, keys=self.keys)


def _pieces(records: Iterable[bytes]) -> list[bytes]:
    """Return records in pieces that fit a telegram each; one at least."""
    pieces = [b""]
    for record in records:
        if pieces[-1] and len(pieces[-1]) + len(record) > ROOM:
            pieces.append(b"")
        pieces[-1] += record
    return pieces


def simulated(
    model: Model,
    consumption: Consumption,
    start: int,
    *,
    default_key: bytes | None = None,
    key: bytes | None = None,
    access_window: int = 0,
    **settings: Any,
) -> Speaker:
    """Return a meter of a model that begins to count at `start` (UTC seconds), with its voice.

    `settings` are those of `UtilitySettings`, where they are other than the model's. Raises `ConfigError` for a model
    that can only be decoded.
    """
    built = model.simulated
    media = {medium.value: medium for medium in Medium}
    medium = media.get(str(built.get("medium")))
    if medium is None:
        raise ConfigError(f"model {model.name}: a simulated meter needs a medium: {', '.join(media)}")
    values = {"valve": built.get("valve", False), "battery_days": built.get("battery_days")} | settings
    meter = UtilityMeter(UtilitySettings(medium, consumption, **values), start)
    return Speaker(meter, model, default_key, key, access_window)
