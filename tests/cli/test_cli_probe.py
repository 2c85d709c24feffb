"""``cosem probe`` over sockets: a meter, silence, a closed port, a web server, JSON, exit status."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cosem.cli.app import run
from support.served import Served, served


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with served(days=0.05) as running:
        yield running


@pytest.fixture
def probe(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(url: str, *arguments: str, timeout: str = "0.05") -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(["probe", url, "--timeout", timeout, "--pause", "0", *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@contextmanager
def listening(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Accept connections, answer each first read with the same octets, and keep what came."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        came.append(client.recv(4096))
                        client.sendall(answer)
                        client.recv(4096)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], came


def test_a_meter_that_speaks_the_other_framing(probe: Callable[..., tuple[int, str, str]], world: Served) -> None:
    host, port = world.hdlc
    status, out, err = probe(f"tcp://{host}:{port}", timeout="0.4")
    assert status == 0
    assert "A meter answers: hdlc, client 16, server 1" in out
    assert f"Use next: hdlc+tcp://{host}:{port}?client=16&server=1" in out
    assert "wrapper, client 16, server 1, logical names: no answer" in err
    status, out, err = probe(f"tcp://{host}:{port}", "--json", timeout="0.4")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert document["url"] == f"hdlc+tcp://{host}:{port}?client=16&server=1"
    assert document["found"]["framing"] == "hdlc"
    assert document["devices"][0]["sap"] == 1
    assert [item["outcome"] for item in document["tried"]] == ["silent", "associated"]


def test_what_was_found_is_read_next(
    probe: Callable[..., tuple[int, str, str]], world: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = world.wrapper
    _, out, _ = probe(f"hdlc+tcp://{host}:{port}?server=1", "--json", timeout="0.4")
    with pytest.raises(SystemExit) as ended:
        run(["get", json.loads(out)["url"], "0-0:42.0.0"])
    assert not ended.value.code
    assert json.loads(out)["name"] in capsys.readouterr().out


def test_a_port_that_stays_silent(probe: Callable[..., tuple[int, str, str]]) -> None:
    with listening(b"") as (port, came):
        status, out, _ = probe(f"tcp://127.0.0.1:{port}?timeout=1")
    assert status == 1
    assert "nothing answers" in out
    assert "Use next" not in out
    assert 2 <= len(came) <= 14


def test_a_closed_port_is_tried_once(probe: Callable[..., tuple[int, str, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    status, out, err = probe(f"tcp://127.0.0.1:{port}")
    assert status == 1
    assert "the host refuses it" in out
    assert len(err.splitlines()) == 1


def test_a_web_server_is_asked_once(probe: Callable[..., tuple[int, str, str]]) -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, came):
        status, out, _ = probe(f"tcp://127.0.0.1:{port}")
    assert status == 1
    assert "HTTP: a web server" in out
    assert len(came) == 1


def test_a_wrong_url_is_wrong_usage(probe: Callable[..., tuple[int, str, str]]) -> None:
    assert probe("http://127.0.0.1")[0] == 2
    assert probe("hdlc+tcp://127.0.0.1?address_size=3")[0] == 2
    assert probe("tcp://127.0.0.1?address_size=4")[0] == 2


def test_tries_are_traced(probe: Callable[..., tuple[int, str, str]], world: Served, tmp_path: Path) -> None:
    host, port = world.wrapper
    trace = tmp_path / "trace.jsonl"
    status, out, err = probe(f"tcp://{host}:{port}", "-v", "--trace", str(trace), "--json", timeout="2")
    assert status == 0
    assert json.loads(out)["outcome"] == "associated"
    assert "> 00 01 00 10 00 01" in err
    directions = [json.loads(line)["direction"] for line in trace.read_text().splitlines()]
    assert directions[:2] == [">", "<"]
