"""Converters as they are: they drop connections, hand octets over one by one, echo, flood, and garble."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cosem.client import AsyncMBus
from cosem.errors import ConnectionLost, CosemError, RemoteProtocolError
from cosem.link.mbus_frame import build

QUICK = "baud=38400&timeout=0.2&latency=0"
ANSWER = build(0x08, 5, 0x72, bytes.fromhex("785634122d2c010401000000") + bytes.fromhex("0c1378563412"))
Manner = Callable[[asyncio.StreamWriter, bytes, int], Awaitable[None]]


@asynccontextmanager
async def converter(manner: Manner) -> AsyncIterator[str]:
    """A converter behind which the meter at 5 is; `manner` sends what is answered to a frame, the n-th of all."""
    count = 0
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while frame := await reader.read(300):
                count += 1
                answer = b"\xe5" if frame[1:2] == b"\x40" else ANSWER
                await manner(writer, answer, count)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"mbus+tcp://{host}:{port}?{QUICK}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


async def test_a_connection_that_breaks_in_the_middle_of_an_answer() -> None:
    async def manner(writer: asyncio.StreamWriter, answer: bytes, number: int) -> None:
        writer.write(answer if number != 2 else answer[:9])
        await writer.drain()
        if number == 2:
            writer.close()

    async with converter(manner) as url, AsyncMBus(url) as bus:
        with pytest.raises(ConnectionLost):
            await bus.read(5)
        # The next call opens the connection again, and the half answer is forgotten.
        assert (await bus.reading(5)).values["total_m3"] is not None


@pytest.mark.parametrize("pause", [0.0, 0.02])
async def test_octets_one_by_one(pause: float) -> None:
    async def manner(writer: asyncio.StreamWriter, answer: bytes, number: int) -> None:
        for octet in answer:
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(pause)

    async with converter(manner) as url, AsyncMBus(url) as bus:
        assert (await bus.reading(5)).id == "12345678"


async def test_octets_too_slow_to_be_a_frame_are_none() -> None:
    async def manner(writer: asyncio.StreamWriter, answer: bytes, number: int) -> None:
        for octet in answer:
            writer.write(bytes((octet,)))
            await asyncio.sleep(0.15)

    async with converter(manner) as url, AsyncMBus(f"{url}&tries=2") as bus:
        with pytest.raises(RemoteProtocolError):
            await bus.read(5)


async def test_a_flood_ends_and_is_not_kept() -> None:
    async def manner(writer: asyncio.StreamWriter, answer: bytes, number: int) -> None:
        for _ in range(200):
            writer.write(bytes.fromhex("68ffff68") * 4000)
            await writer.drain()

    async with converter(manner) as url, AsyncMBus(f"{url}&tries=1") as bus:
        begun = time.monotonic()
        with pytest.raises(CosemError):
            await bus.read(5)
        assert time.monotonic() - begun < 5
        assert len(bus.master._buffer) < 300
        bus.close()


async def test_an_echo_of_the_converter_and_one_of_somebody_else() -> None:
    async def manner(writer: asyncio.StreamWriter, answer: bytes, number: int) -> None:
        asked = bytes.fromhex("1040054516") if answer == b"\xe5" else bytes.fromhex("107b058016")
        writer.write((asked if number % 2 else b"") + answer)

    async with converter(manner) as url, AsyncMBus(url) as bus:
        results = []
        for _ in range(4):
            try:
                results.append((await bus.reading(5)).id)
            except CosemError as error:
                results.append(type(error).__name__)
        assert "12345678" in results
