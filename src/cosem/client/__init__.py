"""Reading meters: `connect` gives a meter whose objects are typed, synchronous or asynchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.client.arrow import to_arrow as to_arrow
    from cosem.client.arrow import write_parquet as write_parquet
    from cosem.client.async_meter import AsyncMeter as AsyncMeter
    from cosem.client.async_meter import connect_async as connect_async
    from cosem.client.core import ClientOptions as ClientOptions
    from cosem.client.inbound import AsyncDoor as AsyncDoor
    from cosem.client.inbound import Caller as Caller
    from cosem.client.inbound import Door as Door
    from cosem.client.inbound import Greeting as Greeting
    from cosem.client.inbound import listen_for_meters as listen_for_meters
    from cosem.client.inbound import serve_inbound as serve_inbound
    from cosem.client.keyfile import DeviceKeys as DeviceKeys
    from cosem.client.keyfile import KeyFile as KeyFile
    from cosem.client.listen import Listener as Listener
    from cosem.client.listen import Senders as Senders
    from cosem.client.mbus import AsyncMBus as AsyncMBus
    from cosem.client.mbus import MBus as MBus
    from cosem.client.mbus import mbus_connect as mbus_connect
    from cosem.client.mbus import mbus_connect_async as mbus_connect_async
    from cosem.client.messages import Messages as Messages
    from cosem.client.meter import Meter as Meter
    from cosem.client.meter import connect as connect
    from cosem.client.payment import AccountState as AccountState
    from cosem.client.payment import TokenResult as TokenResult
    from cosem.client.profile import ProfileInterrupted as ProfileInterrupted
    from cosem.client.supply import Limits as Limits
    from cosem.client.supply import Supply as Supply
    from cosem.client.table import Column as Column
    from cosem.client.table import ProfileTable as ProfileTable
    from cosem.client.url import MeterUrl as MeterUrl
    from cosem.client.utility import UtilityDevice as UtilityDevice
    from cosem.client.utility import UtilityValue as UtilityValue

_WHERE = {
    "arrow": ("to_arrow", "write_parquet"),
    "async_meter": ("AsyncMeter", "connect_async"),
    "meter": ("Meter", "connect"),
    "core": ("ClientOptions",),
    "inbound": ("AsyncDoor", "Caller", "Door", "Greeting", "listen_for_meters", "serve_inbound"),
    "keyfile": ("DeviceKeys", "KeyFile"),
    "listen": ("Listener", "Senders"),
    "mbus": ("AsyncMBus", "MBus", "mbus_connect", "mbus_connect_async"),
    "messages": ("Messages",),
    "payment": ("AccountState", "TokenResult"),
    "profile": ("ProfileInterrupted",),
    "supply": ("Limits", "Supply"),
    "table": ("Column", "ProfileTable"),
    "url": ("MeterUrl",),
    "utility": ("UtilityDevice", "UtilityValue"),
}

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.client.{module}" for module, names in _WHERE.items() for name in names}
)
