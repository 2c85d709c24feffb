"""Register table (class 61): values of registers whose names differ in one value group."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes import common
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, integer, logical_name, long_unsigned, simple, structure, trigger, unsigned
from cosem.obis import Obis
from cosem.units import ScalerUnit


class TableCellDefinition(NamedTuple):
    """What the cells are: attribute `attribute_index` of the objects named like `logical_name`, by value group E."""

    class_id: int
    logical_name: Obis
    group_E_values: tuple[int, ...]
    attribute_index: int


class RegisterTable(InterfaceClass[S], class_id=61, version=0):
    """The same attribute of several registers of one unit (Blue Book ed. 9, 4.3.8).

    The cells may come as a compact-array too, like every array.
    """

    table_cell_values = attribute(2, array(simple), "the values, in the order of group_E_values", default=())
    table_cell_definition = attribute(
        3,
        structure(
            TableCellDefinition,
            class_id=long_unsigned,
            logical_name=logical_name,
            group_E_values=array(unsigned),
            attribute_index=integer,
        ),
        "what the cells are",
        static=True,
    )
    scaler_unit = attribute(4, common.scaler_unit, "scaler and unit of all cells", static=True, default=ScalerUnit())

    reset = method(1, trigger, "clears the values", sn_offset=0x28)
    capture = method(2, trigger, "copies the values of the registers now", sn_offset=0x30)
