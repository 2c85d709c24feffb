"""Object models: what a device consists of, as data; read from a meter, kept as files, served by `cosem.device`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.models.document import dumps as dumps
    from cosem.models.document import load_text as load_text
    from cosem.models.lists import model_of_list as model_of_list
    from cosem.models.model import AssociationModel as AssociationModel
    from cosem.models.model import DeviceModel as DeviceModel
    from cosem.models.model import LogicalDeviceModel as LogicalDeviceModel
    from cosem.models.model import ObjectModel as ObjectModel

_WHERE = {
    "document": ("dumps", "load_text"),
    "lists": ("model_of_list",),
    "model": ("AssociationModel", "DeviceModel", "LogicalDeviceModel", "ObjectModel"),
}

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.models.{module}" for module, names in _WHERE.items() for name in names}
)
