"""What a real broker hears of a head-end: all of it at the beginning, then what changes, "offline" when it dies."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import signal
import subprocess
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select

from cosem.headend.access import Role, issue
from cosem.headend.folder import SETTINGS
from cosem.headend.happenings import Happened, acknowledge, keep
from cosem.headend.home.publisher import Publisher
from cosem.headend.home.settings import HomeSettings
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.schema import alarm
from support.broker import broker, listening
from support.certificates import own_certificate
from support.grafana import expressions, metrics
from support.home_assistant import problems, rendered
from support.house import fill, put
from support.killed import world
from support.pushes import framed, notification

NOW = 1_793_500_000
ONE = "homeassistant/device/cosem_1/config"
STATE = "cosem/device/meter_1.1/state"
LAST = "cosem/device/heat_1/state"
"""What is said last: what hangs behind others comes after them."""


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "office").mkdir()
    made = fill(tmp_path / "office", NOW)
    yield made
    made.dispose()


@pytest.fixture
def port(tmp_path):
    with broker(tmp_path) as found:
        yield found


@asynccontextmanager
async def publishing(engine, port, **changes):
    settings = replace(HomeSettings("127.0.0.1", port), **changes)
    made = Publisher(engine, settings, clock=lambda: NOW, random=lambda: 0.1, every=60)
    task = asyncio.create_task(made.run())
    made.task = task
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_home_assistant_finds_every_meter_with_its_values(engine, port):
    async with listening(port) as heard, publishing(engine, port):
        await heard.until(lambda: LAST in heard.last)
    configs = {topic: text for topic, text in heard.last.items() if topic.endswith("/config")}
    assert len(configs) == 7
    assert {topic: problems(topic, text) for topic, text in configs.items()} == {topic: [] for topic in configs}
    for text in configs.values():
        found = json.loads(text)
        if "state_topic" in found:
            there = [item["topic"] for item in found["availability"]]
            assert all(heard.last[topic] in (b"online", b"offline") for topic in there)
            rendered(found, heard.last[found["state_topic"]])
    shown = rendered(json.loads(configs[ONE]), heard.last[STATE])
    assert shown["1_0_1_8_0"] == "12345.678"
    # Orderly ended, it says so itself.
    assert heard.last["cosem/status"] == b"offline"


async def test_who_comes_later_finds_everything_retained(engine, port):
    async with publishing(engine, port) as publisher:
        async with listening(port) as first:
            await first.until(lambda: LAST in first.last)
        async with listening(port) as heard:
            await heard.until(lambda: LAST in heard.last and ONE in heard.last)
        assert {retained for topic, _, retained in heard.all} == {True}
        assert heard.last["cosem/status"] == b"online"
        assert publisher.connected


async def test_values_and_alarms_are_told_as_they_come_and_nothing_twice(engine, port):
    async with listening(port) as heard, publishing(engine, port) as publisher:
        await heard.until(lambda: LAST in heard.last)
        before = len(heard.all)
        with engine.begin() as connection:
            put(connection, 1, {"1-0:1.8.0.255": ("Wh", 0, 12_345_999), "0-1:24.2.1.255": ("m³", -3, 7_000)}, NOW)
        publisher.follow("value", {"device": 1})
        await heard.until(lambda: json.loads(heard.last["cosem/device/gas/state"])["0-1:24.2.1"] == 7.0)
        assert json.loads(heard.last[STATE])["1-0:1.8.0"] == 12345.999
        assert {topic for topic, *_ in heard.all[before:]} == {STATE, "cosem/device/gas/state"}
        with engine.begin() as connection:
            keep(connection, [Happened(5, NOW, "fraud", "terminal cover removed", alarming=True)], NOW)
        publisher.follow("alarm", {"device": 5, "alarm": 2})
        await heard.until(lambda: json.loads(heard.last["cosem/device/evc-1/state"])["tamper"] == "ON")
        with engine.begin() as connection:
            acknowledge(connection, list(connection.execute(select(alarm.c.id)).scalars()), "anna", NOW)
        publisher.follow("read", {"device": 5})
        await heard.until(lambda: json.loads(heard.last["cosem/device/evc-1/state"])["tamper"] == "OFF")
        assert json.loads(heard.last[STATE])["tamper"] == "ON", "nobody told of that device"


async def test_when_home_assistant_is_born_everything_is_said_again(engine, port):
    async with listening(port) as heard, publishing(engine, port):
        await heard.until(lambda: LAST in heard.last)
        before = len(heard.all)
        await heard.client.publish("homeassistant/status", b"offline", qos=1)
        await heard.client.publish("homeassistant/status", b"online", qos=1)
        await heard.until(lambda: LAST in [topic for topic, *_ in heard.all[before:]])
    again = [topic for topic, *_ in heard.all[before:]]
    configs = [topic for topic in again if topic.endswith("/config")]
    assert len(configs) == len(set(configs)) == 7
    assert again.index(configs[0]) < again.index("cosem/device/gas/state")


async def test_a_device_that_is_removed_leaves_nothing_behind(engine, port):
    gas = {"homeassistant/device/cosem_2/config", "cosem/device/gas/state", "cosem/device/gas/availability"}
    async with listening(port) as heard, publishing(engine, port) as publisher:
        await heard.until(lambda: LAST in heard.last)
        assert all(heard.last[topic] for topic in gas)
        with engine.begin() as connection:
            Inventory(connection).move("gas", State.REMOVED, NOW)
        publisher._every = 0.05
        publisher.follow("read", {"device": 1})
        await heard.until(lambda: not any(heard.last[topic] for topic in gas))
        # What it had read is the meter's again.
        await heard.until(lambda: "0_1_24_2_1" in json.loads(heard.last[ONE])["components"])
    async with listening(port) as later:
        await later.until(lambda: ONE in later.last)
    assert not gas & set(later.last)


async def test_what_was_removed_while_nobody_worked_is_taken_away_at_the_next_start(engine, port):
    other = "homeassistant/device/other_2/config"
    async with listening(port) as heard:
        async with publishing(engine, port):
            await heard.until(lambda: LAST in heard.last)
        await heard.client.publish(other, b"{}", qos=1, retain=True)
        # Somebody else's message must not make us empty topics that are not ours.
        hostile = {"state_topic": "somebody/else/state", "components": {"x": {"platform": "sensor", "unique_id": "x"}}}
        await heard.client.publish("homeassistant/device/cosem_99/config", json.dumps(hostile), qos=1, retain=True)
        await heard.client.publish("homeassistant/device/cosem_98/config", b"[1", qos=1, retain=True)
        await heard.client.publish("somebody/else/state", b"5", qos=1, retain=True)
        with engine.begin() as connection:
            Inventory(connection).move("heat_1", State.REMOVED, NOW)
            put(connection, 1, {"1-0:2.7.0.255": ("W", 0, 1)}, NOW)
        async with publishing(engine, port):
            await heard.until(
                lambda: not any(heard.last[f"homeassistant/device/cosem_{number}/config"] for number in (4, 98, 99))
            )
            await heard.until(lambda: heard.last["cosem/device/heat_1/state"] == b"")
    assert heard.last["somebody/else/state"] == b"5"
    assert heard.last[other] == b"{}"


async def test_a_component_that_is_gone_is_taken_away_by_its_platform_alone(engine, port):
    with engine.begin() as connection:
        Inventory(connection).move("gas", State.REMOVED, NOW)
    async with listening(port) as heard:
        async with publishing(engine, port):
            await heard.until(lambda: LAST in heard.last)
        assert "0_1_24_2_1" in json.loads(heard.last[ONE])["components"]
        with engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.move("gas", State.REGISTERED, NOW)
            inventory.move("gas", State.IN_USE, NOW)
        async with publishing(engine, port):
            await heard.until(
                lambda: json.loads(heard.last[ONE])["components"].get("0_1_24_2_1") == {"platform": "sensor"}
            )
        assert problems(ONE, heard.last[ONE]) == []


async def test_a_broker_that_goes_and_comes_hears_everything_again(engine, tmp_path, caplog):
    caplog.set_level(logging.INFO, "cosem.headend.home")
    with broker(tmp_path) as port:
        running = publishing(engine, port)
        publisher = await running.__aenter__()
        async with listening(port) as heard:
            await heard.until(lambda: LAST in heard.last)
    for _ in range(500):
        if publisher.failures > 1:
            break
        await asyncio.sleep(0.01)
    assert not publisher.connected
    with broker(tmp_path, port=port):
        async with listening(port) as heard:
            await heard.until(lambda: LAST in heard.last and heard.last["cosem/status"] == b"online")
        assert problems(ONE, heard.last[ONE]) == []
        await running.__aexit__(None, None, None)
    said = [record.message for record in caplog.records]
    assert said[0] == said[-1] == "connected"
    assert 1 <= said.count("no connection") <= 3


async def test_a_database_that_does_not_answer_once_does_not_end_it(engine, port, caplog):
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE alarm RENAME TO elsewhere")
    async with listening(port) as heard, publishing(engine, port):
        await heard.until(lambda: [record for record in caplog.records if record.exc_info])
        assert heard.last["cosem/status"] == b"online"
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO alarm")
        await heard.until(lambda: LAST in heard.last)


async def test_an_end_that_is_asked_for_just_when_something_happens_is_an_end(engine, port):
    for _ in range(3):
        async with listening(port) as heard, publishing(engine, port) as publisher:
            await heard.until(lambda: LAST in heard.last)
            await asyncio.sleep(0.5)
            # Both in one turn of the loop: the event is there, and so is the end.
            publisher._touch(1)
            publisher.task.cancel()
            _, left = await asyncio.wait({publisher.task}, timeout=5)
            assert not left
        assert heard.last["cosem/status"] == b"offline"


async def test_nobody_there_is_said_once_and_tried_again(engine, caplog):
    caplog.set_level(logging.INFO, "cosem.headend.home")
    async with publishing(engine, 1) as publisher:
        publisher._random = lambda: 0.0
        for _ in range(500):
            if publisher.failures > 2:
                break
            await asyncio.sleep(0.01)
    assert publisher.failures > 2
    assert len([record for record in caplog.records if record.message == "no connection"]) == 1


# The client leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_with_tls_and_a_password_is_spoken_to_by_both(engine, tmp_path, monkeypatch):
    own_certificate(tmp_path)
    users = tmp_path / "users"
    users.write_text("head:s3cret\n")
    if subprocess.run(["mosquitto_passwd", "-U", str(users)], capture_output=True).returncode:
        pytest.skip("there is no mosquitto_passwd here")
    users.chmod(0o644)
    tls = f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    monkeypatch.setenv("COSEM_MQTT_PASSWORD", "s3cret")
    with broker(tmp_path, f"password_file {users}", "user root", tls=tls) as port:
        settings = {"user": "head", "tls": True, "host": "localhost"}
        async with publishing(engine, port, **settings, ca_file=tmp_path / "cert.pem") as publisher:
            for _ in range(500):
                if publisher.published > 10:
                    break
                await asyncio.sleep(0.01)
            assert publisher.published > 10
        async with publishing(engine, port, **settings) as stranger:
            stranger._random = lambda: 0.0
            for _ in range(500):
                if stranger.failures:
                    break
                await asyncio.sleep(0.01)
            assert stranger.failures, "a broker nobody vouches for is not spoken to"
            assert not stranger.published


def figures(headend):
    """Return what a served head-end exposes."""
    with headend.engine.begin() as connection:
        token = issue(connection, "prometheus", Role.VIEWER, "setup", int(time.time()))
    asked = Request(f"{headend.api}/api/metrics", headers={"Authorization": f"Bearer {token}"})
    with urlopen(asked, timeout=10) as answer:
        return answer.read().decode()


def base(name):
    """Return the name of the family that a sample is of."""
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


async def test_a_served_head_end_tells_what_is_pushed_and_is_offline_when_it_is_killed(tmp_path):
    with broker(tmp_path) as port, world(tmp_path / "office", meters=1) as headend:
        settings = tmp_path / "office" / SETTINGS
        settings.write_text(settings.read_text() + f'\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n')
        with headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.add(NewDevice("10000002", Kind.ELECTRICITY), 0)
            inventory.move("10000002", State.IN_USE, 0)
        async with listening(port) as heard:
            await asyncio.to_thread(headend.start)
            await heard.until(lambda: heard.last.get("cosem/status") == b"online" and ONE in heard.last)
            assert problems(ONE, heard.last[ONE]) == []
            host, _, push_port = headend.push.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(push_port))
            writer.write(framed(notification(b"10000002", 4_321)))
            state = "cosem/device/10000002/state"
            await heard.until(lambda: json.loads(heard.last.get(state, b"{}")).get("1-0:1.8.0") == 4.321)
            writer.close()
            exposed = await asyncio.to_thread(figures, headend)
            await asyncio.to_thread(headend.kill, signal.SIGKILL)
            await heard.until(lambda: heard.last["cosem/status"] == b"offline")
        lines = [json.loads(line) for line in (tmp_path / "office" / "serve.log").read_text().splitlines()]
        assert "cosem_mqtt_connected 1.0" in exposed.splitlines()
        assert {
            name for each in expressions() for name in metrics(each) if f"# TYPE {base(name)} " not in exposed
        } == set()
        assert [line["broker"] for line in lines if line["what"] == "connected"] == ["127.0.0.1"]
        moments = [datetime.datetime.fromisoformat(line["time"]) for line in lines]
        assert all(moment.tzinfo is not None for moment in moments)
