"""Being a meter: a physical device with logical devices, associations, access rights, and objects that behave.

Time is virtual: a device is advanced to a moment and never looks at a clock itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.device.associations import AssociationSpec as AssociationSpec
    from cosem.device.device import DeviceOptions as DeviceOptions
    from cosem.device.device import PhysicalDevice as PhysicalDevice
    from cosem.device.logical_device import LogicalDevice as LogicalDevice
    from cosem.device.meter import ElectricityMeter as ElectricityMeter
    from cosem.device.meter import MeterSettings as MeterSettings

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "AssociationSpec": "cosem.device.associations",
        "DeviceOptions": "cosem.device.device",
        "LogicalDevice": "cosem.device.logical_device",
        "PhysicalDevice": "cosem.device.device",
        "ElectricityMeter": "cosem.device.meter",
        "MeterSettings": "cosem.device.meter",
    },
)
