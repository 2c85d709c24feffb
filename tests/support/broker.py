"""A real MQTT broker (mosquitto) on a free port of this machine, and what somebody hears who subscribes to it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def broker(folder: Path, *lines: str, tls: str = "", port: int = 0) -> Iterator[int]:
    """Run a broker and give its port; `lines` and `tls` are more of its configuration. Skips where there is none."""
    if PROGRAM is None:
        pytest.skip("there is no mosquitto here (apt install mosquitto)")
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    anonymous = "" if any("password_file" in line for line in lines) else "allow_anonymous true\n"
    more = "".join(f"{line}\n" for line in lines)
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\n{tls}{anonymous}persistence false\nmax_queued_messages 0\n{more}")
    with subprocess.Popen([PROGRAM, "-c", str(file)], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


@dataclass
class Heard:
    """Who listens: the last message of every topic, and all messages in their order."""

    client: aiomqtt.Client
    last: dict[str, bytes] = field(default_factory=dict)
    all: list[tuple[str, bytes, bool]] = field(default_factory=list)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it holds."""
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"it did not come about; heard: {sorted(self.last)}")


@asynccontextmanager
async def listening(port: int, *topics: str, **options: object) -> AsyncIterator[Heard]:
    """Listen to topics, by a plain client."""
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:  # type: ignore[arg-type]
        heard = Heard(client)

        async def hear() -> None:
            async for message in client.messages:
                topic, payload = str(message.topic), bytes(message.payload or b"")  # type: ignore[arg-type]
                heard.all.append((topic, payload, message.retain))
                heard.last[topic] = payload

        task = asyncio.create_task(hear())
        for topic in topics or ("#",):
            await client.subscribe(topic, qos=1)
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
