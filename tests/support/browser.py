"""Pages in a real browser: a head-end on a port of this machine, and what went wrong on a page that was seen."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from pathlib import Path

import pytest

from cosem.headend.access import Role
from cosem.headend.engine import Headend
from cosem.headend.happenings import Happened, keep
from support.site import NOW, PASSWORD, Site

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev extra has it)")
uvicorn = pytest.importorskip("uvicorn")
if not CHROMIUM.exists():
    pytest.skip(f"there is no {CHROMIUM} (Debian: apt-get install chromium)", allow_module_level=True)
PICTURES = Path(__file__).parents[2] / ".screenshots"
SIZES = {"desk": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}
MOST_OCTETS = 60_000
CONTROLS = 'a, button, input:not([type=hidden]), select, textarea, summary, progress, [tabindex="0"]'
UNNAMED = """(controls) => [...document.querySelectorAll(controls)].filter((control) =>
  control.checkVisibility() && !control.closest('[aria-hidden=true]') && !(control.getAttribute('aria-label')
  || control.labels?.length || control.innerText?.trim() || control.title)).map((control) => control.outerHTML)"""
CONTROL = re.compile(r"^\s*- (?:button|link|textbox|searchbox|combobox|checkbox|progressbar|table|region)\b.*", re.M)
NAMELESS = re.compile(
    r"^\s*- (?:button|link|textbox|searchbox|combobox|checkbox|progressbar|table|region)(?! \").*", re.M
)
"""Lines of the accessibility tree; names stand in quotation marks."""


class Served:
    """A head-end on a port of this machine, in a thread; it can be ended and begun again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.begin()

    def begin(self) -> None:
        self.site = self.make()
        config = uvicorn.Config(
            self.site.app, "127.0.0.1", self.port, log_level="critical", ws="none", timeout_graceful_shutdown=0
        )
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.02)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def make(self) -> Site:
        return Site(self.folder, now=NOW)

    def work(self) -> None:
        self.server.run()

    def end(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)
        self.site.close()

    def happen(self, words: str, device: int = 5) -> None:
        self.site.now += 5
        with self.site.headend.engine.begin() as connection:
            keep(connection, [Happened(device, int(self.site.now), "alarm", words, alarming=True)], int(self.site.now))
        self.site.headend.tell("alarm", {"device": device})


class Working(Served):
    """The same with a head-end that carries out what it is asked for, at meters that are there."""

    def __init__(self, headend: Headend) -> None:
        self.headend = headend
        super().__init__(headend.settings.folder)

    def make(self) -> Site:
        self.told: list[tuple[str, dict]] = []
        return Site(self.folder, now=self.headend.clock(), headend=self.headend)

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        self.headend.live.append(lambda kind, content: self.told.append((kind, content)))
        await self.headend.start(schedule=False)
        await self.server.serve()
        await self.headend.close()


class Seen:
    """A page, with what went wrong on it and what it asked for."""

    def __init__(self, browser, served, *, role=Role.ADMINISTRATOR, size="desk", scheme="light", script=True) -> None:
        self.context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, java_script_enabled=script)
        self.context.set_default_timeout(10_000)
        self.served = served
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self._said(message))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("a dialog of a stranger"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        if role is not None:
            answer = self.context.request.post(
                served.url + "/sign-in", form={"name": role.value, "password": PASSWORD}, max_redirects=0
            )
            assert answer.status == 303

    def _said(self, message) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def go(self, path: str):
        self.page.goto(self.served.url + path)
        return self.page

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_) -> None:
        self.context.close()
