"""What a scenario can do to a meter: each input by the words it has in the file, with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cosem.classes.words import enum_words
from cosem.codec import axdr
from cosem.device.host import Origin
from cosem.device.mains import MISSING, THRESHOLDS
from cosem.device.scripts import EXECUTE
from cosem.device.token_gateway import MAX_TOKEN
from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis, obis
from cosem.security.tokens import LARGEST, SignedTokens
from cosem.times import CosemDateTime

if TYPE_CHECKING:
    from cosem.device.meter import ElectricityMeter

WRONG_PASSWORD: Final = b"\x00not this one"
READING_CLIENT: Final = 2
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", datetime: "a time without offset"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the file: its type, its range, whether it must be there; `name` is a logical name."""

    kind: type[Any]
    needed: bool = False
    least: int = 0
    most: int = 0
    name: bool = False

    def check(self, value: Any, where: str) -> None:
        """Raise `ConfigError` for a value that does not fit."""
        if type(value) is not self.kind or (self.kind is datetime and value.tzinfo is not None):
            raise ConfigError(f"{where}: this is not {_KINDS[self.kind]}")
        if self.kind is int and not self.least <= value <= self.most:
            raise ConfigError(f"{where}: {value} is not in {self.least} to {self.most}")
        if self.name:
            try:
                Obis.parse(value)
            except (CosemError, ValueError):
                raise ConfigError(f"{where}: {value!r} is no logical name") from None


@dataclass(frozen=True, slots=True)
class Input:
    """One input: what it does to a meter, returning what is to be said of it, and what it takes."""

    do: Callable[..., str | None]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


_PHASE: Final = {"phase": Parameter(int, needed=True, least=1, most=3)}
_SWITCH: Final = {"object": Parameter(str, name=True)}


def _tamper(name: str, value: bool) -> Input:
    def do(meter: ElectricityMeter) -> None:
        getattr(meter.equipment.tampering, name)(value)

    return Input(do)


def _bypass(bypassed: bool) -> Input:
    return Input(lambda meter, phase: meter.equipment.tampering.current_bypass(phase, bypassed), _PHASE)


def _fail(meter: ElectricityMeter) -> None:
    meter.equipment.power.fail()


def _restore(meter: ElectricityMeter) -> str | None:
    if _no_phase(meter):
        return "nothing, all phases are missing"
    meter.equipment.power.restore()
    return None


def _no_phase(meter: ElectricityMeter) -> bool:
    """Whether the meter has no power because each of its phases is missing."""
    limit = THRESHOLDS[MISSING]
    return all(volts is not None and volts < limit for volts in meter.metering.voltages)


def _voltage(meter: ElectricityMeter, phase: int, decivolts: int | None) -> str | None:
    # In a power cut a phase would bring the power back, which is for "power return" to do.
    if not meter.equipment.power.powered and not _no_phase(meter):
        return "nothing, there is no power"
    meter.equipment.mains.voltage(phase, decivolts)
    return None


def _switch(method: int) -> Input:
    """A remote command by the disconnector's method, as a client gives it."""

    def do(meter: ElectricityMeter, object: str | None = None) -> str:
        if not meter.equipment.power.powered:
            return _SILENT
        name = meter.disconnector.object.obis if object is None else obis(object)
        with meter.host.acting(Origin.REMOTE):
            return _words(meter.host.invoke(70, name, method, axdr.integer(0)))

    return Input(do, _SWITCH)


_NO_ACCOUNT = "nothing, it is no payment meter"
_SILENT = "no answer, there is no power"


def _words(result: Any) -> str:
    return str(result.name).lower().replace("_", "-")


def _press(meter: ElectricityMeter, connect: bool | None = None) -> str | None:
    if not meter.equipment.power.powered:
        return "nothing, there is no power"
    meter.disconnector.press(connect)
    return None


def _call(meter: ElectricityMeter, number: str, rings: int = 1) -> str:
    """Let a number ring."""
    if not meter.equipment.power.powered:
        return _SILENT
    return "taken" if meter.equipment.answering.call(number.encode(), rings) else "not taken"


def _connection_lost(meter: ElectricityMeter) -> str | None:
    if not meter.equipment.connecting.connected:
        return "nothing, there is no connection"
    meter.equipment.connecting.lost()
    return None


def _limit(meter: ElectricityMeter, watts: int) -> str:
    if not meter.equipment.power.powered:
        return _SILENT
    limiter = meter.equipment.limiter.object
    return _words(meter.host.write(limiter.class_id, limiter.obis, 4, axdr.double_long_unsigned(watts)))


def _script(meter: ElectricityMeter, table: str, script: int) -> str:
    if not meter.equipment.power.powered:
        return _SILENT
    with meter.host.acting(Origin.REMOTE):
        return _words(meter.host.invoke(9, obis(table), EXECUTE, axdr.long_unsigned(script)))


def _clock(meter: ElectricityMeter, to: datetime) -> str:
    """Set the clock to a local time, as a client does."""
    if not meter.equipment.power.powered:
        return _SILENT
    clock = meter.clock
    octets = CosemDateTime.from_datetime(to).to_octets()
    return _words(meter.host.write(clock.object.class_id, clock.object.obis, 2, axdr.octet_string(octets)))


def _shift(meter: ElectricityMeter, seconds: int) -> str:
    """Let the clock be shifted by its method."""
    if not meter.equipment.power.powered:
        return _SILENT
    clock = meter.clock.object
    return _words(meter.host.invoke(clock.class_id, clock.obis, 6, axdr.long(seconds)))


def _token(meter: ElectricityMeter, digits: str) -> str:
    """Enter the digits of a token at the keypad."""
    payment = meter.equipment.payment
    if payment is None:
        return _NO_ACCOUNT
    if not meter.equipment.power.powered:
        return "nothing, there is no power"
    if len(digits) > MAX_TOKEN or not digits.isascii():
        return "nothing, no keypad takes this"
    return enum_words(payment.gateway.press(digits.encode("ascii")))


def _top_up(meter: ElectricityMeter, amount: int, number: int) -> str:
    """Buy a token of this number and enter it."""
    payment = meter.equipment.payment
    if payment is None:
        return _NO_ACCOUNT
    vendor = payment.settings.tokens(meter.settings.system_title)
    if not isinstance(vendor, SignedTokens):
        return "nothing, tokens of this form are not sold here"
    return _token(meter, vendor.issue(number, amount))


def _emergency(meter: ElectricityMeter) -> str | None:
    """Select the emergency credit at the meter."""
    payment = meter.equipment.payment
    if payment is None:
        return _NO_ACCOUNT
    if not meter.equipment.power.powered:
        return "nothing, there is no power"
    return None if payment.select_emergency() else "nothing, no credit is offered"


def _wrong_password(meter: ElectricityMeter, times: int = 1) -> str:
    """Associate as the reading client with a wrong password, over both ends in memory."""
    from cosem.association.conversations import open_association
    from cosem.association.initiator import Initiator
    from cosem.association.responder import Responder
    from cosem.association.settings import AssociationSettings
    from cosem.device.random import SeededRandom
    from cosem.link.wrapper import WrapperLink

    answer = ""
    for _ in range(times):
        settings = AssociationSettings(client_sap=READING_CLIENT, mechanism=1, secret=WRONG_PASSWORD)
        initiator = Initiator(WrapperLink(), settings)
        # A low level client makes no challenge: nothing is drawn from this source.
        responder = Responder(WrapperLink(server=True), meter.device, SeededRandom(0))
        running = initiator.start(open_association(initiator, SeededRandom(0)), 0.0)
        for _step in range(8):
            if running.done:
                break
            responder.receive(initiator.take(), 0.0)
            initiator.receive(responder.take(), 0.0)
        if not running.done:
            return "no answer"
        try:
            running.outcome()
            answer = "accepted"
        except CosemError as error:
            answer = str(error)
    return answer


INPUTS: Final[Mapping[str, Input]] = {
    "power cut": Input(_fail),
    "power return": Input(_restore),
    "phase missing": Input(lambda meter, phase: _voltage(meter, phase, 0), _PHASE),
    "phase return": Input(lambda meter, phase: _voltage(meter, phase, None), _PHASE),
    "voltage": Input(_voltage, _PHASE | {"decivolts": Parameter(int, needed=True, least=0, most=6000)}),
    "neutral missing": _tamper("neutral", True),
    "neutral return": _tamper("neutral", False),
    "phases exchanged": _tamper("phase_sequence", True),
    "phases right": _tamper("phase_sequence", False),
    "current reversed": _tamper("current_reversal", True),
    "current right": _tamper("current_reversal", False),
    "terminal cover opened": _tamper("terminal_cover", True),
    "terminal cover closed": _tamper("terminal_cover", False),
    "meter cover opened": _tamper("meter_cover", True),
    "meter cover closed": _tamper("meter_cover", False),
    "magnet": _tamper("magnet", True),
    "magnet gone": _tamper("magnet", False),
    "bypass": _bypass(True),
    "bypass gone": _bypass(False),
    "battery empty": Input(lambda meter: meter.equipment.power.battery(True)),
    "battery replaced": Input(lambda meter: meter.equipment.power.battery(False)),
    "button": Input(_press, {"connect": Parameter(bool)}),
    "contact stuck": Input(lambda meter: meter.disconnector.jam(True)),
    "contact freed": Input(lambda meter: meter.disconnector.jam(False)),
    "call": Input(_call, {"number": Parameter(str, needed=True), "rings": Parameter(int, least=1, most=100)}),
    "connection lost": Input(_connection_lost),
    "disconnect": _switch(1),
    "reconnect": _switch(2),
    "limit": Input(_limit, {"watts": Parameter(int, needed=True, least=0, most=0xFFFF_FFFF)}),
    "script": Input(
        _script,
        {
            "table": Parameter(str, needed=True, name=True),
            "script": Parameter(int, needed=True, least=1, most=0xFFFF),
        },
    ),
    "clock": Input(_clock, {"to": Parameter(datetime, needed=True)}),
    "clock shift": Input(_shift, {"seconds": Parameter(int, needed=True, least=-900, most=900)}),
    "token": Input(_token, {"digits": Parameter(str, needed=True)}),
    "top up": Input(
        _top_up,
        {
            "amount": Parameter(int, needed=True, least=1, most=LARGEST),
            "number": Parameter(int, needed=True, least=1, most=LARGEST),
        },
    ),
    "select emergency credit": Input(_emergency),
    "wrong password": Input(_wrong_password, {"times": Parameter(int, least=1, most=100)}),
}
"""By the words of `do`."""
