"""``cosem gas``: compressibility, conversion to base conditions and energy, properties of a composition."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import click

from cosem.cli.gas_plot import plot_command
from cosem.cli.output import DONE, print_json, print_table
from cosem.errors import ConfigError

_METHODS: Final = "sgerg88, aga8-detail, aga8-gross1, aga8-gross2, gerg2008, nx19, fixed"

_PLACES: Final = 30
"""In front of the point and behind it: more than anybody measures."""
_SIXTY: Final = "60F"

_GAS: Final = (
    click.option("--hs", type=float, metavar="MJ/M3", help="Superior calorific value, real gas (see --reference)."),
    click.option("--density", type=float, metavar="D", help="Density relative to air (see --reference)."),
    click.option("--co2", type=float, metavar="X", help="Mole fraction of carbon dioxide."),
    click.option("--h2", type=float, metavar="X", default=0.0, help="Mole fraction of hydrogen."),
    click.option("--n2", type=float, metavar="X", help="Mole fraction of nitrogen."),
    click.option(
        "--reference",
        type=click.Choice(["25/0", "0/0", "15/15", _SIXTY]),
        default="25/0",
        show_default=True,
        help=f"Combustion/metering temperature of --hs and --density in °C; {_SIXTY} with 14.73 psia, gross methods.",
    ),
    click.option(
        "--composition",
        type=click.Path(path_type=Path),
        metavar="FILE.json",
        help="Mole fractions by component name, as a JSON object.",
    ),
)


def _gas_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_GAS):
        command = option(command)
    return command


@click.group("gas")
def gas_command() -> None:
    """Gas: compressibility, conversion of volumes, properties of a composition, the day of a converter."""


gas_command.add_command(plot_command)


@gas_command.command("z")
@click.option("--method", required=True, metavar="M", help=f"One of {_METHODS}.")
@click.option("--pressure", required=True, type=float, metavar="BAR", help="Absolute pressure.")
@click.option("--temperature", required=True, type=float, metavar="CELSIUS", help="Temperature in °C.")
@click.option("--fixed", type=float, default=1.0, show_default=True, metavar="Z", help="Z of the method fixed.")
@_gas_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def z_command(method: str, pressure: float, temperature: float, fixed: float, as_json: bool, **gas: Any) -> int:
    """Compute the compression factor Z, and say whether gas and state are in the range the method is valid in."""
    from cosem.gas.compressibility import compressibility
    from cosem.gas.equation import Method

    chosen = Method.named(method)
    known = _gas(chosen.value, **gas)
    answer = compressibility(chosen, pressure, temperature, known, fixed=fixed, reference=_reference(gas))
    if as_json:
        print_json(answer.to_json())
        return DONE
    rows = [("Z", f"{answer.z:.6f}"), ("method", answer.method.value), ("in range", "yes" if answer.in_range else "no")]
    print_table(("what", "value"), rows + [("out of range", what) for what in answer.outside])
    return DONE


@gas_command.command("convert")
@click.argument("volume", metavar="M3")
@click.option("--pressure", required=True, metavar="BAR", help="Absolute pressure at the meter.")
@click.option("--temperature", required=True, metavar="CELSIUS", help="Temperature at the meter in °C.")
@click.option("--method", default="sgerg88", show_default=True, metavar="M", help=f"One of {_METHODS}.")
@click.option("--fixed", default="1", show_default=True, metavar="K", help="K = Z/Zb of the method fixed.")
@click.option("--base-pressure", default="1.01325", show_default=True, metavar="BAR", help="Base pressure.")
@click.option("--base-temperature", default="0", show_default=True, metavar="CELSIUS", help="Base temperature in °C.")
@click.option("--calorific", metavar="KWH/M3", help="Superior calorific value at base conditions, for the energy.")
@_gas_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def convert_command(
    volume: str,
    pressure: str,
    temperature: str,
    method: str,
    fixed: str,
    base_pressure: str,
    base_temperature: str,
    calorific: str | None,
    as_json: bool,
    **gas: Any,
) -> int:
    """Convert a volume at metering conditions to base conditions and energy: C = (p/pb)(Tb/T)(Zb/Z).

    The energy needs --calorific, or --hs or --composition where the base is that of a calorific value they give.
    """
    from cosem.gas.counters import FACTOR_SCALE, in_words, rounded
    from cosem.gas.equation import Method
    from cosem.gas.factors import BaseConditions, Volume

    metered = _number("M3", volume)
    if metered < 0:
        raise ConfigError("a volume below 0 is none")
    bars, celsius = _number("--pressure", pressure), _number("--temperature", temperature)
    base = BaseConditions(_number("--base-pressure", base_pressure), _number("--base-temperature", base_temperature))
    chosen = Method.named(method)
    known = _gas(chosen.value, **gas)
    answer, z, zb = _ratio(chosen, known, bars, celsius, base, _number("--fixed", fixed), _reference(gas))
    zero = Decimal("273.15")
    k = in_words(rounded(answer), FACTOR_SCALE)
    exact = bars / base.pressure * (base.temperature + zero) / (celsius + zero) / Decimal(answer)
    factor = in_words(rounded(exact), FACTOR_SCALE)
    at_base = Volume(metered).to_base(factor)
    heat = _number("--calorific", calorific) if calorific is not None else None
    if heat is None and gas["reference"] != _SIXTY:
        heat = _calorific(known, base)
    energy = None if heat is None else at_base.energy(heat)
    outside = [] if z is None else list(z.outside)
    if as_json:
        document = {
            "volume": f"{metered:f}",
            "base_volume": f"{at_base.amount:f}",
            "c": f"{factor:f}",
            "k": f"{k:f}",
            "z": None if z is None else z.z,
            "zb": zb,
            "calorific": None if heat is None else f"{heat:f}",
            "energy_kwh": None if energy is None else f"{energy:f}",
            "method": chosen.value,
            "in_range": not outside,
        }
        print_json(document | ({"outside": outside} if outside else {}))
        return DONE
    rows = [
        ("volume at metering conditions", f"{metered:f}", "m³"),
        ("conversion factor C", f"{factor:f}", ""),
        ("K = Z/Zb", f"{k:f}", ""),
        *([] if z is None else [("Z", f"{z.z:.6f}", ""), ("Zb", f"{zb:.6f}", "")]),
        ("volume at base conditions", f"{at_base.amount:f}", "m³"),
        *([] if energy is None else [("calorific value", f"{heat:f}", "kWh/m³"), ("energy", f"{energy:f}", "kWh")]),
        *(("out of range", what, "") for what in outside),
    ]
    print_table(("what", "value", "unit"), rows, right=(1,))
    return DONE


@gas_command.command("quality")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.json")
@click.option("--combustion", type=float, default=25.0, show_default=True, metavar="CELSIUS", help="0 to 25 °C.")
@click.option("--metering", type=float, default=0.0, show_default=True, metavar="CELSIUS", help="0 to 20 °C.")
@click.option("--edition", type=click.Choice(["2016", "1995"]), default="2016", show_default=True, help="Of ISO 6976.")
@click.option("--all", "everything", is_flag=True, help="At every pair of reference temperatures (2016).")
@click.option("--normalise", is_flag=True, help="Scale amounts that add up to about 1 or 100 to 1.")
@click.option("--uncertainty", type=click.Path(path_type=Path), metavar="FILE.json", help="Of the mole fractions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def quality_command(
    file: Path,
    combustion: float,
    metering: float,
    edition: str,
    everything: bool,
    normalise: bool,
    uncertainty: Path | None,
    as_json: bool,
) -> int:
    """Properties of a composition by ISO 6976: calorific values, density, relative density, Wobbe index.

    Uncertainties are standard ones; those of the mole fractions come in only with --uncertainty.
    """
    from cosem.gas.composition import Composition
    from cosem.gas.iso6976 import Edition, all_references, properties

    amounts = _mole_fractions(file)
    composition = Composition.normalised(amounts) if normalise else Composition.of(amounts)
    if everything:
        if edition != "2016" or uncertainty is not None:
            raise ConfigError("--all goes with the edition of 2016 and without --uncertainty")
        tables = all_references(composition)
    else:
        spread = None if uncertainty is None else _mole_fractions(uncertainty)
        tables = (
            properties(
                composition,
                combustion=combustion,
                metering=metering,
                edition=Edition(edition),
                uncertainty=spread,
            ),
        )
    if as_json:
        documents = [table.to_json() | {"hydrogen_share": composition.hydrogen_share} for table in tables]
        print_json(documents if everything else documents[0])
        return DONE
    if everything:
        heads = ("combustion/metering °C", "Hs MJ/m³", "Hi MJ/m³", "density kg/m³", "relative", "Wobbe MJ/m³", "Z")
        rows = [
            (
                f"{table.combustion:g}/{table.metering:g}",
                f"{table.superior_volume.value:.5f}",
                f"{table.inferior_volume.value:.5f}",
                f"{table.density.value:.5f}",
                f"{table.relative_density.value:.5f}",
                f"{table.superior_wobbe.value:.5f}",
                f"{table.z.value:.6f}",
            )
            for table in tables
        ]
        print_table(heads, rows, right=range(1, 7))
        return DONE
    print_table(("property", "value", "u", "unit"), _rows(tables[0]), right=(1, 2))
    return DONE


def _rows(table: Any) -> list[tuple[str, str, str, str]]:
    words = (
        ("molar mass", "molar_mass", "kg/kmol"),
        ("compression factor", "z", ""),
        ("superior calorific value", "superior_volume", "MJ/m³"),
        ("inferior calorific value", "inferior_volume", "MJ/m³"),
        ("superior, by mass", "superior_mass", "MJ/kg"),
        ("inferior, by mass", "inferior_mass", "MJ/kg"),
        ("superior, molar", "superior_molar", "kJ/mol"),
        ("inferior, molar", "inferior_molar", "kJ/mol"),
        ("density", "density", "kg/m³"),
        ("relative density", "relative_density", ""),
        ("superior Wobbe index", "superior_wobbe", "MJ/m³"),
        ("inferior Wobbe index", "inferior_wobbe", "MJ/m³"),
    )
    rows = []
    for what, name, unit in words:
        figure = getattr(table, name)
        rows.append((what, f"{figure.value:.6f}", "" if figure.u is None else f"{figure.u:.6f}", unit))
    return rows


def _ratio(
    method: Any, gas: Any, bars: Decimal, celsius: Decimal, base: Any, fixed: Decimal, reference: Any
) -> tuple[float | Decimal, Any, float | None]:
    """Return K, Z with its range and Zb; with the method fixed the K that was given alone."""
    from cosem.gas.compressibility import equation
    from cosem.gas.equation import KELVIN, Method

    if not (0 < bars < 10_000 and -KELVIN < celsius < 1_000):
        raise ConfigError(f"{bars} bar and {celsius} °C are no state of a gas in a pipe")
    if method is Method.FIXED:
        if not 0 < fixed < 10:
            raise ConfigError(f"a K of {fixed} is none")
        return fixed, None, None
    made = equation(method, gas, reference=reference)
    z = made.at(float(bars), float(celsius))
    zb = made.z(float(base.pressure), float(base.temperature))
    return z.z / zb, z, zb


def _calorific(gas: Any, base: Any) -> Decimal | None:
    """Return the superior calorific value at base conditions in kWh/m³, six decimals, where the gas tells it."""
    from cosem.gas.characteristics import Characteristics
    from cosem.gas.composition import Composition
    from cosem.gas.iso6976 import properties
    from cosem.gas.iso6976_tables import METERING

    if base.pressure != Decimal("1.01325") or float(base.temperature) not in METERING:
        return None
    megajoules: float | None = None
    if isinstance(gas, Composition):
        megajoules = properties(gas, combustion=25, metering=float(base.temperature)).superior_volume.value
    elif isinstance(gas, Characteristics) and base.temperature == 0:
        megajoules = gas.hs
    if megajoules is None:
        return None
    if megajoules >= 10**_PLACES:
        raise ConfigError(f"a calorific value of {megajoules:g} MJ/m³ is none")
    return (Decimal(megajoules) / Decimal("3.6")).quantize(Decimal("0.000001"))


def _gas(
    method: str,
    *,
    hs: float | None,
    density: float | None,
    co2: float | None,
    h2: float,
    n2: float | None,
    reference: str,
    composition: Path | None,
) -> Any:
    """Return the gas of the options: a composition or its characteristics; None where nothing is said of it."""
    from cosem.gas.characteristics import Characteristics
    from cosem.gas.composition import Composition

    figures = {"hs": hs, "density": density, "co2": co2, "n2": n2}
    named = [f"--{name}" for name, value in figures.items() if value is not None]
    if composition is not None:
        if named or h2:
            raise ConfigError(f"{', '.join([*named, *(['--h2'] if h2 else [])])} and --composition say the same twice")
        return Composition.of(_mole_fractions(composition))
    if method in ("aga8-detail", "gerg2008"):
        raise ConfigError(f"method {method} needs --composition FILE.json")
    if not named and method == "fixed":
        return None
    if reference == _SIXTY:
        return Characteristics(hs, density, co2, h2, n2)
    return Characteristics.at(reference, co2=co2, h2=h2, n2=n2, hs=hs, density=density)


def _reference(gas: dict[str, Any]) -> Any:
    """Return the reference conditions of the figures where the equation has to know them."""
    from cosem.gas.aga8_gross import US_CUSTOMARY

    return US_CUSTOMARY if gas["reference"] == _SIXTY else None


def _mole_fractions(path: Path) -> dict[str, float]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no JSON document ({error})") from None
    if isinstance(document, dict) and isinstance(document.get("composition"), dict):
        document = document["composition"]
    if not isinstance(document, dict) or not document:
        raise ConfigError(f"{path}: no JSON object of component names and mole fractions")
    for name, value in document.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{path}: {name} is {value!r}, which is no number")
    return document


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{name}: {text!r} is no number") from None
    if not value.is_finite():
        raise ConfigError(f"{name}: {text!r} is no number")
    # Numbers are exact and printed with all their digits: one with an exponent in thousands is a way to fill a disk.
    if value.adjusted() >= _PLACES or -int(value.as_tuple().exponent) > _PLACES:
        raise ConfigError(f"{name}: {text[:40]!r} is out of all range")
    return value
