"""The neighbourhood in a real browser: what is done at the site, and what the head-end makes of it, as it happens.

`cosem demo` runs as its users run it: the neighbourhood in a process of its own, pushes over TCP. Pictures are kept in
``.screenshots``.
"""

from __future__ import annotations

import re
import time

import pytest

from support.browser import PICTURES, SIZES, playwright
from support.demo import Visit, demonstration

expect = playwright.expect
SOON = 2.0
"""Seconds from the hand at the cover to the alarm in the head-end's list."""
ARGUMENTS = ("--meters", "8", "--power-line", "2", "--utilities", "8", "--days", "0.5")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demonstration; give its address."""
    with demonstration(tmp_path_factory.mktemp("demo") / "headend", *ARGUMENTS) as url:
        yield url


class Seen(Visit):
    """A page of somebody who works there."""

    def __init__(self, browser, url, who="omar", **more) -> None:
        super().__init__(browser, url, who, **more)

    def go(self, path: str):
        self.page.goto(self.url + path)
        if self.page.evaluate("document.documentElement.className") == "js":
            self.page.locator("#lamp.on").wait_for()
        return self.page

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_) -> None:
        self.context.close()


def speed(page, value):
    page.get_by_role("button", name=f"{value} times as fast", exact=True).click()
    expect(page.locator(f"#speed-{value}")).to_have_attribute("aria-pressed", "true")


def station_of(page) -> str:
    return (
        page.locator('.tree a.name[href^="/device/"]', has_text="S-1")
        .get_attribute("href")
        .replace("device", "stations")
    )


def test_an_opened_cover_is_a_fraud_alarm_in_the_list_within_two_seconds(browser, demo):
    with Seen(browser, demo) as seen, Seen(browser, demo, "vera") as other:
        page = seen.go("/neighbourhood")
        page.get_by_role("link", name="Touch E-001", exact=True).click()
        alarms = other.page
        alarms.goto(demo + "/alarms?fraud=1")
        row = alarms.locator("tbody tr", has_text="E-001")
        assert row.count() == 0
        began = time.monotonic()
        page.get_by_role("button", name="Open terminal cover").click()
        while row.count() == 0 and time.monotonic() - began < 10:
            alarms.goto(demo + "/alarms?fraud=1")
        took = time.monotonic() - began
        assert row.count() >= 1
        print(f"from the click to the list: {took:.2f} s")
        assert took < SOON
        # The open page tells it by itself: what was done, what the meter pushed, and what the head-end made of it.
        story = page.locator("#live-story")
        ours = story.locator("li", has_text="fraud alarm opened").locator("visible=true").first
        expect(ours).to_contain_text(re.compile(r"E-001.*[0-9.]+ s later"))
        expect(story.locator("li", has_text="pushes alarm").first).to_contain_text("E-001")
        expect(page.locator("#panel")).to_contain_text("terminal cover open")
        expect(page.locator("#live-out")).to_contain_text("terminal cover open")
        page.screenshot(path=PICTURES / "neighbourhood-story.png", full_page=True)
        page.get_by_role("button", name="Close terminal cover").click()
        expect(page.locator("#panel")).not_to_contain_text("terminal cover open")
        assert seen.wrong + other.wrong == []


def test_a_limiter_disconnects_a_kitchen_and_its_button_reconnects_it(browser, demo):
    with Seen(browser, demo) as seen:
        page = seen.go("/neighbourhood?unit=E-002")
        page.get_by_label("Limiter, W").fill("50")
        page.get_by_role("button", name="Set limit").click()
        speed(page, 60)
        expect(page.locator("#n-off")).to_have_text("1")
        panel = page.locator("#panel")
        expect(panel).to_contain_text("ready for reconnection")
        expect(page.locator("#live-story")).to_contain_text("connected -> ready for reconnection")
        page.screenshot(path=PICTURES / "neighbourhood-limiter.png", full_page=True)
        page.get_by_label("Limiter, W").fill("17250")
        page.get_by_role("button", name="Set limit").click()
        page.get_by_role("button", name="Push reconnect button").click()
        expect(page.locator("#n-off")).to_have_text("0")
        expect(panel).not_to_contain_text("ready for reconnection")
        speed(page, 1)
        assert seen.wrong == []


def test_the_gas_station_through_a_failing_sensor(browser, demo):
    with Seen(browser, demo) as seen:
        page = seen.go("/neighbourhood")
        speed(page, 60)
        page = seen.go(station_of(page))
        now = page.locator("#live-now")
        expect(now).to_contain_text("How it is converted")
        expect(now).not_to_contain_text("substitute")
        page.get_by_role("button", name="Pressure sensor fails").click()
        expect(now).to_contain_text("pressure: counted as disturbed")
        expect(now.locator(".tiles .marked")).to_contain_text("15.000")
        expect(now.locator(".formula .marked")).to_contain_text("15.000")
        disturbed = now.locator(".amount")
        expect(disturbed).not_to_have_text(re.compile(r"^0\.0"))
        page.screenshot(path=PICTURES / "station-disturbed.png", full_page=True)
        page.get_by_role("button", name="Repair pressure sensor").click()
        expect(now).not_to_contain_text("substitute")
        before = disturbed.inner_text()
        page.wait_for_timeout(2500)
        assert disturbed.inner_text() == before
        page = seen.go("/neighbourhood")
        speed(page, 1)
        assert seen.wrong == []


def test_a_feeder_is_cut_and_mended_with_the_keyboard_alone_and_branches_stay_open(browser, demo):
    with Seen(browser, demo) as seen:
        page = seen.go("/neighbourhood")
        speed(page, 10)
        closed = page.locator("summary", has_text="feeder").filter(has_text="Chapel Lane")
        closed.focus()
        page.keyboard.press("Enter")
        is_open = page.locator("details", has=closed).last.get_attribute("open")
        page.get_by_role("link", name="Touch Birch Avenue").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#h-panel")).to_contain_text("Birch Avenue")
        assert page.url.endswith("/neighbourhood?unit=Birch%20Avenue") or page.url.endswith("?unit=Birch+Avenue")
        assert page.evaluate("document.activeElement.id") == "panel"
        for key in ("Tab", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("#n-dark")).to_have_text("1")
        mend = page.get_by_role("button", name="Mend the feeder")
        mend.wait_for()
        # Who pushed the button stands on the one that took its place.
        expect(mend).to_be_focused()
        page.screenshot(path=PICTURES / "neighbourhood-cut.png", full_page=True)
        page.keyboard.press("Enter")
        expect(page.locator("#n-dark")).to_have_text("0")
        assert page.locator("details", has=closed).last.get_attribute("open") == is_open
        speed(page, 1)
        assert seen.wrong == []


def test_everything_is_done_without_script(browser, demo):
    with Seen(browser, demo, script=False) as seen:
        page = seen.page
        page.goto(demo + "/neighbourhood")
        page.get_by_role("link", name="Touch E-003", exact=True).click()
        page.get_by_role("button", name="Put magnet on").click()
        assert "E-003: Put magnet on." in page.locator(".notice").inner_text()
        page.get_by_role("button", name="Take magnet off").click()
        page.get_by_role("button", name="10 times as fast", exact=True).click()
        assert page.locator("#speed-10").get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="1 times as fast", exact=True).click()
        station = station_of(page)
        page.goto(demo + station)
        page.get_by_role("button", name="A tenth of hydrogen").click()
        assert page.url.endswith(station)
        assert "S-1: A tenth of hydrogen." in page.locator(".notice").inner_text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_and_name_their_controls(browser, demo, size, scheme):
    PICTURES.mkdir(exist_ok=True)
    with Seen(browser, demo, "vera", size=size, scheme=scheme) as seen:
        page = seen.go("/neighbourhood?unit=G-001")
        assert page.locator("main form").count() == 0
        for name, path in (("neighbourhood", page.url.removeprefix(demo)), ("station", station_of(page))):
            seen.go(path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            unnamed = """[...document.querySelectorAll('main a, main button, main summary, main [tabindex="0"]')]
              .filter((control) => control.checkVisibility() && !control.closest('[aria-hidden=true]')
              && !(control.getAttribute('aria-label') || control.getAttribute('aria-labelledby')
              || control.innerText?.trim())).map((control) => control.outerHTML)"""
            assert page.evaluate(unnamed) == [], name
            page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=True)
        assert seen.wrong == []
