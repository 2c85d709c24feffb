"""Profiles: by time, by entry, by column; null-data; meters without selective access; links that die half-way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.common import CaptureObject
from cosem.client import ClientOptions, Column, Meter, ProfileInterrupted, ProfileTable, connect, connect_async
from cosem.client.table import (
    choose,
    cosem_time,
    expand,
    expand_octets,
    falling,
    select,
    take_octets,
    whole_rows,
)
from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.codec.rows import Columns, decode_rows, encode_rows
from cosem.conformance_block import Conformance
from cosem.errors import AccessError, ConfigError, ConnectionLost, DecodeError, RemoteProtocolError
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit
from support.served import DEVICE, Proxy, Served, served

PROFILE, ENERGY = "1-0:99.1.0", "1-0:1.8.0"
DST_END = datetime(2026, 10, 26, tzinfo=UTC)
"""Two days before it hold the night in which 02:00 to 03:00 comes twice."""


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with served(end=DST_END, days=2) as running:
        yield running


@pytest.fixture(scope="module")
def compressed() -> Iterator[Served]:
    with served(end=DST_END, days=2, compress_nulls=True) as running:
        yield running


@pytest.fixture
def meter(world: Served) -> Iterator[Meter]:
    with world.connect() as connected:
        yield connected


def _times(table: ProfileTable) -> list[str]:
    return [moment.isoformat() for moment in table.times() if moment is not None]


def test_everything_with_columns_times_and_units(meter: Meter, world: Served) -> None:
    profile = meter.profile(PROFILE)
    table = profile.read()
    assert len(table) == 192 == len(table.raw_rows)
    assert table.capture_period == 900
    assert [column.name for column in table.columns[:3]] == ["0-0:1.0.0.255", "0-0:96.10.1.255", "1-0:1.8.0.255 [Wh]"]
    assert table.columns == tuple(profile.columns())
    moments = [moment.to_datetime() for moment in table.times() if moment is not None]
    assert [later - earlier for earlier, later in pairwise(moments)] == [timedelta(minutes=15)] * 191
    assert len(table.quantities(table.rows[0])) == 8
    assert table.text(table.rows[0])[:2] == ["2026-10-24T02:15:00+02:00", "8"]
    assert str(table.quantities(table.rows[0])[2]).endswith(" Wh")


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (datetime(2026, 10, 24, 12), datetime(2026, 10, 24, 13), 5),
        (datetime(2026, 10, 24, 12, 1), datetime(2026, 10, 24, 12, 59), 3),
        (datetime(2026, 10, 24, 10, tzinfo=UTC), datetime(2026, 10, 24, 11, tzinfo=UTC), 5),
        (datetime(2026, 10, 24, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 10, 24, 11, tzinfo=UTC), 5),
        # the hour that comes twice
        (datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC), 9),
        (None, datetime(2026, 10, 24, 3), 4),
        (datetime(2026, 10, 26, 0, 30), None, 3),
        (datetime(2027, 1, 1), datetime(2027, 2, 1), 0),
        (CosemDateTime.parse("2026-10-24T12:00:00+02:00"), CosemDateTime.parse("2026-10-24T12:15:00+02:00"), 2),
    ],
)
def test_by_time_the_meter_selects_what_filtering_selects(
    world: Served, meter: Meter, start: Any, end: Any, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    selected = meter.profile(PROFILE).read(start, end)
    assert len(selected) == count
    whole = meter.profile(PROFILE).read()
    assert whole.take(select(whole, start, end, None)).rows == selected.rows
    machine = meter.core.machine
    monkeypatch.setattr(machine, "conformance", machine.conformance & ~Conformance.SELECTIVE_ACCESS)
    assert meter.profile(PROFILE).read(start, end) == selected


@pytest.mark.parametrize(("entries", "first", "count"), [((1, 0), 0, 192), ((5, 9), 4, 5), ((190, 500), 189, 3)])
def test_by_entry(
    meter: Meter, entries: tuple[int, int], first: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = meter.profile(PROFILE).read()
    assert meter.profile(PROFILE).read(entries=entries).rows == whole.rows[first : first + count]
    two = meter.profile(PROFILE).read(entries=entries, columns=[ENERGY])
    assert two.rows == [(row[2],) for row in whole.rows[first : first + count]]
    machine = meter.core.machine
    monkeypatch.setattr(machine, "conformance", machine.conformance & ~Conformance.SELECTIVE_ACCESS)
    assert meter.profile(PROFILE).read(entries=entries).rows == whole.rows[first : first + count]
    assert meter.profile(PROFILE).read(entries=entries, columns=[ENERGY]) == two


@pytest.mark.parametrize("columns", [[ENERGY], ["0-0:1.0.0", "1-0:2.8.0"], ["1-0:2.8.0", "0-0:96.10.1"]])
def test_by_column(meter: Meter, columns: list[str]) -> None:
    whole = meter.profile(PROFILE).read()
    names = [Obis.parse(name) for name in columns]
    chosen = tuple(column for column in whole.columns if column.obis in names)
    table = meter.profile(PROFILE).read(columns=columns)
    assert table == whole.project(chosen)
    start = datetime(2026, 10, 25)
    cut = meter.profile(PROFILE).read(start, columns=columns)
    assert cut.rows == table.rows[-len(cut) :]
    assert len(cut) == 105  # a day of 25 hours, its first moment, and one hour more


def test_a_column_that_is_not_there_is_told_with_those_that_are(meter: Meter) -> None:
    with pytest.raises(ConfigError, match=r"1-0:9.8.0.255 is no column of this profile: 0-0:1.0.0.255, "):
        meter.profile(PROFILE).read(columns=["1-0:9.8.0"])


@pytest.mark.parametrize("result", [DataAccessResult.OTHER_REASON, DataAccessResult.TYPE_UNMATCHED])
def test_a_meter_that_refuses_a_selection_is_read_whole(
    world: Served, meter: Meter, result: DataAccessResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = meter.profile(PROFILE).read(datetime(2026, 10, 24, 12), datetime(2026, 10, 24, 13), columns=[ENERGY])
    numbers = meter.profile(PROFILE).read_columns(datetime(2026, 10, 24, 12), datetime(2026, 10, 24, 13))
    buffer = world.meter.load_profile
    read = buffer.read
    readers = world.meter.device.readers
    monkeypatch.setitem(
        readers, (bytes(buffer.object.obis), 2), lambda selection: read(None) if selection is None else result
    )
    profile = meter.profile(PROFILE)
    assert profile.read(datetime(2026, 10, 24, 12), datetime(2026, 10, 24, 13), columns=[ENERGY]) == expected
    assert profile.read(entries=(3, 4)).rows == profile.read().rows[2:4]
    filtered = profile.read_columns(datetime(2026, 10, 24, 12), datetime(2026, 10, 24, 13))
    assert filtered.length == numbers.length == 5
    assert all((a == b).all() for a, b in zip(filtered.columns, numbers.columns, strict=True))


def test_another_refusal_is_an_error(world: Served, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bytes(world.meter.load_profile.object.obis), 2
    refusal = DataAccessResult.HARDWARE_FAULT
    monkeypatch.setitem(world.meter.device.readers, key, lambda selection: refusal)
    with pytest.raises(AccessError, match="hardware-fault"):
        meter.profile(PROFILE).read(datetime(2026, 10, 25))
    with pytest.raises(AccessError, match="hardware-fault"):
        meter.profile(PROFILE).read()


def test_a_meter_that_does_not_mind_the_columns_asked_for(
    world: Served, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = meter.profile(PROFILE).read(columns=[ENERGY])
    buffer = world.meter.load_profile
    read = buffer.read
    monkeypatch.setitem(world.meter.device.readers, (bytes(buffer.object.obis), 2), lambda selection: read(None))
    assert meter.profile(PROFILE).read(columns=[ENERGY]) == expected


def test_rows_of_another_width_are_no_rows_of_this_profile(
    world: Served, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bytes(world.meter.load_profile.object.obis), 2
    octets = encode_rows([Tag.UNSIGNED] * 3, [(1, 2, 3)])
    monkeypatch.setitem(world.meter.device.readers, key, lambda selection: octets)
    with pytest.raises(DecodeError, match="a row of 3 values where 8 columns are captured"):
        meter.profile(PROFILE).read()


def test_the_period_may_be_hidden(world: Served, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bytes(world.meter.load_profile.object.obis), 4
    monkeypatch.setitem(world.meter.device.readers, key, lambda selection: DataAccessResult.READ_WRITE_DENIED)
    assert meter.profile(PROFILE).read(entries=(1, 2)).capture_period == 0


# --- null-data -------------------------------------------------------------------------------------------------


def test_compressed_rows_are_expanded_to_what_an_uncompressed_meter_says(world: Served, compressed: Served) -> None:
    with world.connect() as plain, compressed.connect() as packed:
        expected, table = plain.profile(PROFILE).read(), packed.profile(PROFILE).read()
        assert table.rows == expected.rows
        assert table.raw_rows != expected.raw_rows
        assert sum(value is None for row in table.raw_rows for value in row) > 192
        assert all(value is not None for row in table.rows for value in row)
        # Over the end of daylight saving time the meter writes the time out, and the wall clock goes back.
        times = _times(table)
        at = times.index("2026-10-25T02:45:00+02:00")
        assert times[at + 1] == "2026-10-25T02:00:00+01:00"
        for selection in (
            {"entries": (20, 90)},
            {"start": datetime(2026, 10, 24, 22), "end": datetime(2026, 10, 25, 5)},
        ):
            assert packed.profile(PROFILE).read(**selection).rows == plain.profile(PROFILE).read(**selection).rows
        cut = packed.profile(PROFILE).read(datetime(2026, 10, 25), columns=[ENERGY])
        assert cut.rows == plain.profile(PROFILE).read(datetime(2026, 10, 25), columns=[ENERGY]).rows


@pytest.mark.parametrize("native", [False, True])
def test_columns_are_columns_of_numbers_also_where_rows_are_compressed(
    world: Served, compressed: Served, native: bool
) -> None:
    with world.connect() as plain, compressed.connect() as packed:
        rows = plain.profile(PROFILE).read().rows
        for meter in (plain, packed):
            columns: Columns = meter.profile(PROFILE).read_columns(native=native)
            assert columns.length == 192
            assert columns.columns[2].tolist() == [row[2] for row in rows]
            assert columns.columns[2].dtype == numpy.dtype("=u4" if native else ">u4")
            assert [bytes(item) for item in columns.columns[0]] == [row[0] for row in rows]
        some = packed.profile(PROFILE).read_columns(datetime(2026, 10, 25), datetime(2026, 10, 25, 1))
        assert some.length == 5


CLOCK_COLUMN = Column(CaptureObject(8, Obis.parse("0-0:1.0.0"), 2, 0))
VALUE_COLUMN = Column(CaptureObject(3, Obis.parse(ENERGY), 2, 0), ScalerUnit(-1, Unit.WATT_HOUR))
STATUS_COLUMN = Column(CaptureObject(1, Obis.parse("0-0:96.10.1"), 5, 0))
COLUMNS = (CLOCK_COLUMN, VALUE_COLUMN)
TEN = CosemDateTime.parse("2026-01-01T10:00:00").to_octets()


def test_what_is_not_known_stays_unknown() -> None:
    rows = [(None, None), (None, 1), (TEN, None), (None, None)]
    assert expand(rows, COLUMNS, 0) == [(None, None), (None, 1), (TEN, 1), (None, 1)]
    later = CosemDateTime.parse("2026-01-01T10:15:00").to_octets()
    assert expand(rows, COLUMNS, 900) == [(None, None), (None, 1), (TEN, 1), (later, 1)]
    wild = CosemDateTime.parse("2026-01-*T10:00:00").to_octets()
    assert expand([(wild, 1), (None, None)], COLUMNS, 900) == [(wild, 1), (None, 1)]
    end = CosemDateTime.parse("9999-12-31T23:59:00").to_octets()
    assert expand([(end, 1), (None, None)], COLUMNS, 900) == [(end, 1), (None, 1)]
    assert expand([(b"short", 1), (None, None)], COLUMNS, 900) == [(b"short", 1), (None, 1)]


NULLABLE = st.lists(
    st.tuples(st.one_of(st.none(), st.just(TEN)), st.one_of(st.none(), st.integers(0, 0xFFFF))), max_size=12
)


@given(NULLABLE, st.sampled_from([0, 900, 86400]))
def test_expanding_octets_is_expanding_rows(rows: list[tuple[Any, ...]], period: int) -> None:
    octets = encode_rows([(Tag.OCTET_STRING, 12), Tag.LONG_UNSIGNED], rows)
    assert decode_rows(expand_octets(octets, COLUMNS, period)) == expand(rows, COLUMNS, period)


@given(NULLABLE, st.data())
def test_rows_that_are_whole_are_found_in_any_beginning(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    octets = encode_rows([(Tag.OCTET_STRING, 12), Tag.LONG_UNSIGNED], rows)
    cut = data.draw(st.integers(0, len(octets)))
    found = decode_rows(whole_rows(octets[:cut]))
    assert found == rows[: len(found)]
    assert cut < len(octets) or found == rows
    indexes = [index for index in range(len(rows)) if data.draw(st.booleans())]
    assert decode_rows(take_octets(octets, indexes)) == [rows[index] for index in indexes]


@pytest.mark.parametrize("octets", [b"", b"\x02\x01\x11", b"\x01", b"\x01\x84", b"\x13\x00"])
def test_the_beginning_of_something_else_has_no_rows(octets: bytes) -> None:
    assert whole_rows(octets) == b"\x01\x00"


# --- tables ----------------------------------------------------------------------------------------------------


def test_a_column_says_what_it_is() -> None:
    assert VALUE_COLUMN.name == "1-0:1.8.0.255 [Wh]"
    assert STATUS_COLUMN.name == "0-0:96.10.1.255:5"
    assert replace(VALUE_COLUMN, scaler_unit=ScalerUnit(0, Unit(255))).name == "1-0:1.8.0.255"
    assert choose(COLUMNS, ()) == COLUMNS


def test_values_as_text() -> None:
    table = ProfileTable((CLOCK_COLUMN, VALUE_COLUMN, STATUS_COLUMN), [])
    assert table.text((TEN, 1234, b"\x01\xff")) == ["2026-01-01T10:00:00", "123.4", "01ff"]
    assert table.text((b"odd", None, "text")) == ["6f6464", "", "text"]
    assert table.quantities((None, True, 7)) == [None, True, 7]


def test_the_time_at_which_a_register_took_its_value_is_a_time() -> None:
    taken = Column(CaptureObject(4, Obis.parse("0-1:24.2.1.255"), 5, 0))
    table = ProfileTable((taken, CLOCK_COLUMN), [])
    octets = bytes.fromhex("07ea0a1a0103000000ffc400")
    assert table.text((octets, TEN)) == ["2026-10-26T03:00:00+01:00", "2026-01-01T10:00:00"]
    assert table.text((b"\xff" * 9 + b"\x80\x00\xff", TEN))[0] == "*-*-*T*:*:*"
    # What is no time stays what it is, and no column of this kind is the time of a row.
    assert table.text((b"\x07\xea\x63" + bytes(9), TEN))[0] == "07ea63" + "00" * 9
    assert table.time_index == 1


def test_a_table_without_times_is_selected_whole() -> None:
    table = ProfileTable((VALUE_COLUMN,), [(1,), (2,)], [(1,), (2,)])
    assert table.times() == [None, None]
    assert select(table, datetime(2026, 1, 1), None, None) == [0, 1]
    assert table.joined(ProfileTable((VALUE_COLUMN,), [(2,), (3,)], [(2,), (3,)])).rows == [(1,), (2,), (3,)]


def test_a_row_whose_time_is_no_time_is_selected() -> None:
    wild = CosemDateTime().to_octets()
    table = ProfileTable((CLOCK_COLUMN,), [(wild,), (TEN,), (None,)], [])
    assert select(table, datetime(2026, 1, 2), None, None) == [0, 2]
    assert select(table, None, datetime(2025, 1, 2), None) == [0, 2]
    assert not falling(table.times())


def test_newest_first_is_noticed() -> None:
    assert cosem_time(CosemDateTime(), CosemDateTime()) == CosemDateTime()
    moments = [CosemDateTime.parse(f"2026-01-01T{hour:02}:00:00") for hour in (3, 2, 1)]
    assert falling(moments)
    assert not falling(moments[::-1])
    assert not falling([])


# --- links that die half-way -----------------------------------------------------------------------------------


SMALL_BLOCKS = ClientOptions(max_pdu_size=512)


class _Cut:
    """Lets so many octets of one connection pass once armed, then cuts it; later connections are whole."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.times = 1

    def arm(self, octets: int, times: int = 1) -> None:
        self.left, self.amount, self.times = octets, octets, times

    def __call__(self, number: int, octets: bytes) -> bytes | None:
        if self.left is None:
            return octets
        self.left -= len(octets)
        if self.left > 0:
            return octets
        self.times -= 1
        self.left = self.amount if self.times else None
        return None


@pytest.fixture
def cut(world: Served) -> Iterator[tuple[Callable[..., Meter], _Cut, Proxy]]:
    scissors = _Cut()
    with Proxy(world.wrapper, scissors) as proxy:
        host, port = proxy.address

        def start(options: ClientOptions = SMALL_BLOCKS, query: str = "client=1&auth=high-gmac&security=both") -> Meter:
            return connect(f"tcp://{host}:{port}?{query}", device=DEVICE, counters=world.counters, options=options)

        yield start, scissors, proxy


REQUESTS: list[dict[str, Any]] = [
    {},
    {"start": datetime(2026, 10, 24, 6), "end": datetime(2026, 10, 25, 18)},
    {"columns": [ENERGY]},
    {"start": datetime(2026, 10, 24, 6), "columns": [ENERGY, "0-0:96.10.1"]},
    {"entries": (10, 150)},
    {"entries": (10, 0), "columns": [ENERGY]},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda item: "-".join(item) or "whole")
@pytest.mark.parametrize("selective", [True, False])
def test_what_had_arrived_is_kept_and_the_rest_is_read(
    cut: Any, meter: Meter, request_: dict[str, Any], selective: bool
) -> None:
    start, scissors, proxy = cut
    expected = meter.profile(PROFILE).read(**request_)
    with start() as dying:
        if not selective:
            dying.core.machine.settings.conformance &= ~Conformance.SELECTIVE_ACCESS
            dying.core.machine.conformance &= ~Conformance.SELECTIVE_ACCESS
        profile = dying.profile(PROFILE)
        profile.columns()
        scissors.arm(2500)
        with pytest.raises(ProfileInterrupted, match="rows had arrived and are kept") as caught:
            profile.read(**request_)
        interrupted = caught.value
        assert isinstance(interrupted, ConnectionLost)
        kept = interrupted.table
        assert kept.columns == expected.columns
        assert kept.rows == expected.rows[: len(kept)]
        assert 0 < len(kept) < len(expected)
        before = proxy.connections
        assert profile.resume(interrupted) == expected
        assert proxy.connections == before + 1


def test_a_link_that_dies_again_and_again_loses_and_doubles_nothing(cut: Any, meter: Meter) -> None:
    start, scissors, _ = cut
    expected = meter.profile(PROFILE).read()
    with start() as dying:
        profile = dying.profile(PROFILE)
        profile.columns()
        scissors.arm(3500, times=3)
        kept = 0
        with pytest.raises(ProfileInterrupted) as caught:
            profile.read()
        for _ in range(2):
            assert len(caught.value.table) > kept
            kept = len(caught.value.table)
            interrupted = caught.value
            with pytest.raises(ProfileInterrupted) as caught:
                profile.resume(interrupted)
        assert caught.value.table.rows == expected.rows[: len(caught.value.table)]
        assert profile.resume(caught.value) == expected


async def test_the_asynchronous_meter_resumes_too(cut: Any, world: Served, meter: Meter) -> None:
    _, scissors, proxy = cut
    expected = meter.profile(PROFILE).read(datetime(2026, 10, 24, 6))
    host, port = proxy.address
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    async with await connect_async(url, device=DEVICE, counters=world.counters, options=SMALL_BLOCKS) as dying:
        await dying.profile(PROFILE, entries=(1, 1))
        scissors.arm(4000)
        with pytest.raises(ProfileInterrupted) as caught:
            await dying.profile(PROFILE, datetime(2026, 10, 24, 6))
        assert 0 < len(caught.value.table) < len(expected)
        assert await dying.resume(caught.value) == expected
        assert len(await dying.resume(caught.value, datetime(2026, 10, 24, 5))) == len(caught.value.table)


def test_a_link_that_dies_before_the_first_block_is_dialled_again(cut: Any, meter: Meter) -> None:
    start, scissors, proxy = cut
    expected = meter.profile(PROFILE).read()
    with start() as dying:
        profile = dying.profile(PROFILE)
        profile.columns()
        scissors.arm(1)
        assert profile.read() == expected
        assert proxy.connections == 2
    with start(replace(SMALL_BLOCKS, reconnects=0)) as dying:
        profile = dying.profile(PROFILE)
        profile.columns()
        scissors.arm(1)
        with pytest.raises(ConnectionLost) as caught:
            profile.read()
        assert not isinstance(caught.value, ProfileInterrupted)


def test_rows_newest_first_are_resumed_downwards(world: Served, cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start, scissors, _ = cut
    buffer = world.meter.load_profile
    encode = buffer._encode
    monkeypatch.setattr(buffer, "_encode", lambda rows, columns: encode(list(rows)[::-1], columns))
    with start() as dying:
        profile = dying.profile(PROFILE)
        expected = profile.read()
        assert falling(expected.times())
        scissors.arm(4000)
        with pytest.raises(ProfileInterrupted) as caught:
            profile.read()
        assert profile.resume(caught.value) == expected


def _interrupted(table: ProfileTable, request: Any) -> ProfileInterrupted:
    return ProfileInterrupted("cut", table, table, request)


def test_resuming_with_nothing_kept_reads_all_and_with_everything_nothing(meter: Meter) -> None:
    from cosem.client.profile import Request

    profile = meter.profile(PROFILE)
    whole = profile.read()
    name = Obis.parse(PROFILE)
    assert profile.resume(_interrupted(whole.take(()), Request(name))) == whole
    ten = profile.read(entries=(1, 10))
    assert profile.resume(_interrupted(ten, Request(name, entries=(1, 10)))) == ten
    assert profile.resume(_interrupted(ten, Request(name))) == whole


def test_rows_that_are_alike_are_two_rows() -> None:
    row = (TEN, 5)
    table = ProfileTable(COLUMNS, [row, row], [row, row])
    rest = ProfileTable(COLUMNS, [row, row, row, (TEN, 6)], [row, row, row, (TEN, 6)])
    assert table.joined(rest).rows == [row, row, row, (TEN, 6)]


def test_a_profile_without_a_clock_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.device.meter import ElectricityMeter
    from cosem.device.profile import ProfileBuffer

    class WithLog(ElectricityMeter):
        """A meter with a log that has no clock column."""

        def _associations(self) -> None:
            log = ProfileBuffer("1-0:99.3.0", self.load_profile.columns[2:4], self.clock, period=0, capacity=10)
            self.logical.add(log.object)
            self.device.readers[bytes(log.object.obis), 2] = log.read
            log.capture()
            log.capture()
            super()._associations()

    monkeypatch.setattr("cosem.simulator.meter.ElectricityMeter", WithLog)
    with served(days=0.1) as here, here.connect() as client:
        profile = client.profile("1-0:99.3.0")
        assert len(profile.read(datetime(2026, 1, 1))) == 2
        assert profile.read(columns=[ENERGY]).rows == [(row[0],) for row in profile.read().rows]
        assert profile.read_columns(datetime(2026, 1, 1)).length == 2
        assert profile.resume(_interrupted(profile.read(), _whole("1-0:99.3.0"))) == profile.read()


def _whole(name: str) -> Any:
    from cosem.client.profile import Request

    return Request(Obis.parse(name))


def test_columns_that_make_no_sense_are_told_with_the_profile(
    world: Served, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = axdr.structure(axdr.long_unsigned(3), axdr.octet_string(b"\0"), axdr.integer(2), axdr.long_unsigned(0))
    lie = axdr.encode(axdr.array(column))
    name = bytes(world.meter.load_profile.object.obis)
    monkeypatch.setitem(world.meter.device.readers, (name, 3), lambda selection: lie)
    with pytest.raises(RemoteProtocolError, match=r"1-0:99\.1\.0\.255 capture_objects: \[0\] > logical_name"):
        meter.profile(PROFILE).columns()
