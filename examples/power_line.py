"""A street on the power line: 200 meters found, read from outside by TCP, through a noisy hour, and sent firmware.

The whole of it is simulated in virtual time: what took hours on the wire is over in seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cosem.classes import Register
from cosem.client import DeviceKeys, connect
from cosem.client.firmware import ImagePatience, ImageUpdate
from cosem.io.server import DeviceServer
from cosem.plc.initiator import InitiatorSettings
from cosem.security.counters import MemoryCounterStore
from cosem.security.image import ImagePart, make_image
from cosem.simulator.feeder import Feeder, Interferer, random_feeder
from cosem.simulator.feeder_meter import CONCENTRATOR_TITLE, IMAGE_BLOCK
from cosem.simulator.feeder_network import title_of
from cosem.simulator.meter import DEMO_KEYS, demo_signing_key
from cosem.simulator.power_line_site import PowerLineSite

METERS = 200
KEYS = DeviceKeys("demo", DEMO_KEYS, client_system_title=b"HESHES01")
COUNTERS = MemoryCounterStore()  # a real program leaves it out: then they are kept in a file


@contextmanager
def served(site: PowerLineSite) -> Iterator[str]:
    """Be the concentrator on a free port, in a thread."""
    loop = asyncio.new_event_loop()
    server = DeviceServer(site.concentrator.local.device, machines=site.concentrator.machine)
    host, port = loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def noisy(feeder: Feeder) -> Feeder:
    """Return the feeder with machines on it that jam one of the two tones from 15 to 16 o'clock, not all the same."""
    hour = frozenset({15})
    joints = range(5, len(feeder.segments), 10)
    jammers = tuple(Interferer(joint, joint // 10 % 2, 92.0, hour) for joint in joints)
    return Feeder(feeder.segments, feeder.stations, feeder.line, jammers)


site = PowerLineSite(
    noisy(random_feeder(METERS, seed=1)), seed=1, initiator=InitiatorSettings(CONCENTRATOR_TITLE, call_after=None)
)
network = site.network

# --- found and registered, repeaters called -----------------------------------------------------------------------
network.discover()
registry = network.initiator.registry
print(
    f"{len(registry.registered)} meters found and registered in {network.medium.seconds / 60:.0f} minutes on the wire"
)
before = sum(system.mac.repeats for system in network.systems.values())
network.initiator.call_repeaters(network.now)
network.flush()
network.run(network.now + 200)
print(
    f"repeaters called: {before} repeated before, {sum(system.mac.repeats for system in network.systems.values())} do"
)

# --- read from outside, with GMAC, authenticated and encrypted -----------------------------------------------------
with served(site) as url:
    behind = f"{url}&gateway_network=1&gateway_device="
    for number in (1, 100, 200):
        with connect(behind + title_of(number).hex(), device=KEYS, counters=COUNTERS) as meter:
            print(f"meter {number}: {meter[Register, '1-0:1.8.0'].value} Wh")


# --- the concentrator reads by itself: a whole day, and then what is new, in a noisy hour ---------------------------
def until(hours: float) -> None:
    network.run(network.medium.rate.slots_in(hours * 3600))


def read(when: str) -> None:
    begun, repeated = network.medium.seconds, network.initiator.repeated
    report = site.read_profiles().report
    minutes = (network.medium.seconds - begun) / 60
    print(
        f"{when}: {report.rows} rows of {len(report.read)} meters in {minutes:.0f} minutes, "
        f"{network.initiator.repeated - repeated} exchanges repeated, {len(report.failed)} meters given up"
    )


read("at noon")  # slot 0 is noon
until(3.05)
read("at three, in a noisy hour")
with served(site) as url:
    stored = f"{url}&gateway_network=2&gateway_device={title_of(42).hex()}"
    with connect(stored, device=KEYS, counters=COUNTERS) as meter:
        rows = meter.profile("1-0:99.1.0").read()
        print(f"of meter 42 the concentrator has {len(rows)} rows, and answers without the power line")

# --- firmware to all at once, gaps filled one by one ---------------------------------------------------------------
payload = bytes(number * 7 % 256 for number in range(2_000))
image = make_image([ImagePart(0, 0, b"firmware 2", payload)], demo_signing_key())
for station in network.systems:
    network.meter(station)
begun = network.medium.seconds
outage = [network.now + network.medium.rate.slots_in(seconds) for seconds in (5, 12)]  # of one meter, in the middle
network.timers.append(
    (
        lambda: outage[0] if outage else None,
        lambda slot: network.medium.switch(7, bool(outage.pop(0)) and not outage),
    )
)
blocks = site.broadcast_image(image, b"firmware 2", block_size=IMAGE_BLOCK)
print(f"{blocks} blocks broadcast in {network.medium.seconds - begun:.0f} s on the wire")
filled = 0
for station, system in network.systems.items():

    def fill(core):
        yield from core.open()
        update = ImageUpdate(core, image, b"firmware 2", patience=ImagePatience(pause=1.0))
        report = yield from update.run()
        yield from core.close()
        return report

    report = site.run(system.settings.title, fill)
    filled += report.sent
    if report.sent:
        print(f"meter {station}: {report.sent} of {report.blocks} blocks were missing")
print(f"all {METERS} meters run it; {filled} blocks were sent to single ones instead of {METERS * blocks}")
