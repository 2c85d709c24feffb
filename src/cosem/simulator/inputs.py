"""What a scenario can do to a meter: each input by the words it has in the file, with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cosem.classes.words import enum_words
from cosem.codec import axdr
from cosem.device.host import Origin
from cosem.device.scripts import EXECUTE
from cosem.device.token_gateway import MAX_TOKEN
from cosem.device.utility.meter import Tamper
from cosem.errors import ConfigError, CosemError, Timeout
from cosem.obis import Obis, obis
from cosem.security.keys import Keys
from cosem.security.tokens import LARGEST, SignedTokens
from cosem.times import CosemDateTime

if TYPE_CHECKING:
    from cosem.concentrator.multi_utility import MultiUtilityConcentrator
    from cosem.device.meter import ElectricityMeter
    from cosem.device.utility.meter import UtilityMeter

WRONG_PASSWORD: Final = b"\x00not this one"
WRONG_KEYS: Final = Keys(b"\x00not this key\x00\x00\x00", b"\x00not this one\x00\x00\x00")
ATTACKER: Final = b"CSM\x00\x00ATK"
"""System title of who has no business with the meter."""
READING_CLIENT, MANAGEMENT_CLIENT = 2, 1
_GMAC: Final = 5
_NO_KEYS: Final = "nothing, that client has no keys"
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


def checked(values: Any, known: Mapping[str, Parameter], where: str) -> dict[str, Any]:
    """Return the parameters of an input as they are known. Raises `ConfigError`, one sentence with the place."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: this is no table")
    only(values, known, where)
    for name, parameter in known.items():
        if name in values:
            parameter.check(values[name], f"{where}: {name}")
        elif parameter.needed:
            raise ConfigError(f"{where}: {name} is missing")
    return dict(values)


def only(values: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise `ConfigError` where there is something that nobody knows."""
    allowed = list(known)
    for name in values:
        if name not in allowed:
            raise ConfigError(f"{where}: {name!r} is none of {', '.join(allowed) or 'its parameters, it has none'}")


@dataclass(frozen=True, slots=True)
class Input:
    """One input: what it does to a meter, returning what is to be said of it, and what it takes."""

    do: Callable[..., str | None]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


_PHASE: Final = {"phase": Parameter(int, needed=True, least=1, most=3)}
_TIMES: Final = {
    "times": Parameter(int, least=1, most=100),
    "client": Parameter(int, least=1, most=127),
}
_CHANNEL: Final = {"channel": Parameter(int, needed=True, least=1, most=64)}
_HOW: Final = Parameter(str, needed=True)
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
    power = meter.equipment.power
    power.restore()
    return None if power.powered else "nothing, all phases are missing"


def _voltage(meter: ElectricityMeter, phase: int, decivolts: int | None) -> str | None:
    power = meter.equipment.power
    before = power.powered
    meter.equipment.mains.voltage(phase, decivolts)
    return None if before or power.powered else "there is no power"


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


def _wrong_password(meter: ElectricityMeter, times: int = 1, client: int = READING_CLIENT) -> str:
    """Associate with a wrong password or secret, over both ends in memory."""
    association = meter.logical.associations.get(client)
    if association is None or not association.spec.mechanism:
        return "nothing, there is no such client with a password"
    mechanism, keys = association.spec.mechanism, association.spec.keys
    if mechanism == _GMAC:
        # What this mechanism proves is the keys.
        return _wrong_key(meter, times, client)
    with _Attempt(meter) as attempt:
        for _ in range(times):
            attempt.associate(client, mechanism=mechanism, secret=WRONG_PASSWORD, keys=keys)
    return attempt.answer


def _wrong_key(meter: ElectricityMeter, times: int = 1, client: int = MANAGEMENT_CLIENT) -> str:
    """Associate under a key that is not the meter's: it cannot decipher what comes."""
    with _Attempt(meter) as attempt:
        if not _ciphered(meter, client):
            return _NO_KEYS
        for _ in range(times):
            attempt.associate(client, mechanism=_GMAC, keys=WRONG_KEYS, ciphered=True, protection=0x30)
    return attempt.answer


def _replay(meter: ElectricityMeter, times: int = 1, client: int = MANAGEMENT_CLIENT) -> str:
    """Let a client associate, and send once more what was recorded of it."""
    if not _ciphered(meter, client):
        return _NO_KEYS
    with _Attempt(meter) as attempt:
        keys = meter.logical.associations[client].spec.keys
        recorded = attempt.associate(client, mechanism=_GMAC, keys=keys, ciphered=True, protection=0x30)
        for _ in range(times if recorded else 0):
            attempt.send(recorded[0])
    return attempt.answer


def _ciphered(meter: ElectricityMeter, client: int) -> bool:
    association = meter.logical.associations.get(client)
    return (
        association is not None
        and association.spec.mechanism == _GMAC
        and association.spec.keys.global_unicast_encryption_key is not None
    )


_NO_DEVICE: Final = "nothing, there is no simulated device on this channel"


def _utility(do: Callable[..., str | None], **parameters: Parameter) -> Input:
    """Return what is done to the utility meter of a M-Bus channel, which counts up to now first."""

    def done(meter: ElectricityMeter | MultiUtilityConcentrator, channel: int, **given: Any) -> str | None:
        from cosem.simulator.utilities import utilities_of

        utilities = utilities_of(meter)
        speaker = None if utilities is None else utilities.speakers.get(channel)
        if utilities is None or speaker is None:
            return _NO_DEVICE
        speaker.meter.settle(meter.now)
        return do(speaker.meter, utilities.stations.get(channel), **given)

    return Input(done, _CHANNEL | parameters)


def _tampered(present: bool) -> Callable[..., str | None]:
    def do(utility: UtilityMeter, station: Any, how: str) -> str | None:
        if how not in set(Tamper):
            return f"nothing, there is {', '.join(Tamper)}"
        utility.tamper(Tamper(how), present)
        return None

    return do


def _drain(utility: UtilityMeter, station: Any, days: int = 100) -> str | None:
    if utility.battery_days is None:
        return "nothing, there is no battery"
    utility.drain(days)
    return None


def _silence(silent: bool) -> Callable[..., str | None]:
    def do(utility: UtilityMeter, station: Any) -> str | None:
        if station is None:
            return "nothing, it is wireless"
        station.silent = silent
        return None

    return do


def _stick(stuck: bool) -> Callable[..., str | None]:
    def do(utility: UtilityMeter, station: Any) -> str | None:
        if not utility.settings.valve:
            return "nothing, there is no valve"
        utility.stuck = stuck
        return None

    return do


def _push_button(utility: UtilityMeter, station: Any) -> str:
    return f"the valve is {utility.valve}" if utility.push_button() else "nothing, the valve is not released"


class _Attempt:
    """Somebody at the meter's port: an initiator that nobody is behind. `answer` is what came of the last attempt.

    What it draws comes from a source of its own, with the same seed every time: the meter's own is not touched by it.
    """

    def __init__(self, meter: ElectricityMeter) -> None:
        from cosem.device.random import SeededRandom

        self.meter = meter
        self.answer = ""
        self._random = SeededRandom(0)
        self._responders: list[Any] = []

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, *exc: object) -> None:
        for responder in self._responders:
            responder.lost(0.0)

    def _responder(self) -> Any:
        from cosem.association.responder import Responder
        from cosem.link.wrapper import WrapperLink

        responder = Responder(WrapperLink(server=True), self.meter.device, self._random)
        self._responders.append(responder)
        return responder

    def associate(self, client: int, **settings: Any) -> list[bytes]:
        """Try to associate; return what was sent."""
        from cosem.association.conversations import open_association
        from cosem.association.initiator import Initiator
        from cosem.association.settings import AssociationSettings
        from cosem.io.memory import CLIENT_SIDE, MemoryDriver
        from cosem.link.memory import LossyPipe
        from cosem.link.wrapper import WrapperLink

        sent: list[bytes] = []

        class Tapped(LossyPipe):
            def send(self, side: int, octets: bytes, now: float) -> None:
                if side == CLIENT_SIDE:
                    sent.append(octets)
                super().send(side, octets, now)

        key = settings["keys"].global_unicast_encryption_key
        first = self.meter.device.received_counter(key or b"") + 1
        given = AssociationSettings(
            client_sap=client, system_title=ATTACKER, lease=lambda count: (first, first + count), **settings
        )
        initiator = Initiator(WrapperLink(), given)
        driver = MemoryDriver(initiator, self._responder(), Tapped())
        try:
            driver.run(open_association(initiator, self._random))
            self.answer = "accepted"
        except Timeout:
            self.answer = "no answer"
        except CosemError as error:
            self.answer = str(error)
        return sent

    def send(self, octets: bytes) -> None:
        """Send octets that were recorded."""
        from cosem.apdu import parse
        from cosem.link.base import ApduReceived
        from cosem.link.wrapper import WrapperLink

        responder = self._responder()
        responder.receive(octets, 0.0)
        answers = [
            event.octets for event in WrapperLink().receive(responder.take(), 0.0) if isinstance(event, ApduReceived)
        ]
        self.answer = ", ".join(parse(octets).service.service for octets in answers) or "no answer"


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
    "wrong password": Input(_wrong_password, _TIMES),
    "wrong key": Input(_wrong_key, _TIMES),
    "replay": Input(_replay, _TIMES),
    "mbus tampered": _utility(_tampered(True), how=_HOW),
    "mbus right": _utility(_tampered(False), how=_HOW),
    "mbus battery low": _utility(_drain, days=Parameter(int, least=0, most=36_500)),
    "mbus silent": _utility(_silence(True)),
    "mbus answers": _utility(_silence(False)),
    "mbus valve stuck": _utility(_stick(True)),
    "mbus valve freed": _utility(_stick(False)),
    "mbus button": _utility(_push_button),
}
"""By the words of `do`."""
