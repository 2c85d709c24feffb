"""Options of `cosem simulate meter`: the customer's keys, the P1 port, the client of broadcasts."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click
import pytest

from cosem.apdu.get import AttributeDescriptor
from cosem.apdu.set import SetRequestNormal
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Post, Sleep
from cosem.cli.simulate import _build, serve, simulate_meter
from cosem.client import DeviceKeys
from cosem.client.listen import Listener, Senders
from cosem.codec import axdr
from cosem.errors import ConfigError
from cosem.io.memory import MemoryDriver
from cosem.io.pusher import framed
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.pushes.p1 import parse_p1
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_KEYS
from support.equipped import Net

EXAMPLE = Path(__file__).parents[2] / "examples" / "keys.toml"
SOURCE = str(Path(__file__).parents[2] / "src")
TO_ALL = b"CSM\x00\x00\x00\x00f"
CUSTOMER = Keys(bytes(range(0x30, 0x40)), bytes(range(0x40, 0x50)))


def built(*arguments: str) -> Any:
    arguments = ("--days", "0.01", "--at", "2026-06-01T12:00:00Z", *arguments)
    return _build(simulate_meter.make_context("meter", list(arguments)).params)[0]


def test_the_customer_port_pushes_under_keys_of_its_own() -> None:
    meter = built("--keys", str(EXAMPLE), "--customer", "customer", "--push", "192.0.2.1:4060")
    net = Net()
    net.meter = meter
    port = meter.equipment.customer.push
    port.network = net
    port.setup.push()
    meter.advance(meter.now + 1)
    ((_, delivery),) = net.sent
    assert delivery.destination == b"192.0.2.1:4060"
    for keys, opens in ((CUSTOMER, True), (DEMO_KEYS, False)):
        listener = Listener(WrapperLink(), Senders([DeviceKeys("meter", keys)]))
        (push,) = listener.receive(framed(delivery), 0.0)
        assert (push.value is not None and push.verified is True) == opens


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--customer", "customer"), "--keys says which file"),
        (("--keys", str(EXAMPLE), "--customer", "neighbour"), "has no section"),
        (("--broadcast", "4353"), "16 digits"),
        (("--broadcast", "zz534D0000000066"), "16 digits"),
        (("--at", "9999-12-31"), "between 1971 and 2099"),
        (("--at", "0001-01-01"), "between 1971 and 2099"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments: tuple[str, ...], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        built(*arguments)


@pytest.mark.parametrize("option", ["--days", "--speed"])
def test_what_is_no_number_is_none(option: str) -> None:
    with pytest.raises(click.BadParameter, match="no number"):
        built(option, "nan")


def test_a_meter_that_cannot_live_on_does_not_stand_still_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--days", "0.01", "--port", "0", "--speed", "1000", "--at", "2026-06-01T12:00:00Z"]
    options = simulate_meter.make_context("meter", arguments).params
    meter = _build(options)[0]

    def broken(until: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(meter, "advance", broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(serve(meter, options, ""), 20))


def test_a_broadcast_needs_its_key_and_a_customer_both(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    keys = "".join(f'{name}_key = "{"00" * 16}"\n' for name in ("global_unicast_encryption", "authentication"))
    path.write_text(f'[default]\n{keys}[customer]\nauthentication_key = "{"01" * 16}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="global_broadcast_encryption_key"):
        built("--keys", str(path), "--broadcast", TO_ALL.hex())
    with pytest.raises(ConfigError, match="both keys"):
        built("--keys", str(path), "--customer", "customer")


@pytest.mark.parametrize("known", [True, False])
def test_the_client_of_broadcasts_sets_the_time_of_who_knows_it(known: bool) -> None:
    meter = built(*(("--broadcast", TO_ALL.hex()) if known else ()))
    settings = AssociationSettings(
        client_sap=102,
        server_sap=0x7F,
        system_title=TO_ALL,
        pre_established=True,
        broadcast=True,
        keys=DEMO_KEYS,
        protection=0x30,
        lease=lambda count: (1, count),
    )
    driver = MemoryDriver(
        Initiator(WrapperLink(), settings), Responder(WrapperLink(server=True), meter.device, os.urandom)
    )
    moment = meter.clock.octets(meter.now + 30)
    target = AttributeDescriptor(8, Obis.parse("0-0:1.0.0.255"), 2)

    def talk() -> Generator[Any, Any, None]:
        yield from open_association(driver.initiator, os.urandom)
        yield Post(SetRequestNormal(target, None, axdr.encode(axdr.octet_string(moment))))
        yield Sleep(1)

    driver.run(talk())
    assert meter.clock.now - meter.now == (30 if known else 0)


def test_the_p1_port_sends_a_telegram_a_second(tmp_path: Path) -> None:
    arguments = ("simulate", "meter", "--json", "--port", "0", "--days", "0.1", "--p1", "pty", "--speed", "5")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": SOURCE}
    process = subprocess.Popen(
        [sys.executable, "-m", "cosem.cli", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        path = json.loads(process.stdout.readline())["urls"]["p1"]
        time.sleep(2.5)  # what was sent while nobody had the port open does not wait for who opens it
        line = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        assert not select.select([line], [], [], 0)[0]
        octets, until = b"", time.monotonic() + 15
        while octets.count(b"\n!") < 3 and time.monotonic() < until:
            if select.select([line], [], [], 1)[0]:
                octets += os.read(line, 4096)
        os.close(line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()
    begin = octets.index(b"/CSM5")
    end = octets.index(b"\n!", begin) + 8
    telegram = parse_p1(octets[begin:end])
    assert telegram.crc_ok
    assert {"0-0:96.1.1.255", "1-0:1.8.1.255"} <= {str(line.code) for line in telegram.lines}
