"""Be a meter: a device of your own making, its time and its load in your hands, read by a client over HDLC.

The time of a simulated device is virtual: `advance` lets it live, and nothing happens otherwise.
"""

from datetime import UTC, datetime, timedelta

from cosem.classes import DisconnectControl
from cosem.client import DeviceKeys, connect
from cosem.device.meter import MeterSettings
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

settings = MeterSettings(
    system_title=b"CSM\x00\x00\x00\x00\x2a",  # manufacturer and number: the sender in every protected APDU
    serial="00000042",
    keys=DEMO_KEYS,
    profile_period=300,  # a row every five minutes
    compress_nulls=True,  # what did not change is not repeated in the load profile
)
begin = datetime(2026, 11, 1, tzinfo=UTC)
meter = simulated_meter(seed=42, end=begin, days=0, settings=settings)

with serving(DeviceServer(meter.device, framing="hdlc")) as [(host, port)]:
    url = f"hdlc+tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    with connect(url, device=DeviceKeys("demo", DEMO_KEYS), counters=MemoryCounterStore()) as client:
        for hour in range(1, 4):
            meter.advance(int((begin + timedelta(hours=hour)).timestamp()))
            print(client.clock().isoformat(), client.quantity("1-0:1.8.0"))

        # What a client does has its effect: behind an open disconnector no energy flows.
        client[DisconnectControl, "0-0:96.3.10"].remote_disconnect()
        meter.advance(int((begin + timedelta(hours=6)).timestamp()))
        print(client.clock().isoformat(), client.quantity("1-0:1.8.0"), "disconnected")

        table = client.profile("1-0:99.1.0").read()
        print(len(table), "rows captured; the last one:", *table.text(table.rows[-1])[:3])
