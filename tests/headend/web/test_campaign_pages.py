"""Campaigns and firmware as pages: who may, what is asked before, forms sent twice, and errors beside the fields."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil

import pytest
from sqlalchemy import select

from cosem.client.firmware import ImageProgress
from cosem.headend.access import Role
from cosem.headend.audit import entries
from cosem.headend.campaign import CampaignState, DeviceState, NewCampaign
from cosem.headend.command_kinds import KINDS
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.plans import Selection
from cosem.headend.schema import campaign_device
from cosem.headend.web.accounts import add_account
from support.checked import Checked
from support.site import NOW, PASSWORD, Site, add_campaigns, add_image, key_in, quick_hash

KEY = "a" * 32


@pytest.fixture(scope="module")
def lived(lived, tmp_path_factory):
    """Return the folder of a head-end with campaigns."""
    folder = tmp_path_factory.mktemp("begun")
    shutil.copytree(lived, folder, dirs_exist_ok=True)
    site = Site(folder)
    asyncio.run(add_campaigns(site.headend))
    site.close()
    return folder


def filled(**changed):
    """Return the form of a campaign of messages to one type."""
    form = {
        "key": KEY, "kind": "commands", "do": "begin", "name": "spring", "command": "message", "p-text": "Guten Tag",
        "who": "some", "types": "model a", "stages": "1, all", "share": "5",
    }  # fmt: skip
    return {name: value for name, value in (form | changed).items() if value is not None}


def wrong(text: str) -> dict[str, str]:
    """Return what stands beside the fields of a page."""
    return dict(re.findall(r'<p class="wrong" id="wrong-([\w-]+)">([^<]+)</p>', text))


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns", "/campaigns/1", "/campaigns/2", "/campaigns/2?state=waiting", "/campaigns/2?state=failed",
        "/campaigns/2/ask/pause", "/campaigns/2/ask/abort", "/campaigns/new?kind=firmware", "/campaigns/new?kind=keys",
        "/firmware", "/firmware/1/ask/withdraw",
        *(f"/campaigns/new?kind=commands&command={name}" for name in KINDS),
    ],
)  # fmt: skip
async def test_every_page_names_its_controls_and_holds_no_markup_of_strangers(shown, path):
    async with shown.visiting() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    page = Checked(answer.text)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labelled) <= set(page.ids)
    assert page.unnamed == []
    assert answer.text.count("<h1") == 1
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text
    assert len(answer.content) < 60_000


async def test_a_campaign_tells_its_stages_states_reasons_and_history(shown):
    async with shown.visiting(Role.VIEWER) as client:
        page = (await client.get("/campaigns/2")).text
        listed = (await client.get("/campaigns")).text
        waiting = (await client.get("/campaigns/2?state=waiting")).text
    assert re.findall(r'<td data-l="stage">(\d)</td><td>([^<]+)</td>', page) == [
        ("1", "under way"), ("2", "to come"), ("3", "to come")
    ]  # fmt: skip
    assert re.findall(r'data-l="devices">(\d+)<', page) == ["3", "17", "44"]
    assert "silent: &lt;script&gt;" in page
    assert "33.3 %, aborts above 5 %" in page
    assert "asked for" in page
    assert "by each device as soon as it has verified" in page
    # What is under way comes first.
    pills = re.findall(r'href="/device/\d+"><bdi>[^<]+</bdi></a></td><td><span class="pill (\w+)">', page)
    assert pills[:3] == ["info", "bad", "quiet"]
    assert "Pause" not in page
    assert "2 of 64" in listed
    assert len(re.findall(r'<tr><td><a href="/device/', waiting)) == 50
    following = re.search(r'rel="next" href="([^"]+)"', waiting)[1].replace("&amp;", "&")
    async with shown.visiting(Role.VIEWER) as client:
        rest = (await client.get(following)).text
    assert len(re.findall(r'<tr><td><a href="/device/', rest)) == 11


@pytest.mark.parametrize(
    ("role", "see", "commands", "firmware", "confirm"),
    [
        (Role.VIEWER, 200, 403, 403, 403),
        (Role.SECOND_PERSON, 200, 403, 403, 400),
        (Role.OPERATOR, 200, 303, 403, 403),
        (Role.ADMINISTRATOR, 200, 303, 303, 400),
        (Role.HOUSEHOLD, 404, 403, 403, 404),
    ],
)
async def test_each_role_does_what_the_api_lets_it(site, role, see, commands, firmware, confirm):
    async with site.visiting(role) as client:
        for path in ("/campaigns", "/campaigns/1", "/firmware"):
            assert (await client.get(path)).status_code == see
        assert (await client.post("/campaigns", data=filled())).status_code == commands
        asked = filled(key="b" * 32, kind="firmware", image="FW 2", name="autumn")
        assert (await client.post("/campaigns", data=asked)).status_code == firmware
        keys = filled(key="c" * 32, kind="keys", purposes="authentication_key", name="new keys")
        assert (await client.post("/campaigns", data=keys)).status_code == firmware
        assert (await client.get("/campaigns/new?kind=keys")).status_code == (200 if firmware == 303 else 403)
        # Nothing waits for anybody here: who may confirm is told so.
        assert (await client.post("/campaigns/1/confirm", data={"key": "d" * 32})).status_code == confirm
        paused = await client.post("/campaigns/2/pause", data={"key": "e" * 32})
        assert paused.status_code == (404 if role is Role.HOUSEHOLD else commands)
        assert (await client.post("/firmware/1/withdraw", data={"key": "f" * 32})).status_code == firmware
    states = [row.state for row in site.headend.campaigns.all()]
    assert (CampaignState.PAUSED in states) == (commands == 303)
    assert len(states) == 2 + (commands == 303) + 2 * (firmware == 303)


async def test_whoever_is_narrowed_to_a_group_does_nothing_to_all_devices(site):
    with site.headend.engine.begin() as connection:
        add_account(connection, "flat manager", quick_hash(), Role.ADMINISTRATOR, "setup", NOW, group="flat")
    async with site.visiting(None) as client:
        await client.post("/sign-in", data={"name": "flat manager", "password": PASSWORD})
        for path in ("/campaigns", "/campaigns/1", "/campaigns/new", "/firmware", "/plans/new", "/plans/1/change"):
            assert (await client.get(path)).status_code in (403, 404)
        for path in ("/campaigns", "/campaigns/2/pause", "/firmware/1/withdraw", "/plans/1/run", "/plans/1/remove"):
            assert (await client.post(path, data=filled())).status_code in (403, 404)
        assert (await client.post("/plans", data=filled(schedule="0 0 * * *"))).status_code in (403, 404)
        assert (await upload(client)).status_code in (403, 404)
        assert (await client.get("/live?topic=campaign:2")).status_code in (403, 404)
        page = (await client.get("/device/2")).text
        assert "/campaigns" not in page
    assert len(site.headend.campaigns.all()) == 2


async def test_nothing_begins_before_somebody_has_looked_and_sent_twice_it_begins_once(site):
    async with site.visiting() as client:
        seen = await client.post(
            "/campaigns", data=filled(kind="firmware", image="FW 2", do="check", who="all", types=None)
        )
        assert seen.status_code == 200
        assert "64 devices, stage after stage: 1, then 63" in seen.text
        fits = re.findall(r'<td><bdi>([^<]+)</bdi></td><td class="n">(\d+)</td><td>(?:<span[^>]+>)?(\w+)', seen.text)
        assert fits == [("without a type", "61", "passed"), ("model a", "3", "goes")]
        assert len(site.headend.campaigns.all()) == 2
        for _ in range(2):
            answer = await client.post("/campaigns", data=filled(key=key_in(seen.text)))
            assert answer.headers["location"] == "/campaigns/3"
        row = site.headend.campaigns.get("spring")
        assert row.content["commands"] == [{"kind": "message", "parameters": {"text": "Guten Tag"}}]
        assert row.selection == Selection(types=("model a",))
        assert (row.stages, row.gate, row.abort_share) == ((1, 1.0), False, 0.05)
        assert len(site.headend.campaigns.all()) == 3
        assert any(name.startswith("campaign 3 ") for name in site.queue.submitted)
    with site.headend.engine.connect() as connection:
        assert [item.what for item in entries(connection, subject="spring")] == ["begin campaign"]


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"name": ""}, "name", "fill this in"),
        ({"name": "greetings"}, "name", "already"),
        ({"name": "x" * 201}, "name", "200 signs"),
        ({"types": None}, "who", "Say which devices"),
        ({"who": "all"}, "who", "take it away"),
        ({"types": "model z"}, "types", "no type &#39;model z&#39;"),
        ({"types": None, "names": "meter 1\r\nmeter 99"}, "names", "no device &#39;meter 99&#39;"),
        ({"kinds": "gas"}, "who", "No device in use fits"),
        ({"stages": "1, many"}, "stages", "Numbers of devices, shares or all"),
        ({"stages": "0"}, "stages", "1 to 20 stages"),
        ({"stages": "200 %"}, "stages", "up to 100 %"),
        ({"share": "half"}, "share", "0 to 100"),
        ({"not_after": "2020-01-01T00:00"}, "not_after", "is over"),
        ({"not_after": "soon"}, "not_after", "date and time"),
        ({"p-text": ""}, "p-text", "fill this in"),
        ({"more": "[1]"}, "command", "A command is"),
        ({"more": "{}"}, "more", "no list"),
        ({"more": "["}, "more", "no JSON"),
        ({"more": "[" * 100_000}, "more", "nested"),
        ({"command": "explode"}, "command", "Choose a command"),
        ({"command": "close valve", "p-channel": "99"}, "command", "1 to 64"),
        ({"command": "close valve", "p-channel": "many"}, "p-channel", "whole number"),
        ({"command": "limit", "p-threshold": "much"}, "p-threshold", "A number."),
        ({"command": "read", "p-attributes": '{"a": 1}'}, "p-attributes", "no list"),
        ({"kind": "firmware"}, "image", "Choose an image"),
        ({"kind": "firmware", "image": "FW 9"}, "image", "no image"),
        ({"kind": "keys"}, "purposes", "Choose the keys"),
        ({"kind": "keys", "purposes": "mbus_key"}, "purposes", "Keys that change"),
        ({"kind": "keys", "purposes": "master_key", "older_than_days": "-1"}, "older_than_days", "whole number"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_nothing_begins(site, changed, field, words):
    async with site.visiting() as client:
        answer = await client.post("/campaigns", data=filled(**changed))
        assert answer.status_code == 400
        assert words in wrong(answer.text)[field]
        assert f"wrong-{field}" in answer.text.split(f'id="wrong-{field}"')[0], "the field says so to a screen reader"
        page = Checked(answer.text)
        assert set(page.labelled) <= set(page.ids)
        if "name" not in changed:
            assert 'value="spring"' in answer.text, "what was filled in stays"
        # The key of a form that failed may be used again.
        assert (await client.post("/campaigns", data=filled(name="better"))).status_code == 303
    assert {row.name for row in site.headend.campaigns.all()} >= {"better"}
    assert len(site.headend.campaigns.all()) == 3


async def test_a_grave_campaign_waits_for_a_second_person_on_its_page(site):
    async with site.visiting(Role.OPERATOR) as operator, site.visiting(Role.SECOND_PERSON) as second:
        form = filled(command="disconnect", **{"p-text": None})
        looked = await operator.post("/campaigns", data=form | {"do": "check"})
        assert "A second person confirms this" in looked.text
        path = (await operator.post("/campaigns", data=form)).headers["location"]
        page = (await operator.get(path)).text
        assert "A second person confirms, not the one who asked." in page
        assert "/ask/confirm" not in page
        assert (await operator.post(f"{path}/confirm", data={"key": "b" * 32})).status_code == 403
        asked = (await second.get(f"{path}/ask/confirm")).text
        assert "spring" in asked
        for _ in range(2):
            assert (await second.post(f"{path}/confirm", data={"key": key_in(asked)})).status_code == 303
        assert "confirmed" in (await second.get(path)).text
    row = site.headend.campaigns.get("spring")
    assert (row.state, row.confirmed_by) == (CampaignState.RUNNING, "second person")
    async with site.visiting() as admin:
        path = (await admin.post("/campaigns", data=form | {"name": "own", "key": "9" * 32})).headers["location"]
        assert (await admin.post(f"{path}/confirm", data={"key": "8" * 32})).status_code == 400


async def test_a_campaign_rests_goes_on_and_is_aborted_and_the_page_tells_who_did_it(site):
    async with site.visiting(Role.OPERATOR) as client:
        for act, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
            key = key_in((await client.get(f"/campaigns/2/ask/{act}")).text)
            for _ in range(2):
                assert (await client.post(f"/campaigns/2/{act}", data={"key": key})).status_code == 303
            assert site.headend.campaigns.by_number(2).state == state
        page = (await client.get("/campaigns/2")).text
        assert re.findall("<li><strong>([^<]+)</strong>", page) == ["aborted", "resumed", "paused", "asked for"]
        assert "/ask/" not in page, "nothing can be done to it any more"
        answer = await client.post("/campaigns/2/resume", data={"key": "7" * 32})
        assert answer.status_code == 400
        assert "nothing to go on with" in answer.text
        assert (await client.post("/campaigns/2/explode", data={"key": "6" * 32})).status_code == 404


async def test_who_follows_a_campaign_is_told_of_each_device(site):
    live = site.app.state.frame.live
    live._tick = 0.01
    (running,) = site.headend.campaigns.devices(2, state=DeviceState.RUNNING)
    site.headend.firmware_campaign.progress[2, running["device"]] = ImageProgress("transfer", 20, 47)
    stream = live.follow("campaign:2", lambda: True)
    assert await anext(stream) == "retry: 2000\n\n"
    first = await anext(stream)
    assert "20 of 47 blocks" in first
    with site.headend.engine.begin() as connection:
        connection.execute(campaign_device.update().where(campaign_device.c.campaign == 2).values(state="done"))
    site.headend.tell("campaign", {"id": 2, "campaign": "x", "device": 5, "state": "done", "detail": ""})
    second = await asyncio.wait_for(anext(stream), 20)
    assert "64 of 64" in second
    await stream.aclose()


# --- firmware -------------------------------------------------------------------------------------------------


OCTETS = b"firmware" * 3000


def upload(client, file=OCTETS, **changed):
    form = {"key": KEY, "identifier": "FW 3", "version": "3.0", "types": "model a"} | changed
    return client.post("/firmware/upload", data=form, files={"file": ("fw3.bin", file)})


async def test_an_image_is_added_once_and_is_what_the_manufacturer_said(site):
    digest = hashlib.sha256(OCTETS).hexdigest()
    async with site.visiting() as client:
        answer = await upload(client, sha256=hashlib.sha256(b"another").hexdigest())
        assert answer.status_code == 400
        assert "another SHA-256" in wrong(answer.text)["sha256"]
        assert 'value="FW 3"' in answer.text
        for _ in range(2):
            answer = await upload(client, sha256=digest.upper())
            assert answer.headers["location"] == "/firmware"
        image = site.headend.firmware.get("FW 3")
        assert (image.digest, image.types, image.added_by) == (digest, ("model a",), "administrator")
        assert site.headend.firmware.octets(image) == OCTETS
        page = (await client.get("/firmware")).text
        assert digest in page
        assert 'href="/campaigns/new?kind=firmware&amp;image=FW+3"' in page
        chosen = (await client.get("/campaigns/new?kind=firmware&image=FW+3")).text
        assert re.search(r'value="FW 3" checked', chosen)


@pytest.mark.parametrize(
    ("changed", "file", "field", "words"),
    [
        ({"identifier": "FW 2"}, OCTETS, "identifier", "already"),
        ({"identifier": ""}, OCTETS, "identifier", "fill this in"),
        ({"version": "x" * 65}, OCTETS, "version", "64 signs"),
        ({"sha256": "abc"}, OCTETS, "sha256", "64 hex digits"),
        ({}, b"", "file", "empty"),
    ],
)
async def test_an_image_that_cannot_be_added_says_why_beside_the_field(site, changed, file, field, words):
    async with site.visiting() as client:
        answer = await upload(client, file, **changed)
    assert answer.status_code == 400
    assert words in wrong(answer.text)[field]
    assert [image.identifier for image in site.headend.firmware.all()] == ["FW 2"]
    assert not list(site.headend.firmware.folder.glob(".upload-*"))


async def test_an_upload_is_larger_than_other_forms_and_only_an_administrators(site):
    large = bytes(3 << 20)
    async with site.visiting() as client:
        assert (await upload(client, large)).status_code == 303
        assert (await client.post("/campaigns", data=filled(more="x" * (2 << 20)))).status_code == 413
    async with site.visiting(Role.OPERATOR) as client:
        assert (await upload(client)).status_code == 403
        page = (await client.get("/firmware")).text
        assert "Add an image" not in page
        assert "Withdraw" not in page


async def test_a_withdrawn_image_is_offered_to_nobody(site):
    async with site.visiting() as client:
        key = key_in((await client.get("/firmware/1/ask/withdraw")).text)
        for _ in range(2):
            assert (await client.post("/firmware/1/withdraw", data={"key": key})).status_code == 303
        assert "withdrawn" in (await client.get("/firmware")).text
        assert "There is no image yet" in (await client.get("/campaigns/new?kind=firmware")).text
        answer = await client.post("/campaigns", data=filled(kind="firmware", image="FW 2"))
        assert "was withdrawn" in wrong(answer.text)["image"]


@pytest.mark.parametrize(
    "path",
    ["/campaigns/99", f"/campaigns/{2**70}", "/campaigns/x", "/campaigns/2/ask/explode", "/firmware/99/ask/withdraw",
     "/campaigns/new?kind=party", "/campaigns?before=-1"],
)  # fmt: skip
async def test_addresses_that_mean_nothing_are_answered_as_pages(shown, path):
    async with shown.visiting() as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


async def test_an_empty_head_end_says_so(tmp_path):
    site = Site(tmp_path, empty=True)
    async with site.visiting() as client:
        assert "There is no campaign." in (await client.get("/campaigns")).text
        assert "There is no image." in (await client.get("/firmware")).text
        assert (await client.get("/campaigns/new")).status_code == 200
    site.close()


async def test_a_campaign_of_a_thousand_and_hundreds_of_groups_stay_light_pages(site):
    with site.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for number in range(1000):
            name = f"crowd {number}"
            inventory.add(NewDevice(name, Kind.ELECTRICITY, url="tcp://127.0.0.1:9", tags=("crowd",)), NOW)
            inventory.move(name, State.IN_USE, NOW)
        for number in range(300):
            inventory.group(f"flat {number}", [f"crowd {number}"])
    add_image(site.headend, "FW 7")
    made = NewCampaign("crowd", "firmware", {"image": "FW 7"}, Selection(tags=("crowd",)), (1, 100, 1.0))
    await site.headend.campaigns.begin(made, "anna")
    async with site.visiting() as client:
        page = (await client.get("/campaigns/3")).text
        assert len(re.findall(r'<tr><td><a href="/device/', page)) == 25
        assert re.findall(r'data-l="devices">([^<]+)<', page) == ["1", "99", "900"]
        form = (await client.get("/campaigns/new")).text
        # Too many for boxes: names are written down.
        assert "flat 17" not in form
        assert re.search('<textarea id="f-groups"', form)
        answer = await client.post("/campaigns", data=filled(types=None, groups="flat 3\nflat 4\n", do="check"))
        assert "2 devices" in answer.text
        assert len(page.encode()) < 60_000
        assert len(form.encode()) < 60_000
    with site.headend.engine.connect() as connection:
        assert connection.execute(select(campaign_device.c.device).where(campaign_device.c.campaign == 3)).all()
