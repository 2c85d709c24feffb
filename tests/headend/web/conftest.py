"""Head-ends that have lived, made once: every transaction waits for the disk."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.site import Site, add_campaigns


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Return the folder of a head-end that has lived."""
    folder = tmp_path_factory.mktemp("lived")
    Site(folder).close()
    return folder


@pytest.fixture
def site(tmp_path, lived):
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture(scope="module")
def shown(lived, tmp_path_factory):
    """Return a site that is only looked at."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copytree(lived, folder, dirs_exist_ok=True)
    site = Site(folder)
    yield site
    site.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return a head-end that is served, with campaigns."""
    from support.browser import Served

    served = Served(tmp_path_factory.mktemp("served"))
    # The browser's driver has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, add_campaigns(served.site.headend)).result()
    yield served
    served.end()


@pytest.fixture(scope="module")
def browser():
    """Return a browser."""
    from support.browser import CHROMIUM, playwright

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
