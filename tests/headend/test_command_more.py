"""The kinds of commands beyond supply and display, against a served meter."""

from __future__ import annotations

import pytest

from cosem.device.mbus.settings import MBusSettings
from cosem.errors import ConfigError
from cosem.headend.command_kinds import KINDS
from cosem.headend.command_more import MORE, emergency_of
from cosem.headend.commands import Commands, CommandState, NewCommand
from support.offices import office
from support.served import make_meter


@pytest.fixture
def desk(tmp_path):
    with office(tmp_path, [make_meter(days=0.2)]) as desk:
        yield desk


async def carry_out(desk, kind: str, parameters: dict):
    (row,) = await desk.headend.commands.request("meter 1", [NewCommand(kind, parameters)], "anna")
    (row,) = await desk.headend.commands.ended(row.bundle)
    return row


EMERGENCY = {"id": 3, "at": "2026-11-01T00:00:00+00:00", "seconds": 600}


async def test_an_emergency_holds_for_its_group_and_ends(desk):
    limiter = desk.meters[0].equipment.limiter
    row = await carry_out(desk, "emergency", EMERGENCY | {"groups": [3], "emergency": 500})
    assert (row.state, row.answer["by"], row.answer["active"], row.answer["in_group"]) == ("done", "device", True, True)
    assert limiter.emergency_active
    assert (await carry_out(desk, "emergency", EMERGENCY)).answer["by"] == "broadcast", "it is there already"
    row = await carry_out(desk, "end emergency", {})
    assert (row.state, row.answer["active"]) == ("done", False)
    assert not limiter.emergency_active


@pytest.mark.parametrize(
    ("kind", "parameters", "check"),
    [
        ("firmware version", {}, lambda answer: answer["0"] == "cosem simulated meter"),
        ("objects", {}, lambda answer: [70, 0, "0-0:96.3.10.255"] in answer),
        ("alarms", {}, lambda answer: answer[0]["name"] == "0-0:97.98.0.255"),
        ("events", {"groups": ["standard"], "to": "2027-01-01T00:00:00Z"}, lambda answer: isinstance(answer, list)),
        ("read profile", {"name": "1-0:99.1.0.255", "last": 3}, lambda answer: len(answer["rows"]) == 3),
        ("power quality", {"name": "1-0:99.1.0.255", "last": 1}, lambda answer: len(answer["rows"]) == 1),
        ("alarm filter", {"register": 1, "value": 5}, lambda answer: answer is None),
        (
            "randomisation",
            {"seconds": 120, "object": "0-4:25.9.0.255"},
            lambda answer: answer == {"long-unsigned": 120},
        ),
        ("clock setup", {"deviation": 60, "enabled": True}, lambda answer: answer is None),
    ],
)
async def test_it_is_carried_out_and_read_back(desk, kind, parameters, check):
    row = await carry_out(desk, kind, parameters)
    assert row.state is CommandState.DONE, row.detail
    assert check(row.answer), row.answer


async def test_all_values_are_read_and_no_secret_is_among_them(desk):
    row = await carry_out(desk, "all values", {})
    assert row.state is CommandState.DONE, row.detail
    found = {(class_id, name, number) for class_id, name, number, _ in row.answer}
    assert {(3, "1-0:1.8.0.255", 2), (8, "0-0:1.0.0.255", 2)} <= found
    assert not {(7, "1-0:99.1.0.255", 2), (15, "0-0:40.0.0.255", 7)} & found
    assert sum("error" not in value for *_, value in row.answer) > 0.9 * len(row.answer)


async def test_a_load_profile_captures_what_it_is_told(desk):
    columns = [[8, "0-0:1.0.0.255", 2, 0], [3, "1-0:1.8.0.255", 2, 0]]
    row = await carry_out(desk, "load profile", {"name": "1-0:99.1.0.255", "columns": columns, "period": 1800})
    assert row.state is CommandState.DONE, row.detail


@pytest.mark.parametrize("kind", ["mbus deinstall", "diagnostic", "administrative status", "configuration object"])
async def test_what_the_meter_does_not_have_fails_with_its_reason(desk, kind):
    row = await carry_out(desk, kind, {"channel": 1} if kind.startswith("mbus") else {})
    assert row.state is CommandState.FAILED
    assert row.detail


@pytest.mark.parametrize(
    ("kind", "parameters", "why"),
    [
        ("emergency", {"id": 1, "at": "now", "seconds": 1}, "isoformat"),
        ("emergency", {"id": 1, "at": "2026-11-01T00:00:00", "seconds": 1}, "zone"),
        ("emergency", EMERGENCY | {"id": 70_000}, "16 bits"),
        ("close valve", {"channel": 65}, "1 to 64"),
        ("close valve", {"channel": 1, "object": "0-0:96.3.10.255"}, "no object of channel 1"),
        ("mbus deinstall", {"channel": 1, "object": "0-2:24.1.0.255"}, "no object of channel 1"),
        ("mbus install", {"channel": 1, "address": 300}, "256"),
        ("alarm filter", {"register": 9, "value": 0}, "1, 2 or 3"),
        ("clock setup", {}, "nothing"),
        ("clock setup", {"begin": "zz"}, "hex"),
        ("randomisation", {"seconds": -1}, "65535"),
        ("administrative status", {"status": 999}, "0 "),
        ("configuration object", {"value": {"nonsense": 1}}, "nonsense"),
        ("load profile", {"name": "1-0:99.1.0.255", "columns": [[1, 2]]}, "unpack"),
        ("read profile", {"name": "1-0:99.1.0.255", "from": "2026-01-01"}, "zone"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kind, parameters, why):
    with pytest.raises(ConfigError, match=why):
        KINDS[kind].check(parameters)


def test_what_goes_to_all_is_what_goes_to_one():
    name, data = emergency_of(EMERGENCY)
    assert name == "0-0:17.0.0.255"
    assert [element.value for element in data.value][::2] == [3, 600]


def test_a_kind_that_changes_something_is_seen_or_may_be_repeated():
    assert [kind.name for kind in MORE if kind.seen is None and not kind.repeatable] == []
    assert Commands


async def test_the_channels_of_an_mbus_master_are_read_and_what_it_refuses_is_told(tmp_path):
    with office(tmp_path, [make_meter(days=0.01, mbus=MBusSettings(version=1))]) as desk:
        row = await carry_out(desk, "mbus channels", {})
        assert row.state is CommandState.DONE, row.detail
        assert [found["primary_address"] for found in row.answer.values()] == [{"unsigned": 0}] * 4
        row = await carry_out(desk, "mbus install", {"channel": 2, "address": 5})
        assert row.state is CommandState.FAILED
        assert "other-reason" in row.detail, "there is nothing on its bus"
