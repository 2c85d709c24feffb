"""Whole sessions over loopback TCP through asyncio: client and device in processes of their own.

One session is TCP connection, AARQ with GMAC and both protections, proof, a day of the load profile, RLRE, and hang up.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime
from itertools import count
from typing import Any

from bench.report import Line

ROUNDS = 3
CONCURRENT = {1: 150, 200: 600}
"""How many at once, and how many in all."""


def sessions() -> list[Line]:
    """Sessions a second, one and 200 at once, with the event loop of the standard library and with uvloop if there."""
    loops = ["asyncio"]
    try:
        import uvloop  # noqa: F401
    except ImportError:
        pass
    else:
        loops.append("uvloop")
    lines = []
    # The device remembers the counters of its clients: those of a run begin above all that were used before.
    floors = count(1_000_000, 1_000_000)
    for loop in loops:
        device = subprocess.Popen(
            [sys.executable, "-m", "bench.sessions", "device", loop], stdout=subprocess.PIPE, text=True
        )
        try:
            assert device.stdout is not None
            port = device.stdout.readline().strip()
            for concurrent, total in CONCURRENT.items():
                rates = [_rate(loop, port, concurrent, total, next(floors)) for _ in range(ROUNDS)]
                what = f"sessions a second over TCP, {loop}, {concurrent} at once"
                lines.append(Line(what, statistics.median(rates), unit="/s"))
        finally:
            device.terminate()
            device.wait()
    return lines


def _rate(loop: str, port: str, *numbers: int) -> float:
    command = [sys.executable, "-m", "bench.sessions", "client", loop, port, *map(str, numbers)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


async def _device() -> None:
    from bench import world
    from cosem.io.server import DeviceServer

    server = DeviceServer(world.meter(3).device)
    _, port = await server.start()
    print(port, flush=True)
    await asyncio.Event().wait()


async def _client(port: int, concurrent: int, total: int, floor: int) -> float:
    from bench import world
    from cosem.apdu.base import SelectiveAccess
    from cosem.association.initiator import Initiator
    from cosem.association.settings import AssociationSettings
    from cosem.association.steps import Dial, Hangup
    from cosem.classes.c007_profile_generic import by_time
    from cosem.codec import axdr
    from cosem.codec.rows import decode_rows
    from cosem.io.aio import AsyncioDriver
    from cosem.link.wrapper import WrapperLink
    from cosem.times import CosemDateTime

    day = by_time(
        CosemDateTime.from_datetime(datetime(2026, 10, 18, 12, tzinfo=UTC)),
        CosemDateTime.from_datetime(datetime(2026, 10, 19, 11, 45, tzinfo=UTC)),
    )
    selection = SelectiveAccess(day.selector, axdr.encode(day.parameters))

    def whole(machine: Initiator, random: Any) -> Generator[Any, Any, bytes]:
        yield Dial()
        octets = yield from world.session(machine, random, selection)
        yield Hangup()
        return octets

    async def worker(number: int, repetitions: int) -> None:
        from secrets import token_bytes

        # Counters belong to a key and a title: each of those that are there at once has a title of its own.
        title = b"BENCH" + number.to_bytes(3, "big")
        for _ in range(repetitions):
            settings = AssociationSettings(
                client_sap=1,
                mechanism=5,
                protection=0x30,
                keys=world.KEYS,
                system_title=title,
                lease=lambda wanted: world.STORE.lease(title.hex(), wanted, floor),
            )
            driver = AsyncioDriver(Initiator(WrapperLink(), settings), "127.0.0.1", port, timeout=60)
            octets = await driver.run(whole(driver.machine, token_bytes))
            driver.close()
            if len(decode_rows(octets)) != 96:
                raise SystemExit("a session did not read a whole day: nothing is measured")

    await worker(0xFFFFFF, 3)
    start = time.perf_counter()
    await asyncio.gather(*(worker(number, total // concurrent) for number in range(concurrent)))
    return total // concurrent * concurrent / (time.perf_counter() - start)


def _main() -> None:
    role, loop, *rest = sys.argv[1:]
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        if role == "device":
            runner.run(_device())
        else:
            port, concurrent, total, floor = map(int, rest)
            print(runner.run(_client(port, concurrent, total, floor)))


if __name__ == "__main__":
    _main()
