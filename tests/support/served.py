"""A simulated meter behind real sockets, and clients that know its keys."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cosem.client import AsyncMeter, ClientOptions, DeviceKeys, Meter, connect, connect_async
from cosem.device.meter import MeterSettings
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET, simulated_meter

END = datetime(2026, 11, 1, tzinfo=UTC)
DEVICE = DeviceKeys("meter", DEMO_KEYS, password=DEMO_PASSWORD, hls_secret=DEMO_SECRET)
MANAGEMENT = {"client": "1", "auth": "high-gmac", "security": "both"}
READING = {"client": "2", "auth": "low"}

KEY_FILE = f"""
[default]
password = "{DEMO_PASSWORD.decode()}"
hls_secret = "{DEMO_SECRET.decode()}"
global_unicast_encryption_key = "{DEMO_KEYS.global_unicast_encryption_key.hex()}"
authentication_key = "{DEMO_KEYS.authentication_key.hex()}"
"""


def make_meter(*, end: datetime = END, days: float = 2, seed: int = 1, **settings: Any) -> Any:
    """Return a simulated meter with the example keys; `settings` are those of `MeterSettings`."""
    defaults: dict[str, Any] = {
        "system_title": b"CSM" + (2**32 + seed).to_bytes(5, "big"),
        "serial": str(10_000_000 + seed),
        "keys": DEMO_KEYS,
        "secret": DEMO_SECRET,
        "password": DEMO_PASSWORD,
    }
    return simulated_meter(seed=seed, end=end, days=days, settings=MeterSettings(**(defaults | settings)))


@dataclass
class Served:
    """A meter that is being served, by wrapper and by HDLC."""

    meter: Any
    wrapper: tuple[str, int]
    hdlc: tuple[str, int]
    servers: tuple[DeviceServer, ...]
    counters: MemoryCounterStore = field(default_factory=MemoryCounterStore)

    def url(self, framing: str = "wrapper", **query: str) -> str:
        """Return a URL; the management client without a query."""
        host, port = self.hdlc if framing == "hdlc" else self.wrapper
        scheme = "hdlc+tcp" if framing == "hdlc" else "tcp"
        query = dict(query or MANAGEMENT)
        if getattr(self.meter.settings, "referencing", "ln") == "sn":
            query.setdefault("referencing", "sn")
        return f"{scheme}://{host}:{port}?{urlencode(query)}"

    def connect(self, framing: str = "wrapper", options: ClientOptions | None = None, **query: str) -> Meter:
        """Return a synchronous meter."""
        return connect(self.url(framing, **query), device=DEVICE, counters=self.counters, options=options)

    async def connect_async(
        self, framing: str = "wrapper", options: ClientOptions | None = None, **query: str
    ) -> AsyncMeter:
        """Return an asynchronous meter."""
        return await connect_async(self.url(framing, **query), device=DEVICE, counters=self.counters, options=options)


@contextmanager
def served(meter: Any | None = None, **settings: Any) -> Iterator[Served]:
    """Serve a meter over both framings while the block runs."""
    meter = meter or make_meter(**settings)
    servers = (DeviceServer(meter.device), DeviceServer(meter.device, framing="hdlc"))
    with serving(*servers) as (wrapper, hdlc):
        yield Served(meter, wrapper, hdlc, servers)


def key_file(folder: Path) -> Path:
    """Write and return a key file with the example keys."""
    path = folder / "keys.toml"
    path.write_text(KEY_FILE, encoding="utf-8")
    return path


class Proxy:
    """A TCP relay in threads. `forward` sees every chunk from the meter and returns what is passed on, or None to cut.

    `connections` counts how often a client came.
    """

    def __init__(self, target: tuple[str, int], forward: Callable[[int, bytes], bytes | None]) -> None:
        self.target = target
        self.forward = forward
        self.connections = 0
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()[:2]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._spawn(self._accept)

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            meter = socket.create_connection(self.target)
            self._sockets += [client, meter]
            self._spawn(self._up, client, meter)
            self._spawn(self._down, self.connections, meter, client)

    def _up(self, client: socket.socket, meter: socket.socket) -> None:
        try:
            while octets := client.recv(65536):
                self.requests.append(octets)
                meter.sendall(octets)
        except OSError:
            pass
        _shut(meter)

    def _down(self, number: int, meter: socket.socket, client: socket.socket) -> None:
        try:
            while octets := meter.recv(65536):
                passed = self.forward(number, octets)
                if passed is None:
                    break
                client.sendall(passed)
        except OSError:
            pass
        _shut(client)
        _shut(meter)

    def close(self) -> None:
        """Close everything."""
        _shut(self._listener)
        self._listener.close()
        for item in self._sockets:
            _shut(item)
        for thread in self._threads:
            thread.join(5)
        for item in self._sockets:
            item.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _shut(item: socket.socket) -> None:
    with suppress(OSError):
        item.shutdown(socket.SHUT_RDWR)


@contextmanager
def scripted(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, int]]:
    """Listen, and answer each chunk as told: octets, nothing for b"", the end of the connection for None."""
    proxyless = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()
    open_sockets: list[socket.socket] = []

    def talk(client: socket.socket) -> None:
        try:
            while octets := client.recv(65536):
                reply = answer(octets)
                if reply is None:
                    break
                client.sendall(reply)
        except OSError:
            pass
        client.close()

    def accept() -> None:
        while not done.is_set():
            try:
                client, _ = proxyless.accept()
            except OSError:
                return
            open_sockets.append(client)
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxyless.getsockname()[:2]
    finally:
        done.set()
        _shut(proxyless)
        proxyless.close()
        for item in open_sockets:
            _shut(item)
            item.close()
        thread.join(5)


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.005)
