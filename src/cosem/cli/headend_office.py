"""What the commands of the head-end share: its folder, who asks, and who carries out what is asked for."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cosem.cli.values import parse_time
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cosem.headend.access import Act
    from cosem.headend.engine import Headend, HeadendSettings
    from cosem.headend.intervals import Intervals
    from cosem.headend.vault import KeyStore

TOKEN = "COSEM_HEADEND_TOKEN"  # noqa: S105 - a name
LOOK_SECONDS = 0.2
T = TypeVar("T")

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="COSEM_HEADEND",
    default="headend",
    show_default=True,
    help="The head-end's folder (or COSEM_HEADEND).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@dataclass
class Office:
    """An open folder. `who` is the name that the audit log gets."""

    folder: Path
    settings: HeadendSettings
    engine: Engine
    who: str
    token: str | None

    @property
    def now(self) -> int:
        """Return UTC seconds."""
        return int(time.time())

    @cached_property
    def intervals(self) -> Intervals:
        """Return the interval values."""
        from cosem.headend.folder import INTERVALS
        from cosem.headend.intervals import Intervals

        return Intervals(self.folder / INTERVALS)

    @cached_property
    def keys(self) -> KeyStore:
        """Return the keys of the devices. Raises `ConfigError` where the head-end's own is nowhere."""
        from cosem.headend.vault import KeyStore, Vault

        return KeyStore(Vault.find(self.folder))

    def may(self, act: Act) -> None:
        """Raise `ConfigError` unless who asks may do `act`. Who has the folder and names no token may do everything."""
        from cosem.headend.access import person

        if self.token is None:
            return
        with self.engine.connect() as connection:
            found = person(connection, self.token, self.now)
        if found is None:
            raise ConfigError(f"the token in {TOKEN} is worth nothing here")
        found.may(act)
        if found.devices is not None:
            raise ConfigError(f"{found.name} sees some of the devices only: that is for the API")
        self.who = found.name


@contextmanager
def opened(folder: Path, act: Act | None = None) -> Iterator[Office]:
    """Open a head-end's folder for one command that does `act`. Raises `ConfigError`."""
    from cosem.headend.database import open_database
    from cosem.headend.folder import DATABASE, load_settings

    settings = load_settings(folder)
    if not (folder / DATABASE).exists():
        raise ConfigError(f"there is no {folder / DATABASE}: restore a backup, or begin with cosem headend init")
    engine = open_database(folder / DATABASE)
    try:
        office = Office(folder, settings, engine, local_user(), os.environ.get(TOKEN))
        if act is not None:
            office.may(act)
        yield office
    finally:
        engine.dispose()


@contextmanager
def asking(office: Office) -> Iterator[Headend]:
    """Return a head-end that writes down what is asked for, and carries nothing out."""
    import random

    from cosem.headend.engine import Headend
    from cosem.headend.vault import Vault
    from cosem.headend.work import Elsewhere

    sealer = Vault.find(office.folder)
    headend = Headend(office.settings, Elsewhere(), clock=time.time, random=random.random, sealer=sealer)
    try:
        yield headend
    finally:
        headend.engine.dispose()


def local_user() -> str:
    """Return how the audit log names who works at this machine without a token."""
    try:
        return f"{getpass.getuser()} (local)"
    except (KeyError, OSError):
        return f"user {os.getuid()} (local)"


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def seconds(text: str) -> int:
    """Return UTC seconds of a time; without a zone it is UTC. Raises `ConfigError`."""
    moment = parse_time(text)
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())


def shown(at: int | None) -> str:
    """Return UTC seconds for people."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(at: int | None) -> str | None:
    """Return UTC seconds for machines."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def attend(office: Office, over: Callable[[], bool]) -> None:
    """Wait until `over` says so, and carry out the work of the folder meanwhile unless another process does."""
    from cosem.headend.folder import Lock

    lock = Lock(office.folder)
    while not over():
        if lock.take():
            try:
                on_loop(lambda: _work(office, over))
            finally:
                lock.release()
            return
        # Somebody else works; when that ends before ours is done, we go on.
        time.sleep(LOOK_SECONDS)


async def _work(office: Office, over: Callable[[], bool]) -> None:
    from cosem.headend.service import working

    async with working(office.settings, schedule=False):
        while not await asyncio.to_thread(over):
            await asyncio.sleep(LOOK_SECONDS)


def on_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on the quickest event loop there is."""

    async def run() -> T:
        return await main()

    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(run())


def _factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
