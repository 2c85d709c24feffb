"""The folder of a head-end with one meter of every kind, their last values, and names that try to escape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from cosem.headend.database import open_database
from cosem.headend.happenings import Happened, keep
from cosem.headend.inventory import Inventory, Kind, NewDevice, State, only_grows
from cosem.headend.schema import clock_check, latest
from cosem.obis import obis
from support.offices import hasten, prepare

HOSTILE = "a/#/+ {{ '\"} 水"
ELECTRICITY = {
    "1-0:1.8.0.255": ("Wh", 0, 12_345_678),
    "1-0:1.8.1.255": ("Wh", 0, 7_000_001),
    "1-0:1.8.2.255": ("Wh", 0, 5_345_677),
    "1-0:1.8.0.255 daily": ("Wh", 1, 1_234_000),
    "1-0:2.8.1.255": ("Wh", 0, 250),
    "1-0:3.8.0.255": ("varh", 0, 4_200),
    "1-0:9.8.0.255": ("VAh", 0, 9_000),
    "1-0:1.29.0.255": ("Wh", 0, 120),
    "1-0:1.7.0.255": ("W", 0, 431),
    "1-0:9.7.0.255": ("VA", 0, 440),
    "1-0:3.7.0.255": ("var", 0, 12),
    "1-0:32.7.0.255": ("V", -1, 2_304),
    "1-0:31.7.0.255": ("A", -2, 187),
    "1-0:14.7.0.255": ("Hz", -2, 5_001),
    "1-0:13.7.0.255": ("", -3, 978),
    "0-0:96.7.21.255": ("", 0, 4),
    "0-1:24.2.1.255": ("m³", -3, 1_234_567),
    "0-2:24.2.1.255": ("l", 0, 89_012),
    "0-3:24.2.1.255": ("J", 6, 51_300),
    "0-4:24.2.1.255": ("m³", -2, 77),
    "1-0:2.8.0.255 (1e3 Wh)": ("Wh", 3, 9),
}
CONVERTER = {
    "7-0:13.2.0.255": ("m³", -2, 445_566),
    "7-0:41.42.0.255": ("K", -2, 28_815),
    "7-0:42.42.0.255": ("bar", -3, 1_013),
    "7-0:43.15.0.255": ("m³/h", -1, 25),
    "7-0:52.0.0.255": ("", -5, 98_765),
}


def put(connection: Any, device: int, values: dict[str, tuple[str, int, int]], at: int) -> None:
    """Make values the last ones of a device."""
    inventory = Inventory(connection)
    for name, (unit, scaler, number) in values.items():
        known = name.partition(" ")[0]
        channel = inventory.channel(name, unit, scaler, cumulative=only_grows(obis(known), unit))
        row = {"device": device, "channel": channel, "time": at, "value": number}
        connection.execute(insert(latest).prefix_with("OR REPLACE"), row)


def fill(folder: Path, now: int) -> Engine:
    """Make the folder's database; the last values are an hour old."""
    prepare(folder)
    engine = open_database(folder / "headend.db")
    hasten(engine)
    with engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.set_type("e570", "electricity", manufacturer="Example Meters")
        inventory.set_type("volumeter", "gas")
        url = "tcp://127.0.0.1:9"
        for item in (
            NewDevice("meter 1", Kind.ELECTRICITY, "e570", url=url, details={"serial": "EX-4711", "hardware": "B"}),
            NewDevice("gas", Kind.GAS, "volumeter", parent="meter 1", channel=1, details={"serial": "G0001"}),
            NewDevice(HOSTILE, Kind.WATER, parent="meter 1", channel=2),
            NewDevice("heat_1", Kind.HEAT, parent="meter 1", channel=3),
            NewDevice("evc-1", Kind.CONVERTER, url=url, system_title="43534D0100000007"),
            NewDevice("status", Kind.ELECTRICITY, url=url),
            NewDevice("new", Kind.WATER),
            NewDevice("old", Kind.WATER),
        ):
            inventory.add(item, now)
            if item.name != "new":
                inventory.move(item.name, State.REMOVED if item.name == "old" else State.IN_USE, now)
        inventory.group("flat", ["gas"])
        put(connection, 1, ELECTRICITY, now - 3600)
        put(connection, 5, CONVERTER, now - 3600)
        put(connection, 6, {"1-0:1.8.0.255": ("Wh", 0, 1)}, now - 10 * 86_400)
        connection.execute(insert(clock_check), {"device": 1, "at": now, "offset": -3})
        happened = [
            Happened(1, now - 50, "disconnector", "remote disconnection"),
            Happened(1, now - 40, "disconnector", "remote connection"),
            Happened(1, now - 30, "mbus", "M-Bus channel 1: remote disconnection"),
            Happened(1, now - 20, "fraud", "meter cover removed", alarming=True),
        ]
        keep(connection, happened, now)
    return engine
