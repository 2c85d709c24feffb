"""A house: an electricity meter with gas (and its valve), cold and warm water and heat on its M-Bus, and one by radio.

They were installed when the simulation began and are read every hour. A client of the electricity meter sees them as
COSEM objects: it changes a key, closes the gas valve and makes it ready, finds who was tampered with, and reads a week.
"""

from datetime import UTC, datetime, timedelta

from cosem.client import DeviceKeys, connect
from cosem.device.utility.meter import Tamper
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter
from cosem.simulator.utilities import DEMO_MBUS_KEY, kinds_of, utilities_of

NEW_KEY = bytes.fromhex("11111111222222223333333344444455")
GAS_VALVE, GAS_HOURS = "0-1:24.4.0", "0-1:24.3.0"

end = datetime(2026, 11, 8, 5, tzinfo=UTC)
meter = simulated_meter(seed=1, end=end, days=7, utilities=kinds_of("gas,water,warm-water,heat,water-radio"))
gas = utilities_of(meter).speakers[1].meter


def live(hours: int) -> None:
    """Let meter and devices live on."""
    meter.advance(meter.now + int(timedelta(hours=hours).total_seconds()))


with serving(DeviceServer(meter.device)) as [(host, port)]:
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    with connect(url, device=DeviceKeys("demo", DEMO_KEYS), counters=MemoryCounterStore()) as client:
        for device in client.mbus_devices():
            first = device.values[0]
            print(f"channel {device.channel}: {device.medium:<10} {device.number}  {first.value:f} {first.unit.symbol}")

        # The new key travels wrapped under the one the gas meter came with; then this side uses it too.
        status = client.change_mbus_key(1, NEW_KEY, DEMO_MBUS_KEY).key_status
        print("key:", status.name.lower(), "->", client.capture_mbus(1).key_status.name.lower())

        client.disconnect(GAS_VALVE)
        before = client.capture_mbus(1).values[0].value
        live(6)
        print("valve closed, gas in six hours:", client.capture_mbus(1).values[0].value - before)
        client.reconnect(GAS_VALVE)
        gas.push_button()  # nobody opens gas from afar
        live(1)
        print("valve after somebody pressed its button:", client.supply(GAS_VALVE).control_state.name.lower())

        gas.tamper(Tamper.MAGNET)
        live(2)
        for event in client.read_events(groups=["mbus"])[-4:]:
            print(f"{event.code}  {event.words}")

        table = client.profile(GAS_HOURS).read()
        print(len(table), "hours; the last one:", *table.text(table.rows[-1])[:2])
