"""``cosem demo``: a night is accounted for, and whatever ends it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = [sys.executable, "-m", "cosem", "demo"]
SMALL = ["--meters", "6", "--power-line", "2", "--utilities", "4", "--days", "0.2", "--port", "0", "--speed", "60"]


def neighbourhoods(folder):
    """Return the processes that live for a demonstration in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "neighbourhood" in arguments and str(folder) in arguments:
                found.append(int(entry.name))
    return found


def gone(folder, within=20.0):
    until = time.monotonic() + within
    while neighbourhoods(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not neighbourhoods(folder)


def test_the_night_is_accounted_for_and_nobody_stays(tmp_path):
    folder = tmp_path / "office"
    done = subprocess.run(
        [*HERE, *SMALL, "--once", "--json", "--folder", str(folder)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["account"].get("waiting", 0) == 0
    # Meters, two of them on the power line, and the station; whoever is behind another is read with it.
    assert sum(report["account"].values()) >= 7
    assert report["account"].get("complete", report["account"].get("done", 1)) > 0
    assert "Traceback" not in done.stderr
    assert gone(folder, 1.0)
    again = subprocess.run([*HERE, *SMALL, "--folder", str(folder)], capture_output=True, text=True, timeout=60)
    assert again.returncode != 0
    assert "is a head-end's already" in again.stderr


@pytest.mark.parametrize("phase", ["comes to life", "takes them in", "Last night is read", "on a page now"])
def test_it_is_interrupted_in_order(tmp_path, phase):
    folder = tmp_path / "office"
    process = subprocess.Popen(
        [*HERE, *SMALL, "--folder", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if phase in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, 130)
    assert "Traceback" not in said
    assert "never retrieved" not in said
    assert gone(folder, 1.0)


def test_its_neighbourhood_is_gone_also_when_it_is_killed(tmp_path):
    folder = tmp_path / "office"
    process = subprocess.Popen(
        [*HERE, *SMALL, "--folder", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for line in process.stdout:
        if "takes them in" in line:
            break
    assert neighbourhoods(folder)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(folder)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--meters", "1"], "2 at least"),
        (["--json"], "--once"),
        (["--folder", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_lives(wrong, why):
    done = subprocess.run([*HERE, "--port", "0", *wrong], capture_output=True, text=True, timeout=60)
    assert done.returncode not in (0, 130)
    assert why in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_before_anybody_lives():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*HERE, *SMALL, "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode not in (0, 130)
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr
    assert "comes to life" not in done.stdout + done.stderr
