"""The inventory: devices, their life, groups, tags, and lists with a cursor."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from cosem.errors import ConfigError
from cosem.headend.database import open_database
from cosem.headend.inventory import ELSEWHERE, Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits


@pytest.fixture
def inventory(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    with engine.begin() as connection:
        yield Inventory(connection)
    engine.dispose()


def test_a_device_comes_back_as_it_was_added(inventory):
    inventory.set_segment("street", Limits(3, 1.0))
    inventory.set_type("gas meter", "gas", manufacturer="CSM")
    inventory.add(NewDevice("above", Kind.ELECTRICITY, url="tcp://192.0.2.1"), 5)
    inventory.add(
        NewDevice(
            "gas", Kind.GAS, "gas meter", "street", parent="above", channel=2, details={"floor": 3}, tags=("a", "b")
        ),
        6,
    )
    row = inventory.get("gas")
    assert (row.kind, row.type, row.segment, row.parent, row.channel) == (Kind.GAS, "gas meter", "street", "above", 2)
    assert row.details == {"floor": 3}
    assert inventory.tags(row.id) == ("a", "b")
    assert inventory.get("above").segment == ELSEWHERE
    assert inventory.count() == {Kind.ELECTRICITY: 1, Kind.GAS: 1}


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("one", {}, "taken"),
        ("new", {"parent": "one", "channel": 1}, "taken"),
        ("new", {"parent": "nobody"}, "no device"),
        ("new", {"type": "unheard"}, "no type"),
        ("new", {"segment": "nowhere"}, "no segment"),
        ("", {}, "printable"),
        ("a\nb", {}, "printable"),
        ("x" * 201, {}, "printable"),
        ("new", {"url": "ftp://x"}, "ftp"),
        ("new", {"system_title": "zz"}, "hex"),
    ],
)
def test_a_device_that_cannot_be_is_refused_with_the_reason(inventory, name, more, why):
    inventory.add(NewDevice("one", Kind.ELECTRICITY), 0)
    inventory.add(NewDevice("child", Kind.GAS, parent="one", channel=1), 0)
    with pytest.raises(ConfigError, match=why):
        inventory.add(NewDevice(name, Kind.GAS, **more), 0)


def test_the_life_of_a_device_goes_one_way(inventory):
    inventory.add(NewDevice("one", Kind.ELECTRICITY), 0)
    with pytest.raises(ConfigError, match="cannot follow"):
        inventory.move("one", State.SUSPENDED, 1)
    for state in (State.IN_USE, State.SUSPENDED, State.IN_USE, State.REMOVED, State.REGISTERED):
        inventory.move("one", state, 1)
        assert inventory.get("one").state is state


def test_lists_go_on_behind_the_last_one_and_filter(inventory):
    for number in range(25):
        kind = Kind.GAS if number % 5 == 0 else Kind.ELECTRICITY
        inventory.add(NewDevice(f"meter {number:02}", kind, tags=("even",) if number % 2 == 0 else ()), 0)
    seen = []
    after = 0
    while page := inventory.page(after=after, limit=10):
        seen += [row.name for row in page]
        after = page[-1].id
    assert seen == [f"meter {number:02}" for number in range(25)]
    assert len(inventory.page(kind=Kind.GAS)) == 5
    assert len(inventory.page(tag="even", kind=Kind.GAS)) == 3
    assert [row.name for row in inventory.page(text="07")] == ["meter 07"]
    assert inventory.page(text="%") == []
    inventory.group("chosen", ["meter 03", "meter 04"])
    assert [row.name for row in inventory.page(group="chosen")] == ["meter 03", "meter 04"]
    inventory.group("chosen", ["meter 05"])
    assert [row.name for row in inventory.page(group="chosen")] == ["meter 05"]


def test_a_channel_keeps_its_unit_and_scaler(inventory):
    number = inventory.channel("1-0:1.8.0.255", "Wh", 0)
    assert inventory.channel("1-0:1.8.0.255", "Wh", 0) == number
    with pytest.raises(ConfigError, match="not 1e3 Wh"):
        inventory.channel("1-0:1.8.0.255", "Wh", 3)


def test_a_channel_that_two_find_at_once_is_one(tmp_path, monkeypatch):
    engine = open_database(tmp_path / "headend.db")
    found, original = [], Connection.execute

    def execute(self, statement, *more, **options):
        answer = original(self, statement, *more, **options)
        if not found and "FROM channel" in str(statement):
            found.append(0)  # the first one has looked; another one is quicker with what comes next
            with engine.begin() as other:
                found.append(Inventory(other).channel("0-0:24.2.1.255 gas", "m³", -3))
        return answer

    monkeypatch.setattr(Connection, "execute", execute)
    with engine.begin() as connection:
        assert Inventory(connection).channel("0-0:24.2.1.255 gas", "m³", -3) == found[1]
    engine.dispose()
