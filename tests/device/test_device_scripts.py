"""Script tables: actions in order, who is behind them, and scripts that go wrong (behaviours 0.2, 4.6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c009_script_table import Script, ScriptAction, ScriptService, ScriptTable
from cosem.classes.common import ActionItem
from cosem.codec import axdr
from cosem.device.host import Host, Origin
from cosem.device.scripts import MAX_DEPTH, ScriptTables, calling, writing
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from support.meters import bare_host, build, utc

TABLE = Obis.parse("0-0:10.0.106.255")
FIRST, SECOND = Obis.parse("0-0:96.13.0.255"), Obis.parse("0-0:96.13.1.255")
NOTHING_THERE = Obis.parse("0-0:96.99.0.255")


@pytest.fixture
def host() -> Host:
    made = bare_host()
    made.add(DataObject(FIRST, value=axdr.unsigned(0)))
    made.add(DataObject(SECOND, value=axdr.unsigned(0)))
    return made


def execute(host: Host, selector: int, table: Obis = TABLE) -> ActionResult:
    return host.invoke(9, table, 1, axdr.long_unsigned(selector))


def value(host: Host, name: Obis) -> Any:
    data = host.read(1, name, 2)
    assert data is not None
    return data.value


def test_execute_1_of_the_disconnection_table_is_remote_disconnect() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 0, 1))
    assert execute(meter.host, 1) is ActionResult.SUCCESS
    assert meter.host.read(70, Obis.parse("0-0:96.3.10"), 3) == axdr.enum(0)
    assert execute(meter.host, 2) is ActionResult.SUCCESS
    assert meter.host.read(70, Obis.parse("0-0:96.3.10"), 3) == axdr.enum(1)


def test_execute_0_is_success_and_nothing(host: Host) -> None:
    ScriptTables(host).add(TABLE, 1, writing(1, FIRST, 2, axdr.unsigned(1)))
    assert execute(host, 0) is ActionResult.SUCCESS
    assert value(host, FIRST) == 0


def test_execute_of_an_unknown_script_is_other_reason(host: Host) -> None:
    ScriptTables(host).add(TABLE, 1, writing(1, FIRST, 2, axdr.unsigned(1)))
    assert execute(host, 99) is ActionResult.OTHER_REASON
    assert value(host, FIRST) == 0


@pytest.mark.parametrize(
    "failing",
    [
        writing(1, NOTHING_THERE, 2, axdr.unsigned(1)),
        writing(3, FIRST, 2, axdr.unsigned(1)),
        writing(1, FIRST, 9, axdr.unsigned(1)),
        writing(1, FIRST, 2, axdr.visible_string("no number")),
        calling(70, NOTHING_THERE, 1),
        calling(9, TABLE, 7),
        calling(9, TABLE, 1),
        ScriptAction(ScriptService(9), 1, FIRST, 2, axdr.unsigned(1)),
    ],
    ids=["no object", "class", "attribute", "type", "no object to call", "method", "parameter", "service"],
)
def test_of_two_actions_the_first_fails_the_second_is_done_and_the_result_is_other_reason(
    host: Host, failing: ScriptAction
) -> None:
    ScriptTables(host).add(TABLE, 1, failing, writing(1, SECOND, 2, axdr.unsigned(5)))
    assert execute(host, 1) is ActionResult.OTHER_REASON
    assert (value(host, FIRST), value(host, SECOND)) == (0, 5)


def test_a_script_that_calls_itself_is_other_reason(host: Host) -> None:
    once = writing(1, FIRST, 2, axdr.unsigned(5))
    ScriptTables(host).add(TABLE, 1, once, calling(9, TABLE, 1, axdr.long_unsigned(1)))
    assert execute(host, 1) is ActionResult.OTHER_REASON
    assert value(host, FIRST) == 5


@given(depth=st.integers(1, MAX_DEPTH + 3))
def test_scripts_call_scripts_to_a_limited_depth(depth: int) -> None:
    host = bare_host()
    host.add(DataObject(FIRST, value=axdr.unsigned(0)))
    tables = ScriptTables(host)
    for number in range(1, depth):
        tables.add(TABLE, number, calling(9, TABLE, 1, axdr.long_unsigned(number + 1)))
    tables.add(TABLE, depth, writing(1, FIRST, 2, axdr.unsigned(1)))
    fits = depth <= MAX_DEPTH
    assert execute(host, 1) is (ActionResult.SUCCESS if fits else ActionResult.OTHER_REASON)
    assert value(host, FIRST) == fits
    # What was too deep once leaves nothing behind.
    assert execute(host, depth) is ActionResult.SUCCESS


def test_a_script_carries_who_is_behind_it_and_no_further(host: Host) -> None:
    seen: list[Origin] = []
    table = host.add(ScriptTable("0-0:10.0.99"))
    host.handle(table, 1, lambda parameter: seen.append(host.origin))
    tables = ScriptTables(host)
    inner = tables.add(TABLE, 1, calling(9, "0-0:10.0.99", 1, axdr.long_unsigned(1)))
    tables.add(TABLE, 2, calling(9, TABLE, 1, axdr.long_unsigned(1)))
    execute(host, 1)
    for origin in Origin:
        tables.run(inner, origin)
    tables.run(ActionItem(TABLE, 2), Origin.LOCAL)
    assert seen == [Origin.REMOTE, *Origin, Origin.LOCAL]
    assert host.origin is Origin.REMOTE


@pytest.mark.parametrize("item", [ActionItem(TABLE, 0), ActionItem(Obis(bytes(6)), 1)])
def test_no_number_and_no_name_are_no_script(host: Host, item: ActionItem) -> None:
    assert ScriptTables(host).run(item, Origin.LOCAL) is ActionResult.SUCCESS


def test_a_table_that_is_not_there_cannot_be_run(host: Host) -> None:
    assert ScriptTables(host).run(ActionItem(TABLE, 1), Origin.LOCAL) is ActionResult.OBJECT_UNDEFINED


def test_a_script_writes_no_attribute_that_is_made_when_it_is_read() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1))
    meter.equipment.scripts.add(TABLE, 9, writing(3, "1-0:1.8.0", 2, axdr.double_long_unsigned(0)))
    before = meter.host.read(3, Obis.parse("1-0:1.8.0"), 2)
    assert execute(meter.host, 9) is ActionResult.OTHER_REASON
    assert meter.host.read(3, Obis.parse("1-0:1.8.0"), 2) == before != axdr.double_long_unsigned(0)


def scripts(*numbers: int) -> axdr.Data:
    action = writing(1, FIRST, 2, axdr.unsigned(7))
    return ScriptTable.scripts.type.to_data(tuple(Script(number, (action,)) for number in numbers))


@pytest.mark.parametrize("numbers", [(0,), (1, 1), (1, 0)])
def test_written_scripts_have_numbers_of_their_own(host: Host, numbers: tuple[int, ...]) -> None:
    ScriptTables(host).add(TABLE, 1)
    assert host.write(9, TABLE, 2, scripts(*numbers)) is DataAccessResult.OTHER_REASON
    assert host.write(9, TABLE, 2, scripts(3)) is DataAccessResult.SUCCESS
    assert [execute(host, number) for number in (1, 3)] == [ActionResult.OTHER_REASON, ActionResult.SUCCESS]
    assert value(host, FIRST) == 7


def test_a_script_number_is_given_once_and_never_0(host: Host) -> None:
    tables = ScriptTables(host)
    tables.add(TABLE, 1)
    for number in (0, 1):
        with pytest.raises(ConfigError):
            tables.add(TABLE, number)


def test_global_reset_empties_the_profiles() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 3))
    profile = Obis.parse("1-0:99.1.0")
    assert meter.host.read(7, profile, 7) != axdr.double_long_unsigned(0)
    assert execute(meter.host, 1, Obis.parse("0-0:10.0.0")) is ActionResult.SUCCESS
    assert meter.host.read(7, profile, 7) == axdr.double_long_unsigned(0)
