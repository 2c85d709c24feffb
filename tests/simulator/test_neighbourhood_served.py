"""A served neighbourhood: everybody of its shipment is read over real sockets, and its control port takes anything."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest

from cosem.classes import Data, Register
from cosem.client import DeviceKeys, connect_async
from cosem.errors import ConfigError, CosemError
from cosem.headend.database import open_database
from cosem.headend.exchange import import_rows, read_rows
from cosem.headend.inventory import Inventory
from cosem.headend.permits import Limits
from cosem.headend.vault import KeyStore, Vault
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.neighbourhood.control import QUEUED, ControlClient
from cosem.simulator.neighbourhood.incidents import HEAR
from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from cosem.simulator.neighbourhood.served import served
from cosem.simulator.neighbourhood.shipment import DEMO_TRANSPORT_KEY, shipment

END = 1_795_608_000
IMPORT = "1-0:1.8.0"


@pytest.fixture(scope="module")
def neighbours():
    """Nobody of it is silent any more, and the concentrator of its power line has found and read them all."""
    neighbourhood = Neighbourhood(NeighbourhoodSettings(8, 6, 2, 0.1), END, chance=False)
    for unit in neighbourhood.units.values():
        if unit.silent:
            neighbourhood.act(unit.name, HEAR)
    neighbourhood.advance(END + 7 * 3600)
    return neighbourhood


def run(neighbourhood, play, **options):
    """Serve the neighbourhood while `play` goes on with it."""

    async def main():
        async with asyncio.timeout(60), served(neighbourhood, **options) as service:
            return await play(service)

    return asyncio.run(main())


@asynccontextmanager
async def spoken_to(service):
    reader, writer = await asyncio.open_connection(*service.control, limit=1 << 24)
    try:
        yield reader, writer
    finally:
        writer.close()


async def asked(streams, request):
    reader, writer = streams
    writer.write(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
    line = await reader.readline()
    return json.loads(line) if line else None


def test_everybody_of_the_shipment_is_read_with_its_keys(neighbours):
    async def play(service):
        service.set_speed(60)
        rows = shipment(neighbours, "127.0.0.1", service.ports)["devices"]
        counters = MemoryCounterStore()
        read = {}
        for row in rows:
            unit = neighbours.units[row["name"]]
            if "url" not in row:
                assert unit.sheet.parent in neighbours.units
                continue
            for url in filter(None, (row["url"], row.get("details", {}).get("kept_url"))):
                kept = url != row["url"]
                title = None if kept else unit.sheet.system_title
                keys = DeviceKeys(f"{row['name']} {kept}", unit.sheet.keys, system_title=title)
                async with await connect_async(url, device=keys, counters=counters) as meter:
                    if unit.sheet.kind == "electricity" and not kept:
                        read[row["name"]] = await meter[Register, IMPORT].value
                    else:
                        assert await meter[Data, "0-0:42.0.0"].value
                        read.setdefault(row["name"], None)
        return read

    read = run(neighbours, play)
    assert set(read) == {name for name, unit in neighbours.units.items() if unit.sheet.query}
    for name, value in read.items():
        if value is not None:
            assert 0 < float(value) / 1000 <= neighbours.units[name].look()["import"]


def test_a_shipment_is_taken_into_a_head_end_whole_and_only_with_its_key(neighbours, tmp_path):
    text = json.dumps(shipment(neighbours, "::1", {site.name: 4059 for site in neighbours.sites}))
    assert "tcp://[::1]:4059?" in text
    engine = open_database(tmp_path / "headend.db")
    keys = KeyStore(Vault.find(tmp_path, create=True))
    with pytest.raises(CosemError):
        read_rows(text, transport_key=bytes(16))
    rows = read_rows(text, transport_key=DEMO_TRANSPORT_KEY)
    with engine.begin() as connection:
        inventory = Inventory(connection)
        for segment in {row.device.segment for row in rows}:
            inventory.set_segment(segment, Limits(40, 200.0))
        for row in rows:
            inventory.set_type(row.device.type, row.device.kind, manufacturer="CSM")
        assert import_rows(connection, keys, rows, "somebody", END) == len(neighbours.units)
        taken = {row.name: row for row in Inventory(connection).page(limit=1000)}
    engine.dispose()
    assert set(taken) == set(neighbours.units)
    on_line = {name for name, row in taken.items() if row.kept_url is not None}
    assert on_line == {unit.name for unit in neighbours.line.units if unit.sheet.kind == "electricity"}
    for unit in neighbours.units.values():
        for key in () if unit.sheet.keys is None else (unit.sheet.keys.global_unicast_encryption_key,):
            assert key.hex() not in text


def test_every_request_of_the_control_port_is_answered(neighbours):
    async def play(service):
        async with spoken_to(service) as streams:
            assert (await asked(streams, {"do": "time", "id": 7})) | {"answer": 0} == {"id": 7, "answer": 0}
            units = (await asked(streams, {"do": "units"}))["answer"]
            assert [unit["name"] for unit in units] == list(neighbours.units)
            assert "keys" not in units[0]
            assert (await asked(streams, {"do": "feeders"}))["answer"] == list(neighbours.feeders)
            looks = (await asked(streams, {"do": "look"}))["answer"]
            assert set(looks) == set(neighbours.units)
            assert list((await asked(streams, {"do": "look", "units": ["S-1"]}))["answer"]) == ["S-1"]
            assert "magnet" in (await asked(streams, {"do": "actions", "where": "E-001"}))["answer"]
            act = {"do": "act", "where": "E-001", "words": "terminal cover opened"}
            assert (await asked(streams, act))["answer"] == ""
            clock = {"do": "act", "where": "E-002", "words": "clock", "given": {"to": "2026-11-25T13:00:00"}}
            assert "error" not in await asked(streams, clock)
            told = (await asked(streams, {"do": "story", "after": 0}))["answer"]
            assert any(line["unit"] == "E-001" and "cover" in line["words"] for line in told)
            assert (await asked(streams, {"do": "story", "after": told[-1]["number"] + 10_000}))["answer"] == []
            assert (await asked(streams, {"do": "speed", "value": 5}))["answer"]["speed"] == 5
            assert (await asked(streams, {"do": "push to", "value": "127.0.0.1:9"}))["answer"] == "127.0.0.1:9"
            assert "<svg" in (await asked(streams, {"do": "line map"}))["answer"]
            # Nobody is there to take what is pushed: they live on.
            assert "error" not in await asked(streams, act | {"words": "terminal cover closed"})
            await asyncio.sleep(0.5)
            assert (await asked(streams, {"do": "time"}))["answer"]["now"] >= END

    run(neighbours, play)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({}, "do is none of"),
        ({"do": ["time"]}, "do is none of"),
        ({"do": "dance"}, "do is none of"),
        ({"do": "look", "units": ["E-999"]}, "no 'E-999'"),
        ({"do": "look", "units": "E-001"}, "list of names"),
        ({"do": "actions"}, "where is a text"),
        ({"do": "act", "where": "E-001", "words": 1}, "words is a text"),
        ({"do": "act", "where": "E-001", "words": "magnet", "given": [1]}, "given is an object"),
        ({"do": "act", "where": "E-001", "words": "magnet", "given": {"x": 1}}, "'x' is none of"),
        ({"do": "act", "where": "E-001", "words": "\ud800"}, "cannot be done"),
        ({"do": "act", "where": "E-001", "words": "clock", "given": {"to": "noon"}}, "clock: to"),
        ({"do": "speed", "value": 0}, "1 to 3600"),
        ({"do": "speed", "value": True}, "1 to 3600"),
        ({"do": "speed", "value": float("nan")}, "1 to 3600"),
        ({"do": "push to", "value": "nowhere"}, "HOST:PORT"),
        ({"do": "push to", "value": "hülle:4059"}, "ASCII"),
        ({"do": "push to", "value": "h:99999"}, "HOST:PORT"),
        ({"do": "story", "after": "all"}, "number of a line"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_the_connection_goes_on(neighbours, request_, why):
    async def play(service):
        async with spoken_to(service) as streams:
            answer = await asked(streams, request_)
            assert why in answer["error"]
            assert "answer" in await asked(streams, {"do": "time"})

    run(neighbours, play)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"not json\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b"[" * 30_000 + b"\n",
        b'{"do": "' + b"x" * 70_000 + b'"}\n',
    ],
)
def test_whoever_speaks_otherwise_is_hung_up_on(neighbours, octets):
    async def play(service):
        async with spoken_to(service) as streams:
            with suppress(ConnectionError):
                assert await asked(streams, octets) is None
        async with spoken_to(service) as streams:
            assert "answer" in await asked(streams, {"do": "time"})

    run(neighbours, play)


def test_followers_hear_lines_time_and_another_speed_at_once(neighbours):
    async def play(service):
        host, port = service.control
        client = ControlClient(host, port)
        followed = client.follow()
        first = await anext(followed)
        assert first["time"]["speed"] == 1
        await client.call("speed", value=30)
        assert (await anext(followed))["time"]["speed"] == 30
        await client.act("E-003", "meter cover opened")
        async for told in followed:
            if "line" in told and told["line"]["unit"] == "E-003":
                break
        # Also while much happens the time is told.
        stop = asyncio.Event()

        async def chatter():
            while not stop.is_set():
                neighbours._tell("E-003", "done", "much")
                await asyncio.sleep(0.02)

        busy = asyncio.create_task(chatter())
        async with asyncio.timeout(5):
            async for told in followed:
                if "time" in told:
                    break
        stop.set()
        await busy
        await followed.aclose()
        client.hang_up()

    run(neighbours, play)


def test_a_follower_who_does_not_read_is_let_go(neighbours):
    async def play(service):
        _, writer = await asyncio.open_connection(*service.control, limit=64)
        writer.write(b'{"do": "follow"}\n')
        await asyncio.sleep(0.1)
        for _ in range(60):
            for _ in range(QUEUED // 10):
                neighbours._tell("E-001", "done", "x" * 2000)
            await asyncio.sleep(0)
            if not service._control._followers:
                break
        async with asyncio.timeout(5):
            while service._control._followers:
                await asyncio.sleep(0.01)
        async with spoken_to(service) as streams:
            assert "answer" in await asked(streams, {"do": "time"})
        writer.close()

    run(neighbours, play)


def test_many_play_at_once(neighbours):
    async def play(service):
        clients = [ControlClient(*service.control) for _ in range(40)]
        names = [name for name, unit in neighbours.units.items() if unit.sheet.kind == "electricity"]
        said = await asyncio.gather(
            *(
                client.act(names[i % len(names)], "magnet" if i % 2 else "magnet gone")
                for i, client in enumerate(clients)
            ),
            *(client.call("look") for client in clients),
        )
        assert len(said) == 80
        with pytest.raises(ConfigError, match="cannot be done"):
            await clients[0].act("E-001", "fly")
        for client in clients:
            client.hang_up()

    run(neighbours, play)


def test_a_port_that_is_taken_is_said(neighbours):
    async def play(service):
        taken = service.control[1]
        with pytest.raises(ConfigError, match=str(taken)):
            async with served(neighbours, control_port=taken):
                pass
        with pytest.raises(CosemError, match=str(taken)):
            async with served(neighbours, first_port=taken):
                pass

    run(neighbours, play)


def test_the_control_port_stays_on_loopback(neighbours):
    async def play(service):
        assert service.control[0] == "127.0.0.1"

    run(neighbours, play, host="0.0.0.0")


def test_at_the_highest_speed_it_is_late_and_answers(neighbours):
    async def play(service):
        client = ControlClient(*service.control)
        begun = (await client.call("time"))["now"]
        async with asyncio.timeout(30):
            while (await client.call("time"))["now"] < begun + 3600:
                await asyncio.sleep(0.1)
        client.hang_up()

    run(neighbours, play, speed=3600)
