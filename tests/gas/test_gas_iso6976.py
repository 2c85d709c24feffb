"""Properties by ISO 6976: the standard's own examples, all reference conditions, uncertainties, the edition of 1995."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import CompositionError, ConfigError
from cosem.gas.composition import Composition
from cosem.gas.iso6976 import Edition, Figure, Properties, R, all_references, properties
from cosem.gas.iso6976_tables import COMBUSTION, COMPONENTS, METERING
from support.gases import gas, load

EXAMPLES = [name for name in load("iso6976") if name != "about"]


def example(name: str) -> tuple[dict[str, Any], Properties]:
    facts = load("iso6976")[name]
    names = list(facts["composition"])
    matrix = facts.get("correlation")
    correlation = None
    if matrix:
        correlation = {(a, b): matrix[i][j] for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
    combustion, metering = facts["reference"]
    found = properties(
        Composition.of(facts["composition"]),
        combustion=combustion,
        metering=metering,
        uncertainty=facts["uncertainty"],
        correlation=correlation,
    )
    return facts["printed"], found


def as_printed(value: float, printed: str) -> str:
    return f"{value:.{-Decimal(printed).as_tuple().exponent}f}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_standard_comes_out_to_the_last_printed_digit(name: str) -> None:
    printed, found = example(name)
    deviations = []
    for what, (value, u) in printed.items():
        figure: Figure = getattr(found, what)
        assert as_printed(figure.value, value) == value, what
        deviations.append(abs(figure.value - float(value)))
        if u is not None:
            assert figure.u is not None
            assert as_printed(figure.u, u) == u, what
            deviations.append(abs(figure.u - float(u)))
    print(f"iso6976 {name}: {len(deviations)} figures, largest deviation {max(deviations):.2g}")


def test_every_pair_of_reference_conditions_is_consistent_in_itself() -> None:
    tables = all_references(gas(4))
    assert [(table.combustion, table.metering) for table in tables] == [(b, m) for b in COMBUSTION for m in METERING]
    for table in tables:
        kelvin = (table.metering if table.metering != 15.55 else 60 / 1.8 - 32 / 1.8) + 273.15
        volume = table.z.value * R * kelvin / 101.325
        assert table.superior_volume.value == pytest.approx(table.superior_molar.value / volume)
        assert table.inferior_mass.value == pytest.approx(table.inferior_molar.value / table.molar_mass.value)
        assert table.superior_wobbe.value == pytest.approx(
            table.superior_volume.value / sqrt(table.relative_density.value)
        )
        assert table.inferior_molar.value < table.superior_molar.value
        figures = [getattr(table, name) for name in table.__dataclass_fields__]
        assert all(figure.u > 0 for figure in figures if isinstance(figure, Figure))


def test_burning_methane_makes_two_waters_and_nitrogen_burns_not() -> None:
    methane = properties(Composition.of({"CH4": 1.0}), combustion=25, metering=0)
    assert methane.superior_molar.value - methane.inferior_molar.value == pytest.approx(2 * 44.013)
    assert methane.superior_molar.u == pytest.approx(0.19)
    nitrogen = properties(Composition.of({"N2": 1.0}))
    assert nitrogen.superior_volume == Figure(0.0, 0.0)


@given(st.floats(0, 1), st.sampled_from(sorted(COMPONENTS)))
def test_sums_over_a_mixture_lie_between_those_of_its_parts(share: float, other: str) -> None:
    parts = {"methane": share, other: 1 - share} if other != "methane" else {"methane": 1.0}
    try:
        ends = [properties(Composition.of({name: 1.0})) for name in ("methane", other)]
        mixed = properties(Composition.of(parts))
    except CompositionError:
        with pytest.raises(CompositionError, match="not a gas"):
            properties(Composition.of({other: 1.0}))
        return
    for name in ("superior_molar", "molar_mass"):
        low, high = sorted(getattr(end, name).value for end in ends)
        assert low - 1e-9 <= getattr(mixed, name).value <= high + 1e-9


def test_uncertainty_of_the_analysis_adds_to_that_of_the_tables() -> None:
    composition = gas(1)
    tables = properties(composition)
    analysed = properties(composition, uncertainty={"CH4": 0.001, "ethane": 0.0005})
    assert analysed.superior_volume.value == tables.superior_volume.value
    assert analysed.superior_volume.u > tables.superior_volume.u  # type: ignore[operator]
    against = properties(
        composition, uncertainty={"CH4": 0.001, "ethane": 0.0005}, correlation={("ethane", "methane"): -1.0}
    )
    assert against.superior_volume.u < analysed.superior_volume.u  # type: ignore[operator]
    for wrong in ({"CH4": -1.0}, {"CH4": float("nan")}):
        with pytest.raises(ConfigError, match="uncertainty"):
            properties(composition, uncertainty=wrong)
    with pytest.raises(ConfigError, match="correlation"):
        properties(composition, correlation={("CH4", "C2H6"): 1.5})


def test_the_edition_of_1995_is_near_that_of_2016_and_tells_what_it_lacks() -> None:
    plain = Composition.of({"methane": 0.93, "ethane": 0.04, "propane": 0.01, "nitrogen": 0.012, "CO2": 0.008})
    for combustion, metering in ((0, 0), (25, 0), (15, 15)):
        old = properties(plain, combustion=combustion, metering=metering, edition=Edition.ISO_1995)
        new = properties(plain, combustion=combustion, metering=metering)
        for name in ("superior_volume", "inferior_mass", "superior_molar", "density", "relative_density", "z"):
            assert getattr(old, name).value == pytest.approx(getattr(new, name).value, rel=3e-4)
            assert getattr(old, name).u is None
    with pytest.raises(ConfigError, match="no factors of 1995 at 20/20"):
        properties(plain, combustion=20, metering=20, edition=Edition.ISO_1995)
    with pytest.raises(CompositionError, match="no factors of 1995 for helium"):
        properties(Composition.of({"methane": 0.99, "helium": 0.01}), edition=Edition.ISO_1995)


def test_reference_temperatures_without_data_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no data at a reference temperature of 25 °C: there are 0, 15, 15.55, 20$"):
        properties(gas(1), metering=25)
    sixty = properties(gas(1), combustion=60 / 1.8 - 32 / 1.8, metering=60 / 1.8 - 32 / 1.8)
    assert sixty.z == properties(gas(1), combustion=15.55, metering=15.55).z
    with pytest.raises(CompositionError, match="not a gas"):
        properties(Composition.of({"n-decane": 1.0}))
