"""Behaviour of the M-Bus client (class 72): a device is installed, read by period and on demand, and ordered things.

A method that needs the device waits for its answer: silence is temporary-failure. Where the standard is silent, what is
refused and with which result is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from cosem.classes.c072_mbus_client import CaptureDefinitionElement, MBusClient, MBusClientV0, SentValue
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.clock import DAY
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.mbus import orders
from cosem.device.mbus.conditions import ANY_ERROR, APPLICATION, Conditions
from cosem.device.mbus.diagnostic import Diagnostic
from cosem.device.mbus.key_status import IN_USE, KEY_STATUS, NONE, KeyEvent
from cosem.device.mbus.port import PortPlace
from cosem.device.mbus.readout import DeviceRefused, Readout, header_of, heard_frame, opened, read_device
from cosem.device.mbus.settings import MBusChannel, MBusSettings
from cosem.device.mbus.values import MBusValues
from cosem.errors import (
    ConfigError,
    ConnectionLost,
    CosemError,
    DecodeError,
    EncodeError,
    RemoteProtocolError,
    SecurityError,
    Timeout,
)
from cosem.mbus import sending
from cosem.mbus.addresses import LARGEST, UNCONFIGURED
from cosem.mbus.keys import KEY_LENGTH, KeyStore, Reason, reason_of
from cosem.mbus.link_fields import APPLICATION_ERROR
from cosem.mbus.record import Record
from cosem.mbus.telegram import Telegram, decode_headers
from cosem.mbus.wireless import Address, Format
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

T = TypeVar("T")

LONGEST_KEY: Final = 64
"""Octets of a key on its way to a device, in whatever form it is wrapped."""
KEY_IDS: Final = 16
"""A key of this side is the one of every id: class 72 has one key and knows no ids."""
UNREACHABLE: Final = (Timeout, RemoteProtocolError, ConnectionLost)
NOT_READ: Final = (*UNREACHABLE, DecodeError, SecurityError)
_KINDS: Final = (MBusClientV0, MBusClient)
_DIGITS: Final = 8
SHORTEST_PERIOD: Final = 60
"""Seconds between two captures at the least: a client cannot keep a bus busy all the time."""


class MBusClientBehaviour:
    """One channel. `place` is the bus, `port` the name of its setup object; `taken` knows the addresses of others.

    `on_readout` are told of every readout, also of those that capture nothing. `values` are what was captured.
    """

    def __init__(
        self,
        host: Host,
        place: PortPlace,
        settings: MBusSettings,
        channel: MBusChannel,
        port: Obis,
        taken: Callable[[int], bool],
        listen: Callable[[], None],
        zone: int,
    ) -> None:
        self.host = host
        self.place = place
        self.settings = settings
        self.channel = channel
        self.number = channel.number
        self.address = UNCONFIGURED
        self.meter: Address | None = None
        self.access_number = 0
        self.status = 0
        self.configuration = 0
        self.mode = 0
        self.key_status = NONE
        self.keys = KeyStore()
        self.failures = 0
        self.lost = False
        self.definition: tuple[CaptureDefinitionElement, ...] = ()
        self.period = channel.capture_period
        self.on_readout: list[Callable[[Readout], None]] = []
        self.on_gone: list[Callable[[], None]] = []
        self.conditions = Conditions(host, self.number)
        self.values = MBusValues(host, self.number, channel.values, zone)
        self.diagnostic = Diagnostic(host, self.number)
        self._taken, self._listen, self._zone = taken, listen, zone
        self._chosen = True
        """Whether the capture definition was taken from a readout and not set."""
        self._wanted: dict[int, int] = {}
        self._sent = 0
        self._counter = 0
        self._last: Readout | None = None
        self._unopened = False
        self.object = self._object(port)
        self._next = self._following(host.clock.now)
        host.clock.on_jump.append(lambda old, new: self._again(new))
        host.schedule(self)

    # --- the object ----------------------------------------------------------------------------------------

    def _object(self, port: Obis) -> MBusClientV0[Any]:
        host, kind = self.host, _KINDS[self.settings.version]
        obj = host.add(kind(Obis(bytes((0, self.number, 24, 1, 0, 255))), mbus_port_reference=port))
        number, word, octet = Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.UNSIGNED
        shown: dict[int, tuple[Tag, Callable[[], int]]] = {
            4: (number, lambda: self.period),
            5: (octet, lambda: self.address),
            6: (number, lambda: self._identity(6)),
            7: (word, lambda: self._identity(7)),
            8: (octet, lambda: self._identity(8)),
            9: (octet, lambda: self._identity(9)),
            10: (octet, lambda: self.access_number),
            11: (octet, lambda: self.status),
            12: (octet, lambda: self.conditions.alarm),
            13: (word, lambda: self.configuration),
            14: (Tag.ENUM, lambda: int(self.key_status)),
        }
        for attribute in obj.attributes:
            if attribute in shown:
                host.compute(obj, attribute, self._shower(*shown[attribute]))
        host.compute(obj, 3, lambda: kind.attributes[3].type.to_data(self.definition))
        writers: dict[int, Callable[[Data], DataAccessResult]] = {3: self._write_definition, 4: self._write_period}
        writers |= {2: _denied, 5: _denied}
        writers |= {attribute: self._identity_writer(attribute) for attribute in (6, 7, 8, 9)}
        host.writers(obj, writers)
        handlers: tuple[Callable[[Any], None], ...] = (
            self._install,
            self._deinstall,
            self._capture_now,
            self._reset_alarm,
            self._synchronize_clock,
            self._data_send,
            self._set_key,
            self._transfer_key,
        )
        for method, handler in enumerate(handlers, 1):
            host.handle(obj, method, handler)
        host.device.confidential |= {(obj.obis, 7), (obj.obis, 8)}
        host.device.taken_as[obj.obis, 2] = _trigger
        return obj

    @staticmethod
    def _shower(tag: Tag, read: Callable[[], int]) -> Callable[[], Data]:
        return lambda: Data(tag, read())

    def _identity(self, attribute: int) -> int:
        """Return identification number, manufacturer, version or device type; what is wanted while there is nobody.

        Version 0 has the identification number's digits read as hexadecimal ones, version 1 the number that they are.
        """
        meter = self.meter
        if meter is None:
            return self._wanted.get(attribute, 0)
        if attribute == 6:
            digits = meter.number
            return int(digits) if self.settings.version and digits.isdecimal() else int(digits, 16)
        if attribute == 7:
            return int.from_bytes(meter.manufacturer, "little")
        return meter.version if attribute == 8 else meter.medium

    def _identity_writer(self, attribute: int) -> Callable[[Data], DataAccessResult]:
        def write(value: Data) -> DataAccessResult:
            """Take who is to be installed: of a wireless device nobody can ask for its address."""
            if self.bound or not self.channel.wireless:
                return DataAccessResult.READ_WRITE_DENIED
            self._wanted[attribute] = value.value
            return DataAccessResult.SUCCESS

        return write

    def _write_definition(self, value: Data) -> DataAccessResult:
        elements: Sequence[CaptureDefinitionElement] = self.object.attributes[3].type.from_data(value)
        if len(elements) > len(self.values.objects):
            return DataAccessResult.OTHER_REASON
        self.definition, self._chosen = tuple(elements), not elements
        return DataAccessResult.SUCCESS

    def _write_period(self, value: Data) -> DataAccessResult:
        if value.value and not SHORTEST_PERIOD <= value.value <= DAY:
            return DataAccessResult.OTHER_REASON
        self.period = value.value
        self._again(self.host.clock.now)
        return DataAccessResult.SUCCESS

    # --- time ----------------------------------------------------------------------------------------------

    @property
    def bound(self) -> bool:
        """Whether there is a device on this channel."""
        return self.meter is not None

    def _following(self, utc: int) -> int | None:
        return self.host.clock.next_boundary(utc, self.period) if self.period else None

    def _again(self, utc: int) -> None:
        self._next = self._following(utc)

    def next_time(self) -> int | None:
        """Return when a capture period ends."""
        return None if self._next is None or not self.bound else self._next - self.host.clock.offset

    def settle(self) -> None:
        """Capture first where a period ends at this moment: what is captured of the values comes after them."""
        due = self.next_time()
        if due is not None and due <= self.host.now:
            self.act(self.host.now)

    def act(self, now: int) -> None:
        """Capture; who does not answer is asked again when the next period ends."""
        self._again(self.host.clock.now)
        with suppress(*NOT_READ):
            self.capture()

    # --- reading -------------------------------------------------------------------------------------------

    def _run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation of the bus, and let the diagnostic count its frames."""
        before = self.diagnostic.begin(self.place.statistics)
        try:
            return self.place.run(conversation)
        finally:
            self.diagnostic.count(before, self.place.statistics)

    def capture(self) -> None:
        """Read the device and write its values. Raises what a readout may; it is counted."""
        try:
            readout = self._heard() if self.channel.wireless else self._read()
        except NOT_READ as error:
            self._failed(error)
            raise
        self.values.take(self.definition, readout)

    def _read(self) -> Readout:
        meter = self.meter
        bus = self.place.primary
        readout = self._run(read_device(bus, self.address, meter, self.keys, lambda: self.host.now))
        if readout.address is not None and readout.address != meter:
            raise RemoteProtocolError(f"meter {readout.address} answers at address {self.address}, not {meter}")
        self._took(readout)
        return readout

    def _heard(self) -> Readout:
        """Return the last telegram that was heard, once."""
        self._listen()
        last, self._last = self._last, None
        unopened, self._unopened = self._unopened, False
        if last is None:
            raise SecurityError("nothing heard could be opened") if unopened else Timeout("nothing was heard")
        return last

    def is_from(self, telegram: Telegram) -> bool:
        """Whether a wireless telegram is this channel's device's."""
        return self.channel.wireless and self.bound and self.meter in (telegram.header.address, telegram.sender)

    def hear(self, octets: bytes, at: int, rssi: int, form: Format | None = None) -> bool:
        """Take a wireless frame; False where it is another device's. What cannot be opened is an error of the status.

        Raises `DecodeError` for what is no frame.
        """
        if not self.is_from(decode_headers(octets, link="wireless", form=form)):
            return False
        try:
            readout = heard_frame(octets, self.keys, at, rssi, form)
        except SecurityError as error:
            # Repeaters send everything twice: that is nothing to complain of.
            if reason_of(error) is not Reason.REPLAY:
                self._unopened = True
                self._any_error()
            return True
        self.diagnostic.heard(rssi)
        self._last = readout
        self._took(readout)
        return True

    def _took(self, readout: Readout) -> None:
        self.failures = 0
        self.diagnostic.answered()
        if self.lost:
            self.lost = False
            self._note(Cause.MBUS_COMMUNICATION_OK)
        self.access_number, self.status = readout.access_number, readout.status
        self.configuration = readout.configuration.raw
        if readout.opened:
            # What nothing proves does not say how orders are protected.
            self.mode = readout.configuration.mode
            self._key(KeyEvent.OPENED)
        if not self.definition and self._chosen:
            self.definition = self.values.chosen(readout.records)
        self.conditions.take(readout.status)
        for told in self.on_readout:
            told(readout)

    def _failed(self, error: CosemError) -> None:
        """Count a readout that brought nothing; the values stay, and say that they are old."""
        if isinstance(error, SecurityError):
            self._any_error()
        self.values.stale()
        self.failures += 1
        self.diagnostic.missed(lost=self.failures >= self.settings.failures)
        if self.failures >= self.settings.failures and not self.lost:
            self.lost = True
            self._note(Cause.MBUS_COMMUNICATION_LOST)

    def _any_error(self) -> None:
        self.status = self.status & ~APPLICATION | ANY_ERROR

    def _note(self, cause: Cause) -> None:
        self.host.note(cause, channel=self.number)

    def _key(self, event: KeyEvent) -> None:
        self.key_status = KEY_STATUS[self.key_status, event]

    # --- ordering ------------------------------------------------------------------------------------------

    def order(self, records: Iterable[Record], *, clear: bool = False, take: bool = True) -> None:
        """Send records to the device, and read it once: what it refuses is what its next answer says.

        That answer is a readout as any other unless `take` is false; then nobody looks further than at a refusal.

        Raises `Refused`: temporary-failure where it does not answer or refuses, other-reason where there is none.
        """
        meter = self._reachable()
        self._sent += 1
        # Above every one before, also those of before a restart.
        self._counter = max(self._counter + 1, self.host.now & 0xFFFFFFFF)
        keys = KeyStore() if clear else self.keys
        try:
            ci, octets = orders.protected_order(records, meter, keys, self.mode, self._sent, self._counter)
        except EncodeError:
            raise Refused(ActionResult.OTHER_REASON) from None
        try:
            self._run(self.place.primary.send(self.address, ci, octets))
        except UNREACHABLE:
            raise Refused(ActionResult.TEMPORARY_FAILURE) from None
        try:
            if take:
                self._read()
            else:
                self._run(self._refusal())
        except DeviceRefused:
            raise Refused(ActionResult.TEMPORARY_FAILURE) from None
        except NOT_READ:
            # It has the order; whether it can be read is for the next capture to find.
            pass

    def _refusal(self) -> Generator[Any, Any, None]:
        """Raise `DeviceRefused` where the next answer is an application error."""
        for reply in (yield from self.place.primary.read(self.address, limit=1)):
            if reply.ci == APPLICATION_ERROR:
                opened(reply, self.meter, None)

    def _reachable(self) -> Address:
        if self.meter is None:
            _refuse()
        if self.channel.wireless:
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        return self.meter

    # --- the methods ---------------------------------------------------------------------------------------

    def _install(self, wanted: int) -> None:
        if self.bound or wanted > LARGEST or (wanted and self._taken(wanted)):
            _refuse()
        if self.channel.wireless:
            self._install_wireless()
            return
        address = wanted or next((free for free in range(1, LARGEST + 1) if not self._taken(free)), 0)
        try:
            bus = self.place.primary
            answer = self._run(bus.read(UNCONFIGURED, limit=1))
            meter = header_of(answer[0]) if answer else None
            if meter is None or not address:
                _refuse()
            self._run(bus.set_address(UNCONFIGURED, address))
        except (*UNREACHABLE, ConfigError):
            _refuse()
        self._bind(meter, address)
        # What is protected says who it is all the same; its records come once there is a key.
        with suppress(*NOT_READ):
            telegram = opened(answer[0], meter, None)
            self.access_number, self.status = telegram.access_number or 0, telegram.header.status
            self._read()

    def _install_wireless(self) -> None:
        """Install the device whose identity was written, or whoever it is that was heard and belongs to nobody."""
        if 6 not in self._wanted:
            _refuse()
        number = self._wanted[6]
        digits = f"{number:0{_DIGITS}d}" if self.settings.version else f"{number:0{_DIGITS}X}"
        if len(digits) != _DIGITS or not self._wanted.get(7):
            _refuse()
        self._bind(
            Address(
                self._wanted[7].to_bytes(2, "little"),
                bytes.fromhex(digits)[::-1],
                self._wanted.get(8, 0),
                self._wanted.get(9, 0),
            ),
            UNCONFIGURED,
        )

    def _bind(self, meter: Address, address: int) -> None:
        self.meter, self.address = meter, address
        self._key(KeyEvent.ENDED)
        self.access_number = self.status = self.configuration = self.mode = self.failures = 0
        self._again(self.host.clock.now)
        self._note(Cause.MBUS_NEW_DEVICE)

    def _deinstall(self, parameter: int) -> None:
        """Give the device up. One that is silent is given up all the same; it keeps its address then."""
        if self.meter is None:
            _refuse()
        if not self.channel.wireless:
            with suppress(*UNREACHABLE):
                self._run(self.place.primary.set_address(self.address, UNCONFIGURED))
        self.keys.remove(self.meter)
        self.meter, self.address, self.lost = None, UNCONFIGURED, False
        self._wanted.clear()
        self._key(KeyEvent.ENDED)
        if self._chosen:
            self.definition = ()
        self.conditions.forget()
        self.diagnostic.none()
        for told in self.on_gone:
            told()
        self._note(Cause.MBUS_DEVICE_GONE)

    def _capture_now(self, parameter: int) -> None:
        if not self.bound:
            _refuse()
        try:
            self.capture()
        except NOT_READ:
            raise Refused(ActionResult.TEMPORARY_FAILURE) from None

    def _reset_alarm(self, parameter: int) -> None:
        """Forget the alarms, and tell the device if it hears and understands that."""
        self.conditions.alarm = 0
        if self.bound and not self.channel.wireless:
            with suppress(Refused):
                self.order([sending.acknowledge_alarms()])

    def _synchronize_clock(self, parameter: int) -> None:
        local = datetime.fromtimestamp(self.host.clock.now + self._zone * 60, UTC).replace(tzinfo=None)
        self.order([sending.set_clock(local)])
        self._note(Cause.MBUS_CLOCK_ADJUSTED)

    def _data_send(self, values: Sequence[SentValue]) -> None:
        if not values:
            _refuse()
        try:
            records = [orders.record_of(value) for value in values]
        except EncodeError:
            _refuse()
        self.order(records)

    def _set_key(self, key: bytes) -> None:
        """Use a key on this side; without octets none, and the device is believed in clear again."""
        if self.meter is None or len(key) not in (0, KEY_LENGTH):
            _refuse()
        if not key:
            self.keys.remove(self.meter)
            self._key(KeyEvent.REMOVED)
            return
        for number in range(KEY_IDS):
            self.keys.add(self.meter, key, number)
        self._key(KeyEvent.SET)

    def _transfer_key(self, wrapped: bytes) -> None:
        """Pass a wrapped key on. Under a key that is in use it is protected besides; before, nobody could open that."""
        if not 0 < len(wrapped) <= LONGEST_KEY:
            _refuse()
        self.order([sending.transfer_key(wrapped)], clear=self.key_status is not IN_USE, take=False)
        self._key(KeyEvent.TRANSFERRED)


def _trigger(parameter: Data) -> Data:
    """Take unsigned(0) for integer(0): to give a device up, editions of the standard differ."""
    return Data(Tag.INTEGER, 0) if parameter == Data(Tag.UNSIGNED, 0) else parameter


def _denied(value: Data) -> DataAccessResult:
    return DataAccessResult.READ_WRITE_DENIED


def _refuse() -> NoReturn:
    raise Refused(ActionResult.OTHER_REASON)
