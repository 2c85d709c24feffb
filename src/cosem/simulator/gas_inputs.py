"""What a scenario can do to a gas device: faults of its sensors and inputs, gas qualities, clock, locks and power."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from cosem.codec import axdr
from cosem.device.gas.chromatograph import AnalyserFault, Chromatograph
from cosem.device.gas.converter import VolumeConverter
from cosem.device.gas.flow_input import Encoder, Pulses
from cosem.device.gas.locks import Level
from cosem.device.gas.sensors import Fault, Sensor
from cosem.errors import ConfigError, CosemError
from cosem.gas.characteristics import Characteristics
from cosem.gas.quality import GasQuality, Source
from cosem.simulator.inputs import Input, Parameter
from cosem.times import CosemDateTime

if TYPE_CHECKING:
    from cosem.device.gas.instrument import GasInstrument

_SENSOR: Final = {"sensor": Parameter(str, needed=True)}
_NO_SENSOR: Final = "nothing, it has no such sensor"
_SHARES: Final = {name: Parameter(str) for name in ("co2", "h2", "n2", "density")}


def _sensor(device: GasInstrument, name: str) -> Sensor | None:
    if not isinstance(device, VolumeConverter):
        return None
    return {"pressure": device.pressure, "temperature": device.temperature}.get(name)


def _break(fault: Fault) -> Any:
    def do(device: GasInstrument, sensor: str, by: str = "5") -> str | None:
        found = _sensor(device, sensor)
        if found is None:
            return _NO_SENSOR
        found.break_down(fault, _number(by))
        return None

    return do


def _repair(device: GasInstrument, sensor: str) -> str | None:
    found = _sensor(device, sensor)
    if found is None:
        return _NO_SENSOR
    found.repair()
    return None


def _exchange(device: GasInstrument, sensor: str, serial: str) -> str | None:
    found = _sensor(device, sensor)
    if found is None:
        return _NO_SENSOR
    found.exchange(serial)
    return None


def _encoder(name: str, value: Any) -> Any:
    def do(device: GasInstrument, digits: int = 0) -> str | None:
        flow = device.flow if isinstance(device, VolumeConverter) else None
        if not isinstance(flow, Encoder):
            return "nothing, it has no encoder"
        setattr(flow, name, digits if value is None else value)
        return None

    return do


def _wire(cut: bool) -> Any:
    def do(device: GasInstrument) -> str | None:
        flow = device.flow if isinstance(device, VolumeConverter) else None
        if not isinstance(flow, Pulses):
            return "nothing, it counts no pulses"
        flow.cut = cut
        return None

    return do


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{text!r} is no number") from None


def _quality(
    device: GasInstrument,
    name: str,
    calorific: str,
    begins: datetime | None = None,
    ends: datetime | None = None,
    **shares: str,
) -> str:
    """Send a gas quality from afar, in force from now on or from a local time; the answer says what became of it."""
    if not isinstance(device, VolumeConverter):
        return "nothing, it converts nothing"
    clock = device.clock
    try:
        heat = _number(calorific)
        figures = {key: float(_number(value)) for key, value in shares.items()}
        gas = Characteristics(hs=float(heat * Decimal("3.6")), **figures)
        quality = GasQuality(
            name,
            heat,
            gas,
            clock.now if begins is None else clock.moments(begins)[0],
            None if ends is None else clock.moments(ends)[0],
            Source.REMOTE,
        )
        return device.offer(quality).what.value
    except CosemError as error:
        return f"refused: {error}"


def _clock(device: GasInstrument, to: datetime) -> str:
    if not device.device.schedule.powered:
        return "no answer, there is no power"
    clock = device.clock.object
    octets = CosemDateTime.from_datetime(to).to_octets()
    return str(device.host.write(clock.class_id, clock.obis, 2, axdr.octet_string(octets)).name.lower())


def _lock(device: GasInstrument, lock: str) -> str | None:
    if lock.upper() not in Level.__members__:
        return "nothing, there is no such lock"
    level = Level[lock.upper()]
    if level is Level.CALIBRATION:
        device.locks.break_seal()
        return None
    return None if device.locks.enter(level, device.settings.codes.get(level, b"")) else "nothing, it has no code"


def _close(device: GasInstrument, lock: str) -> str | None:
    if lock.upper() not in Level.__members__:
        return "nothing, there is no such lock"
    device.locks.close(Level[lock.upper()])
    return None


def _drain(device: GasInstrument, days: int) -> str | None:
    if not isinstance(device, (VolumeConverter, Chromatograph)):
        return "nothing, it has no battery"
    device.service.drain(days)
    return None


def _battery(device: GasInstrument) -> str | None:
    if not isinstance(device, (VolumeConverter, Chromatograph)):
        return "nothing, it has no battery"
    device.service.replace()
    return None


def _analyser(fault: AnalyserFault | None) -> Any:
    def do(device: GasInstrument) -> str | None:
        if not isinstance(device, Chromatograph):
            return "nothing, it analyses nothing"
        device.fault = fault
        return None

    return do


_LOCK: Final = {"lock": Parameter(str, needed=True)}
GAS_INPUTS: Final[dict[str, Input]] = {
    "sensor fails": Input(_break(Fault.FAILS), _SENSOR),
    "sensor sticks": Input(_break(Fault.STICKS), _SENSOR),
    "sensor jumps": Input(_break(Fault.JUMPS), _SENSOR | {"by": Parameter(str)}),
    "sensor repaired": Input(_repair, _SENSOR),
    "sensor exchanged": Input(_exchange, _SENSOR | {"serial": Parameter(str, needed=True)}),
    "encoder silent": Input(_encoder("silent", True)),
    "encoder answers": Input(_encoder("silent", False)),
    "encoder wrong": Input(_encoder("wrong", None), {"digits": Parameter(int, needed=True, least=1, most=10**9)}),
    "encoder right": Input(_encoder("wrong", 0)),
    "wire cut": Input(_wire(True)),
    "wire mended": Input(_wire(False)),
    "quality": Input(
        _quality,
        {
            "name": Parameter(str, needed=True),
            "calorific": Parameter(str, needed=True),
            "begins": Parameter(datetime),
            "ends": Parameter(datetime),
        }
        | _SHARES,
    ),
    "analyser silent": Input(_analyser(AnalyserFault.SILENT)),
    "analyser does not add up": Input(_analyser(AnalyserFault.DOES_NOT_ADD_UP)),
    "analyser repaired": Input(_analyser(None)),
    "clock": Input(_clock, {"to": Parameter(datetime, needed=True)}),
    "lock opened": Input(_lock, _LOCK),
    "lock closed": Input(_close, _LOCK),
    "sealed": Input(lambda device: device.locks.seal()),
    "battery left": Input(_drain, {"days": Parameter(int, needed=True, least=0, most=3650)}),
    "battery replaced": Input(_battery),
    "power cut": Input(lambda device: device.power_cut()),
    "power return": Input(lambda device: device.power_back()),
}
"""By the words of `do`."""
GAS_BUILDING: Final = {
    "market": Parameter(str),
    "method": Parameter(str),
    "input": Parameter(str),
    "site": Parameter(str),
    "cycle": Parameter(int, least=1, most=3600),
}
"""What a scenario may say of how its gas device is built."""
