"""What an electricity meter has besides measuring: each behaviour is put in here, in the order in which they act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.device.guard import Guard
from cosem.device.image import ImageTransferBehaviour, signed_by

if TYPE_CHECKING:
    from cosem.device.guard import GuardOptions
    from cosem.device.meter import ElectricityMeter


class Equipment:
    """The behaviours of one electricity meter, by name. They act after measuring and profiles at the same moment."""

    def __init__(self, meter: ElectricityMeter) -> None:
        self.host = meter.host
        settings = meter.settings
        self.image = ImageTransferBehaviour(self.host, signed_by(settings.image_key), settings.image)

    def guard(self, options: GuardOptions) -> None:
        """Watch the associations, once they are there."""
        self.guarded = Guard(self.host, options)
