"""Behaviour of register tables (class 61): the same attribute of several registers, copied at one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.classes.c061_register_table import RegisterTable, TableCellDefinition
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import ASSOCIATION_CLASSES
from cosem.device.host import Host
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit

_NULL = Data(Tag.NULL_DATA, None)
_NEVER_CAPTURED = (*ASSOCIATION_CLASSES, 61, 62, 65)
"""Classes that no table has cells of: secrets would come out, and what shows other attributes would show itself."""


class RegisterTableBehaviour:
    """One register table: its cells differ in value group E. What cannot be read is null-data.

    Another definition empties the cells, and `on_redefined` are told: profiles that capture the table are emptied too.
    """

    def __init__(self, host: Host, name: str, definition: TableCellDefinition, scaler_unit: ScalerUnit) -> None:
        self._host = host
        self.on_redefined: list[Callable[[], None]] = []
        self.object = host.add(RegisterTable(obis(name), table_cell_definition=definition, scaler_unit=scaler_unit))
        host.handle(self.object, 1, lambda parameter: self._empty())
        host.handle(self.object, 2, lambda parameter: self._capture())
        host.writers(self.object, {3: self._redefine})
        self._empty()

    def _hold(self, cells: tuple[Data, ...]) -> None:
        store: Any = self.object.store
        store.values[2] = Data(Tag.ARRAY, cells)

    def _empty(self) -> None:
        self._hold(())

    def _capture(self) -> None:
        definition = self.object.table_cell_definition
        a, b, c, d, _, f = bytes(definition.logical_name)
        names = [Obis(bytes((a, b, c, d, e, f))) for e in definition.group_E_values]
        number = definition.attribute_index
        self._hold(tuple(self._host.read(definition.class_id, name, number) or _NULL for name in names))

    def _redefine(self, value: Data) -> DataAccessResult:
        definition: TableCellDefinition = RegisterTable.attributes[3].type.from_data(value)
        if definition.class_id in _NEVER_CAPTURED:
            return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[3] = value
        self._empty()
        for told in self.on_redefined:
            told()
        return DataAccessResult.SUCCESS
