"""Head-ends that have lived, made once: every transaction waits for the disk."""

from __future__ import annotations

import shutil

import pytest

from support.site import Site


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
