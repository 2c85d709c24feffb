"""`cosem listen` and `cosem simulate` over real sockets, in this process and as processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cosem.apdu.ciphered import GeneralGlo
from cosem.apdu.general import GeneralBlockTransfer
from cosem.apdu.notify import DataNotification
from cosem.cli.app import run
from cosem.client import connect, listen_for_meters
from cosem.codec import axdr
from cosem.link.base import Address
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import MbusLink
from cosem.link.wrapper import WrapperLink
from cosem.models import load_text
from cosem.security.counters import MemoryCounterStore
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS
from cosem.times import CosemDateTime
from support.served import DEVICE, key_file

SMALL_MODEL = Path(__file__).parents[1] / "data" / "model_small.json"
SOURCE = str(Path(__file__).parents[2] / "src")
TITLE = b"CSM\x00\x00\x00\x00\x01"
MOMENT = CosemDateTime.parse("2026-11-01T12:00:00+01:00").to_octets()
BODY = axdr.structure(axdr.octet_string(bytes.fromhex("0100010800ff")), axdr.double_long_unsigned(5852))
PLAIN = DataNotification(MOMENT, axdr.encode(BODY)).encode(0x40000001)
UNNAMED = DataNotification(b"", axdr.encode(axdr.structure(axdr.unsigned(1), axdr.visible_string("\x1b[2J")))).encode(2)
KEYS = DEMO_KEYS


def _general(counter: int, key: bytes | None = None) -> bytes:
    secret = key or KEYS.global_unicast_encryption_key
    assert secret is not None
    return GeneralGlo(TITLE, protect(secret, KEYS.authentication_key, TITLE, counter, 0x30, PLAIN)).encode()


def _framed(framing: str, *apdus: bytes) -> bytes:
    link = {"hdlc": HdlcLink, "mbus": MbusLink, "wrapper": WrapperLink}[framing](server=True)
    for apdu in apdus:
        link.send(Address(1, 102), apdu, 0.0, confirmed=False)
    return link.take()


@contextmanager
def _cosem(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": SOURCE,
        "PYTHONIOENCODING": "utf-8",
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "cosem.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("listening on "), line
    host, _, port = line.split()[-1].rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("framing", ["wrapper", "hdlc", "mbus"])
def test_listening_as_a_process_until_so_many_pushes_came(tmp_path: Path, framing: str) -> None:
    keys = key_file(tmp_path)
    scheme = {"hdlc": "hdlc+tcp", "mbus": "mbus+tcp", "wrapper": "tcp"}[framing]
    arguments = ("listen", f"{scheme}://127.0.0.1:0", "--count", "4", "--json", "--keys", str(keys))
    with _cosem(*arguments, folder=tmp_path) as process, socket.create_connection(_address(process)) as meter:
        meter.sendall(_framed(framing, PLAIN, _general(5)))
        meter.sendall(b"\x00\x01garbage" if framing != "wrapper" else b"noise between\x00")
        meter.sendall(_framed(framing, _general(5), _general(6, bytes(16)), PLAIN))
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    documents = [json.loads(line) for line in out.splitlines()]
    assert len(documents) == 4
    plain, genuine, repeat, forged = documents
    assert plain["service"] == "data-notification"
    assert plain["date_time"]["date_time"] == "2026-11-01T12:00:00+01:00"
    name = "active energy import, time integral 1 (meter reading), total"
    assert plain["readings"] == [{"obis": "1-0:1.8.0.255", "value": {"double-long-unsigned": 5852}, "name": name}]
    assert "verified" not in plain
    assert (genuine["verified"], genuine["system_title"], genuine["invocation_counter"]) == (True, TITLE.hex(), 5)
    assert genuine["readings"] == plain["readings"]
    assert "a repeat" in repeat["problem"]
    assert repeat["octets"] == _general(5).hex()
    assert forged["verified"] is False
    assert "value" not in forged


def test_listening_by_udp(tmp_path: Path) -> None:
    keys = key_file(tmp_path)
    arguments = ("listen", "udp://127.0.0.1:0", "--count", "4", "--json", "--keys", str(keys))
    blocks = [
        GeneralBlockTransfer(number == 2, number == 1, 0, number, 0, part).encode()
        for number, part in ((1, PLAIN[:20]), (2, PLAIN[20:]))
    ]
    with (
        _cosem(*arguments, folder=tmp_path) as process,
        socket.socket(type=socket.SOCK_DGRAM) as first,
        socket.socket(type=socket.SOCK_DGRAM) as second,
    ):
        address = _address(process)
        # Half a datagram and blocks of another meter in between disturb nothing.
        first.sendto(_framed("wrapper", blocks[0]), address)
        second.sendto(_framed("wrapper", blocks[0]), address)
        second.sendto(_framed("wrapper", PLAIN)[:-3], address)
        second.sendto(_framed("wrapper", PLAIN, _general(5)), address)
        first.sendto(_framed("wrapper", blocks[1]), address)
        second.sendto(_framed("wrapper", blocks[1]), address)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    documents = [json.loads(line) for line in out.splitlines()]
    assert [document["service"] for document in documents] == ["data-notification"] * 4
    assert [document.get("verified") for document in documents] == [None, True, None, None]


def test_udp_senders_are_bounded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import cosem.cli.listen as room
    from cosem.client.listen import Listener

    monkeypatch.setattr(room, "MAX_PEERS", 2)

    async def flood() -> room._Datagrams:
        intake = room._Datagrams(room._Desk(lambda: Listener(WrapperLink()), None, True))
        for port in range(5):
            intake.datagram_received(_framed("wrapper", PLAIN), ("127.0.0.1", port))
        return intake

    intake = asyncio.run(flood())
    assert [port for _, port in intake.listeners] == [3, 4]
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_listening_for_people_ends_when_interrupted(tmp_path: Path) -> None:
    keys = key_file(tmp_path)
    with (
        _cosem("listen", "tcp://127.0.0.1:0", "--keys", str(keys), folder=tmp_path) as process,
        socket.create_connection(_address(process)) as meter,
    ):
        meter.sendall(_framed("wrapper", PLAIN, _general(5), _general(5), UNNAMED, b"\xff"))
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(9)]
        process.send_signal(signal.SIGTERM)
        rest, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    text = "".join(lines) + rest
    name = "active energy import, time integral 1 (meter reading), total"
    assert f"data-notification, 2026-11-01T12:00:00+01:00\n  1-0:1.8.0.255 = 5852  ({name})\n" in text
    assert f"data-notification from {TITLE[:3].decode()}" in text
    assert "verified" in text
    assert "NOT genuine" in text
    assert "\x1b[2J" not in text
    assert "unreadable" in text


def test_an_address_that_cannot_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            run(["listen", f"tcp://127.0.0.1:{port}"])
        assert ended.value.code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
        with pytest.raises(SystemExit) as ended:
            run(["simulate", "meter", "--days", "0.01", "--port", str(port)])
        assert ended.value.code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["tcp://127.0.0.1:0", "--count", "0"], ["listen"], ["tcp://127.0.0.1:x"]])
def test_mistakes_of_listening(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["listen", *arguments])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def _listen_here(arguments: list[str], octets: bytes, capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    """Listen in this thread, with a meter in another one, so that what happens here is seen."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def push() -> None:
        for _ in range(500):
            try:
                meter = socket.create_connection(("127.0.0.1", port), 1)
                break
            except OSError:
                threading.Event().wait(0.01)
        with meter:
            meter.sendall(octets)
            meter.recv(1)

    thread = threading.Thread(target=push)
    thread.start()
    scheme = arguments[0]
    with pytest.raises(SystemExit) as ended:
        run(["listen", f"{scheme}://127.0.0.1:{port}", *arguments[1:]])
    thread.join(10)
    assert (ended.value.code or 0) == status
    return capsys.readouterr().out


def test_listening_with_the_keys_of_one_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSEM_KEYS", str(key_file(tmp_path)))
    out = _listen_here(
        ["tcp", "--count", "5"],
        _framed("wrapper", PLAIN, _general(1), _general(1), UNNAMED, b"\xff") + _framed("wrapper", PLAIN),
        capsys,
    )
    assert out.count("data-notification") == 3
    assert "verified" in out
    assert "NOT genuine" in out
    assert "structure" in out or "\ufffd[2J" in out
    assert "\x1b[2J" not in out
    out = _listen_here(["hdlc+tcp", "--count", "2", "--json"], _framed("hdlc", PLAIN, _general(1)), capsys)
    assert [json.loads(line)["service"] for line in out.splitlines()] == ["data-notification"] * 2


def test_keys_of_a_named_device_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = key_file(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(["listen", "tcp://127.0.0.1:0?device=meter9", "--keys", str(keys)])
    assert ended.value.code == 2
    assert "has no section [meter9]" in capsys.readouterr().err


# --- simulate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_a_simulated_meter_is_a_process_that_is_read_and_stopped(tmp_path: Path, referencing: str) -> None:
    arguments = ("simulate", "meter", "--json", "--port", "0", "--days", "0.2", "--at", "2026-11-01", "--speed", "600")
    with _cosem(*arguments, "--referencing", referencing, folder=tmp_path) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert document["serial"] == "10000001"
        udp = {"udp"} if referencing == "ln" else set()
        assert set(document["urls"]) == {"public", "management", "reading", "hdlc"} | udp
        values: list[Any] = []
        for url in document["urls"].values():
            with connect(
                url,
                device=DEVICE,
                counters=MemoryCounterStore(),
            ) as meter:
                values.append(meter.clock().to_datetime())
        assert values == sorted(values)
        assert values[0].year == 2026
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_simulated_meter_makes_ports_with_an_echo(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    arguments = ("simulate", "meter", "--json", "--port", "0", "--days", "0.1", "--echo", "--serial", "pty?baud=19200")
    with _cosem(*arguments, "--optical", "pty?max_baud=2400", folder=tmp_path) as process:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())["urls"]
        counters = MemoryCounterStore()
        for name in ("serial", "optical"):
            with connect(urls[name], device=DEVICE, counters=counters) as meter:
                assert meter.get(1, "0-0:42.0.0", 2).value == b"CSM10000001"
                assert meter.core.machine.link.echo.present  # type: ignore[attr-defined]
                line = meter.core.machine.link.line.settings  # type: ignore[attr-defined]
                assert line.baud == {"serial": 9600, "optical": 2400}[name]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_simulated_meter_is_the_meter_of_a_model(tmp_path: Path) -> None:
    arguments = ("simulate", "meter", "--json", "--port", "0", "--model", str(SMALL_MODEL), "--at", "2026-11-01")
    with _cosem(*arguments, folder=tmp_path) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert document["serial"] is None
        assert set(document["urls"]) == {"client 16", "client 16, hdlc", "client 1", "client 1, hdlc"}
        model = load_text(SMALL_MODEL.read_text(encoding="utf-8"))
        for name, url in document["urls"].items():
            client = 16 if "16" in name else 1
            with connect(url, device=DEVICE, counters=MemoryCounterStore()) as meter:
                meter.objects()
                assert list(meter.core.elements) == model.logical_devices[0].object_list(client)
                assert meter["1-0:1.8.0"].value == 12345  # type: ignore[attr-defined]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.json", "{", "m.json: the model is no JSON (line 1, column 2)"),
        ("m.toml", "{", "m.toml: the model is no TOML"),
        ("m.json", "\udcff", "m.json: the model is no text in UTF-8"),
        ("m.json", '{"cosem_model": 1, "logical_devices": [{"sap": 0}]}', "m.json: logical device 1: sap: a number"),
        ("m.json", '{"cosem_model": 1}', "the model has no association"),
        ("none.json", None, "none.json: No such file or directory"),
    ],
)
def test_mistakes_in_a_model(
    name: str, text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SystemExit) as ended:
        run(["simulate", "meter", "--model", str(tmp_path / name)])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_a_model_says_itself_what_the_electricity_meter_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["simulate", "meter", "--model", str(SMALL_MODEL), "--compress-nulls"])
    assert ended.value.code == 2
    assert "--compress-nulls belongs to the electricity meter, not to --model" in capsys.readouterr().err


def test_a_simulated_meter_tells_people_where_it_is_and_stops_at_an_interrupt(tmp_path: Path) -> None:
    keys = key_file(tmp_path)
    arguments = ("simulate", "meter", "--port", "0", "--hdlc-port", "0", "--days", "0.1", "--keys", str(keys))
    with _cosem(*arguments, "--auth", "high-sha256", "--compress-nulls", folder=tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(7)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert lines[0].startswith("electricity meter 10000001, keys of ")
    assert lines[-1] == "interrupt (Ctrl-C) to stop\n"
    assert "auth=high-sha256&security=both" in lines[3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auth", "strong"], "--auth strong is none of"),
        (["--echo"], "--echo belongs to --serial or --optical"),
        (["--serial", "pty?max_baud=300"], "'max_baud' is no parameter of --serial"),
        (["--optical", "/dev/x?baud=x"], "baud=x is no number"),
        (["--security", "strong"], "--security strong is none of"),
        (["--at", "soon"], "'soon' is no time"),
        (["--days", "-1"], "--days"),
        (["--speed", "-1"], "--speed"),
        (["--port", "70000"], "--port"),
        (["--seed", "-5"], "--seed"),
        (["--heartbeat"], "--heartbeat belongs to --dial"),
        (["--dial", "udp://host:1"], "--dial opens a TCP connection"),
        (["--dial", "host:port"], "port"),
        (["--keys", "none.toml"], "there is no key file"),
        (["--keys", "EMPTY"], "holds no global_unicast_encryption_key"),
    ],
)
def test_mistakes_of_simulating(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("[default]\n")
    with pytest.raises(SystemExit) as ended:
        run(["simulate", "meter", "--days", "0.01", *[str(empty) if item == "EMPTY" else item for item in arguments]])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_simulating_in_this_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in this process, stopped by a signal to itself once it says where it listens."""
    import cosem.cli.simulate as room

    real = room.click.echo

    def echo(text: str, **named: Any) -> None:
        real(text, **named)
        if "interrupt" in text or text.startswith("{"):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    monkeypatch.setattr(room.click, "echo", echo)
    monkeypatch.setattr("cosem.cli.living.TICK", 0.02)
    for arguments in ([], ["--json", "--at", "2026-11-01T12:00+01:00"]):
        with pytest.raises(SystemExit) as ended:
            run(["simulate", "meter", "--port", "0", "--days", "0.01", *arguments])
        assert not ended.value.code
        assert "tcp://127.0.0.1:" in capsys.readouterr().out


def test_further_meters_than_the_limit_are_turned_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosem.cli.listen.MAX_CONNECTIONS", 0)
    monkeypatch.setattr("cosem.cli.listen._Connection.connection_lost", _stop_at_loss)
    assert _listen_here(["tcp"], b"", capsys) == ""


def _stop_at_loss(connection: Any, error: Exception | None) -> None:
    connection.desk.stop.set()


def test_a_reader_of_the_output_that_goes_away_ends_the_listening(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(document: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("cosem.cli.listen.print_json", gone)
    assert _listen_here(["tcp", "--json"], _framed("wrapper", PLAIN, PLAIN), capsys, status=1) == ""


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_a_simulated_meter_calls_who_waits_for_it(tmp_path: Path, framing: str) -> None:
    query = "client=1&auth=high-gmac&security=both"
    scheme, dial = ("tcp", "") if framing == "wrapper" else ("hdlc+tcp", "hdlc+tcp://")
    url = f"{scheme}://127.0.0.1:0?{query}"
    with listen_for_meters(url, keys=key_file(tmp_path), counters=MemoryCounterStore()) as door:
        where = f"{dial}127.0.0.1:{door.address[1]}"
        arguments = ("simulate", "meter", "--port", "0", "--days", "0.05", "--dial", where, "--heartbeat")
        with _cosem(*arguments, folder=tmp_path):
            caller = door.accept(20)
            push = caller.listen(10)
            assert push is not None
            assert push.service.service == "data-notification"
            assert caller.greeting.device_name is not None
            with caller.associate() as meter:
                assert meter.get(1, "0-0:42.0.0", 2).value == caller.greeting.device_name


def test_calling_somebody_who_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import cosem.cli.simulate as room

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    real = room.click.echo

    def echo(text: str, **named: Any) -> None:
        real(text, **named)
        if "nobody waits" in text:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(room.click, "echo", echo)
    with pytest.raises(SystemExit) as ended:
        run(["simulate", "meter", "--port", "0", "--days", "0.01", "--dial", f"127.0.0.1:{port}", "--heartbeat"])
    assert not ended.value.code
    assert f"nobody waits at 127.0.0.1:{port}" in capsys.readouterr().err


def test_layouts_by_country_and_unverified_senders_said_aloud(tmp_path: Path) -> None:
    keys = tmp_path / "open.toml"
    key = bytes(range(16)).hex()
    keys.write_text(f'[open]\nglobal_unicast_encryption_key = "{key}"\nverify = false\n', encoding="ascii")
    power = DataNotification(b"", axdr.encode(axdr.structure(axdr.double_long_unsigned(1415)))).encode(1)
    arguments = ("listen", "tcp://127.0.0.1:0", "--count", "2", "--keys", str(keys), "--country", "no")
    with _cosem(*arguments, folder=tmp_path) as process:
        assert process.stderr is not None
        note = process.stderr.readline()
        with socket.create_connection(_address(process)) as meter:
            meter.sendall(_framed("wrapper", power, _general(5)))
            out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert note.startswith("note: [open] says verify = false")
    assert "1-0:1.7.0.255 = 1415 W  (active power import, instantaneous)" in out
    assert ", not verified" in out
    assert "data-notification\n" in out  # that one says no time


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("framing", ["hdlc", "mbus"])
def test_listening_on_a_serial_port_until_it_is_gone(tmp_path: Path, framing: str) -> None:
    pytest.importorskip("serial")
    own, other = os.openpty()
    trace = tmp_path / "trace.jsonl"
    arguments = ("listen", f"{framing}+serial://{os.ttyname(other)}", "--json", "-v", "--trace", str(trace))
    with _cosem(*arguments, "--keys", str(key_file(tmp_path)), folder=tmp_path) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        line = {"hdlc": "9600 Bd 8N1", "mbus": "2400 Bd 8E1"}[framing]
        assert process.stderr.readline() == f"listening on {os.ttyname(other)} at {line}\n"
        os.write(own, b"\x55noise" + _framed(framing, _general(5)))
        document = json.loads(process.stdout.readline())
        os.close(other)
        os.close(own)
        out, err = process.communicate(timeout=20)
    assert (document["verified"], document["readings"][0]["obis"]) == (True, "1-0:1.8.0.255")
    assert process.returncode == 1
    assert "nothing more can come from" in json.loads(out)["error"]["what"]
    assert " < 55 6e 6f" in err
    traced = [bytes.fromhex(json.loads(text)["octets"]) for text in trace.read_text().splitlines()]
    assert b"".join(traced).startswith(b"\x55noise")


def test_listening_on_what_cannot_push_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for url, words in (
        ("optical:///dev/ttyUSB0", "do not push by mode E"),
        ("mbus+serial:///dev/ttyUSB0?databits=7", "8 data bits"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(["listen", url])
        assert ended.value.code == 2
        assert words in capsys.readouterr().err
