"""Gas quality as it comes into a converter: figures written one by one, a table from afar, or an analyser beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from cosem.classes.c001_data import Data as DataObject
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.causes import Cause
from cosem.device.gas.analysis import COMPONENTS, RELATIVE_DENSITY, composition_of, figures_of, share_of
from cosem.device.gas.configuration import VALUE, Configuration, Parameter
from cosem.device.gas.process import Process, check_usable
from cosem.device.gas.quantities import Value
from cosem.device.host import Host
from cosem.errors import CompositionError, ConfigError, CosemError
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.quality import Change, GasQuality, QualityChange, Source
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from cosem.units import Unit

_REFUSED: Final = (Change.OUTDATED, Change.EXPIRED)
MAX_ITEMS: Final = 64
MAX_WAITING: Final = 32
"""Qualities that may wait for their time: bounds what a client can make a device keep."""
_MICRO: Final = Decimal("0.000001")
_PERCENT: Final = Decimal("0.0001")
SOURCES: Final = (Source.FIXED_TABLE, Source.CHROMATOGRAPH, Source.REMOTE)
_SHOWN: Final = {"n2": 60, "h2": 61, "co2": 66, "ch4": 67, "c2h6": 69, "c3h8": 71}


class QualityRefusedError(ConfigError):
    """A gas quality that cannot be taken; the sentence says why."""


class QualityInput:
    """Takes gas qualities. `parameters` are the figures of the one in force; writing one makes a new quality of it.

    A composition takes no single figures, because they would not add up in between: it comes as a table.
    """

    def __init__(self, host: Host, process: Process) -> None:
        self._host = host
        self._process = process
        self._edits = 0
        self.parameters = self._parameters()
        self._table = encode_table(process.converter.book.in_force, host.clock.octets)

    # --- taking --------------------------------------------------------------------------------------------

    def offer(self, quality: GasQuality) -> QualityChange:
        """Take a quality with times of the clock; QualityRefusedError for one that comes too late, or fits nothing."""
        book = self._process.converter.book
        try:
            check_usable(self._process.converter.settings, quality)
            if len(book.waiting) >= MAX_WAITING and quality.valid_from > self._host.clock.now:
                raise QualityRefusedError(f"{MAX_WAITING} qualities wait already")
        except CosemError as error:
            self._host.note(Cause.GAS_QUALITY_REFUSED, what=str(error), new=quality.name)
            raise QualityRefusedError(f"quality {quality.name}: {error}") from None
        change = self._process.offer(quality)
        if change.what in _REFUSED:
            raise QualityRefusedError(f"quality {quality.name}: {change.what.value.removesuffix(': refused')}")
        return change

    # --- figures -------------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Parameter]:
        book = self._process.converter.book

        def figure(name: str, value: Decimal | bytes) -> None:
            if isinstance(value, bytes):
                raise ConfigError("a figure of the gas is a number")
            old, gas = book.in_force, book.in_force.gas
            calorific = old.calorific
            if name == "calorific":
                calorific = (value / 1000).quantize(_MICRO)
                if isinstance(gas, Characteristics) and gas.hs is not None:
                    gas = replace(gas, hs=float(calorific * Decimal("3.6")))
            elif not isinstance(gas, Characteristics) or not hasattr(gas, name):
                raise CompositionError("single components of a composition cannot be written: write the table")
            else:
                gas = replace(gas, **{name: float(value if name == "density" else value / 100)})
            self._edits += 1
            self.offer(GasQuality(f"figures {self._edits}", calorific, gas, self._host.clock.now, None))

        def component(item: int) -> Callable[[], Value]:
            def read() -> Value:
                share = share_of(book.in_force.gas, item)
                return None if share is None else share.quantize(_PERCENT)

            return read

        made = {
            "quality.calorific": Parameter(
                lambda: book.in_force.calorific * 1000,
                lambda value: figure("calorific", value),
                Unit.WATT_HOUR_PER_CUBIC_METRE,
            ),
            "quality.density": Parameter(lambda: _density(book.in_force), lambda value: figure("density", value)),
        }
        for name, item in _SHOWN.items():
            made[f"quality.{name}"] = Parameter(
                component(item),
                lambda value, name=name: figure(name, value),  # type: ignore[misc]
                Unit.MOLE_PERCENT,
            )
        return made

    # --- table ---------------------------------------------------------------------------------------------

    def add_table(self, name: Obis, configuration: Configuration) -> None:
        """Add the object that takes whole qualities: our own layout, see `encode_table`."""
        obj = self._host.add(DataObject(name, value=self._table))
        self._host.compute(obj, VALUE, lambda: self._table)
        parameter = Parameter(lambda: None, lambda value: None)

        def write(value: Data) -> DataAccessResult:
            def take() -> None:
                self.offer(decode_table(value, self._host.clock.utc))
                self._table = value

            return configuration.change(parameter, name, lambda: self._table, take)

        self._host.writers(obj, {VALUE: write})


def _density(quality: GasQuality) -> Value:
    gas = quality.gas
    if isinstance(gas, Composition):
        gas = Characteristics.of(gas)
    if gas is not None and gas.density is not None:
        return Decimal(repr(gas.density)).quantize(_MICRO)
    return None


def encode_table(quality: GasQuality, octets: Callable[[int], bytes]) -> Data:
    """Return the structure a quality is written as: name, begin, end (empty: until further notice), source, items.

    An item is its number in OBIS and a number: calorific value (54) in 1e-6 kWh/m³, relative density (46) in 1e-6,
    components in 1e-4 mol%. `octets` makes a date-time of UTC seconds.
    """
    items: list[tuple[int, int]] = [(54, int(quality.calorific.scaleb(6)))]
    density = None if isinstance(quality.gas, Composition) else _density(quality)
    if isinstance(density, Decimal):
        items.append((RELATIVE_DENSITY, round(density.scaleb(6))))
    for item in COMPONENTS:
        share = share_of(quality.gas, item)
        if share:
            items.append((item, round(share.scaleb(4))))
    return axdr.structure(
        axdr.octet_string(quality.name.encode("utf-8")),
        axdr.octet_string(octets(quality.valid_from)),
        axdr.octet_string(b"" if quality.valid_until is None else octets(quality.valid_until)),
        axdr.enum(SOURCES.index(quality.source)),
        axdr.array(*(axdr.structure(axdr.unsigned(item), axdr.double_long_unsigned(value)) for item, value in items)),
    )


def decode_table(value: Data, utc: Callable[[CosemDateTime], int]) -> GasQuality:
    """Return the quality of a written structure; ConfigError or CompositionError for one that is none."""
    try:
        name, begin, end, source, items = value.value
        label = name.value.decode("utf-8")
        listed = {item.value[0].value: Decimal(item.value[1].value) for item in items.value}
        if not label or len(label) > 32 or len(listed) != len(items.value) or len(listed) > MAX_ITEMS:
            raise ConfigError("a quality has a name of up to 32 characters, and no item twice")
        known = {54, RELATIVE_DENSITY, *COMPONENTS}
        if unknown := set(listed) - known:
            raise ConfigError(f"no item of a quality has number {min(unknown)}")
        calorific = listed[54].scaleb(-6)
        shares = {item: share.scaleb(-4) for item, share in listed.items() if item in COMPONENTS}
        density = listed[RELATIVE_DENSITY].scaleb(-6) if RELATIVE_DENSITY in listed else None
        gas = composition_of(shares) if 67 in shares else figures_of(calorific, shares, density)
        return GasQuality(
            label,
            calorific,
            gas,
            utc(CosemDateTime.from_octets(begin.value)),
            utc(CosemDateTime.from_octets(end.value)) if end.value else None,
            SOURCES[source.value],
        )
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError) as error:
        raise ConfigError(f"this is no table of a gas quality: {error!r}") from None
