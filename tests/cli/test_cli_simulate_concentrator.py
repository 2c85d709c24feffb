"""``cosem simulate concentrator`` is reachable as it says, with everything behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cosem.classes import Register
from cosem.client import connect

KEYS = Path(__file__).parents[2] / "examples" / "keys.toml"
HERE = [sys.executable, "-m", "cosem", "simulate", "concentrator"]


@pytest.fixture
def running():
    command = [
        *HERE,
        "--json",
        "--port",
        "0",
        "--days",
        "0.3",
        "--mbus",
        "gas,water-radio",
        "--at",
        "2026-11-03T12:00Z",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_it_says_where_everybody_is_and_they_are_there(running, tmp_path):
    assert running["channels"] == {"1": "ZZZ00010001", "2": "ZZZ00010002"}
    urls = running["urls"]
    with connect(urls["management"], keys=KEYS, counters=tmp_path / "counters") as concentrator:
        devices = concentrator.mbus_devices()
        assert [device.channel for device in devices if device.number] == [1, 2]
    (meter,) = (url for name, url in urls.items() if name.startswith("meter "))
    with connect(meter, keys=KEYS, counters=tmp_path / "counters") as electricity:
        assert electricity[Register, "1-0:1.8.0"].value > 0


def test_what_is_no_utility_meter_is_refused():
    done = subprocess.run([*HERE, "--mbus", "steam"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "steam" in done.stderr
    assert "Traceback" not in done.stderr
