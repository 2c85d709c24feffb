"""Looking for meters: large noisy buses with colliding addresses, random small ones, twins, what is unresolved."""

from __future__ import annotations

from collections import Counter as Multiset

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.search import scan_primary, scan_secondary
from cosem.mbus.secondary import SecondaryStation
from cosem.simulator.mbus_bus import BusQuality
from support.mbus_meters import Counter, Wired, crowd, meter, station

NOISY = BusQuality(noise=0.1, strays=0.01)


def once_each(wired: Wired, found: list[SecondaryAddress]) -> None:
    """Every slave is meant by one of the addresses that were found, and each of these means one slave."""
    meant = Multiset(
        slave.identity for address in found for slave in wired.bus.stations if address.matches(slave.identity)
    )
    assert meant == Multiset(slave.identity for slave in wired.bus.stations)
    assert len(found) == len(wired.bus.stations)


@pytest.mark.parametrize("seed", [1, 2])
def test_250_meters_on_a_noisy_bus_are_found_once_each(seed: int) -> None:
    wired = Wired(crowd(250, seed), seed=seed, quality=NOISY)
    told: list[object] = []
    scan = wired.run(scan_secondary(wired.primary, progress=told.append))
    once_each(wired, [item.address for item in scan.found])
    assert scan.unresolved == ()
    assert sorted(told, key=str) == sorted(scan.found, key=str)
    assert wired.bus.collisions > 100
    assert wired.bus.disturbed > 1000


def test_250_meters_on_a_quiet_bus_by_primary_address() -> None:
    wired = Wired(crowd(250, 3))
    shares = Multiset(slave.primary for slave in wired.bus.stations)
    scan = wired.run(scan_primary(wired.primary))
    alone = {address for address, count in shares.items() if count == 1}
    assert {item.address for item in scan.found} == alone
    assert set(scan.collisions) == set(shares) - alone
    by_address = {slave.primary: slave.identity.octets for slave in wired.bus.stations}
    assert all(item.identity == SecondaryAddress(by_address[item.address]) for item in scan.found)


def test_primary_addresses_through_noise() -> None:
    slaves = [station(meter(f"{number:08d}"), primary=number * 3) for number in range(10)]
    slaves.append(station(meter("99999999"), primary=6))
    wired = Wired(slaves, seed=5, quality=NOISY)
    scan = wired.run(scan_primary(wired.primary, range(40)))
    assert [item.address for item in scan.found] == [0, 3, 9, 12, 15, 18, 21, 24, 27]
    assert scan.collisions == (6,)


DIGITS = st.text("0189", min_size=8, max_size=8)
IDENTITIES = st.builds(
    lambda number, letters, version, medium, fabrication: meter(
        number, letters, version, medium, fabrication=fabrication
    ),
    st.one_of(DIGITS, st.sampled_from(("12345678", "12345679"))),
    st.sampled_from(("KAM", "ACW")),
    st.sampled_from((0, 1)),
    st.sampled_from((3, 4)),
    st.one_of(DIGITS, st.just("00000001")),
)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(IDENTITIES, st.sampled_from((0.02, 0.3, 0.9))), max_size=6, unique_by=lambda item: item[0]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_random_small_buses(items: list[tuple[SecondaryAddress, float]], seed: int, noisy: bool) -> None:
    # Never in step to the bit: of two such slaves one may cover the other for ever.
    slaves = [
        station(identity, primary=7, reaction=reaction + 0.003 * index)
        for index, (identity, reaction) in enumerate(items)
    ]
    wired = Wired(slaves, seed=seed, quality=NOISY if noisy else BusQuality())
    scan = wired.run(scan_secondary(wired.primary))
    once_each(wired, [item.address for item in scan.found])


def test_nobody() -> None:
    wired = Wired([])
    assert wired.run(scan_secondary(wired.primary)) == ((), ())
    assert wired.run(scan_primary(wired.primary, range(3))) == ((), ())


def test_only_what_matches_is_looked_for_and_the_selection_is_ended() -> None:
    wired = Wired(crowd(40, 4))
    numbers = {slave.identity.identification for slave in wired.bus.stations}
    scan = wired.run(scan_secondary(wired.primary, SecondaryAddress.of("4FFFFFFF")))
    assert {item.address.identification for item in scan.found} == {item for item in numbers if item[0] == "4"}
    assert not any(slave.selection.name == "SELECTED" for slave in wired.bus.stations)


def test_of_two_that_answer_in_step_one_may_cover_the_other() -> None:
    # All ones of 12345678 are ones of 1234567A, down to the checksum: on the wire there is one answer.
    wired = Wired([station(meter("1234567A")), station(meter("12345678"))])
    scan = wired.run(scan_secondary(wired.primary, digits=range(15)))
    assert [item.address.identification for item in scan.found] == ["12345678"]


class Terse(Counter):
    """Answers without saying who it is."""

    def answer(self, request):  # type: ignore[no-untyped-def]
        return [(0x78, super().answer(request)[0][1][12:])]


def with_application(kind: type[Counter], number: str) -> SecondaryStation:
    identity = meter(number)
    return SecondaryStation(kind(identity), identity, reaction=0.02 + int(number[-1]) * 0.003)


def test_a_meter_that_does_not_say_who_it_is_is_found_by_its_number() -> None:
    wired = Wired([with_application(Terse, "12345678"), station(meter("12345699"))])
    scan = wired.run(scan_secondary(wired.primary))
    once_each(wired, [item.address for item in scan.found])


class Fixed(Counter):
    """Answers in the fixed structure, which knows no manufacturer."""

    def answer(self, request):  # type: ignore[no-untyped-def]
        super().answer(request)
        return [(0x73, self.identity.octets[:4] + bytes.fromhex("0a00e97e01000000 35010000"))]


def test_meters_of_the_fixed_structure_are_found_by_their_numbers() -> None:
    wired = Wired([with_application(Fixed, number) for number in ("12345678", "12345699", "00000001")])
    scan = wired.run(scan_secondary(wired.primary))
    once_each(wired, [item.address for item in scan.found])
    assert [str(item.address) for item in scan.found] == ["00000001-*-*-*", "12345678-*-*-*", "12345699-*-*-*"]


def test_twins_that_cannot_be_told_apart_are_unresolved() -> None:
    plain = SecondaryAddress(meter().octets)
    wired = Wired([station(plain, reaction=0.02), station(plain, reaction=0.03), station(meter("88888888"))])
    scan = wired.run(scan_secondary(wired.primary, plain))
    assert scan.found == ()
    assert [str(mask) for mask in scan.unresolved] == [str(plain)]


class Parrot(SecondaryStation):
    """Acknowledges whatever is said, and says nothing."""

    def hear(self, frame, now):  # type: ignore[no-untyped-def]
        return b"\xe5"


def test_a_search_ends_although_somebody_acknowledges_everything() -> None:
    identity = meter()
    wired = Wired([Parrot(Counter(identity), identity)])
    within = SecondaryAddress.of("12FFFFFF")
    scan = wired.run(scan_secondary(wired.primary, within))
    assert scan == ((), (within,))


def test_hex_digits_where_they_are_asked_for() -> None:
    wired = Wired([station(meter("1234567A"), reaction=0.03), station(meter("12345678"))])
    scan = wired.run(scan_secondary(wired.primary, SecondaryAddress.of("123456FF"), digits=range(15)))
    assert [item.address.identification for item in scan.found] == ["12345678", "1234567A"]
