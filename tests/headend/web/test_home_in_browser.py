"""A household's page in a real browser, on a phone: a limiter disconnects a kitchen, and a push of the button ends it.

`cosem demo` runs as its users run it. Pictures are kept in ``.screenshots``.
"""

from __future__ import annotations

import re

import pytest

from cosem.cli.demo_setup import HOUSEHOLD
from support.browser import CONTROLS, MOST_OCTETS, PICTURES, SIZES, UNNAMED, playwright
from support.demo import Visit, demonstration

expect = playwright.expect
ARGUMENTS = ("--meters", "6", "--power-line", "2", "--utilities", "8", "--days", "0.8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demonstration; give its address."""
    with demonstration(tmp_path_factory.mktemp("demo") / "headend", *ARGUMENTS) as url:
        yield url


class Home(Visit):
    """A page of the household, on its phone."""

    def __init__(self, browser, url, who="household", *, size="phone", **more) -> None:
        super().__init__(browser, url, who, size=size, **more)

    def go(self, path: str = "/"):
        self.page.goto(self.url + path)
        return self.page

    def touch(self, unit: str, touch: str, **more: str) -> None:
        """Do something at the site, as the neighbourhood's page does."""
        key = f"{abs(hash((unit, touch, *more.values()))) & (2**128 - 1):032x}"
        form = {"unit": unit, "touch": touch, "key": key, **more}
        answer = self.context.request.post(self.url + "/neighbourhood/touch", form=form, max_redirects=0)
        assert answer.status == 303, answer.text()

    def speed(self, value: int) -> None:
        answer = self.context.request.post(
            self.url + "/neighbourhood/speed", form={"speed": str(value)}, max_redirects=0
        )
        assert answer.status == 303, answer.text()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_) -> None:
        self.context.close()


def test_a_limiter_disconnects_a_kitchen_and_the_household_pushes_the_button(browser, demo):
    with Home(browser, demo) as home, Home(browser, demo, "omar") as omar:
        page = home.go()
        assert page.url == demo + "/home"
        supply = page.locator("#live-home-supply")
        expect(page.get_by_role("heading", level=1)).to_have_text(HOUSEHOLD)
        expect(supply).to_contain_text("Electricity is on")
        assert supply.get_attribute("aria-live") == "polite"
        assert page.locator("#home-power").inner_text() not in ("", "–", "0")
        omar.touch("E-001", "limit", value="50")
        expect(page.locator("#live-home-now")).to_contain_text("switch something off, or the meter disconnects")
        page.screenshot(path=PICTURES / "home-over-phone-light.png", full_page=True)
        omar.speed(60)
        expect(supply).to_contain_text("Disconnected, ready for reconnection")
        omar.speed(1)
        expect(page.locator("#live-home-now")).to_contain_text("nothing is drawn")
        button = supply.get_by_role("button", name="Push the button at the meter")
        button.wait_for()
        page.screenshot(path=PICTURES / "home-ready-phone-light.png", full_page=True)
        # Who looks on at the utility sees the same, and has no hand at the meter.
        with Home(browser, demo, "vera", size="desk") as vera:
            other = vera.go(page.evaluate("'/home/' + document.querySelector('[name=device]').value"))
            expect(other.locator("#live-home-supply")).to_contain_text("Disconnected, ready for reconnection")
            assert other.locator("#live-home-supply button").count() == 0
        omar.touch("E-001", "limit", value="17250")
        # With the keyboard alone: the button is the first thing in the page's main part.
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".notice")).to_have_text("Electricity is on again.")
        expect(supply).to_contain_text("Electricity is on")
        expect(page.locator("#home-power")).not_to_have_text("0")
        expect(page.locator("#live-home-now")).to_contain_text("drawn from the network")
        assert home.wrong + omar.wrong == []


def test_power_and_what_was_used_move_while_the_page_is_open(browser, demo):
    with Home(browser, demo) as home, Home(browser, demo, "omar") as omar:
        page = home.go()
        page.locator("#lamp.on").wait_for()
        used = page.locator("#live-home-used .sum b").first
        before = used.inner_text()
        omar.speed(60)
        expect(used).not_to_have_text(before)
        expect(page.locator("#live-home-curve .seen")).to_have_attribute("d", re.compile("M.*L.*L"))
        omar.speed(1)
        assert home.wrong == []


def test_a_street_without_power_is_told_apart_from_a_disconnection(browser, demo):
    with Home(browser, demo) as home, Home(browser, demo, "omar") as omar:
        page = home.go()
        omar.touch("Maple Road", "cut")
        expect(page.locator("#live-home-supply")).to_contain_text("No power arrives")
        page.screenshot(path=PICTURES / "home-dark-phone-light.png", full_page=True)
        omar.touch("Maple Road", "mend")
        expect(page.locator("#live-home-supply")).to_contain_text("Electricity is on")


def test_an_operator_reads_the_home_now_and_it_is_noted_that_somebody_looked(browser, demo):
    with Home(browser, demo, "omar", size="desk") as omar, Home(browser, demo, "anna", size="desk") as anna:
        page = omar.go("/devices?text=E-001")
        page.get_by_role("link", name="E-001").click()
        page.get_by_role("link", name="As the customer sees it").click()
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator(".notice")).to_have_text("Read just now.")
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator(".notice")).to_contain_text("less than half a minute ago")
        log = anna.go("/audit").locator("tbody tr", has_text="look at customer's page")
        expect(log.filter(has_text="omar")).to_have_count(1)
        expect(log.filter(has_text="household")).to_have_count(0)
        assert omar.wrong == []


def test_it_works_without_script_and_is_light_with_an_empty_cache(browser, demo):
    with Home(browser, demo, script=False) as home, Home(browser, demo, "omar") as omar:
        page = home.go()
        octets: list[int] = []
        assert "Electricity is on" in page.locator("main").inner_text()
        omar.touch("E-001", "limit", value="51")
        omar.speed(600)
        for _ in range(40):
            if page.get_by_role("button", name="Push the button at the meter").count():
                break
            page.wait_for_timeout(250)
            page.reload()
        omar.speed(1)
        omar.touch("E-001", "limit", value="17251")
        page.get_by_role("button", name="Push the button at the meter").click()
        assert page.locator(".notice").inner_text() == "Electricity is on again."
    with Home(browser, demo) as home:
        home.page.on("requestfinished", lambda request: octets.append(request.sizes()["responseBodySize"]))
        page = home.go()
        page.locator("#lamp.on").wait_for()
        assert len(octets) >= 4, "the page, two styles and a script"
        assert sum(octets) < MOST_OCTETS


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_names_its_controls(browser, demo, size, scheme):
    PICTURES.mkdir(exist_ok=True)
    with Home(browser, demo, size=size, scheme=scheme) as home:
        page = home.go()
        page.locator("#lamp.on").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(UNNAMED, CONTROLS) == []
        # What speaks by itself is the supply and messages, nothing that changes each second.
        assert page.evaluate("[...document.querySelectorAll('main [aria-live]')].map((one) => one.id)") == [
            "live-home-supply",
            "live-home-messages",
        ]
        page.screenshot(path=PICTURES / f"home-{size}-{scheme}.png", full_page=True)
        assert home.wrong == []
