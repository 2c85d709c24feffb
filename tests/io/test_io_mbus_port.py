"""A meter whose M-Bus is a real one: the master behind a converter on the network, through the client's own driver."""

from __future__ import annotations

from cosem.client import mbus_connect
from cosem.codec import axdr
from cosem.device.mbus.port import MBusPort
from cosem.device.mbus.settings import MBusSettings
from cosem.io.mbus_server import BusServer
from cosem.io.server import serving
from cosem.link.line import Line, LineSettings
from cosem.obis import Obis
from cosem.simulator.mbus_bus import SimulatedBus
from support.equipped import codes, equipped
from support.mbus_slaves import Slave

NAME, PORT = Obis.parse("0-1:24.1.0.255"), Obis.parse("0-0:24.6.0.255")


def test_a_meter_reads_a_bus_behind_a_converter() -> None:
    slave = Slave(0, baud=38400)
    bus = SimulatedBus([slave], line=Line(LineSettings(38400, parity="E")))
    meter = equipped(mbus=MBusSettings())
    with serving(BusServer(bus)) as [(host, port)]:
        with mbus_connect(f"mbus+tcp://{host}:{port}?baud=38400&timeout=0.15&latency=0") as master:
            place: MBusPort = master
            meter.equipment.mbus.connect(place)
            invoke = meter.host.invoke
            assert invoke(72, NAME, 1, axdr.unsigned(3)) == 0
            assert slave.primary == 3
            assert invoke(72, NAME, 3, axdr.integer(0)) == 0
            value = meter.host.read(4, Obis.parse("0-1:24.2.1.255"), 2)
            assert value is not None
            assert value.value == slave.meter.amount // 1000
            # The speed of a converter is its owner's to change.
            assert meter.host.write(74, PORT, 2, axdr.enum(5)) == 250
            slave.silent = True
            assert invoke(72, NAME, 3, axdr.integer(0)) == 2
        assert invoke(72, NAME, 3, axdr.integer(0)) == 2
    assert codes(meter, "mbus") == [105]
