"""A gas device read over DLMS: its archive, its energy computed again, its locks, its picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.client.gas import HOURLY_ARCHIVE, GasRow, gas_rows, kilowatt_hours, recomputed
from cosem.client.gas_plot import day_svg
from cosem.codec import axdr
from cosem.device.gas.locks import Level
from cosem.device.gas.sensors import Fault
from cosem.errors import AccessError, ConfigError, GasError
from cosem.gas.counters import Counter
from cosem.gas.recompute import EnergyRow, recompute_energy
from cosem.obis import Obis
from cosem.simulator.gas import DEMO_CODES, simulated_chromatograph
from support.gas_devices import START, converter, quality
from support.served import served

BEGIN = datetime(2026, 1, 10, 5, tzinfo=UTC)


def eventful():  # type: ignore[no-untyped-def]
    """A converter with a failing sensor and two changes of the gas behind it."""
    device = converter(cycle=60)
    for hour, act in (
        (2.3, lambda: device.pressure.break_down(Fault.FAILS)),
        (5.1, device.pressure.repair),
        (6.77, lambda: device.offer(quality("b", "10.123457", at=device.clock.now - 50))),
        (9.5, lambda: device.offer(quality("c", "9.987653", at=device.clock.now, until=device.clock.now + 9001))),
    ):
        device.advance(START + int(hour * 3600))
        act()
    device.advance(START + 20 * 3600)
    return device


def test_energy_computed_from_the_archive_equals_the_devices_own() -> None:
    device = eventful()
    with served(device) as service:
        for query in ({"client": "1", "auth": "high-gmac", "security": "both"}, {"client": "2", "auth": "low"}):
            with service.connect(**query) as meter:
                rows = gas_rows(meter.profile(HOURLY_ARCHIVE).read())
                again = recomputed(rows)
                assert again.equal
                energy = meter.quantity("7-0:33.2.0")
                assert energy.value == kilowatt_hours(again.undisturbed + again.disturbed) * 1000
                assert again.disturbed > 0
        with service.connect(framing="hdlc") as meter:
            some = gas_rows(meter.profile(HOURLY_ARCHIVE).read(BEGIN + timedelta(hours=3), BEGIN + timedelta(hours=15)))
            part = recomputed(some)
            assert abs(part.difference_undisturbed) <= 1
            assert abs(part.difference_disturbed) <= 1


def test_locks_and_audit_over_dlms() -> None:
    device = converter()
    with served(device) as service, service.connect() as meter:
        with pytest.raises(AccessError):
            meter.set(3, "7-0:0.8.18.255", 2, axdr.double_long_unsigned(1800))
        with pytest.raises(AccessError):
            meter.set(1, "0-0:96.129.2.255", 2, axdr.octet_string(b"no"))
        meter.set(1, "0-0:96.129.2.255", 2, axdr.octet_string(DEMO_CODES[Level.SUPPLIER]))
        assert meter.get(1, "0-0:96.129.2.255", 2).value == b""
        meter.set(3, "7-0:0.8.18.255", 2, axdr.double_long_unsigned(1800))
        (row,) = meter.profile("7-0:99.98.2.255").read().rows
        # Who, what, which attribute, before, after, and the counter then.
        assert row[1:6] == (1, bytes(Obis.parse("7-0:0.8.18.255")), 2, 3600, 1800)
        assert row[6] == device.converter.counters.base.absolute
        events = meter.profile("7-0:99.98.0.255").read().rows
        assert [event[1] for event in events] == [23, 22, 20, 24]
        # Nobody empties what is legally relevant, and nobody writes a counter.
        for name in ("7-0:99.98.2.255", "7-0:99.99.0.255", HOURLY_ARCHIVE):
            with pytest.raises(AccessError):
                meter.call(7, name, 1, axdr.integer(0))
        with pytest.raises(AccessError):
            meter.set(3, "7-0:13.2.0.255", 2, axdr.decode(bytes.fromhex("150000000000000000")))
        assert meter.get(67, "7-0:0.15.0.255", 2).value == b"P70000001"


@pytest.mark.parametrize("kind", ["converter", "chromatograph"])
def test_everything_that_is_listed_can_be_read(kind: str) -> None:
    device = eventful() if kind == "converter" else simulated_chromatograph(end=BEGIN, days=1)
    with served(device) as service, service.connect() as meter:
        elements = meter.objects()
        assert len(elements) > 100
        targets = [
            (element.class_id, name, right.attribute_id)
            for name, element in elements.items()
            for right in element.access_rights.attribute_access
            if right.access & 1
        ]
        refused = [
            (target, answer)
            for target, answer in zip(targets, meter.get_many(targets), strict=True)
            if isinstance(answer, AccessError)
        ]
        assert refused == []


rows_of_counts = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(5 * 10**6, 15 * 10**6), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(rows_of_counts)
def test_a_device_that_counts_increments_is_followed_exactly(increments: list[tuple[int, int, int, bool]]) -> None:
    energy = Counter(), Counter()
    rows = [EnergyRow(0, 0, 0, 0, 10**7)]
    undisturbed = disturbed = 0
    for good, bad, calorific, doubted in increments:
        undisturbed, disturbed = undisturbed + good, disturbed + bad
        energy[1 if doubted else 0].add(good, calorific, 10**6)
        energy[1].add(bad, calorific, 10**6)
        rows.append(EnergyRow(undisturbed, disturbed, energy[0].value, energy[1].value, calorific, doubted))
    assert recompute_energy(rows).equal
    # From the middle on, what is below one unit is not known.
    later = recompute_energy(rows[len(rows) // 2 :])
    assert -1 <= later.difference_undisturbed <= 1
    assert -1 <= later.difference_disturbed <= 1


def test_an_archive_that_goes_back_or_is_empty_is_an_error() -> None:
    with pytest.raises(GasError, match="back"):
        recompute_energy([EnergyRow(5, 0, 0, 0, 1), EnergyRow(4, 0, 0, 0, 1)])
    with pytest.raises(GasError, match="without rows"):
        recompute_energy([])


def test_a_wrong_energy_is_found() -> None:
    """A counter that is one unit off shows."""
    rows = [EnergyRow(0, 0, 0, 0, 10**7), EnergyRow(10**6, 0, 10**7, 0, 10**7)]
    assert recompute_energy(rows).equal
    assert recompute_energy([rows[0], rows[1]._replace(energy_undisturbed=10**7 + 1)]).difference_undisturbed == 1


def _rows(count: int, *, bad: bool = False) -> list[GasRow]:
    none = None
    made = [GasRow(BEGIN, 0, 0, *([Decimal(0)] * 4), Decimal("11.3"), none, none, none)]
    for hour in range(1, count):
        amount = Decimal(100 * hour)
        volumes = (Decimal(0), amount) if bad else (amount, Decimal(0))
        at = BEGIN + timedelta(hours=hour)
        energies = (volumes[0] * 11, volumes[1] * 11)
        made.append(GasRow(at, 1, 0, *volumes, *energies, Decimal("11.3"), Decimal(16), Decimal(5), Decimal("15.9")))
    return made


def test_a_picture_is_well_formed_and_shows_every_hour() -> None:
    root = ElementTree.fromstring(day_svg(_rows(25), "A & B <day>"))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "A & B <day>" in texts
    assert {"Pressure in bar", "Temperature in °C", "Conversion factor C"} <= set(texts)
    bars = [element for element in root.iter() if element.get("fill") == "#2f6f9f"]
    assert len(bars) == 1 + 2 * 24
    for bar in bars[1:]:
        assert float(bar.get("height")) > 0
        assert 0 < float(bar.get("x")) < 900


def test_what_was_substituted_has_another_colour() -> None:
    picture = day_svg(_rows(3, bad=True))
    assert picture.count("fill='#d9822b'") == 1 + 2 * 2
    assert picture.count("fill='#2f6f9f'") == 1


def test_no_picture_of_nothing() -> None:
    with pytest.raises(ConfigError):
        day_svg(_rows(1))
    with pytest.raises(ConfigError):
        day_svg([])


def test_another_profile_is_no_hourly_archive() -> None:
    with served(converter()) as service, service.connect() as meter, pytest.raises(ConfigError, match="hourly archive"):
        gas_rows(meter.profile("7-0:98.11.0.255").read())
