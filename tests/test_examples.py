"""Every example runs, ends by itself, says what it promises, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosem.client import KeyFile
from cosem.headend.database import open_database
from cosem.headend.inventory import Inventory
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET

EXAMPLES = Path(__file__).parents[1] / "examples"

PAGES = "pages_demo.py"
"""Fills a folder that it is given, and serves it."""
SAYS = {
    "read_register.py": ["quantity    ", " Wh", "voltage L1  2", "2026-11-01T01:00:00+01:00"],
    "profile_to_csv.py": ["0-0:1.0.0.255,1-0:1.8.0.255 [Wh],1-0:2.8.0.255 [Wh]", "2026-11-01T23:45:00+01:00,"],
    "many_meters_async.py": ["127.0.0.1:", " Wh  ", " W now"],
    "decode_telegram.py": ["Without keys:", "With them:", "get-response-normal", "5852"],
    "meters_that_call.py": ["call from CSM1000000", "read: ", " Wh"],
    "firmware_over_lossy_hdlc.py": ["SET: success", "524288 octets written and read back, equal"],
    "house.py": [
        "channel 4: heat       00010004  626900 Wh",
        "key: encryption_key_set_and_transferred -> encryption_key_in_use",
        "gas in six hours: 0.000",
        "button: connected",
        "103  M-Bus channel 1: fraud attempt",
        "177 hours",
        "by wire: gas meter 00010001, security mode 5\n",
        "by radio: gas meter 00010005, security mode ",
        "40 answers by wire and 419 telegrams by radio explained, 0 not",
    ],
    "gas_station.py": [
        "equal to the last digit",
        "10:25:00+01:00 pressure unusable",
        "gas quality changed",
        "picture of",
    ],
    "power_line.py": [
        "200 meters found and registered",
        "200 repeated before",
        "in a noisy hour: ",
        "0 meters given up",
        "meter 7: ",
        "all 200 meters run it",
    ],
    "household_gas.py": [
        "on M-Bus channel 1 of an electricity meter:\n  0-1:24.2.1  ",
        "P1: 0-1:24.2.1(261108070000W)(000",
        "by the map of netherlands:\n  0-1:24.2.1  30.752 m³\n",
        "by the map of italy:\n  7-0:13.2.0  30.752 m³\n",
        "7-0:99.99.3  2 rows: 0-0:1.1.0.255, 7-1:96.5.1.255, 7-0:13.2.0.255 [m³] ...\n",
    ],
    "night.py": [
        "account: {'read': 37, 'silent': 3}",
        "  E-007: silent; no answer",
        "  G-002: silent; nothing new came of it since 2026-11-25 00:00Z",
        "fraud at E-003: ",
        "in the list after less than 2 s",
        "values exported",
        "DuckDB: 0-0:24.2.1.255 gas m³ 6 ",
        "DuckDB: 0-0:24.2.1.255 heat Wh 2 ",
        "DuckDB: 0-0:24.2.1.255 water m³ 4 ",
        "DuckDB: 1-0:1.8.0.255 Wh 23 ",
    ],
    "firmware_campaign.py": [
        "CSM E1: paused; ",
        ", the first that was missing\n",
        "CSM E1: done; stage 1: 1 done; stage 2: 3 done\n",
        "CSM E2: aborted; stage 1: 1 failed; stage 2: 3 cancelled (1 of 1 devices of stage 1 failed)\n",
        ": wrong answer: the meter does not take the image for genuine\n",
        "CSM E3: done; ",
        "CSM E1 runs metrology 2\nCSM E2 runs cosem simulated meter\nCSM E3 runs metrology 2\n",
    ],
    "key_change_recovered.py": [
        "the head-end was killed\nthe change is sending, with 2 new keys kept beside the old\n",
        "and now it is done: found changed after an interruption\n",
        "the active key is the one that the meter has\nit is not the old one\nread with it: 20",
    ],
    "be_a_meter.py": ["2026-11-01T02:00:00+01:00", "disconnected", "72 rows captured"],
}


def run(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder of its own, where a warning is an error."""
    source = str(EXAMPLES.parent / "src")
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": source, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )


def test_the_example_key_file_opens_the_simulated_meter() -> None:
    """Whoever starts `cosem simulate meter` without a key file reads it with this one, with every authentication."""
    device = KeyFile.load(EXAMPLES / "keys.toml").device()
    assert device.keys.global_unicast_encryption_key == DEMO_KEYS.global_unicast_encryption_key
    assert device.keys.authentication_key == DEMO_KEYS.authentication_key
    assert device.keys.global_broadcast_encryption_key == DEMO_KEYS.global_broadcast_encryption_key
    assert (device.password, device.hls_secret) == (DEMO_PASSWORD, DEMO_SECRET)


def test_every_example_is_tried_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SAYS, PAGES}


def test_the_example_of_the_pages_fills_a_folder_that_a_head_end_opens(tmp_path: Path) -> None:
    arguments = ["demo", "--devices", "30"]
    done = run(PAGES, tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    engine = open_database(tmp_path / "demo" / "headend.db")
    with engine.connect() as connection:
        assert sum(Inventory(connection).count().values()) >= 30
    engine.dispose()


@pytest.mark.parametrize("name", sorted(SAYS))
def test_an_example_runs_and_says_what_it_promises(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for words in SAYS[name]:
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []
