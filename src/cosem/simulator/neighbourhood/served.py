"""A neighbourhood on the network: a port for each site, pushes that go out, and the control port, while time passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cosem.errors import ConfigError
from cosem.io.pusher import NetworkPusher, endpoint
from cosem.io.server import DeviceServer
from cosem.simulator.neighbourhood.control import ControlServer
from cosem.simulator.neighbourhood.neighbourhood import STEP, Neighbourhood
from cosem.simulator.pace import Pace

LOOPBACK = "127.0.0.1"
"""Where the control port is: it has no password."""
TICK = 0.2
"""Seconds between looks at the time; a meter on the power line is heard that much later."""
LONGEST = 0.1
"""Seconds lived at a stretch."""
SHORT = 0.01
"""Seconds between looks where it is late; enough for others to be heard."""


class Stretched:
    """A neighbourhood that lives in pieces, between which others are heard."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self._neighbourhood = neighbourhood

    @property
    def now(self) -> int:
        """The moment, UTC seconds."""
        return self._neighbourhood.now

    def advance(self, until: int) -> None:
        """Live towards `until`, for one stretch."""
        self._neighbourhood.advance(min(until, self.now + self._neighbourhood.stretch))


class Served:
    """A neighbourhood that is served: `ports` by site, and `control`. It lives while somebody runs `live`."""

    def __init__(self, neighbourhood: Neighbourhood, speed: float, failed: Callable[[str], object]) -> None:
        loop = asyncio.get_running_loop()
        self.neighbourhood = neighbourhood
        self.ports: dict[str, int] = {}
        self.control = ("", 0)
        self.late = False
        self._pace = Pace(Stretched(neighbourhood), speed, loop.time, STEP, LONGEST)
        self._failed = failed
        self._pushers: list[NetworkPusher] = []
        self._servers = {
            # Time does not pass with every request: hundreds of meters would live for each of them.
            site.name: DeviceServer(site.device, machines=site.machine)
            for site in neighbourhood.sites
        }
        self._control = ControlServer(neighbourhood, self)

    @property
    def speed(self) -> float:
        """Virtual seconds a second."""
        return self._pace.speed

    def set_speed(self, speed: float) -> None:
        """Live at another speed from now on."""
        self._pace.set_speed(speed)

    def push_to(self, destination: str) -> None:
        """Carry what is pushed to HOST:PORT from now on. Raises `ConfigError` for what is none."""
        octets = destination.encode("ascii", "replace")
        endpoint(octets)
        if not destination.isascii():
            raise ConfigError("the host that pushes go to is named in ASCII")
        self.neighbourhood.push_to(octets, self._pusher)

    def _pusher(self) -> NetworkPusher:
        pusher = NetworkPusher(failed=self._failed)
        self._pushers.append(pusher)
        return pusher

    async def start(self, host: str, first_port: int, control_port: int) -> None:
        """Listen: sites at `first_port` and behind it, or at free ports where it is 0."""
        for number, (name, server) in enumerate(self._servers.items()):
            _, self.ports[name] = await server.start(host, first_port + number if first_port else 0)
        self.control = await self._control.start(LOOPBACK, control_port)

    async def live(self) -> None:
        """Let time pass until cancelled. Where it is late, whoever has a connection is heard half of the time."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            self.late = not self._pace.live()
            took = clock() - begun
            spoken_to = False
            for server in self._servers.values():
                server.poll()
                spoken_to = spoken_to or bool(server.connections)
            await asyncio.sleep(TICK if not self.late else max(took, SHORT) if spoken_to else SHORT)

    async def stop(self) -> None:
        """Hang up, and carry nothing more."""
        await self._control.stop()
        for pusher in self._pushers:
            await pusher.stop()
        for server in self._servers.values():
            await server.stop()


@asynccontextmanager
async def served(
    neighbourhood: Neighbourhood,
    *,
    host: str = "127.0.0.1",
    first_port: int = 0,
    control_port: int = 0,
    speed: float = 1.0,
    failed: Callable[[str], object] = lambda why: None,
) -> AsyncIterator[Served]:
    """Serve a neighbourhood, and let it live, while the block runs. Raises `ConfigError` where a port cannot be had."""
    service = Served(neighbourhood, speed, failed)
    living: asyncio.Task[None] | None = None
    try:
        await service.start(host, first_port, control_port)
        living = asyncio.create_task(service.live())
        yield service
    finally:
        if living is not None:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
        await service.stop()
