"""The service of a head-end: the socket that pages and API are served at."""

from __future__ import annotations

import asyncio
import socket

from cosem.headend.service import bound


async def test_answers_on_a_kept_connection_are_sent_at_once():
    found = []

    async def answer(reader, writer):
        found.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    server = await asyncio.start_server(answer, sock=bound("127.0.0.1", 0))
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.read()
        writer.close()
    assert found == [1]
