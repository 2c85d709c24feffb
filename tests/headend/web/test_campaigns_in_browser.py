"""Campaigns, firmware and plans in a real browser: begun, watched, paused and resumed, with the keyboard or a thumb."""

from __future__ import annotations

import random
import re
import time
from contextlib import ExitStack

import pytest

from cosem.device.image import ImageOptions
from cosem.headend.access import Role
from cosem.headend.campaign import CampaignState
from cosem.headend.plans import Plans
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from support.browser import PICTURES, SIZES, Seen, Working, playwright
from support.offices import Office, office
from support.served import Proxy, make_meter

expect = playwright.expect
QUICK = ImageOptions(block_size=128, verify_duration=0, activation_duration=0)
METERS = 4
FOCUSED = "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent"


def image() -> bytes:
    """Return an image of about a hundred blocks that a simulated meter takes."""
    payload = random.Random(1).randbytes(12_000)
    return make_image([ImagePart(THIS_DEVICE, 0, b"metrology 2", payload)], demo_signing_key())


@pytest.fixture
def at_work(tmp_path):
    """Return a head-end at work with meters behind slow lines: an image takes seconds, as long as somebody needs."""

    def slowly(number: int, octets: bytes) -> bytes:
        time.sleep(0.03)
        return octets

    meters = [make_meter(days=0.01, seed=number + 1, image_key=DEMO_IMAGE_KEY, image=QUICK) for number in range(METERS)]
    with ExitStack() as stack:
        desk: Office = stack.enter_context(office(tmp_path, meters))
        with desk.headend.engine.begin() as connection:
            for number, address in enumerate(desk.addresses, 1):
                proxy = stack.enter_context(Proxy(address, slowly))
                old = connection.exec_driver_sql("SELECT url FROM device WHERE id = ?", (number,)).scalar_one()
                url = re.sub(r"//[^?]+", "//{}:{}".format(*proxy.address), old)
                connection.exec_driver_sql("UPDATE device SET url = ? WHERE id = ?", (url, number))
        served = Working(desk.headend)
        served.desk = desk
        yield served
        served.end()


def test_a_firmware_campaign_is_begun_paused_and_resumed_from_its_page_and_finishes(browser, at_work):
    PICTURES.mkdir(exist_ok=True)
    with Seen(browser, at_work) as seen:
        page = seen.go("/firmware")
        page.get_by_label("File").set_input_files({"name": "m2.img", "mimeType": "application/x", "buffer": image()})
        page.get_by_label("Identifier").fill("FW 2")
        page.get_by_label("Version", exact=True).fill("metrology 2")
        page.get_by_role("checkbox", name="model a").check()
        page.get_by_role("button", name="Add image").click()
        page.get_by_text("FW 2 is in the catalogue").wait_for()
        page.get_by_role("link", name="New campaign with FW 2").click()
        page.get_by_label("Name", exact=True).fill("metrology 2, spring")
        page.get_by_role("checkbox", name="electricity").check()
        page.get_by_label("Devices in all after each stage").fill("1, all")
        page.get_by_role("button", name="Check devices and stages").click()
        look = page.get_by_role("status", name="What it would touch")
        look.get_by_text("4 devices, stage after stage: 1, then 3").wait_for()
        assert "passed over: the image is not for this type" in look.inner_text()
        page.screenshot(path=PICTURES / "campaign-looked-at.png", full_page=True)
        page.get_by_role("button", name="Begin campaign").click()
        page.get_by_role("heading", name="metrology 2, spring").wait_for()
        page.evaluate("window.still = true")

        # It is seen on its way, block after block, without loading the page again.
        page.get_by_role("progressbar", name=re.compile("Image at meter")).first.wait_for()
        page.get_by_text(re.compile(r"transfer, [1-9]\d of \d+ blocks")).first.wait_for()
        page.screenshot(path=PICTURES / "campaign-under-way.png", full_page=True)
        pause = page.get_by_role("link", name="Pause…")
        pause.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Pause this campaign?")
        dialog.wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("Paused.").wait_for()
        expect(page.locator("#live-campaign .kpis .pill")).to_have_text("paused")
        row = at_work.headend.campaigns.by_number(1)
        assert row.state is CampaignState.PAUSED
        done = sum(part.get("done", 0) for part in row.account)
        assert done < METERS - 1
        sent = [content for kind, content in at_work.told if kind == "firmware"]
        time.sleep(0.5)
        assert [content for kind, content in at_work.told if kind == "firmware"] == sent, "nothing is sent any more"
        page.screenshot(path=PICTURES / "campaign-paused.png", full_page=True)

        page.get_by_role("link", name="Resume…").click()
        page.get_by_role("dialog").get_by_role("button", name="Resume").click()
        page.get_by_text("It goes on.").wait_for()
        page.evaluate("window.still = true")
        expect(page.locator("#live-campaign .kpis .pill")).to_have_text("done", timeout=60_000)
        assert page.evaluate("window.still") is True
        # Nothing can be done to it any more, and nothing offers it.
        expect(page.get_by_role("link", name=re.compile("Pause|Resume|Abort"))).to_have_count(0)
        history = page.locator("#live-campaign_history strong").all_inner_texts()
        assert history[0] == "ended"
        assert {"asked for", "paused", "resumed", "next stage"} <= set(history)
        assert "not for devices of type model b" in page.locator("#live-campaign").inner_text()
        page.screenshot(path=PICTURES / "campaign-done.png", full_page=True)
        page.get_by_role("link", name="meter 1", exact=True).click()
        page.get_by_role("heading", name="Campaigns and firmware").wait_for()
        assert "metrology 2" in page.get_by_role("region", name="Campaigns and firmware").inner_text()
        assert seen.wrong == []
    versions = [meter.equipment.image.firmware[0][0] for meter in at_work.desk.meters]
    assert versions == [b"metrology 2"] * 3 + [b"cosem simulated meter"]
    resumed = [content["resumed_at"] for _, content in at_work.told if "resumed_at" in content]
    assert resumed
    assert all(block > 0 for block in resumed), "it went on at the block, not from the start"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_errors_stand_beside_their_fields_and_the_focus_is_at_them(browser, served, size, scheme):
    PICTURES.mkdir(exist_ok=True)
    forms = {
        "new-commands": ("/campaigns/new?kind=commands", "Begin campaign"),
        "plan": ("/plans/new", "Make plan"),
        "firmware": ("/firmware", "Add image"),
    }
    with Seen(browser, served, size=size, scheme=scheme) as seen:
        for name, (path, button) in forms.items():
            page = seen.go(path)
            page.get_by_role("button", name=button).click()
            alert = page.get_by_role("alert")
            assert "not right" in alert.inner_text()
            assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
            field = page.get_by_label("Identifier" if name == "firmware" else "Name", exact=True)
            assert field.get_attribute("aria-invalid") == "true"
            told = page.locator("#" + field.get_attribute("aria-describedby").split()[-1])
            assert told.inner_text() == "Please fill this in."
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            page.screenshot(path=PICTURES / f"wrong-{name}-{size}-{scheme}.png", full_page=True)
        # A page that refuses says so by its status; nothing else went wrong.
        assert [words for words in seen.wrong if "400 (Bad Request)" not in words] == []


def test_a_plan_is_made_changed_and_deleted_with_the_keyboard_alone(browser, served):
    with Seen(browser, served, role=Role.OPERATOR) as seen:
        page = seen.go("/plans")
        keys = page.keyboard

        def to(name: str) -> None:
            for _ in range(80):
                keys.press("Tab")
                if page.evaluate(FOCUSED).strip() == name:
                    return
            raise AssertionError(name)

        to("New plan")
        keys.press("Enter")
        page.wait_for_url("**/plans/new")
        to("Name")
        keys.type("hourly")
        to("electricity")
        keys.press("Space")
        to("fraud")
        keys.press("Space")
        to("Schedule")
        keys.press("Control+a")
        keys.type("5 * * * *")
        # The next times come while one types.
        expect(page.locator("#times li")).to_have_count(5)
        expect(page.locator("#times li").first).to_have_text(re.compile("04:05$"))
        keys.type(" nonsense")
        page.locator("#times").get_by_text("no cron line").wait_for()
        for _ in " nonsense":
            keys.press("Backspace")
        to("Window")
        keys.press("Control+a")
        keys.type("0:20")
        to("Make plan")
        keys.press("Enter")
        page.get_by_text("hourly is kept.").wait_for()
        row = page.get_by_role("row", name=re.compile("hourly"))
        assert "electricity" in row.inner_text()
        to("hourly")
        keys.press("Enter")
        page.get_by_role("heading", name="Change hourly").wait_for()
        to("Tries")
        keys.press("Control+a")
        keys.type("9")
        to("Keep changes")
        keys.press("Enter")
        page.get_by_text("hourly is kept.").wait_for()
        with served.site.headend.engine.connect() as connection:
            made = {item.name: item for item in Plans(connection).all().values()}["hourly"]
        assert (made.schedule, made.window, made.events, made.tries) == ("5 * * * *", 1200, ("fraud",), 9)
        page.get_by_role("button", name="Pause hourly").press("Enter")
        page.get_by_text("hourly is paused.").wait_for()
        page.get_by_role("button", name="Resume hourly").press("Enter")
        page.get_by_text("runs by its schedule again").wait_for()
        page.get_by_role("link", name="Delete hourly").press("Enter")
        dialog = page.get_by_role("dialog", name="Delete this plan?")
        dialog.wait_for()
        keys.press("Escape")
        dialog.wait_for(state="detached")
        page.get_by_role("link", name="Delete hourly").press("Enter")
        dialog.wait_for()
        keys.press("Tab")
        keys.press("Enter")
        page.get_by_text("hourly is deleted.").wait_for()
        assert page.get_by_role("row", name=re.compile("hourly")).count() == 0
        assert seen.wrong == []


def test_a_grave_campaign_is_begun_without_script_and_confirmed_on_a_phone(browser, served):
    with (
        Seen(browser, served, role=Role.OPERATOR, script=False) as first,
        Seen(browser, served, role=Role.SECOND_PERSON, size="phone", scheme="dark") as second,
    ):
        page = first.go("/campaigns")
        page.get_by_role("link", name="New campaign").click()
        page.get_by_role("combobox", name="Command").select_option("disconnect")
        page.get_by_role("button", name="Choose").click()
        page.get_by_label("Name", exact=True).fill("all off")
        page.get_by_label("Single devices").fill("other 7\nother 8")
        page.get_by_role("button", name="Check devices and stages").click()
        assert "2 devices" in page.get_by_role("status", name="What it would touch").inner_text()
        page.get_by_role("button", name="Begin campaign").click()
        assert "A second person confirms, not the one who asked." in page.inner_text("main")
        other = second.go("/campaigns")
        other.get_by_role("link", name="all off").click()
        other.get_by_role("link", name="Confirm as second person").click()
        dialog = other.get_by_role("dialog", name="Confirm this campaign?")
        assert "all off" in dialog.inner_text()
        other.screenshot(path=PICTURES / "campaign-confirmed-phone-dark.png")
        dialog.get_by_role("button", name="Confirm as second person").click()
        other.get_by_text("Confirmed.").wait_for()
        expect(other.locator("#live-campaign .kpis .pill")).to_have_text("running")
        page.reload()
        page.get_by_role("link", name="Abort…").click()
        page.get_by_role("button", name="Abort").click()
        assert "aborted" in page.inner_text("#live-campaign")
        # The open page of the other person hears of it by itself.
        expect(other.locator("#live-campaign .kpis .pill")).to_have_text("aborted")
        assert second.wrong == []


def test_what_hangs_behind_a_meter_and_any_day_of_its_values_are_found(browser, served):
    with Seen(browser, served, role=Role.OPERATOR) as seen:
        page = seen.go("/device/2?days=1")
        page.get_by_label("Up to").fill("2026-10-30")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**until=2026-10-30")
        page.get_by_text("As a table").click()
        rows = page.locator("#profile-table tbody tr")
        assert rows.last.locator("td").first.inner_text() == "Sat 31 Oct 00:00"
        page.get_by_role("link", name="Earlier").click()
        page.wait_for_url("**until=2026-10-29**")
        page.get_by_role("link", name="Newest", exact=True).click()
        page.get_by_role("link", name="gas 1").click()
        page.get_by_role("link", name="Close valve").click()
        page.get_by_role("dialog").get_by_role("button", name="Close valve").click()
        page.locator("#live-commands").get_by_text("close valve").wait_for()
        page.screenshot(path=PICTURES / "valve-desk-light.png", full_page=True)
        page.get_by_role("link", name="meter 2").first.click()
        page.get_by_role("heading", name="meter 2").wait_for()
        assert seen.wrong == []
