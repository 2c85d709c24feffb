"""Read one day of a load profile and write it as CSV, with times in ISO 8601 and scaled numbers.

If the link dies half-way, what had arrived is not lost: the example shows how the rest is read.
"""

import csv
import sys
from datetime import UTC, datetime

from cosem.client import DeviceKeys, ProfileInterrupted, connect
from cosem.io.server import DeviceServer, serving
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

meter = simulated_meter(end=datetime(2026, 11, 3, tzinfo=UTC), days=3)

with serving(DeviceServer(meter.device)) as [(host, port)]:
    url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both"
    with connect(url, device=DeviceKeys("demo", DEMO_KEYS), counters=MemoryCounterStore()) as client:
        profile = client.profile("1-0:99.1.0")
        # Times without a zone are the meter's local time; columns left out are not even sent.
        columns = ["0-0:1.0.0", "1-0:1.8.0", "1-0:2.8.0"]
        try:
            table = profile.read(datetime(2026, 11, 1), datetime(2026, 11, 2), columns=columns)
        except ProfileInterrupted as interrupted:
            print(f"{len(interrupted.table)} rows had arrived, reading the rest", file=sys.stderr)
            table = profile.resume(interrupted)

writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(column.name for column in table.columns)
writer.writerows(table.text(row) for row in table.rows)
