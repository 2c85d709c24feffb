"""Read a register: its value, its unit, and both together as an exact quantity.

A simulated meter is started first, so that this runs anywhere. With a meter of your own, only the URL and the keys
are different: keys belong into a key file, see docs/cli.md.
"""

from datetime import UTC, datetime

from cosem.classes import Clock, Register
from cosem.client import DeviceKeys, connect
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

meter = simulated_meter(end=datetime(2026, 11, 1, tzinfo=UTC), days=1)

with serving(DeviceServer(meter.device)) as [(host, port)]:
    # client=1 is the management client: it proves itself with GMAC, and everything is encrypted and authenticated.
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    # A real program leaves `counters` out: then invocation counters are kept in a file, and never used twice.
    with connect(url, device=DeviceKeys("demo", DEMO_KEYS), counters=MemoryCounterStore()) as client:
        energy = client[Register, "1-0:1.8.0"]  # active energy imported, all tariffs
        print("value      ", energy.value)
        print("scaler unit", energy.scaler_unit)
        print("quantity   ", client.quantity("1-0:1.8.0"))
        print("voltage L1 ", client.quantity("1-0:32.7.0"))
        print("clock      ", client[Clock, "0-0:1.0.0"].time.isoformat())
