"""A household gas meter as three parties see it: behind an electricity meter on M-Bus, and by two countries' profiles.

Behind the electricity meter it is what the Dutch companions make of it: an hourly value, a profile, and a line on the
port for the customer. The Dutch and the Italian object maps show one and the same meter under their own codes.
"""

from datetime import UTC, datetime

from cosem.client import DeviceKeys, connect
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.gas import demo_converter, simulated_converter
from cosem.simulator.meter import DEMO_KEYS, simulated_meter
from cosem.simulator.utilities import kinds_of

END = datetime(2026, 11, 8, 6, tzinfo=UTC)


def read(device: object, class_id: int, names: list[str], profile: str) -> None:
    """Print what stands under these codes, and the last rows of a profile."""
    with serving(DeviceServer(device)) as [(host, port)]:
        url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
        with connect(url, device=DeviceKeys("demo", DEMO_KEYS), counters=MemoryCounterStore()) as client:
            for name in names:
                print(f"  {name}  {client.quantity(name, class_id=class_id)}")
            table = client.profile(profile).read()
            print(f"  {profile}  {len(table)} rows: {', '.join(column.name for column in table.columns[:3])} ...")
            for row in table.rows[-2:]:
                print("   ", *table.text(row)[:3])


print("on M-Bus channel 1 of an electricity meter:")
meter = simulated_meter(seed=3, end=END, days=2, utilities=kinds_of("gas"))
read(meter.device, 4, ["0-1:24.2.1"], "0-1:24.3.0")
for line in meter.equipment.customer.p1.telegram().decode().splitlines():
    if line.startswith("0-1:"):
        print("  P1:", line)

for market, class_id, names, profile in (
    ("netherlands", 4, ["0-1:24.2.1", "0-1:24.2.2"], "0-1:24.3.0"),
    ("italy", 3, ["7-0:13.2.0", "7-0:12.2.0"], "7-0:99.99.3"),
):
    print(f"by the map of {market}:")
    settings = demo_converter(3, market=market, site="household")
    device = simulated_converter(seed=3, end=END, days=2, settings=settings, site="household").device
    read(device, class_id, names, profile)
