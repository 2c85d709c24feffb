"""Read twenty meters at once in one event loop: the same verbs as without asyncio, with `await` in front."""

import asyncio
from datetime import UTC, datetime

from cosem.classes import Register
from cosem.client import DeviceKeys, connect_async
from cosem.errors import CosemError
from cosem.io.server import DeviceServer
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

METERS = 20
KEYS = DeviceKeys("demo", DEMO_KEYS)
COUNTERS = MemoryCounterStore()  # a real program leaves it out: then they are kept in a file


async def read(host: str, port: int) -> str:
    """Return one line about one meter; a meter that fails is a line too, and disturbs no other."""
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    try:
        async with await connect_async(url, device=KEYS, counters=COUNTERS) as meter:
            energy = await meter.quantity("1-0:1.8.0")
            power = await meter.get(Register.value, "1-0:1.7.0")  # typed: a type checker knows what comes back
            return f"{host}:{port}  {energy}  {power} W now"
    except CosemError as error:
        return f"{host}:{port}  {error}"


async def main() -> None:
    now = datetime(2026, 11, 1, 18, tzinfo=UTC)
    servers = [DeviceServer(simulated_meter(seed=seed, end=now, days=1).device) for seed in range(METERS)]
    addresses = [await server.start() for server in servers]
    for line in await asyncio.gather(*(read(host, port) for host, port in addresses)):
        print(line)
    for server in servers:
        await server.stop()


asyncio.run(main())
