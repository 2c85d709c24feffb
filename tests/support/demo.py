"""`cosem demo` as its users run it, and a page of one of its people, with what went wrong on it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cosem.cli.demo_setup import PASSWORD
from support.browser import SIZES

PATIENCE = 120.0
"""Seconds until the pages are there."""


@contextmanager
def demonstration(folder: Path, *arguments: str) -> Iterator[str]:
    """Run a demonstration in `folder` while the block runs; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cosem", "demo", *arguments, "--calm", "--port", "0", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    overdue = threading.Timer(PATIENCE, process.kill)
    overdue.start()
    said, found = "", None
    for line in process.stdout:
        said += line
        if found := re.search(r"open\s+(http://\S+)", line):
            break
    overdue.cancel()
    try:
        assert found is not None, said
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


class Visit:
    """A page of somebody of the demonstration, with what went wrong on it."""

    def __init__(self, browser, url, who, *, size="desk", scheme="light", script=True) -> None:
        self.context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, java_script_enabled=script)
        self.context.set_default_timeout(15_000)
        self.url = url
        self.wrong: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        form = {"name": who, "password": PASSWORD}
        assert self.context.request.post(url + "/sign-in", form=form, max_redirects=0).status == 303
