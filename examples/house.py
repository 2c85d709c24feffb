"""A house: an electricity meter with gas (and its valve), cold and warm water and heat on its M-Bus, and all by radio.

They were installed when the simulation began and are read every hour. A client of the electricity meter sees them as
COSEM objects: it changes a key, closes the gas valve and makes it ready, finds who was tampered with, and reads a week.
What went over the wire and the air in the last hours is explained as `cosem mbus decode` does.
"""

from datetime import UTC, datetime, timedelta

from cosem.client import DeviceKeys, connect
from cosem.device.utility.meter import Tamper
from cosem.explain.mbus import by_number, explain_mbus
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter
from cosem.simulator.utilities import DEMO_MBUS_KEY, DEMO_RADIO_KEY, kinds_of, utilities_of

NEW_KEY = bytes.fromhex("11111111222222223333333344444455")
GAS_VALVE, GAS_HOURS = "0-1:24.4.0", "0-1:24.3.0"
WIRED, RADIO = "gas,water,warm-water,heat", "gas-radio,water-radio,warm-water-radio,heat-radio"

end = datetime(2026, 11, 8, 5, tzinfo=UTC)
meter = simulated_meter(seed=1, end=end, days=7, utilities=kinds_of(f"{WIRED},{RADIO}"))
house = utilities_of(meter)
gas = house.speakers[1].meter
keys = {house.speakers[channel].address.number: DEMO_RADIO_KEY for channel in (5, 6, 7, 8)}


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
        keys[gas.settings.identification] = NEW_KEY

        frames: list[bytes] = []
        house.overhear(frames.append)
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

# In a file, one telegram in a line: `cosem mbus decode FILE --keys KEYS.toml` says the same, and more.
answer = explain_mbus("\n".join(octets.hex() for octets in frames), keys=by_number(keys))
telegrams = [frame for frame in answer.frames if frame.telegram is not None]
wired = [frame for frame in telegrams if frame.wired]
by_radio = [frame for frame in telegrams if not frame.wired]
for how, group in (("by wire", wired), ("by radio", by_radio)):
    frame = next(frame for frame in group if frame.header()["medium_name"] == "gas")
    print(f"{how}: gas meter {frame.header()['identification']}, security mode {frame.header()['security_mode']}")
    for record in [record for record in frame.record_documents() if record["value"] and record["unit"]][:3]:
        print(f"  {record['dib']:<6} {record['quantity']}: {record['value']} {record['unit']}")
hidden = sum(frame.error is not None or frame.sealed for frame in telegrams)
print(f"{len(wired)} answers by wire and {len(by_radio)} telegrams by radio explained, {hidden} not")
