"""The head-end as a service: API, intake of pushes and plans in one process, stopped without losing anything."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cosem.errors import ConfigError
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.folder import WORK
from cosem.headend.happenings import Happened
from cosem.headend.home.publisher import Publisher
from cosem.headend.intake import Intake
from cosem.headend.inventory import Inventory
from cosem.headend.logs import LOG, told
from cosem.headend.vault import Vault, device_keys
from cosem.headend.work import DbosQueue

if TYPE_CHECKING:
    from cosem.headend.web.frame import PageSettings

KNOWN_SECONDS: Final = 30.0
"""How soon a device that was added is known to the intake of pushes."""
YOUNG: Final = 5000
"""New objects after which it is looked for garbage among them: a hundred sessions under way have some thousands."""
GRACE_SECONDS: Final = 5
"""How long requests may go on when the service is stopped."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the service listens. `push_port` None: pushes are not received. Port 0: whichever is free."""

    host: str = "127.0.0.1"
    port: int = 8080
    push_port: int | None = 4059


@asynccontextmanager
async def working(
    settings: HeadendSettings, *, schedule: bool, clock: Callable[[], float] = time.time
) -> AsyncIterator[Headend]:
    """Hold a head-end that carries out the work of its folder. The caller has the folder's lock."""
    headend = Headend(
        settings,
        DbosQueue(settings.folder / WORK, poll=0.2),
        clock=clock,
        random=random.random,
        sealer=Vault.find(settings.folder),
    )
    try:
        await headend.start(schedule=schedule)
        settle()
        yield headend
    finally:
        await headend.close()


def settle() -> None:
    """Let the garbage collector look for garbage where there may be some, for the rest of this process.

    What is loaded by now stays, and looking through it takes as long as a hundred sessions. What sessions under way
    hold is no garbage either, and is more than the interpreter looks through by itself. Until here it may have been
    off: what is loaded at a start is no garbage.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


async def serve(settings: HeadendSettings, where: Listening, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is told the addresses once everything listens. Raises `ConfigError`."""
    # Loaded before the garbage collector settles: half of what a start takes is to load what pages and API are made of.
    import cosem.headend.web.site  # noqa: F401

    if settings.home is not None:
        # What could never connect is said before anything begins.
        settings.home.password()
        settings.home.context()
    async with working(settings, schedule=True) as headend:
        headend.live.append(told)
        await serve_headend(headend, where, ready)


async def serve_headend(
    headend: Headend,
    where: Listening,
    ready: Callable[[dict[str, Any]], None],
    pages: PageSettings | None = None,
) -> None:
    """Serve API, pages and the intake of pushes of a head-end that works, until SIGINT or SIGTERM."""
    import uvicorn

    from cosem.headend.web.site import create_site

    publisher = _publisher(headend)
    intake = Intake(
        headend.engine,
        clock=headend.clock,
        told=lambda fresh, opened: _happened(headend, fresh, opened),
        within=headend.notifier.within,
    )
    intake.valued = lambda numbers: _valued(headend, numbers)
    app = create_site(headend, pages, intake=intake, publisher=publisher)
    config = uvicorn.Config(
        app,
        where.host,
        where.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # Nobody in between is trusted to say who asks.
        proxy_headers=False,
    )
    server = _server(config)
    socket = bound(where.host, where.port)
    addresses: dict[str, Any] = {"api": f"http://{where.host}:{socket.getsockname()[1]}"}
    behind: list[asyncio.Task[None]] = []
    try:
        if publisher is not None:
            behind.append(asyncio.create_task(publisher.run()))
            addresses["mqtt"] = f"{publisher.settings.host}:{publisher.settings.port}"
        if where.push_port is not None:
            await asyncio.to_thread(learn_senders, headend, intake)
            try:
                port = await intake.start(where.host, where.push_port)
            except OSError as error:
                raise ConfigError(f"pushes at {where.host}:{where.push_port}: {error.strerror}") from None
            addresses["push"] = f"{where.host}:{port}"
            behind.append(asyncio.create_task(_keep_knowing(headend, intake)))
        announcing = asyncio.create_task(_announce(server, addresses, ready))
        await server.serve([socket])
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
    finally:
        socket.close()
        for task in behind:
            task.cancel()
        await asyncio.gather(*behind, return_exceptions=True)
        await intake.close()
        LOG.info("stopped")


def _server(config: Any) -> Any:
    """Return a server that leaves signals to us: uvicorn's own raises them again before our work is put away."""
    import signal
    from contextlib import contextmanager

    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.handle_exit, number, None)
            try:
                yield
            finally:
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.remove_signal_handler(number)

    return Server(config)


def bound(host: str, port: int) -> Any:
    """Return a bound socket, so that a port that is taken is one sentence and not a traceback. Raises `ConfigError`."""
    import errno
    import socket

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        # asyncio sends at once where it sees that this is TCP; else a kept connection waits 40 ms for each answer.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        other = "; --port names another" if error.errno == errno.EADDRINUSE else ""
        raise ConfigError(f"the API at {host}:{port}: {error.strerror}{other}") from None
    made.set_inheritable(False)
    return made


async def _announce(server: Any, addresses: dict[str, Any], ready: Callable[[dict[str, Any]], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    LOG.info("ready", extra={"fields": addresses})
    ready(addresses)


def _happened(headend: Headend, fresh: list[Happened], opened: list[int]) -> None:
    for item in fresh:
        headend.tell("event", {"device": item.device, "group": item.group, "words": item.words})
    if opened:
        headend.alarmed(opened)
    headend.notifier.wake()


def _valued(headend: Headend, numbers: set[int]) -> None:
    for number in sorted(numbers):
        headend.tell("value", {"device": number})


def _publisher(headend: Headend) -> Publisher | None:
    """Return who tells a broker, if the settings name one."""
    settings = headend.settings.home
    if settings is None:
        return None
    publisher = Publisher(headend.engine, settings, clock=headend.clock, random=random.random)
    headend.live.append(publisher.follow)
    return publisher


async def _keep_knowing(headend: Headend, intake: Intake) -> None:
    while True:
        await asyncio.sleep(KNOWN_SECONDS)
        try:
            await asyncio.to_thread(learn_senders, headend, intake)
        except Exception:
            logging.getLogger(__name__).exception("devices added since are not known to the intake of pushes yet")


def learn_senders(headend: Headend, intake: Intake) -> None:
    """Tell the intake who may push, with which keys."""
    with headend.engine.connect() as connection:
        inventory = Inventory(connection)
        after, keys = 0, []
        while page := inventory.page(after=after, limit=1000):
            after = page[-1].id
            secrets = headend.keys.secrets(connection, [row.id for row in page])
            keys += [
                device_keys(
                    row.name, secrets[row.id], system_title=row.title, client_system_title=headend.settings.client_title
                )
                for row in page
                if secrets[row.id]
            ]
        intake.know(connection, keys)
