"""An industrial gas station for one gas day: its pressure sensor fails, and the gas becomes another one.

The archive is read over DLMS and the energy computed once more from its rows: it equals the device's own to the last
digit. `python gas_station.py day.svg` writes the picture of the day.
"""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from cosem.client import DeviceKeys, connect
from cosem.client.gas import HOURLY_ARCHIVE, gas_rows, kilowatt_hours, recomputed
from cosem.client.gas_plot import day_svg
from cosem.device.gas.sensors import Fault
from cosem.gas.characteristics import Characteristics
from cosem.gas.quality import GasQuality, Source
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.gas import simulated_converter
from cosem.simulator.meter import DEMO_KEYS

begin = datetime(2026, 1, 15, 5, tzinfo=UTC)  # 06:00 in the station: a gas day begins
station = simulated_converter(seed=7, end=begin, days=0)


def live(hour: float) -> None:
    """Let the station live up to an hour of its gas day."""
    station.advance(int(begin.timestamp() + hour * 3600))


live(4.4)
station.pressure.break_down(Fault.FAILS)
live(6.7)
station.pressure.repair()
live(9.25)
other = Characteristics(hs=38.2, density=0.6, co2=0.011)
station.offer(GasQuality("from the north", Decimal("10.611111"), other, station.clock.now, source=Source.REMOTE))
live(24)

with serving(DeviceServer(station.device)) as [(host, port)]:
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    with connect(url, device=DeviceKeys("station", DEMO_KEYS), counters=MemoryCounterStore()) as client:
        rows = gas_rows(client.profile(HOURLY_ARCHIVE).read())
        print(f"{len(rows)} rows from {rows[0].at.isoformat()} to {rows[-1].at.isoformat()}")
        again = recomputed(rows)
        own = rows[-1]
        print(f"undisturbed {own.energy_undisturbed:f} kWh, computed again {kilowatt_hours(again.undisturbed):f} kWh")
        print(f"disturbed   {own.energy_disturbed:f} kWh, computed again {kilowatt_hours(again.disturbed):f} kWh")
        print("equal to the last digit" if again.equal else "NOT equal")

        words = station.events.logs["metrological"].group.words
        log = client.profile("7-0:99.98.1.255").read()
        for row in log.rows:
            cells = log.text(row)
            print(cells[0], f"{words(row[1]):<45}", "index", cells[2])

picture = day_svg(rows, "Gas station, a day with a failing pressure sensor and another gas")
if len(sys.argv) > 1:
    Path(sys.argv[1]).write_text(picture, encoding="utf-8")
print(f"picture of {len(picture.encode())} octets")
