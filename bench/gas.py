"""Gas physics: compressibility against public peers, a step of a converter, properties, a series."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import count

from bench.measure import medians
from bench.report import Line
from cosem.gas import accelerated
from cosem.gas.aga8_detail import Aga8Detail
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.conversion import Converter, ConverterSettings
from cosem.gas.equation import Equation, Method
from cosem.gas.inputs import Reading
from cosem.gas.iso6976 import properties
from cosem.gas.quality import GasQuality
from cosem.gas.sgerg88 import Sgerg88

# Gas 1 of ISO 12213, annex C.
SHARES = {
    "carbon dioxide": 0.006,
    "nitrogen": 0.003,
    "methane": 0.965,
    "ethane": 0.018,
    "propane": 0.0045,
    "isobutane": 0.001,
    "n-butane": 0.001,
    "isopentane": 0.0005,
    "n-pentane": 0.0003,
    "n-hexane": 0.0007,
}
FIGURES = Characteristics(40.66, 0.581, 0.006)
BAR = 60.0
SERIES = 10_000


def gas_compressibility() -> list[Line]:
    """Z of one state after the other, temperature changing every time."""
    composition = Composition.of(SHARES)
    sgerg, detail = Sgerg88(FIGURES), Aga8Detail(composition)
    fast = medians({"z": _states(sgerg)})
    lines = [Line("Z by SGERG-88, gas known", fast["z"], None)]
    whole = {"ours": lambda: Sgerg88(FIGURES).z(BAR, 6.85)} | _pygerg()
    lines.append(_against("  from its inputs", whole))
    lines.append(_against("Z by AGA8-92DC detail, gas known", {"ours": _states(detail)} | _pyaga8("Detail", ())))
    if accelerated.available():
        lines.append(
            _against(
                "  through the accelerator",
                {"ours": _states(accelerated.AcceleratedDetail(composition))} | _pyaga8("Detail", ()),
            )
        )
        lines.append(
            _against(
                "Z by GERG-2008, through the accelerator",
                {"ours": _states(accelerated.Gerg2008(composition))} | _pyaga8("Gerg2008", (0,)),
            )
        )
    try:
        import numpy
    except ImportError:
        return lines
    bars, celsius = numpy.linspace(1, 100, SERIES), numpy.linspace(-10, 60, SERIES)
    series = medians({"sgerg": lambda: sgerg.z(bars, celsius), "detail": lambda: detail.z(bars, celsius)})
    lines.append(Line(f"  SGERG-88, a state of a series of {SERIES:,}", series["sgerg"] / SERIES, None))
    lines.append(Line(f"  detail, a state of a series of {SERIES:,}", series["detail"] / SERIES, None))
    return lines


def gas_conversion() -> list[Line]:
    """A PTZ step of a converter with all its counters; and properties by ISO 6976 with their uncertainties."""
    composition = Composition.of(SHARES)
    lines = []
    for what, method, gas, extra, goal in (
        ("PTZ step with SGERG-88", Method.SGERG88, FIGURES, False, 60e-6),
        ("PTZ step with detail, pure Python", Method.AGA8_DETAIL, composition, False, 400e-6),
        ("PTZ step with detail, accelerated", Method.AGA8_DETAIL, composition, True, None),
    ):
        if extra and not accelerated.available():
            continue
        settings = ConverterSettings(method=method, accelerated=extra)
        machine = Converter(settings, GasQuality("measured", Decimal("11.3"), gas))
        lines.append(Line(what, medians({"step": _steps(machine)})["step"], goal))
    spread = dict.fromkeys(SHARES, 1e-4)
    found = medians({"properties": lambda: properties(composition, uncertainty=spread)})
    lines.append(Line("properties by ISO 6976, all uncertainties", found["properties"], None))
    return lines


def _states(equation: Equation) -> Callable[[], object]:
    numbers = count()
    return lambda: equation.z(BAR, next(numbers) % 500 / 10)


def _steps(machine: Converter) -> Callable[[], object]:
    numbers = count(1)
    pressures = [Reading(Decimal(6000 + step) / 100) for step in range(97)]
    temperatures = [Reading(Decimal(step) / 10) for step in range(401)]

    def step() -> object:
        at = next(numbers)
        return machine.step(at, 123_456, pressures[at % 97], temperatures[at % 401])

    return step


def _against(what: str, calls: dict[str, Callable[[], object]]) -> Line:
    times = medians(calls)
    mine = times.pop("ours")
    return Line(what, mine, None, times or None)


def _pyaga8(model: str, flags: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    try:
        import pyaga8
    except ImportError:
        return {}
    mixture = pyaga8.Composition()
    fields = {
        "carbon dioxide": "carbon_dioxide",
        "n-butane": "n_butane",
        "n-pentane": "n_pentane",
        "n-hexane": "hexane",
    }
    for name, share in SHARES.items():
        setattr(mixture, fields.get(name, name), share)
    found = getattr(pyaga8, model)()
    found.set_composition(mixture)
    found.pressure = BAR * 100
    numbers = count()

    def z() -> object:
        found.temperature = 273.15 + next(numbers) % 500 / 10
        found.calc_density(*flags)
        return found.d

    return {"pyaga8": z}


def _pygerg() -> dict[str, Callable[[], object]]:
    try:
        from pygerg import sgerg
    except ImportError:
        return {}
    return {"pygerg": lambda: sgerg(0.006, 40.66, 0.581, 0.0, BAR, 6.85)}


CASES = (gas_compressibility, gas_conversion)
