"""Serial ports as pseudo-terminals: a profile through mode E with an echoing head, both drivers, words for failures."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from cosem.client import connect, connect_async
from cosem.client.plan import Plan
from cosem.errors import ConfigError, ConnectionLost
from cosem.io import serial as ports
from cosem.io.serial_server import SerialServer
from cosem.link.line import Line, LineSettings
from cosem.link.mode_e.settings import ModeESettings, ModeETimes
from cosem.security.counters import MemoryCounterStore
from support.served import DEVICE, make_meter

pytest.importorskip("serial")
if os.name != "posix" or not hasattr(os, "openpty"):
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)

PROFILE = "1-0:99.1.0"
QUERY = "client=1&auth=high-gmac&security=both"
METER = make_meter(days=1)
COUNTERS = MemoryCounterStore()
"""One for all of them: the meter refuses counters that it has heard before."""
QUICK = ModeETimes(reaction=0.02)


@contextmanager
def serving(**options: Any) -> Iterator[tuple[SerialServer, str]]:
    """Serve the meter on a pseudo-terminal in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def start() -> tuple[SerialServer, str]:
        server = SerialServer(METER.device, **options)
        return server, await server.open()

    server, path = run(start())
    try:
        yield server, path
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_profile_is_read_through_mode_e_over_a_pseudo_terminal_with_echo() -> None:
    trace: list[tuple[str, bytes]] = []
    with serving(mode_e=ModeESettings(), echo=True) as (server, path):
        with connect(
            f"optical://{path}?{QUERY}", device=DEVICE, counters=COUNTERS, trace=lambda *item: trace.append(item)
        ) as meter:
            table = meter.profile(PROFILE).read(entries=(1, 20))
            assert len(table) == 20
            assert list(meter.core.machine.problems) == []
            assert server.line.settings == LineSettings(9600)
        until(lambda: server.line.settings == LineSettings(300, 7, "E", 1))
    sent = [octets for way, octets in trace if way == ">"]
    heard = b"".join(octets for way, octets in trace if way == "<")
    assert sent[:2] == [b"/?!\r\n", b"\x06252\r\n"]
    assert heard.startswith(b"/?!\r\n/CSM5\\2COSEM\r\n\x06252\r\n\x06252\r\n")
    # The head gave back all of it, in order.
    at = 0
    for octets in sent:
        at = heard.index(octets, at) + len(octets)


async def test_an_event_loop_reads_through_mode_e_as_well() -> None:
    server = SerialServer(METER.device, mode_e=ModeESettings(times=QUICK), echo=True)
    path = await server.open()
    async with await connect_async(f"optical://{path}?{QUERY}", device=DEVICE, counters=COUNTERS) as meter:
        assert len(await meter.profile(PROFILE, entries=(1, 5))) == 5
    await server.stop()
    with pytest.raises(ConnectionLost):
        await connect_async(f"optical://{path}", device=DEVICE)


@pytest.mark.parametrize("echo", [False, True])
def test_hdlc_from_the_start_is_read_and_read_again(echo: bool) -> None:
    with serving(line=LineSettings(19200), echo=echo) as (_, path):
        for _ in range(2):
            with connect(f"hdlc+serial://{path}?baud=19200", device=DEVICE) as meter:
                assert meter.get(1, "0-0:42.0.0", 2).value == b"CSM10000001"
                assert list(meter.core.machine.problems) == []


async def test_a_meter_holds_a_port_that_is_there_and_forgets_a_silent_client() -> None:
    own, other = os.openpty()
    os.set_blocking(own, False)
    server = SerialServer(METER.device)
    path = os.ttyname(other)
    assert await server.open(path) == path
    heard = b""
    os.write(own, bytes.fromhex("7ea0070321930f017e"))
    while heard.count(b"\x7e") < 2:
        await asyncio.sleep(0.01)
        with suppress(BlockingIOError):
            heard += os.read(own, 100)
    assert heard[3:6] == b"\x21\x03\x73"
    (connection,) = server.connections
    connection.idle()
    assert set(server.connections) == {connection}
    await server.stop()
    os.close(own)
    os.close(other)


def test_a_client_that_is_killed_leaves_a_pseudo_terminal_for_the_next() -> None:
    with serving(mode_e=ModeESettings(times=QUICK)) as (server, path):
        meter = connect(f"optical://{path}", device=DEVICE)
        meter._driver.transport.close()  # type: ignore[attr-defined]
        until(lambda: server.line.settings.baud == 300)
        with connect(f"optical://{path}", device=DEVICE) as again:
            assert again.get(1, "0-0:42.0.0", 2).value == b"CSM10000001"


def test_a_terminal_that_goes_away_is_a_lost_connection() -> None:
    with serving() as (_, path):
        meter = connect(f"hdlc+serial://{path}", device=DEVICE)
    with pytest.raises(ConnectionLost):
        meter.get(1, "0-0:42.0.0", 2)
    meter.close()


def test_a_port_is_held_by_one_program() -> None:
    with serving() as (_, path):
        first = ports.SerialTransport(path, Line(LineSettings()))
        first.open()
        second = ports.SerialTransport(path, Line(LineSettings()))
        with pytest.raises(ConnectionLost, match="another program holds"):
            second.open()
        assert not second.is_open
        first.close()
        second.open()
        second.close()


def test_a_transport_reads_writes_and_waits() -> None:
    own, other = os.openpty()
    try:
        line = Line(LineSettings())
        transport = ports.SerialTransport(os.ttyname(other), line)
        with pytest.raises(ConnectionLost, match="not open"):
            transport.receive(0)
        with pytest.raises(ConnectionLost, match="not open"):
            transport.send(b"x")
        transport.open()
        transport.send(b"\x7e\x11\x13\xff\r\n")
        assert os.read(own, 100) == b"\x7e\x11\x13\xff\r\n"
        assert transport.receive(0.01) is None
        os.write(own, b"\x00\x7f\n\x04")
        assert transport.receive(1.0) == b"\x00\x7f\n\x04"
        line.settings = LineSettings(2400, 7, "E", 1)
        assert transport._port is not None
        assert transport._port.port.baudrate == 2400
        transport.close()
        line.settings = LineSettings()
    finally:
        os.close(own)
        os.close(other)


def test_words_for_ports_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionLost, match=r"there is no serial port /dev/nothing-here: is the adapter plugged in\?"):
        ports.open_port("/dev/nothing-here", LineSettings())
    with pytest.raises((ConnectionLost, ConfigError), match="/dev/null"):
        ports.open_port("/dev/null", LineSettings())
    for code, kind, words in (
        (13, ConnectionLost, "group of serial ports"),
        (22, ConfigError, "parity=software"),
        (5, ConnectionLost, "cannot be opened: Input/output error"),
    ):
        error = ports._words("/dev/x", LineSettings(), OSError(code, "x"))
        assert isinstance(error, kind)
        assert words in str(error)

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(ports, "import_module", absent)
    with pytest.raises(
        ConfigError, match=r"^serial ports need pyserial: install it with pip install 'cosem\[serial\]'$"
    ):
        ports.open_port("/dev/x", LineSettings())


def test_a_port_that_refuses_a_change_says_so_at_the_next_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (_, path):
        line = Line(LineSettings())
        transport = ports.SerialTransport(path, line)
        transport.open()

        def refuse(*_: Any) -> None:
            raise OSError(22, "no")

        monkeypatch.setattr(ports, "_configure", refuse)
        line.settings = LineSettings(300, 7, "E", 1)
        with pytest.raises(ConfigError, match="cannot be set to 300 Bd 7E1; for 7E1 on a port of eight bits"):
            transport.receive(0)
        transport.close()


async def test_a_slow_reader_pauses_the_writer() -> None:
    own, other = os.openpty()
    os.set_blocking(own, False)
    os.set_blocking(other, False)
    import tty

    tty.setraw(other)
    calls: list[str] = []

    class Writer(asyncio.Protocol):
        def pause_writing(self) -> None:
            calls.append("pause")

        def resume_writing(self) -> None:
            calls.append("resume")

        def connection_lost(self, exc: Exception | None) -> None:
            calls.append("lost")

    transport = ports.FileTransport(Writer(), own, lambda: os.close(own))
    total = 200_000
    transport.write(bytes(total))
    assert calls == ["pause"]
    read = 0
    while read < total:
        await asyncio.sleep(0)
        try:
            read += len(os.read(other, 65536))
        except BlockingIOError:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert calls == ["pause", "resume"]
    os.close(other)
    await asyncio.sleep(0.05)
    assert calls == ["pause", "resume", "lost"]
    assert transport.is_closing()
    transport.write(b"nobody")


def test_time_outs_grow_with_what_the_line_needs() -> None:
    slow = Plan("hdlc+serial:///dev/x?baud=300", device=DEVICE).settings
    fast = Plan("hdlc+serial:///dev/x?baud=115200", device=DEVICE).settings
    optical = Plan("optical:///dev/x?wakeup=yes", device=DEVICE).settings
    wanted = Plan("optical:///dev/x?timeout=5", device=DEVICE).settings
    assert slow.max_pdu_size == fast.max_pdu_size == 1024
    assert slow.response_timeout > 50 > 11 > fast.response_timeout
    assert optical.connect_timeout > slow.connect_timeout > fast.connect_timeout
    assert wanted.response_timeout == 5.0
    assert wanted.connect_timeout > 5.0


def probed(capsys: pytest.CaptureFixture[str], url: str, timeout: str = "0.1") -> tuple[int, Any]:
    """Probe over the command line without patience; return the exit status and the document."""
    from cosem.cli.app import run

    with pytest.raises(SystemExit) as ended:
        run(["probe", url, "--timeout", timeout, "--pause", "0", "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_probe_opens_an_optical_port_and_gives_the_url_that_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(mode_e=ModeESettings(times=QUICK), echo=True) as (_, path):
        status, document = probed(capsys, f"hdlc+serial://{path}")
        assert status == 0
        assert document["url"] == f"optical://{path}?client=16&server=1"
        assert [item["outcome"] for item in document["tried"]] == ["silent"] * 7 + ["associated"]
        assert "It opens as CSM COSEM and goes on at 9600 Bd." in document["words"]
        with connect(document["url"], device=DEVICE) as meter:
            assert meter.get(1, "0-0:42.0.0", 2).value.decode() == document["name"]


def test_probe_finds_hdlc_on_a_serial_port_past_its_echo(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(echo=True) as (_, path):
        status, document = probed(capsys, f"hdlc+serial://{path}?baud=19200", "2")
        assert status == 0
        assert document["url"] == f"hdlc+serial://{path}?baud=19200&client=16&server=1"
        assert document["name"] == "CSM10000001"


def test_probe_of_a_port_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, document = probed(capsys, "optical:///dev/no-such-port")
    assert status == 1
    assert document["words"] == ["there is no serial port /dev/no-such-port: is the adapter plugged in?"]
