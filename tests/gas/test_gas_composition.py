"""Compositions: names, sums, normalisation, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import CompositionError
from cosem.gas.composition import Composition, component_name
from cosem.gas.iso6976_tables import COMPONENTS


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("CH4", "methane"),
        ("co2", "carbon dioxide"),
        ("carbon_dioxide", "carbon dioxide"),
        ("i-C4H10", "isobutane"),
        ("ibutane", "isobutane"),
        ("nC5", "n-pentane"),
        ("2-Methylbutane", "isopentane"),
        ("hydrogen sulfide", "hydrogen sulphide"),
        ("hexane", "n-hexane"),
        ("2,2-dimethylbutane", "2,2-dimethylbutane"),
    ],
)
def test_usual_names_and_formulas_are_understood(given: str, meant: str) -> None:
    assert component_name(given) == meant


@given(st.dictionaries(st.sampled_from(sorted(COMPONENTS)), st.floats(1e-6, 1), min_size=1, max_size=12))
def test_normalised_amounts_add_up_to_one_in_the_same_proportions(amounts: dict[str, float]) -> None:
    total = sum(amounts.values())
    for whole in (1.0, 100.0):
        scaled = {name: amount / total * whole for name, amount in amounts.items()}
        found = Composition.normalised(scaled)
        assert sum(found.values()) == pytest.approx(1, abs=1e-12)
        assert dict(found) == pytest.approx({name: amount / total for name, amount in amounts.items()})


def test_a_component_that_is_absent_has_no_share_but_one_that_is_none_is_an_error() -> None:
    gas = Composition.of({"methane": 0.9, "h2": 0.1})
    assert gas["ethane"] == 0.0
    assert gas.hydrogen_share == 0.1
    assert list(gas) == ["methane", "hydrogen"]
    assert len(gas) == 2
    assert "ethane" not in gas
    with pytest.raises(KeyError):
        gas["phlogiston"]


@pytest.mark.parametrize(
    ("fractions", "what"),
    [
        ({"methane": 0.9}, "add up to 0.9 instead of 1"),
        ({"methane": 0.95, "ethane": 0.06}, "add up to 1.01 instead of 1"),
        ({"methane": 1.1, "ethane": -0.1}, "a mole fraction of 1.1 is none"),
        ({"methane": 10**400}, "a mole fraction of 1e308 and more is none"),
        ({"methane": float("nan")}, "a mole fraction of nan is none"),
        ({"methane": 0.5, "CH4": 0.5}, "methane stands twice in the composition, also as 'CH4'"),
        ({"methane": 0.5, "phlogiston": 0.5}, "'phlogiston' is no component"),
        ({}, "add up to 0 instead of 1"),
        ({"methane": True}, "True is no mole fraction"),
        ({"methane": "1"}, "'1' is no mole fraction"),
    ],
)
def test_what_does_not_add_up_or_is_no_gas_is_named(fractions: dict[str, float], what: str) -> None:
    with pytest.raises(CompositionError, match=what.replace("(", r"\(")):
        Composition.of(fractions)


def test_an_analysis_is_rounded_but_not_made_up() -> None:
    assert Composition.of({"methane": 0.95, "ethane": 0.0499999})
    assert Composition.normalised({"methane": 94.0, "ethane": 5.0})["methane"] == pytest.approx(94 / 99)
    for amounts in ({"methane": 90.0, "ethane": 5.0}, {"methane": 0.9}, {"methane": 0.0}):
        with pytest.raises(CompositionError, match="too far from"):
            Composition.normalised(amounts)


def test_the_constructor_checks_as_of_does() -> None:
    with pytest.raises(CompositionError, match="stands twice"):
        Composition((("methane", 0.5), ("methane", 0.5)))
    with pytest.raises(CompositionError, match="'CH4' is no component"):
        Composition((("CH4", 1.0),))
