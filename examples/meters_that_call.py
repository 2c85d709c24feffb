"""Wait for meters that open the connection themselves: each says who it is, is read, and is sent away."""

import asyncio
from datetime import UTC, datetime

from cosem.apdu.notify import DataNotification
from cosem.client import AsyncMeter, DeviceKeys, Greeting, serve_inbound
from cosem.codec import axdr
from cosem.io.server import DeviceServer
from cosem.link.base import Address
from cosem.obis import Obis
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

METERS = 3
URL = "tcp://127.0.0.1:0?client=1&auth=high-gmac&security=both"


def identify(greeting: Greeting) -> DeviceKeys:
    """Return the keys of whoever calls; a real program leaves it out and names a key file instead."""
    print("call from", (greeting.device_name or b"somebody").decode())
    return DeviceKeys("demo", DEMO_KEYS)


def heartbeat(name: bytes) -> DataNotification:
    """What the modem of this meter sends first: the logical device name, in clear."""
    body = axdr.structure(axdr.octet_string(Obis.parse("0-0:42.0.0.255")), axdr.octet_string(name))
    return DataNotification(b"", axdr.encode(body))


async def main() -> None:
    read = 0
    done = asyncio.Event()

    async def handle(meter: AsyncMeter) -> None:
        nonlocal read
        print("read:", await meter.quantity("1-0:1.8.0"))
        read += 1
        if read == METERS:
            done.set()

    async with serve_inbound(URL, handle, heartbeat=5, identify=identify, counters=MemoryCounterStore()) as door:
        now = datetime(2026, 11, 1, 18, tzinfo=UTC)
        meters = [simulated_meter(seed=seed, end=now, days=1) for seed in range(METERS)]
        servers = [DeviceServer(meter.device) for meter in meters]
        for meter, server in zip(meters, servers, strict=True):
            message = heartbeat(meter.logical.name)
            server.dial(*door.address, greet=lambda responder, m=message: responder.notify(Address(16, 1), m))
        await done.wait()
        for server in servers:
            await server.stop()


asyncio.run(main())
