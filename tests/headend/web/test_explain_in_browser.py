"""Explain in a real browser: octets and layers point at each other by pointer and by keys, secrets stay in the tab."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from cosem.headend.access import Role
from cosem.headend.vault import Purpose
from cosem.headend.web.explain_examples import EXAMPLES
from cosem.simulator.meter import DEMO_KEYS
from support.browser import CONTROLS, NAMELESS, PICTURES, SIZES, UNNAMED, Seen, Served, playwright

expect = playwright.expect
EK = DEMO_KEYS.global_unicast_encryption_key.hex()
AK = DEMO_KEYS.authentication_key.hex()
LIT = """() => [...document.querySelectorAll('.o.lit')].map((run) => run.textContent).join(' ')"""
HERE = "document.activeElement.innerText.replace(/\\s+/g, ' ')"


def apart(act, headend):
    """Carry out something of the head-end in a thread: the browser's driver has the loop of this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(act(headend))).result()


async def traced(headend) -> int:
    """Keep the example of a session as the trace of a device."""
    from cosem.explain.pasted import read_pasted

    with headend.engine.begin() as connection:
        secrets = {Purpose.AUTHENTICATION: DEMO_KEYS.authentication_key}
        headend.keys.put(connection, 2, secrets, int(headend.clock()))
        number = headend.traces.ask(connection, 2, "operator")
    async with headend.traces.session(2, "command") as recording:
        for message in read_pasted(EXAMPLES["session"].text).messages:
            recording(message.direction, message.octets)
    return number


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served"))
    served.trace = apart(traced, served.site.headend)
    yield served
    served.end()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_traces_and_every_example_fit_and_name_their_controls(browser, served, size, scheme):
    PICTURES.mkdir(exist_ok=True)
    with Seen(browser, served, role=Role.OPERATOR, size=size, scheme=scheme) as seen:
        paths = {f"explain-{name}": f"/explain?example={name}" for name in EXAMPLES}
        paths |= {"traces": "/device/2", "trace": f"/device/2/traces/{served.trace}", "ask-read": "/device/2/ask/read"}
        for name, path in paths.items():
            page = seen.go(path)
            page.wait_for_selector("h1")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            assert page.evaluate(UNNAMED, CONTROLS) == [], name
            tree = page.locator("body").aria_snapshot()
            assert NAMELESS.findall(tree) == [], name
            if name not in ("traces", "ask-read"):
                assert re.search(r'- tree "Layers', tree), name
                assert re.search(r'- group "Octets', tree), name
                page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=True)
        page = seen.go(f"/device/2/traces/{served.trace}")
        page.get_by_role("button", name="Open with the device's keys").click()
        page.get_by_role("link", name="Close again").wait_for()
        page.locator("summary", has_text="get-response-normal").click()
        page.screenshot(path=PICTURES / f"trace-opened-{size}-{scheme}.png", full_page=True)
        assert EK not in page.content()
        seen.go("/device/2").locator("#h-traces").scroll_into_view_if_needed()
        seen.page.screenshot(path=PICTURES / f"traces-{size}-{scheme}.png")
        assert seen.wrong == []


def test_pointing_at_a_layer_shows_its_octets_and_the_other_way_round(browser, served):
    with Seen(browser, served) as seen:
        page = seen.go("/explain?example=protected")
        page.locator(".node", has_text="invocation counter").hover()
        assert page.evaluate(LIT) == "00 00 00 07"
        page.locator(".node", has_text="get-response-normal").first.hover()
        # The deciphered APDU has octets of its own.
        assert page.evaluate(LIT) == "c4 01 c1 00 06 00 00 16 dc"
        page.locator(".o.k-sealed").first.hover()
        assert page.locator(".node.lit").inner_text().startswith("enciphered")
        expect(page.locator(".now")).to_contain_text("enciphered 9 octets")
        page.locator(".o.k-sealed").first.click()
        assert page.evaluate(HERE).startswith("enciphered 9 octets")
        page.mouse.move(2, 2)
        assert page.evaluate(LIT) == "87 25 10 41 4c fe a1 ba a0"
        assert seen.wrong == []


def test_from_a_paste_to_a_value_and_back_with_the_keyboard_alone(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/explain")
        keys = page.keyboard
        tabs(page, "document.activeElement.name === 'text'")
        keys.insert_text("0001 0001 0010 0009 c4 01 c1 00 06 00 bc 61 4e")
        tabs(page, "document.activeElement.textContent === 'Explain' && document.activeElement.tagName === 'BUTTON'")
        keys.press("Enter")
        page.locator(".tree[role=tree]").wait_for()
        tabs(page, "document.activeElement.classList.contains('octets')")
        keys.press("ArrowRight")
        assert page.evaluate(LIT) == "00 01"
        expect(page.locator(".now")).to_contain_text("version 1")
        keys.press("End")
        expect(page.locator(".now")).to_contain_text("double-long-unsigned 12345678, 5 octets at 12")
        keys.press("Enter")
        assert page.evaluate(HERE).startswith("double-long-unsigned 12345678")
        assert page.evaluate("document.activeElement.getAttribute('aria-level')") == "3"
        keys.press("ArrowLeft")
        assert page.evaluate(HERE).startswith("get-response-normal")
        keys.press("ArrowLeft")
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
        expect(page.get_by_text("double-long-unsigned 12345678").last).to_be_hidden()
        keys.press("ArrowDown")
        keys.press("End")
        keys.press("ArrowRight")
        keys.press("ArrowRight")
        assert page.evaluate(HERE).startswith("APDU get-response-normal")
        keys.press("Home")
        assert page.evaluate(HERE).startswith("wrapper")
        assert page.evaluate(LIT) == "00 01 00 01 00 10 00 09 c4 01 c1 00 06 00 bc 61 4e"
        # One stop for the tree, whatever its size.
        keys.press("Tab")
        assert page.evaluate("!document.activeElement.closest('.tree')")
        keys.press("Shift+Tab")
        assert page.evaluate(HERE).startswith("wrapper")
        keys.press("Enter")
        assert page.evaluate("document.activeElement.classList.contains('octets')")
        assert seen.wrong == []


def tabs(page, there: str, most: int = 60) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(there):
            return
    raise AssertionError(f"{there} is not reached")


def test_keys_live_in_the_tab_and_end_with_the_session(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/explain")
        page.locator("summary", has_text="Keys").click()
        page.get_by_label("Encryption key").fill(EK)
        page.get_by_label("Authentication key").fill(AK)
        page.get_by_label("Octets").first.fill(EXAMPLES["protected"].text)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        page.get_by_role("button", name="Explain").click()
        expect(page.locator(".tree").get_by_text("double-long-unsigned 5852")).to_be_visible()
        answer = page.evaluate("fetch(location.href).then((answer) => answer.text())")
        assert EK not in answer
        assert 'value="' + AK not in page.content()
        # The script puts them back, from this tab.
        expect(page.get_by_label("Encryption key")).to_have_value(EK)
        expect(page.get_by_label("Authentication key")).to_have_value(AK)
        assert not any(EK in url or AK in url for url in sent)
        assert seen.context.cookies() == [cookie for cookie in seen.context.cookies() if EK not in cookie["value"]]
        assert page.evaluate("localStorage.length") == 0
        other = seen.context.new_page()
        other.goto(served.url + "/explain")
        expect(other.locator("input[name=ek]")).to_have_value("")
        page.get_by_role("button", name="Forget the keys").click()
        assert page.evaluate("sessionStorage.length") == 0
        expect(page.get_by_label("Encryption key")).to_have_value("")
        page.get_by_label("Encryption key").fill(EK)
        assert EK in page.evaluate("JSON.stringify(sessionStorage)")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert page.evaluate("sessionStorage.length") == 0
        assert seen.wrong == []


def test_what_is_wrong_stands_at_the_field_and_the_keys_are_still_there(browser, served):
    with Seen(browser, served, role=Role.VIEWER) as seen:
        page = seen.go("/explain")
        page.locator("summary", has_text="Keys").click()
        page.get_by_label("Encryption key").fill(EK[:-2])
        page.get_by_label("Octets").first.fill("c4 01 c1 0")
        page.get_by_role("button", name="Explain").click()
        expect(page.get_by_role("alert")).to_have_text("Encryption key: 15 octets, not 16 (or 32 for suite 2)")
        expect(page.get_by_label("Encryption key")).to_have_value(EK[:-2])
        page.get_by_role("button", name="Forget the keys").click()
        page.get_by_role("button", name="Explain").click()
        expect(page.get_by_role("alert")).to_have_text("7 hex digits: an octet has two, so one is missing")
        field = page.get_by_label("Octets").first
        expect(field).to_have_value("c4 01 c1 0")
        assert "problem" in field.get_attribute("aria-describedby")
        # The browser says 400 for each of both; nothing else went wrong.
        assert all("400" in words for words in seen.wrong)


def test_without_the_script_layers_lead_to_their_octets(browser, served):
    with Seen(browser, served, role=Role.VIEWER, script=False) as seen:
        page = seen.go("/explain")
        page.get_by_label("Octets").first.fill(EXAMPLES["protected"].text)
        page.locator("summary", has_text="Keys").click()
        page.get_by_label("Encryption key").fill(EK)
        page.get_by_label("Authentication key").fill(AK)
        page.get_by_role("button", name="Explain").click()
        expect(page.locator(".tree").get_by_text("double-long-unsigned 5852")).to_be_visible()
        page.locator("a.node", has_text="authentication tag").click()
        assert page.evaluate("document.querySelector('.o:target').textContent") == "40 11 f5 14 be 9c 4f"
        expect(page.locator("input[name=ek]")).to_have_value("")


def test_a_traced_read_from_the_dialog_to_the_list(browser, served):
    with Seen(browser, served, role=Role.OPERATOR) as seen:
        page = seen.go("/device/2")
        page.get_by_role("link", name="Read now…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Keep a trace of the session").check()
        dialog.get_by_role("button", name="Read now").click()
        expect(page.locator("#live-traces")).to_contain_text("waits for the next session")
        # Nobody carries commands out here: the session comes by itself, and the page follows.
        apart(session, served.site.headend)
        expect(page.locator("#live-traces")).not_to_contain_text("waits for the next session", timeout=10_000)
        page.locator("#live-traces a").first.click()
        page.get_by_role("heading", name="Trace").wait_for()
        expect(page.locator(".tree").first).to_contain_text("get-request-normal")
        assert seen.wrong == []


async def session(headend) -> None:
    async with headend.traces.session(2, "command") as recording:
        recording(">", bytes.fromhex("000100010001000dc001c100030100010800ff0200"))


def test_colours_are_told_apart_without_colour_vision_and_are_read(browser, served):
    """Each kind has its words in the legend, and the text on every colour has contrast."""
    contrast = """(kinds) => kinds.map((kind) => {
      const run = document.createElement('span');
      run.className = 'o k-' + kind; run.textContent = '00';
      document.querySelector('main').append(run);
      const style = getComputedStyle(run), canvas = document.createElement('canvas').getContext('2d');
      const light = (colour) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
          .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const image = style.backgroundImage.match(/rgba?\\([^)]*\\)|color\\([^)]*\\)/g);
      const grounds = image || [style.backgroundColor];
      return Math.min(...grounds.map((ground) => {
        const [one, other] = [light(style.color), light(ground)];
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      }));
    })"""
    kinds = ["frame", "address", "check", "security", "sealed", "service", "type", "value", "unknown"]
    for scheme in ("light", "dark"):
        with Seen(browser, served, scheme=scheme) as seen:
            page = seen.go("/explain?example=push")
            assert min(page.evaluate(contrast, kinds)) >= 4.5, scheme
            for words in page.locator(".kinds li").all():
                assert words.inner_text().strip()
