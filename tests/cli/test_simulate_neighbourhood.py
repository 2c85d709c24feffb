"""``cosem simulate neighbourhood`` says where it listens, and ends with whoever started it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import pytest

HERE = [sys.executable, "-m", "cosem", "simulate", "neighbourhood"]
SMALL = ["--meters", "5", "--power-line", "2", "--utilities", "4", "--days", "0.05", "--at", "2026-11-25T06:00Z"]


@pytest.fixture
def started():
    running = []

    def start(*more):
        process = subprocess.Popen(
            [*HERE, *SMALL, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("by", ["eof", "term", "interrupt"])
def test_it_ends_in_order(started, tmp_path, by):
    process = started("--json", "--until-eof", "--shipment", str(tmp_path / "shipment.json"), "--push", "127.0.0.1:9")
    document = json.loads(process.stdout.readline())
    assert document["devices"] == 13
    host, _, port = document["control"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as control:
        control.sendall(b'{"do": "time"}\n')
        assert json.loads(control.makefile().readline())["answer"]["speed"] == 1
        # The connection stays open: it must not keep it.
        if by == "eof":
            process.stdin.close()
            process.stdin = None
        else:
            process.send_signal(signal.SIGTERM if by == "term" else signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert "Traceback" not in said
    assert (tmp_path / "shipment.json").stat().st_mode & 0o077 == 0
    assert len(json.loads((tmp_path / "shipment.json").read_text())["devices"]) == 13


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--meters", "1"], "2 at least"),
        (["--utilities", "900"], "room for"),
        (["--at", "yesterday"], "yesterday"),
        (["--port", "65534"], "65532"),
        (["--push", "nowhere"], "HOST:PORT"),
        (["--shipment", "/nowhere/at/all.json"], "/nowhere"),
        (["--transport-key", "/nowhere/key"], "/nowhere/key"),
        (["--host", "203.0.113.7"], "203.0.113.7"),
        (["--speed", "nan"], "speed"),
        (["--days", "nan"], "days"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(started, wrong, why):
    said = started(*wrong).communicate(timeout=60)[1]
    assert why in said
    assert "Traceback" not in said


def test_ports_follow_each_other_and_a_taken_one_is_said(started):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        first = free.getsockname()[1]
    first = min(first, 65000)
    process = started("--json", "--port", str(first))
    ports = json.loads(process.stdout.readline())["ports"]
    assert list(ports.values()) == [first, first + 1, first + 2, first + 3]
    other = started("--port", str(first))
    said = other.communicate(timeout=60)[1]
    assert other.returncode != 0
    assert str(first) in said
    assert "Traceback" not in said


def test_it_serves_ipv6(started, tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    process = started("--json", "--host", "::1", "--shipment", str(tmp_path / "s.json"))
    ports = json.loads(process.stdout.readline())["ports"]
    with socket.create_connection(("::1", ports["C-1"]), timeout=10):
        assert f"tcp://[::1]:{ports['C-1']}" in (tmp_path / "s.json").read_text()
