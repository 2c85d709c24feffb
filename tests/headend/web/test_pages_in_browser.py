"""The pages in a real browser: every control by keyboard, live, dark and light, desk and phone, script or none.

Pictures are kept in ``.screenshots``.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from cosem.headend.access import Role
from cosem.headend.web.frame import HERE
from support.browser import CONTROL, CONTROLS, MOST_OCTETS, NAMELESS, PICTURES, SIZES, UNNAMED, Seen, Served, playwright
from support.site import PASSWORD

expect = playwright.expect
PAGES = {
    "overview": "/",
    "devices": "/devices",
    "device": "/device/2?days=7",
    "hostile": "/device/4",
    "alarms": "/alarms",
    "plans": "/plans",
    "run": "/runs/1",
    "commands": "/commands?state=all",
    "ask": "/device/2/ask/disconnect",
    "plan": "/plans/1/change",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/2",
    "pause": "/campaigns/2/ask/pause",
    "new-firmware": "/campaigns/new?kind=firmware&image=FW+2",
    "new-commands": "/campaigns/new?kind=commands&command=limit",
    "new-keys": "/campaigns/new?kind=keys",
    "firmware": "/firmware",
    "audit": "/audit",
    "settings": "/settings",
    "explain": "/explain",
    "explain-push": "/explain?example=push",
    "explain-session": "/explain?example=session",
    "explain-broken": "/explain?example=broken",
    "reference": "/api/docs",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_names_its_controls_and_asks_nobody_else(browser, served, size, scheme):
    PICTURES.mkdir(exist_ok=True)
    with Seen(browser, served, size=size, scheme=scheme) as seen:
        for name, path in PAGES.items():
            page = seen.go(path)
            page.wait_for_selector("h1")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            assert page.evaluate(UNNAMED, CONTROLS) == [], name
            tree = page.locator("body").aria_snapshot()
            assert NAMELESS.findall(tree) == [], name
            assert len(CONTROL.findall(tree)) > 8
            assert page.evaluate("document.querySelectorAll('main h1').length") == 1
            page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=True)
        assert seen.wrong == []
        assert {re.match(r"\w+://[^/]+", url)[0] for url in seen.asked} == {served.url}


def test_each_page_is_light_with_an_empty_cache(browser, served):
    for path in PAGES.values():
        with Seen(browser, served) as seen:
            octets: list[int] = []
            seen.page.on(
                "requestfinished", lambda request, kept=octets: kept.append(request.sizes()["responseBodySize"])
            )
            seen.go(path)
            # The page, its style and its script.
            until = time.monotonic() + 5
            while len(octets) < 3 and time.monotonic() < until:
                seen.page.wait_for_timeout(20)
            assert len(octets) >= 3
            assert sum(octets) < MOST_OCTETS, path


def test_signing_in_searching_and_opening_a_device_with_the_keyboard_alone(browser, served):
    with Seen(browser, served, role=None) as seen:
        page = seen.go("/devices")
        keys = page.keyboard
        keys.type("operator")
        keys.press("Tab")
        keys.type(PASSWORD)
        keys.press("Enter")
        page.get_by_role("heading", name="Devices").wait_for()
        keys.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        keys.press("Enter")
        keys.press("Tab")
        assert page.evaluate("document.activeElement.name") == "text"
        keys.type("meter 2")
        expect(page.locator("#list tbody tr")).to_have_count(1)
        assert page.url.endswith("/devices?text=meter+2")
        for _ in range(20):
            keys.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "meter 2":
                break
        keys.press("Enter")
        page.wait_for_url("**/device/2")
        page.go_back()
        page.wait_for_selector("#list tbody tr")
        assert page.locator("#list tbody tr").count() == 1
        assert seen.wrong == []


def test_a_disconnection_is_asked_for_in_a_dialog_and_confirmed_by_another(browser, served):
    with Seen(browser, served, role=Role.OPERATOR) as seen, Seen(browser, served, role=Role.SECOND_PERSON) as second:
        page = seen.go("/device/2")
        link = page.get_by_role("link", name="Disconnect supply")
        link.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Disconnect supply?")
        dialog.wait_for()
        assert "meter 2" in dialog.inner_text()
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        assert "Disconnect" in page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Disconnect supply").click()
        page.get_by_text("waits for a second person's confirmation").wait_for()
        page.locator("#live-commands").get_by_text("unconfirmed").first.wait_for()
        other = second.go("/commands")
        other.get_by_role("link", name="disconnect").first.click()
        other.get_by_role("button", name="Confirm as second person").click()
        other.get_by_text("Confirmed.").wait_for()
        # The open page of the first person hears of it by itself.
        page.locator("#live-commands").get_by_text("waiting").first.wait_for()
        assert seen.wrong + second.wrong == []


def test_an_alarm_appears_on_an_open_page_within_two_seconds_and_leaves_the_focus(browser, served):
    with Seen(browser, served) as seen:
        page = seen.go("/")
        page.locator("#lamp.on").wait_for()
        count = int(page.locator("#kpi-alarms").inner_text())
        page.get_by_role("link", name="All alarms").focus()
        began = time.monotonic()
        served.happen("strong magnetic field")
        expect(page.locator("#kpi-alarms")).to_have_text(str(count + 1))
        page.locator("#live-alarms").get_by_text("strong magnetic field").wait_for()
        assert time.monotonic() - began < 4
        assert page.evaluate("document.activeElement.textContent") == "All alarms"
        assert "A new alarm" in page.locator("#say").inner_text()
        # Who stands in what would change keeps it until the focus leaves.
        first = page.locator("#live-alarms a").first
        first.focus()
        served.happen("battery low again", 6)
        expect(page.locator("#kpi-alarms")).to_have_text(str(count + 2))
        assert page.locator("#live-alarms").get_by_text("battery low again").count() == 0
        page.get_by_role("link", name="All alarms").focus()
        page.locator("#live-alarms").get_by_text("battery low again").wait_for()
        assert seen.wrong == []


def test_a_chart_is_read_with_the_arrow_keys(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/device/2?days=1")
        page.get_by_role("group", name="1-0:1.8.0.255").focus()
        reading = page.locator("[data-for=profile]")
        page.keyboard.press("End")
        last = reading.inner_text()
        assert last.endswith(": 25 Wh")
        page.keyboard.press("ArrowLeft")
        assert reading.inner_text() != last
        assert page.locator(".pointer").get_attribute("visibility") == "visible"
        page.keyboard.press("Tab")
        assert reading.inner_text().startswith("96 values")
        page.get_by_label("Range", exact=False).and_(page.locator("select")).select_option("week")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**days=7&until=")
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert "1-0:1.8.0.255" in Path(download.value.path()).read_text()


def test_a_phone_has_its_pages_behind_a_menu(browser, served):
    with Seen(browser, served, role=Role.VIEWER, size="phone") as seen:
        page = seen.go("/")
        menu = page.get_by_role("button", name="Menu")
        assert not page.get_by_role("navigation").is_visible()
        menu.click()
        assert menu.get_attribute("aria-expanded") == "true"
        page.keyboard.press("Escape")
        assert not page.get_by_role("navigation").is_visible()
        menu.click()
        page.get_by_role("navigation").get_by_role("link", name="Alarms").click()
        page.wait_for_url("**/alarms")


def test_colours_are_chosen_and_kept(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/devices?text=meter")
        colour = "getComputedStyle(document.documentElement).backgroundColor"
        light = page.evaluate(colour)
        page.get_by_role("button", name="dark colours").click()
        page.wait_for_selector("html[data-theme=dark]")
        assert page.url.endswith("/devices?text=meter")
        assert page.evaluate(colour) != light
        assert page.get_by_role("button", name="dark colours").get_attribute("aria-pressed") == "true"


def test_lists_and_acts_work_without_script(browser, served):
    with Seen(browser, served, role=Role.OPERATOR, script=False) as seen:
        page = seen.go("/devices")
        page.get_by_label("Name").fill("other")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name="Next page").click()
        assert page.locator("tbody tr").count() == 10
        page.goto(served.url + "/device/1")
        page.get_by_role("link", name="Set clock").click()
        page.get_by_role("button", name="Set clock").click()
        assert "Set clock: was asked for." in page.locator(".notice").inner_text()
        page.get_by_role("navigation").get_by_role("link", name="Alarms").click()
        page.get_by_role("checkbox", name="battery low of meter 3").check()
        page.get_by_role("button", name="Acknowledge chosen").click()
        assert "1 acknowledged." in page.locator(".notice").inner_text()


def test_the_next_page_of_a_list_keeps_the_filter_and_the_back_button(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/devices?text=other")
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("#list tbody tr")).to_have_count(10)
        assert "text=other" in page.url
        page.go_back()
        expect(page.locator("#list tbody tr")).to_have_count(50)
        assert page.get_by_label("Name").input_value() == "other"
        page.get_by_label("Kind").select_option("gas")
        page.get_by_text("No device fits.").wait_for()
        assert seen.wrong == []


def test_a_session_that_is_over_leads_to_sign_in(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/devices")
        seen.context.clear_cookies()
        page.get_by_label("Name").fill("meter")
        page.get_by_role("heading", name="Sign in").wait_for()
        page = seen.page
        page.get_by_label("Name").fill("viewer")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/devices?text=meter")


def test_a_head_end_that_is_restarted_under_an_open_page_is_found_again(browser, tmp_path):
    served = Served(tmp_path)
    with Seen(browser, served) as seen:
        page = seen.go("/")
        page.locator("#lamp.on").wait_for()
        page.evaluate("window.still = true")
        served.end()
        page.locator("#lamp.off").wait_for()
        assert page.locator("#lamp").inner_text() == "reconnecting"
        served.begin()
        page.locator("#lamp.on").wait_for()
        count = int(page.locator("#kpi-alarms").inner_text())
        served.happen("phase L2 missing")
        expect(page.locator("#kpi-alarms")).to_have_text(str(count + 1))
        # The same page, the same session.
        assert page.evaluate("window.still") is True
        page.goto(served.url + "/devices")
        assert page.url.endswith("/devices")
    served.end()


def test_the_policy_stops_markup_that_is_put_into_a_page(browser, served):
    with Seen(browser, served) as seen:
        page = seen.go("/device/4")
        assert page.locator("main script, main img").count() == 0
        refused = page.evaluate(
            "() => { try { document.body.innerHTML = '<b>x</b>'; return false } catch (error) { return error.name } }"
        )
        assert refused == "TypeError"
        # Right-to-left letters and 10,000 signs stay in their place.
        assert page.evaluate("document.querySelector('.facts').getBoundingClientRect().height") < 600


def test_nothing_of_the_pages_is_anybody_elses():
    for path in (HERE / "static").iterdir():
        text = path.read_text()
        assert len(text) < 20_000
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
