"""Simulated gas devices with a life behind them: a converter on a pipe, a chromatograph on a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from cosem.device.gas.chromatograph import Chromatograph, ChromatographSettings
from cosem.device.gas.converter import H_GAS, ConverterDeviceSettings, VolumeConverter
from cosem.device.gas.energy_converter import EnergyConverter
from cosem.device.gas.locks import Level
from cosem.device.gas.site import Home, Industry, Supply
from cosem.device.gas.stream import Blend, Stream
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError
from cosem.gas.conversion import ConverterSettings
from cosem.gas.equation import Method
from cosem.gas.quality import GasQuality
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET

DEMO_CODES: Final = {
    Level.CUSTOMER: b"customer",
    Level.SUPPLIER: b"supplier",
    Level.CERTIFICATION: b"certification",
}
"""Codes of the locks of every example: worth nothing."""
SITES: Final[Mapping[str, Callable[[int], Supply]]] = {"industry": Industry, "household": Home}
_COMPOSITION: Final = (Method.AGA8_DETAIL, Method.GERG2008)
_FIRST: Final = "first analysis"


def _identity(seed: int, kind: int) -> dict[str, Any]:
    return {
        "system_title": b"CSM" + (0x0700000000 + kind * 0x10000000 + seed).to_bytes(5, "big"),
        "serial": f"{70_000_000 + kind * 5_000_000 + seed}",
        "keys": DEMO_KEYS,
        "secret": DEMO_SECRET,
        "password": DEMO_PASSWORD,
        "codes": DEMO_CODES,
    }


def demo_converter(
    seed: int, *, market: str = "generic", method: str = "sgerg88", site: str = "industry"
) -> ConverterDeviceSettings:
    """Return how a converter is built unless something else is said; ConfigError for a method that is not there.

    What stands in for a failed sensor, and the digits of the encoder, are those that fit the site.
    """
    chosen = Method.named(method)
    quality = H_GAS
    if chosen in _COMPOSITION:
        quality = GasQuality.of_composition(_FIRST, _composition(seed))
    return ConverterDeviceSettings(
        **_identity(seed, 0),
        market=market,
        conversion=ConverterSettings(
            method=chosen,
            substitute_pressure=Decimal("1.035") if site == "household" else Decimal(15),
            substitute_temperature=Decimal(10) if site == "household" else Decimal(6),
        ),
        quality=quality,
        pulse=Decimal("0.01") if site == "household" else Decimal("0.1"),
        seed=seed,
    )


def _composition(seed: int) -> Any:
    from cosem.device.gas.analysis import composition_of

    return composition_of(Blend(seed).at(0))


def demo_chromatograph(seed: int, *, market: str = "generic") -> ChromatographSettings:
    """Return how a chromatograph is built unless something else is said."""
    return ChromatographSettings(**_identity(seed, 1), market=market, seed=seed)


def _span(end: datetime, days: float) -> tuple[int, int]:
    if end.tzinfo is None:
        raise ValueError("the end of a simulation is an aware date-time")
    until = int(end.timestamp())
    return until - int(days * 86_400), until


def simulated_converter(
    *,
    seed: int = 1,
    end: datetime,
    days: float = 31,
    settings: ConverterDeviceSettings | None = None,
    site: str = "industry",
) -> VolumeConverter:
    """Return a converter that has lived `days` until `end` (an aware date-time). The same arguments, the same device.

    `site` is what it measures: ``industry`` or ``household``.
    """
    if site not in SITES:
        raise ConfigError(f"a site is one of {', '.join(SITES)}, not {site!r}")
    start, until = _span(end, days)
    settings = settings or demo_converter(seed, site=site)
    device = VolumeConverter(
        settings,
        start,
        SeededRandom(seed),
        supply=SITES[site](seed),
        simulation=True,
        counters=MemoryCounterStore(),
    )
    device.advance(until)
    return device


def simulated_energy_converter(
    *, seed: int = 1, end: datetime, days: float = 31, settings: ConverterDeviceSettings | None = None
) -> EnergyConverter:
    """Return an energy converter behind a volume converter of the same seed; both have lived `days` until `end`."""
    start, until = _span(end, days)
    source = simulated_converter(seed=seed, end=datetime.fromtimestamp(start, UTC), days=0)
    settings = settings or demo_converter(seed)
    device = EnergyConverter(settings, source, SeededRandom(seed), simulation=True, counters=MemoryCounterStore())
    device.advance(until)
    return device


def simulated_chromatograph(
    *,
    seed: int = 1,
    end: datetime,
    days: float = 31,
    settings: ChromatographSettings | None = None,
    stream: Stream | None = None,
) -> Chromatograph:
    """Return a chromatograph that has lived `days` until `end` (an aware date-time)."""
    start, until = _span(end, days)
    settings = settings or demo_chromatograph(seed)
    device = Chromatograph(
        settings, start, SeededRandom(seed), stream=stream, simulation=True, counters=MemoryCounterStore()
    )
    device.advance(until)
    return device


def built_by(building: Mapping[str, Any], settings: ConverterDeviceSettings) -> ConverterDeviceSettings:
    """Return how a converter is built as a scenario says it."""
    given = {name: value for name, value in building.items() if name not in ("method", "site")}
    if "method" in building:
        given["conversion"] = replace(settings.conversion, method=Method.named(building["method"]))
    return replace(settings, **given)
