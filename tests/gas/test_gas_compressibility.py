"""Every method against check values, against an independent implementation, and outside of what it was made for."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cosem.errors import CompositionError, ConfigError, GasError, NoSolution
from cosem.gas import accelerated
from cosem.gas.aga8_detail import Aga8Detail
from cosem.gas.aga8_gross import US_CUSTOMARY, Gross1, Gross2, GrossOfComposition
from cosem.gas.aga8_tables import SPECIES
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.compressibility import compressibility, equation
from cosem.gas.equation import KELVIN, Equation, FixedZ, Method
from cosem.gas.nx19 import Nx19
from cosem.gas.sgerg88 import Sgerg88
from cosem.gas.virial import R
from support.gases import gas, load

needs_pyaga8 = pytest.mark.skipif(not accelerated.available(), reason="pyaga8 is not installed")
PSI, FAHRENHEIT = 0.06894757293168, 32
WITHOUT_ANALYSIS = Characteristics(40.66, 0.581, 0.006, 0.0, 0.003)


def largest(method: str, deviations: list[float], limit: float) -> None:
    """Print the largest deviation of a method and compare it with what it has to stay within."""
    worst = max(map(abs, deviations))
    print(f"{method}: largest of {len(deviations)} deviations {worst:.3g} (limit {limit:g})")
    assert worst <= limit


def test_the_detail_equation_gives_the_tables_of_iso_12213_2() -> None:
    facts = load("detail")
    equations = {name: Aga8Detail(Composition.of(shares)) for name, shares in facts["gases"].items()}
    slips = {tuple(slip) for slip in facts["slips"]}
    by_nist, by_table = [], []
    for name, bar, celsius, z_nist, z_table in facts["points"]:
        answer = equations[name].at(bar, celsius)
        assert answer.in_range, answer.outside
        by_nist.append(answer.z - z_nist)
        if (name, bar, celsius) in slips:
            assert abs(answer.z - z_table) > 1e-4
        else:
            by_table.append(answer.z - z_table)
    largest("aga8-detail, six decimals", by_nist, 1e-6)
    largest("aga8-detail, table", by_table, 2e-5)


def test_the_detail_equation_hits_the_single_point_of_the_reference_code() -> None:
    facts = load("detail")["single"]["aga8-detail"]
    made = Aga8Detail(Composition.of(facts["composition"]))
    found = made.z(facts["kilopascal"] / 100, facts["kelvin"] - KELVIN)
    largest("aga8-detail, single point", [found - facts["z"]], 1e-9)
    assert made.molar_mass == pytest.approx(facts["molar_mass"], abs=1e-9)
    assert any("pressure 500 bar" in what for what in made.outside(500, 100))


@needs_pyaga8
def test_gerg_2008_hits_the_single_point_of_the_reference_code() -> None:
    facts = load("detail")["single"]["gerg2008"]
    answer = compressibility(
        Method.GERG2008, facts["kilopascal"] / 100, facts["kelvin"] - KELVIN, Composition.of(facts["composition"])
    )
    largest("gerg2008, single point", [answer.z - facts["z"]], 1e-9)
    assert answer.outside == ("pressure 500 bar: 0 to 350",)


def test_sgerg_88_gives_the_tables_of_iso_12213_3() -> None:
    facts = load("sgerg88")
    equations = {name: Sgerg88(Characteristics(**inputs)) for name, inputs in facts["gases"].items()}
    assert all(equations[name].at(bar, celsius).in_range for name, bar, celsius, _ in facts["points"])
    largest("sgerg88", [equations[name].z(bar, celsius) - z for name, bar, celsius, z in facts["points"]], 5e-6)


def test_gross_method_1_gives_the_tables_of_aga_8() -> None:
    facts = load("gross")
    equations = {name: Gross1(Characteristics(**inputs), US_CUSTOMARY) for name, inputs in facts["gases"].items()}
    published, by_nist = [], []
    for fahrenheit, psia, name, z_published, z_nist in facts["points"]:
        answer = equations[name].at(psia * PSI, (fahrenheit - FAHRENHEIT) / 1.8)
        assert answer.in_range, answer.outside
        published.append(answer.z - z_published)
        by_nist.append(answer.z - z_nist)
    largest("aga8-gross1, published", published, 2e-6)
    largest("aga8-gross1, reference code", by_nist, 2e-6)


def test_both_gross_methods_hit_the_single_point_of_the_reference_code() -> None:
    facts = load("gross")["single"]
    composition = Composition.of(facts["composition"])
    whole = GrossOfComposition(composition)
    bar, celsius = facts["kilopascal"] / 100, facts["kelvin"] - KELVIN
    assert whole.relative_density == pytest.approx(facts["relative_density"], abs=1e-12)
    assert whole.molar_calorific == pytest.approx(facts["molar_calorific"], abs=1e-9)
    assert whole.pseudo_components.calorific == pytest.approx(facts["hydrocarbon_calorific"], abs=1e-9)
    assert whole.hs == pytest.approx(facts["hs"], abs=1e-9)
    co2, n2 = composition["carbon dioxide"], composition["nitrogen"]
    first = Gross1(Characteristics(facts["hs"], facts["relative_density"], co2))
    second = Gross2(Characteristics(density=facts["relative_density"], co2=co2, n2=n2))
    assert second.hs == pytest.approx(facts["hs_method2"], abs=1e-9)
    density = bar / (R * facts["kelvin"])
    deviations = [
        whole.z(bar, celsius) - facts["z"],
        density / first.z(bar, celsius) - facts["molar_density_method1"],
        density / second.z(bar, celsius) - facts["molar_density_method2"],
    ]
    largest("aga8-gross, single point", deviations, 1e-9)


def test_nx_19_agrees_with_another_hand_where_that_has_the_right_region() -> None:
    facts, shares = load("nx19"), load("detail")["gases"]
    inputs = load("sgerg88")["gases"]
    sane, beyond = [], []
    for name, bar, celsius, k in facts["points"]:
        made = Nx19(
            Characteristics(density=inputs[name]["density"], co2=inputs[name]["co2"], n2=shares[name]["nitrogen"])
        )
        (sane if bar == 60 else beyond).append(made.ratio(bar, celsius) - k)
        assert made.supercompressibility(bar, celsius) ** -2 == pytest.approx(made.ratio(bar, celsius))
    largest("nx19, 60 bar", sane, 1e-5)
    largest("nx19, 120 bar", beyond, 1e-3)


def test_nx_19_gives_z_near_the_detail_equation_and_a_smooth_end_towards_no_pressure() -> None:
    composition = gas(1)
    old, new = equation(Method.NX19, composition), Aga8Detail(composition)
    for bar in (0.01, 0.3, 0.68, 0.7, 1, 5, 20, 60):
        assert old.z(bar, 10) == pytest.approx(new.z(bar, 10), abs=4e-3)
    steps = numpy.diff([old.z(bar / 100, 10) for bar in range(1, 200)])
    assert (numpy.abs(steps) < 5e-5).all()


def test_nx_19_refuses_what_its_public_regions_do_not_reach() -> None:
    made = Nx19(WITHOUT_ANALYSIS)
    for bar, celsius in ((170, 10), (10, 300), (10, -150), (100, -90), (10, 9000)):
        with pytest.raises(NoSolution, match="nx19"):
            made.z(bar, celsius)


SHARES = {
    "nitrogen": 0.2, "carbon dioxide": 0.2, "ethane": 0.1, "propane": 0.035, "isobutane": 0.007, "n-butane": 0.008,
    "isopentane": 0.0025, "n-pentane": 0.0025, "n-hexane": 0.001, "n-heptane": 0.0005, "n-octane": 0.0002,
    "n-nonane": 0.0001, "n-decane": 0.0001, "hydrogen": 0.1, "oxygen": 0.0002, "carbon monoxide": 0.03,
    "water": 0.00015, "hydrogen sulphide": 0.0002, "helium": 0.005, "argon": 0.0001,
}  # fmt: skip


@st.composite
def natural_gases(draw: st.DrawFn) -> Composition:
    """Return a gas of pipeline quality: any of the 21 components, each in its range."""
    shares = {name: draw(st.floats(0, top)) for name, top in SHARES.items() if draw(st.booleans())}
    methane = 1 - sum(shares.values())
    assume(methane >= 0.7)
    return Composition.of({"methane": methane, **shares})


@needs_pyaga8
@settings(max_examples=150, deadline=None)
@given(natural_gases(), st.floats(0.01, 120), st.floats(-10.15, 64.85))
def test_own_detail_equation_equals_pyaga8_on_any_gas_in_range(composition: Composition, bar: float, c: float) -> None:
    own, other = Aga8Detail(composition), accelerated.AcceleratedDetail(composition)
    assert own.at(bar, c).in_range
    assert own.gas_outside == other.gas_outside
    assert own.z(bar, c) == pytest.approx(other.z(bar, c), abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 110), st.floats(-10, 60)), min_size=1, max_size=8))
def test_where_a_solution_starts_from_leaves_no_trace(states: list[tuple[float, float]]) -> None:
    composition = gas(3)
    warm = Aga8Detail(composition)
    for bar, celsius in states:
        assert warm.z(bar, celsius) == pytest.approx(Aga8Detail(composition).z(bar, celsius), abs=1e-12)


def every_method() -> list[Any]:
    methods = [method for method in Method if method is not Method.GERG2008]
    return [*methods, pytest.param(Method.GERG2008, marks=needs_pyaga8)]


@pytest.mark.parametrize("method", every_method())
def test_a_series_equals_its_states_one_by_one(method: Method) -> None:
    made = equation(method, gas(2), fixed=0.9, accelerated=False)
    bars, celsius = numpy.array([[0.0, 1.0, 20.0], [50.0, 70.0, 80.0]]), numpy.array([0.0, 15.0, 40.0])
    series = made.z(bars, celsius)
    assert series.shape == (2, 3)
    single = [[made.z(float(bar), float(c)) for bar, c in zip(row, celsius, strict=True)] for row in bars]
    assert series == pytest.approx(numpy.array(single), abs=1e-12)
    assert made.z(10.0, celsius).shape == (3,)


@pytest.mark.parametrize("method", every_method())
def test_all_methods_agree_on_a_lean_gas_and_become_ideal_without_pressure(method: Method) -> None:
    answer = compressibility(method, 40.0, 15.0, gas(1), fixed=0.9163)
    assert answer.in_range
    assert answer.method is method
    assert answer.z == pytest.approx(Aga8Detail(gas(1)).z(40, 15), abs=2e-3)
    assert equation(method, gas(1), fixed=0.9).z(0, 15) == 1.0


@pytest.mark.parametrize("method", every_method())
@pytest.mark.parametrize(
    "state", [(-1.0, 15.0), (float("nan"), 15.0), (1e30, 15.0), (10.0, -273.15), (10.0, float("inf")), (10.0, 1e30)]
)
def test_what_is_no_state_is_refused(method: Method, state: tuple[float, float]) -> None:
    made = equation(method, gas(1))
    with pytest.raises(GasError):
        made.z(*state)
    with pytest.raises(GasError):
        made.z(numpy.array([1.0, state[0]]), numpy.array([1.0, state[1]]))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([Method.SGERG88, Method.AGA8_DETAIL, Method.AGA8_GROSS1, Method.AGA8_GROSS2, Method.NX19]),
    st.floats(0, 2000),
    st.floats(-250, 1000),
)
def test_any_state_gives_a_number_or_a_named_error_and_never_passes_for_in_range(
    method: Method, bar: float, celsius: float
) -> None:
    made = equation(method, gas(5), accelerated=False)
    try:
        z = made.z(bar, celsius)
    except NoSolution:
        assert made.outside(bar, celsius)
        return
    assert 0 < z <= 10


anything = st.floats(1e-300, allow_nan=False, allow_infinity=False) | st.floats(0.1, 100)
share = st.floats(0, 1) | st.floats(0, 0.2)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([Method.SGERG88, Method.AGA8_GROSS1, Method.AGA8_GROSS2, Method.NX19]),
    st.builds(Characteristics, anything, anything, share, share, share),
    st.floats(0, 150),
    st.floats(-50, 150),
)
def test_any_figures_give_a_number_or_a_named_error(
    method: Method, figures: Characteristics, bar: float, celsius: float
) -> None:
    try:
        z = equation(method, figures).z(bar, celsius)
    except (CompositionError, NoSolution):
        return
    assert 0 < z <= 10


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(SPECIES)), st.floats(1e-3, 1), min_size=1, max_size=8),
    st.floats(0, 700),
    st.floats(-150, 250),
)
def test_any_composition_gives_a_number_or_a_named_error(amounts: dict[str, float], bar: float, celsius: float) -> None:
    total = sum(amounts.values())
    made = Aga8Detail(Composition.normalised({name: amount / total for name, amount in amounts.items()}))
    with suppress(NoSolution):
        assert 0 < made.z(bar, celsius) <= 10


@needs_pyaga8
@pytest.mark.parametrize("model", [accelerated.AcceleratedDetail, accelerated.Gerg2008])
def test_pyaga8_where_there_is_no_gas_is_a_named_error_too(model: Any) -> None:
    heavy = Composition.of({"methane": 0.9, "n-decane": 0.1})
    for state in ((1e6, -250), (100, -250)):
        with pytest.raises(NoSolution):
            model(heavy).z(*state)


def test_gross_methods_refuse_what_holds_no_hydrocarbon_and_what_contradicts_itself() -> None:
    inert = Composition.of({"nitrogen": 0.6, "carbon dioxide": 0.4})
    with pytest.raises(CompositionError, match="nothing but nitrogen and carbon dioxide"):
        GrossOfComposition(inert)
    with pytest.raises(CompositionError, match="nothing but nitrogen and carbon dioxide"):
        Gross2(Characteristics(density=1.0, n2=0.6, co2=0.4))
    with pytest.raises(CompositionError, match="know no neon"):
        GrossOfComposition(Composition.of({"methane": 0.9, "neon": 0.1}))
    with pytest.raises(CompositionError, match="contradict one another: they leave"):
        Gross1(Characteristics(48, 0.555, 0.0))
    with pytest.raises(CompositionError, match="contradict one another"):
        Gross2(Characteristics(density=0.3, n2=0.3, co2=0.3))
    # Hydrogen is no part of the gross methods: told, not ignored.
    assert "hydrogen 0.05: 0 to 0" in Gross1(Characteristics(38, 0.6, 0.01, h2=0.05)).gas_outside


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([Method.SGERG88, Method.AGA8_DETAIL, Method.AGA8_GROSS2]),
    st.lists(st.tuples(st.floats(0, 500), st.floats(-200, 200)), min_size=1, max_size=6),
)
def test_a_series_has_the_errors_of_its_states_too(method: Method, states: list[tuple[float, float]]) -> None:
    made = equation(method, gas(3), accelerated=False)
    bars, celsius = (numpy.array(column) for column in zip(*states, strict=True))
    try:
        single = [equation(method, gas(3), accelerated=False).z(*state) for state in states]
    except NoSolution:
        with pytest.raises(NoSolution):
            made.z(bars, celsius)
    else:
        assert made.z(bars, celsius) == pytest.approx(numpy.array(single), abs=1e-9)


def test_a_long_series_is_computed_in_blocks() -> None:
    made = Aga8Detail(gas(3))
    bars = numpy.linspace(1, 100, 20_000)
    z = made.z(bars, 15.0)
    assert z.shape == bars.shape
    assert [z[at] for at in (0, 8191, 8192, 19_999)] == pytest.approx(
        [made.z(float(bars[at]), 15.0) for at in (0, 8191, 8192, 19_999)], abs=1e-12
    )


def test_what_is_out_of_range_is_told_in_words() -> None:
    answer = equation(Method.SGERG88, Characteristics(40.66, 0.581, 0.006)).at(130, 80)
    assert not answer.in_range
    assert answer.outside == ("pressure 130 bar: 0 to 120", "temperature 80 °C: -10.15 to 64.85")
    assert answer.to_json()["outside"] == list(answer.outside)
    rich = Composition.of({"methane": 0.6, "ethane": 0.3, "hydrogen": 0.1})
    assert Aga8Detail(rich).gas_outside == ("methane 0.6: 0.7 to 1", "ethane 0.3: 0 to 0.1")


def test_traces_without_parameters_count_as_their_kin_and_too_much_of_them_is_told() -> None:
    trace = Composition.of({"methane": 0.9995, "neopentane": 0.0005})
    kin = Composition.of({"methane": 0.9995, "n-pentane": 0.0005})
    assert Aga8Detail(trace).z(50, 10) == Aga8Detail(kin).z(50, 10)
    assert not Aga8Detail(trace).gas_outside
    much = Composition.of({"methane": 0.99, "neopentane": 0.01})
    assert any("no parameters" in what for what in Aga8Detail(much).gas_outside)
    with pytest.raises(CompositionError, match="knows no ammonia"):
        Aga8Detail(Composition.of({"methane": 0.99, "ammonia": 0.01}))


@pytest.mark.parametrize(
    "figures",
    [
        Characteristics(48.0, 0.555, 0.0),
        Characteristics(20.0, 0.56, 0.3),
        Characteristics(0.001, 0.6, 0.0),
        Characteristics(40.0, 5.0, 0.0),
        Characteristics(500.0, 0.6, 0.0, 1.0),
    ],
)
def test_figures_that_contradict_one_another_are_no_gas(figures: Characteristics) -> None:
    with pytest.raises(CompositionError):
        equation(Method.SGERG88, figures)
    with suppress(CompositionError):
        assert equation(Method.AGA8_GROSS1, figures).gas_outside


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (Method.SGERG88, "a calorific value and the share of carbon dioxide"),
        (Method.AGA8_GROSS1, "a calorific value and the share of carbon dioxide"),
        (Method.AGA8_GROSS2, "the share of nitrogen and the share of carbon dioxide"),
        (Method.NX19, "the share of nitrogen and the share of carbon dioxide"),
        (Method.AGA8_DETAIL, "a composition"),
        (Method.GERG2008, "a composition"),
    ],
)
def test_what_a_method_misses_is_named(method: Method, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"method {method.value} needs {missing}"):
        equation(method, Characteristics(density=0.6))
    with pytest.raises(ConfigError, match="needs a gas"):
        equation(method)


def test_modified_forms_and_unknown_methods_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="nx19-mod is not there: no public source"):
        Method.named("NX19-mod")
    with pytest.raises(ConfigError, match="sgerg-mod-h2"):
        Method.named("sgerg-mod-h2")
    with pytest.raises(ConfigError, match="there are fixed, sgerg88"):
        Method.named("van-der-waals")


def test_without_pyaga8_gerg_2008_says_what_to_install_and_detail_computes_itself(monkeypatch: Any) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(accelerated, "import_module", absent)
    with pytest.raises(ConfigError, match=r"gerg2008 needs pyaga8: install it with pip install 'cosem\[gas\]'"):
        equation(Method.GERG2008, gas(1))
    assert isinstance(equation(Method.AGA8_DETAIL, gas(1)), Aga8Detail)
    with pytest.raises(ConfigError, match="pyaga8"):
        equation(Method.AGA8_DETAIL, gas(1), accelerated=True)


@needs_pyaga8
def test_the_accelerator_is_taken_where_it_is_installed_unless_it_must_not() -> None:
    assert isinstance(equation(Method.AGA8_DETAIL, gas(1)), accelerated.AcceleratedDetail)
    assert isinstance(equation(Method.AGA8_DETAIL, gas(1), accelerated=False), Aga8Detail)


def test_a_fixed_factor_holds_everywhere_and_has_to_be_one() -> None:
    made: Equation = FixedZ(0.95)
    assert made.z(100, -20) == 0.95
    assert made.at(1e6, 5000).in_range
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError):
            FixedZ(wrong)


def test_figures_at_other_reference_conditions_are_brought_to_25_and_0() -> None:
    found = Characteristics.at("15/15", hs=38.0, density=0.6, co2=0.01)
    assert found == Characteristics(38.0 * 1.0543, 0.6 * 1.0002, 0.01)
    assert Characteristics.at("0/0", hs=40.0).hs == pytest.approx(39.896)
    with pytest.raises(ConfigError, match="no factors from '20/20'"):
        Characteristics.at("20/20", hs=40.0)
    with pytest.raises(CompositionError):
        Characteristics(hs=float("nan"))
    with pytest.raises(GasError):
        Characteristics(co2=1.2)
