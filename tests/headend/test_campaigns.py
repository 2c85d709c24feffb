"""Campaigns over real served meters: stages, gates, pauses, aborts, crashes; commands, firmware, keys, emergencies."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.client.supply import NO_EMERGENCY
from cosem.device.image import ImageOptions
from cosem.errors import ConfigError
from cosem.headend.audit import entries
from cosem.headend.campaign import CampaignState, NewCampaign, cut
from cosem.headend.commands import CommandState
from cosem.headend.engine import Headend
from cosem.headend.firmware import NewImage
from cosem.headend.keychanges import KeyChanges
from cosem.headend.plans import DAY, Selection
from cosem.headend.schema import broadcast_sent, command
from cosem.headend.vault import Vault
from cosem.headend.work import Elsewhere
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_IMAGE_KEY, DEMO_KEYS, demo_signing_key
from support.offices import NOW, office
from support.served import make_meter

QUICK = ImageOptions(block_size=128, verify_duration=0, activation_duration=0)
TO_ALL = b"CSMtoall"
MESSAGE = {"kind": "message", "parameters": {"text": "Guten Abend"}}
EVERYBODY = Selection()


def meters(count: int, **settings):
    return [make_meter(days=0.01, seed=number + 1, image_key=DEMO_IMAGE_KEY, image=QUICK, **settings)
            for number in range(count)]  # fmt: skip


def commands(name="c", content=None, **options) -> NewCampaign:
    return NewCampaign(name, "commands", content or {"commands": [MESSAGE]}, EVERYBODY, **options)


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=300, unique=True),
    st.lists(st.one_of(st.integers(1, 400), st.floats(0.01, 1.0)), min_size=1, max_size=6),
)
def test_every_device_is_in_one_stage_and_the_first_stage_is_never_empty(numbers, stages):
    parts = cut("c", numbers, stages)
    assert sorted(number for part in parts for number in part) == sorted(numbers)
    assert parts[0]
    assert cut("c", sorted(numbers), stages) == parts
    reached = 0
    for stage, part in list(zip(stages, parts, strict=True))[:-1]:
        before, reached = reached, reached + len(part)
        limit = stage * len(numbers) + 1 if isinstance(stage, float) else stage
        assert reached <= max(limit, before)


async def test_a_bundle_goes_to_all_stage_after_stage_each_result_accounted(tmp_path):
    with office(tmp_path, meters(3)) as desk:
        row = await desk.campaigns.begin(commands(stages=(1, 1.0)), "anna")
        assert [sum(part.values()) for part in row.account] == [1, 2]
        assert len(desk.queue.jobs) == 1
        row = await desk.ended("c")
        assert row.state is CampaignState.DONE
        assert row.account == ({"done": 1}, {"done": 2})
        assert len(desk.queue.jobs) == 2
        answers = [item["answer"] for item in desk.campaigns.devices(row.id)]
        assert all(answer[0]["answer"]["port"] == "Guten Abend" for answer in answers)
        with desk.headend.engine.connect() as connection:
            log = [entry.what for entry in entries(connection)]
            assert connection.execute(command.select()).all()[0].bundle.startswith("campaign 1 device ")
        assert log.count("ask for message") == 3
        assert {"begin campaign", "next stage", "end campaign"} <= set(log)
        with pytest.raises(ConfigError, match="already"):
            await desk.campaigns.begin(commands(), "anna")


@pytest.mark.parametrize("stages", [(1, 2), (2,), (1, 0.5)])
async def test_a_campaign_whose_last_stage_leaves_devices_out_begins_not(tmp_path, stages):
    with office(tmp_path, meters(3)) as desk:
        with pytest.raises(ConfigError, match="the last stage is every device there is"):
            await desk.campaigns.begin(commands(stages=stages), "anna")
        assert desk.campaigns.all() == []


async def test_too_many_failures_in_a_stage_abort_and_nobody_else_is_touched(tmp_path):
    with office(tmp_path, meters(1), absent=6) as desk:
        content = {"commands": [MESSAGE], "seconds": 1}

        async def time_passes():
            while True:
                await asyncio.sleep(0.02)
                desk.now += 1

        passing = asyncio.create_task(time_passes())
        row = await desk.campaigns.begin(commands(content=content, stages=(3, 1.0), abort_share=0.3), "anna")
        row = await desk.ended("c")
        passing.cancel()
        assert row.state is CampaignState.ABORTED
        assert "of 3 devices of stage 1 failed" in row.detail
        assert row.account[1] == {"cancelled": 4}
        assert row.account[0]["failed"] >= 1
        with pytest.raises(ConfigError, match="nothing to go on"):
            await desk.campaigns.resume("c", "anna")


async def test_with_a_gate_a_person_lets_each_stage_begin(tmp_path):
    with office(tmp_path, meters(2)) as desk:
        await desk.campaigns.begin(commands(stages=(1, 1.0), gate=True), "anna")
        row = await desk.ended("c")
        assert (row.state, row.stage) == (CampaignState.HELD, 1)
        assert sorted(desk.states("c").values()) == ["done", "waiting"]
        await desk.campaigns.resume("c", "ben")
        assert (await desk.ended("c")).state is CampaignState.DONE


async def test_a_grave_campaign_waits_for_a_second_person(tmp_path):
    with office(tmp_path, meters(1), two_persons=frozenset({"disconnect"})) as desk:
        content = {"commands": [{"kind": "disconnect"}]}
        row = await desk.campaigns.begin(commands(content=content), "anna")
        assert row.state is CampaignState.UNCONFIRMED
        assert (await desk.ended("c")).account[0] == {"waiting": 1}
        with pytest.raises(ConfigError, match="second person"):
            await desk.campaigns.confirm("c", "anna")
        await desk.campaigns.confirm("c", "ben")
        assert (await desk.ended("c")).state is CampaignState.DONE
        assert not desk.meters[0].metering.connected
        assert desk.headend.commands.get("campaign 1 device 1.0").confirmed_by == "ben"


async def test_killed_while_commands_are_under_way_each_is_carried_out_once(tmp_path, monkeypatch):
    """The process ends when one command is on its way; the job comes again after the start."""
    with office(tmp_path, meters(2)) as desk:
        turned: list[bool] = []
        for meter in desk.meters:
            meter.disconnector.moved.append(turned.append)
        reached = asyncio.Event()
        real = desk.headend.commands._end

        def end(row, *rest):
            reached.set()
            raise asyncio.CancelledError

        monkeypatch.setattr(desk.headend.commands, "_end", end)
        await desk.campaigns.begin(commands(content={"commands": [{"kind": "disconnect"}]}, stages=(1.0,)), "anna")
        left = {name: desk.queue.contents[name] for name in desk.queue.jobs}
        await asyncio.wait_for(reached.wait(), 5)
        await desk.queue.kill()
        assert real
        assert len(turned) >= 1
        with desk.headend.engine.connect() as connection:
            states = {row.state for row in connection.execute(command.select())}
        assert CommandState.SENDING in states
        desk.close()
        desk.start()
        desk.queue.again(left)
        row = await desk.ended("c")
        assert (row.state, row.account) == (CampaignState.DONE, ({"done": 2},))
        assert len(turned) == 2, "no meter was told twice"


# --- firmware -----------------------------------------------------------------------------------------------------


def image(size: int = 6000, version: bytes = b"metrology 2") -> bytes:
    overhead = len(make_image([ImagePart(THIS_DEVICE, 0, version, b"")], demo_signing_key()))
    payload = random.Random(1).randbytes(size - overhead)
    return make_image([ImagePart(THIS_DEVICE, 0, version, payload)], demo_signing_key())


def add(desk, octets: bytes | None = None, **options):
    octets = octets or image()
    upload = desk.headend.firmware.upload()
    upload.write(octets)
    item = NewImage("FW 2", options.pop("version", "metrology 2"), **options)
    return desk.headend.firmware.add(item, upload, hashlib.sha256(octets).hexdigest(), "anna")


def firmware(**options) -> NewCampaign:
    content = {"image": "FW 2", **options.pop("content", {})}
    return NewCampaign("f", "firmware", content, EVERYBODY, options.pop("stages", (1.0,)), **options)


async def test_firmware_is_sent_activated_and_read_back_and_the_history_tells(tmp_path):
    with office(tmp_path, meters(2)) as desk:
        add(desk)
        await desk.campaigns.begin(firmware(), "anna")
        row = await desk.ended("f")
        assert (row.state, row.account) == (CampaignState.DONE, ({"done": 2},))
        assert [meter.equipment.image.firmware[0][0] for meter in desk.meters] == [b"metrology 2"] * 2
        with desk.headend.engine.connect() as connection:
            (entry,) = desk.headend.firmware.history(connection, 1)
        assert (entry["state"], entry["before"], entry["after"]) == ("done", "cosem simulated meter", "metrology 2")
        await desk.campaigns.begin(NewCampaign("again", "firmware", {"image": "FW 2"}, EVERYBODY), "anna")
        row = await desk.ended("again")
        assert row.account[0] == {"done": 1}
        assert "runs already" in desk.campaigns.devices(row.id)[0]["detail"]


async def test_paused_in_the_middle_it_goes_on_at_the_block(tmp_path):
    with office(tmp_path, meters(1)) as desk:
        add(desk)
        half = asyncio.Event()

        def watch(kind, content):
            if kind == "firmware" and content.get("blocks", 0) >= 20:
                half.set()

        desk.headend.live.append(watch)
        await desk.campaigns.begin(firmware(), "anna")
        await asyncio.wait_for(half.wait(), 5)
        row = await desk.campaigns.pause("f", "anna")
        assert (row.state, row.account) == (CampaignState.PAUSED, ({"waiting": 1},))
        assert (await desk.ended("f")).state is CampaignState.PAUSED
        there = desk.meters[0].equipment.image.object.image_transferred_blocks_status.count("1")
        assert 0 < there < 47
        await desk.campaigns.resume("f", "anna")
        assert (await desk.ended("f")).state is CampaignState.DONE
        assert [content["resumed_at"] for _, content in desk.told if "resumed_at" in content] == [there]
        with desk.headend.engine.connect() as connection:
            states = [entry["state"] for entry in desk.headend.firmware.history(connection, 1)]
        assert states == ["done", "interrupted"]


async def test_what_another_process_says_holds_for_what_is_under_way_here(tmp_path):
    with office(tmp_path, meters(1)) as desk:
        add(desk)
        half = asyncio.Event()
        desk.headend.live.append(lambda kind, content: half.set() if content.get("blocks", 0) >= 20 else None)
        other = Headend(
            desk.headend.settings, Elsewhere(), clock=lambda: desk.now, random=lambda: 0.5, sealer=Vault(bytes(32))
        )
        await desk.campaigns.begin(firmware(), "anna")
        await asyncio.wait_for(half.wait(), 5)
        assert (await other.campaigns.pause("f", "berta")).state is CampaignState.PAUSED
        await desk.campaigns.advance()
        await desk.queue.idle()
        assert desk.states("f") == {"meter 1": "waiting"}, "it was cut off"
        assert (await other.campaigns.abort("f", "berta")).account == ({"waiting": 1},), "nobody is touched from there"
        await desk.campaigns.advance()
        assert desk.states("f") == {"meter 1": "cancelled"}
        other.engine.dispose()


async def test_a_killed_process_goes_on_at_the_block_too(tmp_path):
    with office(tmp_path, meters(1)) as desk:
        add(desk)
        half = asyncio.Event()
        desk.headend.live.append(lambda kind, content: half.set() if content.get("blocks", 0) >= 20 else None)
        await desk.campaigns.begin(firmware(), "anna")
        await asyncio.wait_for(half.wait(), 5)
        left = await desk.queue.kill()
        desk.close()
        desk.start()
        desk.queue.again(left)
        assert (await desk.ended("f")).state is CampaignState.DONE
        assert any("resumed_at" in content for _, content in desk.told)


async def test_an_image_that_fails_on_one_model_aborts_before_the_others_have_it(tmp_path):
    with office(tmp_path, meters(4)) as desk:
        add(desk)
        for meter in desk.meters:
            meter.equipment.image.defective = True
        await desk.campaigns.begin(firmware(stages=(1, 1.0)), "anna")
        row = await desk.ended("f")
        assert (row.state, row.account) == (CampaignState.ABORTED, ({"failed": 1}, {"cancelled": 3}))
        shown = [meter.equipment.image.object.image_transfer_status for meter in desk.meters]
        assert sum(int(status) == 0 for status in shown) == 3, "the others never heard of it"


async def test_devices_an_image_is_not_for_are_passed_over(tmp_path):
    with office(tmp_path, meters(2)) as desk:
        add(desk, types=("model a",), from_versions=("cosem simulated meter",))
        await desk.campaigns.begin(firmware(), "anna")
        await desk.ended("f")
        assert desk.states("f") == {"meter 1": "done", "meter 2": "skipped"}
        with desk.headend.engine.connect() as connection:
            (entry,) = desk.headend.firmware.history(connection, 2)
        assert "not for devices of type model b" in entry["detail"]


async def test_with_a_time_all_are_ready_first_and_activate_then(tmp_path):
    with office(tmp_path, meters(2)) as desk:
        add(desk)
        await desk.campaigns.begin(firmware(content={"activate_at": "2026-11-01T02:00:00Z"}), "anna")
        row = await desk.ended("f")
        assert (row.state, row.account) == (CampaignState.RUNNING, ({"ready": 2},))
        assert desk.meters[0].equipment.image.firmware[0][0] == b"cosem simulated meter"
        desk.now = NOW + 2 * 3600
        row = await desk.ended("f")
        assert (row.state, row.account) == (CampaignState.DONE, ({"done": 2},))
        assert desk.meters[0].equipment.image.firmware[0][0] == b"metrology 2"


def test_an_upload_that_is_not_what_was_said_leaves_nothing(tmp_path):
    with office(tmp_path, []) as desk:
        folder = desk.headend.firmware.folder
        for octets, digest, limit, why in (
            (b"image", "00" * 32, 100, "another SHA-256"),
            (b"", hashlib.sha256(b"").hexdigest(), 100, "empty"),
        ):
            upload = desk.headend.firmware.upload(limit)
            upload.write(octets)
            with pytest.raises(ConfigError, match=why):
                desk.headend.firmware.add(NewImage("FW", "2"), upload, digest, "anna")
        upload = desk.headend.firmware.upload(4)
        with pytest.raises(ConfigError, match="at most 4 octets"):
            upload.write(b"image")
        upload.drop()
        assert list(folder.iterdir()) == []
        assert desk.headend.firmware.all() == []


async def test_a_file_that_was_changed_afterwards_is_not_sent(tmp_path):
    with office(tmp_path, meters(1)) as desk:
        made = add(desk)
        (desk.headend.firmware.folder / made.digest).write_bytes(b"something else")
        with pytest.raises(ConfigError, match="not the one that was uploaded"):
            await desk.campaigns.begin(firmware(), "anna")
        desk.headend.firmware.withdraw("FW 2", "anna")
        with pytest.raises(ConfigError, match="withdrawn"):
            await desk.campaigns.begin(firmware(), "anna")


# --- keys ---------------------------------------------------------------------------------------------------------


async def test_keys_are_rotated_by_age_and_the_young_are_passed_over(tmp_path):
    with office(tmp_path, meters(2)) as desk:
        desk.now = NOW + 400 * DAY
        content = {"older_than_days": 365}
        await desk.campaigns.begin(NewCampaign("k", "keys", content, EVERYBODY, (1, 1.0)), "anna")
        row = await desk.ended("k")
        assert (row.state, row.account) == (CampaignState.DONE, ({"done": 1}, {"done": 1}))
        held = {meter.logical.associations[1].spec.keys.global_unicast_encryption_key for meter in desk.meters}
        assert len(held) == 2
        assert DEMO_KEYS.global_unicast_encryption_key not in held
        await desk.campaigns.begin(NewCampaign("k 2", "keys", content, EVERYBODY), "anna")
        assert {**(await desk.ended("k 2")).account[0]} == {"skipped": 1}


async def test_a_key_campaign_killed_half_way_is_recovered_with_the_same_keys(tmp_path, monkeypatch):
    with office(tmp_path, meters(1)) as desk:
        sent = asyncio.Event()

        async def send(meter, new):
            await KeyChanges._send(desk.headend.key_changes, meter, new)
            sent.set()
            await asyncio.sleep(60)

        monkeypatch.setattr(desk.headend.key_changes, "_send", send)
        await desk.campaigns.begin(NewCampaign("k", "keys", {}, EVERYBODY), "anna")
        await asyncio.wait_for(sent.wait(), 5)
        left = await desk.queue.kill()
        desk.close()
        desk.start()
        desk.queue.again(left)
        row = await desk.ended("k")
        assert (row.state, row.account[0]) == (CampaignState.DONE, {"done": 1})
        assert "found changed" in desk.campaigns.devices(row.id)[0]["detail"]
        async with desk.headend.meter(1) as meter:
            await meter.clock()


# --- emergency ----------------------------------------------------------------------------------------------------


EMERGENCY = {"id": 7, "at": "2026-11-01T00:00:00+00:00", "seconds": 3600, "groups": [7]}


async def test_an_emergency_is_told_to_all_at_once_and_who_did_not_hear_it_alone(tmp_path):
    with office(tmp_path, meters(3, broadcast_title=TO_ALL)) as desk:
        heard = tuple(f"udp://{host}:{port}?client=102" for host, port in desk.addresses[:2])
        keys = Keys(
            authentication_key=DEMO_KEYS.authentication_key,
            global_broadcast_encryption_key=DEMO_KEYS.global_broadcast_encryption_key,
        )
        desk.headend.broadcasts.set("street", heard, TO_ALL, keys, "anna")
        content = {"commands": [{"kind": "emergency", "parameters": EMERGENCY}], "broadcast": True}
        await desk.campaigns.begin(commands(content=content, stages=(1.0,)), "anna")
        row = await desk.ended("c")
        assert (row.state, row.account) == (CampaignState.DONE, ({"done": 3},))
        by = {item["name"]: item["answer"][0]["answer"]["by"] for item in desk.campaigns.devices(row.id)}
        assert by == {"meter 1": "broadcast", "meter 2": "broadcast", "meter 3": "device"}
        for meter in desk.meters:
            assert meter.equipment.limiter.object.emergency_profile.emergency_profile_id == 7
        with desk.headend.engine.connect() as connection:
            (sent,) = connection.execute(broadcast_sent.select()).all()
        assert sent.problem is None
        end = {"commands": [{"kind": "end emergency"}]}
        await desk.campaigns.begin(commands("over", content=end, stages=(1.0,)), "anna")
        assert (await desk.ended("over")).account == ({"done": 3},)
        assert desk.meters[0].equipment.limiter.object.emergency_profile == NO_EMERGENCY


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("party", {}, "no kind of campaign"),
        ("commands", {"commands": []}, "1 to 100"),
        ("commands", {"commands": ["message"]}, "a command is"),
        ("commands", {"commands": [{"kind": "explode"}]}, "no kind"),
        ("commands", {"commands": [MESSAGE], "broadcast": True}, "emergency profile"),
        ("commands", {"commands": [MESSAGE], "colour": 1}, "says nothing"),
        ("keys", {"purposes": ["mbus_key"]}, "keys that change"),
        ("keys", {"older_than_days": -1}, "0 to"),
        ("firmware", {"image": "none"}, "no image"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_written_down(tmp_path, kind, content, why):
    with office(tmp_path, [], absent=1) as desk:
        with pytest.raises(ConfigError, match=why):
            await desk.campaigns.begin(NewCampaign("c", kind, content, EVERYBODY), "anna")
        assert desk.campaigns.all() == []
        with pytest.raises(ConfigError, match="no device"):
            await desk.campaigns.begin(
                NewCampaign("c", "commands", {"commands": [MESSAGE]}, Selection(tags=("none",))), "anna"
            )


@pytest.mark.parametrize("stages", [(), (0,), (0.0,), (1.5,), (1,) * 21])
def test_stages_that_are_none_are_refused(stages):
    with pytest.raises(ConfigError, match="stages"):
        commands(stages=stages)


async def test_what_a_crash_left_of_an_aborted_campaign_is_taken_back(tmp_path, monkeypatch):
    with office(tmp_path, meters(1)) as desk:
        reached = asyncio.Event()

        async def stop(*_):
            reached.set()
            await asyncio.sleep(60)

        monkeypatch.setattr(desk.headend.commands, "_all_of", stop)
        await desk.campaigns.begin(commands(), "anna")
        await asyncio.wait_for(reached.wait(), 5)
        await desk.queue.kill()
        desk.close()
        desk.start()
        row = await desk.campaigns.abort("c", "ben")
        assert row.account[0] == {"cancelled": 1}
        assert [item.state for item in desk.headend.commands.bundle("campaign 1 device 1")] == ["cancelled"]
