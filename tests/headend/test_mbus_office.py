"""Devices on a M-Bus are installed, given up, closed and given keys through their parents, and never the wrong one."""

from __future__ import annotations

import pytest

from cosem.classes.c072_mbus_client import EncryptionKeyStatus
from cosem.errors import ConfigError
from cosem.headend.access import Role, issue
from cosem.headend.commands import NewCommand
from cosem.headend.inventory import Inventory
from cosem.headend.keychanges import ChangeState
from cosem.headend.vault import KeyState, Purpose
from cosem.simulator.utilities import DEMO_MBUS_KEY, DEMO_RADIO_KEY, utilities_of
from support.houses import HOUR, NOW, metered_house

MBUS = [Purpose.MBUS]


@pytest.fixture
async def house(tmp_path):
    with metered_house(tmp_path) as made:
        made.headend.key_changes._pause = 0.01
        yield made


async def tell(house, device: str, kind: str, **parameters):
    (row,) = await house.headend.commands.request(device, [NewCommand(kind, parameters)], "anna")
    if row.state == "unconfirmed":
        return row
    (row,) = await house.headend.commands.ended(row.bundle)
    return row


def clients(house):
    return {number: item.client for number, item in house.devices.meter.equipment.mbus.channels.items()}


def keys(house, name: str, state: KeyState = KeyState.ACTIVE):
    number = house.numbers[name]
    with house.headend.engine.connect() as connection:
        return house.headend.keys.secrets(connection, [number], state)[number]


def hold(house, name: str, **secrets: bytes) -> None:
    with house.headend.engine.begin() as connection:
        held = {Purpose[purpose.upper()]: secret for purpose, secret in secrets.items()}
        house.headend.keys.put(connection, house.numbers[name], held, NOW)


# --- installing and valves ----------------------------------------------------------------------------------------


async def test_a_device_is_given_up_and_installed_again_and_is_who_it_should_be(house):
    row = await tell(house, "gas", "mbus deinstall")
    assert row.state == "done", row.detail
    assert clients(house)[1].meter is None
    assert (await house.run())["gas"][0] == "not installed"
    row = await tell(house, "gas", "mbus install")
    assert (row.state, row.answer["meter"]) == ("done", "ZZZ00010001"), row.detail
    with house.headend.engine.connect() as connection:
        assert Inventory(connection).get("gas").meter == "ZZZ00010001"
    await tell(house, "gas", "mbus deinstall")
    house.change(lambda inventory, now: inventory.identify("gas", "ELS00000001", now))
    row = await tell(house, "gas", "mbus install")
    assert (row.state, row.detail) == (
        "failed",
        "not configured: ZZZ00010001 was found, not ELS00000001: given up again",
    )
    assert clients(house)[1].meter is None, "nobody is left on the channel"


async def test_a_device_by_radio_is_paired_by_its_identity_and_given_the_key_it_came_with(house):
    client = clients(house)[2]
    known = client.meter
    await tell(house, "water", "mbus deinstall")
    house.change(lambda inventory, now: inventory.identify("water", "ZZZ00010002", now))
    row = await tell(house, "water", "mbus install", version=known.version, device_type=known.medium)
    assert row.state == "done", row.detail
    assert client.meter == known
    with pytest.raises(ConfigError, match="no mbus_key"):
        await house.headend.key_changes.share("water", "anna")
    hold(house, "water", mbus=DEMO_RADIO_KEY)
    assert await house.headend.key_changes.share("water", "anna") is False, "nothing was heard since"
    assert client.key_status is EncryptionKeyStatus.ENCRYPTION_KEY_SET
    house.play(HOUR)
    assert await house.headend.key_changes.share("water", "anna") in (True, False)
    house.play(HOUR)
    assert client.key_status is EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE
    assert (await house.run())["water"][0] is None


async def test_a_valve_closes_and_opens_by_the_name_of_its_device_and_wants_two_where_it_should(tmp_path):
    with metered_house(tmp_path, two_persons=frozenset({"close valve"})) as house:
        valve = house.devices.meter.equipment.mbus.channels[1].valve
        row = await tell(house, "gas", "close valve")
        assert row.state == "unconfirmed"
        assert row.parameters == {"channel": 1}
        await house.headend.commands.confirm(row.bundle, "berta")
        (row,) = await house.headend.commands.ended(row.bundle)
        assert (row.state, row.answer) == ("done", {"control_state": "disconnected"}), row.detail
        assert valve.position == "closed"
        row = await tell(house, "gas", "open valve")
        assert row.state == "done", row.detail
        assert valve.state != 0
        with pytest.raises(ConfigError, match="is on channel 1 of meter, not on 3"):
            await tell(house, "gas", "close valve", channel=3)
        with pytest.raises(ConfigError, match="knows no 'message' for a channel"):
            await tell(house, "gas", "message", text="a")


async def test_nothing_is_done_at_another_meter_than_the_one_that_is_meant(house):
    house.change(lambda inventory, now: inventory.identify("gas", "ELS00000001", now))
    valve = house.devices.meter.equipment.mbus.channels[1].valve
    for kind in ("close valve", "mbus deinstall", "mbus capture"):
        row = await tell(house, "gas", kind)
        assert row.state == "failed"
        assert row.detail == (
            "another meter on the channel: channel 1 has ZZZ00010001, not ELS00000001: nothing was done"
        )
    assert valve.position == "open"
    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    change = await house.headend.key_changes.request("gas", "anna", MBUS)
    await house.queue.idle()
    change = house.headend.key_changes.get(change.id)
    assert change.state is ChangeState.FAILED
    assert "has ZZZ00010001, not ELS00000001: no key was sent" in change.detail
    assert clients(house)[1].key_status is EncryptionKeyStatus.NO_ENCRYPTION_KEY
    assert keys(house, "gas", KeyState.NEW) == {}


# --- keys ---------------------------------------------------------------------------------------------------------


async def test_a_key_is_made_brought_and_proved_and_the_next_one_too(house):
    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    client = clients(house)[1]
    speaker = utilities_of(house.devices.meter).speakers[1]
    seen = []
    house.headend.key_changes.listeners.append(
        lambda change, step: seen.append((step, set(keys(house, "gas", KeyState.NEW))))
    )
    for _ in range(2):
        change = await house.headend.key_changes.request("gas", "anna", MBUS)
        await house.queue.idle()
        change = house.headend.key_changes.get(change.id)
        assert (change.state, change.detail) == (ChangeState.DONE, "")
        assert client.key_status is EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE
        assert speaker.key == keys(house, "gas")[Purpose.MBUS]
    assert [step for step, _ in seen] == ["kept", "proved", "changed"] * 2
    assert seen[0][1] == {Purpose.MBUS}, "kept before anything was sent"
    assert set(keys(house, "gas", KeyState.EXPIRED)) == {Purpose.MBUS}
    house.play(HOUR)
    assert (await house.run())["gas"][0] is None


@pytest.mark.parametrize("moment", ["before", "behind transfer", "behind set"])
async def test_a_break_anywhere_leaves_a_device_that_is_read(house, monkeypatch, moment):
    from cosem.errors import ConnectionLost
    from cosem.headend import mbus_keys

    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    original, calls = mbus_keys._call, []

    async def call(meter, row, method, parameter):
        calls.append(method)
        if len(calls) == 1 and moment == "before":
            raise ConnectionLost("the line is gone")
        await original(meter, row, method, parameter)
        if (len(calls), moment) in ((1, "behind transfer"), (2, "behind set")):
            raise ConnectionLost("the line is gone")

    monkeypatch.setattr(mbus_keys, "_call", call)
    change = await house.headend.key_changes.request("gas", "anna", MBUS)
    await house.queue.idle()
    change = house.headend.key_changes.get(change.id)
    assert change.state is ChangeState.DONE, change.detail
    speaker = utilities_of(house.devices.meter).speakers[1]
    assert speaker.key == keys(house, "gas")[Purpose.MBUS]
    house.play(HOUR)
    assert (await house.run())["gas"][0] is None


async def test_a_silent_device_leaves_both_keys_kept_until_it_speaks(house):
    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    await house.headend.key_changes.request("gas", "anna", MBUS)
    await house.queue.idle()
    station = utilities_of(house.devices.meter).stations[1]
    station.silent = True
    house.now += 1
    change = await house.headend.key_changes.request("gas", "anna", MBUS)
    await house.queue.idle()
    change = house.headend.key_changes.get(change.id)
    assert change.state is ChangeState.SENDING
    assert change.detail == "nothing of it opens with the new key nor with the old one"
    assert set(keys(house, "gas", KeyState.NEW)) == set(MBUS)
    station.silent = False
    house.now += 900
    assert await house.headend.key_changes.sweep() == 1
    await house.queue.idle()
    assert house.headend.key_changes.get(change.id).state is ChangeState.DONE
    assert utilities_of(house.devices.meter).speakers[1].key == keys(house, "gas")[Purpose.MBUS]


async def test_what_cannot_have_a_mbus_key_is_refused(house):
    for name, why in (("meter", "hangs on no M-Bus"), ("gas", "no mbus_default_key")):
        with pytest.raises(ConfigError, match=why):
            await house.headend.key_changes.request(name, "anna", MBUS)
    with pytest.raises(ConfigError, match="or the mbus_key"):
        await house.headend.key_changes.request("gas", "anna", [Purpose.MBUS, Purpose.UNICAST])


async def test_the_api_changes_and_shares_and_shows_no_key(house):
    import httpx

    from cosem.headend.api.app import create_app

    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    hold(house, "water", mbus=DEMO_RADIO_KEY)
    with house.headend.engine.begin() as connection:
        token = issue(connection, "anna", Role.ADMINISTRATOR, "test", NOW)
    app = httpx.ASGITransport(create_app(house.headend))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=app, base_url="http://test/api", headers=headers) as client:
        answer = await client.post("/devices/gas/keys", json={"purposes": ["mbus_key"]})
        assert answer.status_code == 202, answer.text
        await house.queue.idle()
        (change,) = (await client.get("/key-changes", params={"device": "gas"})).json()
        assert change["state"] == "done"
        shared = await client.post("/devices/water/keys/sharing")
        assert shared.status_code == 200, shared.text
        told = (await client.get("/audit")).text
    key = keys(house, "gas")[Purpose.MBUS].hex()
    for text in (answer.text, str(change), shared.text, told):
        assert key not in text.lower()
        assert DEMO_RADIO_KEY.hex() not in text.lower()


async def test_no_trace_is_kept_of_a_session_in_which_a_key_is_set(house):
    hold(house, "gas", mbus_default=DEMO_MBUS_KEY)
    traces, number = house.headend.traces, house.numbers["meter"]
    with house.headend.engine.begin() as connection:
        traces.ask(connection, number, "anna")
    change = await house.headend.key_changes.request("gas", "anna", MBUS)
    await house.queue.idle()
    assert house.headend.key_changes.get(change.id).state is ChangeState.DONE
    with house.headend.engine.connect() as connection:
        assert [row.finished for row in traces.of(connection, number)] == [None], "it waits for another session"
    await house.headend.read_now("meter", "anna")
    with house.headend.engine.connect() as connection:
        assert traces.of(connection, number)[0].finished is not None
