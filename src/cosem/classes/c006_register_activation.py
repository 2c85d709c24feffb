"""Register activation (class 6): which registers count under the active tariff."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.access import object_id
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, octet_string, structure, unsigned


class RegisterMask(NamedTuple):
    """A set of registers by their places in register_assignment, from 1."""

    mask_name: bytes
    index_list: tuple[int, ...]


register_mask = structure(RegisterMask, mask_name=octet_string(), index_list=array(unsigned))


class RegisterActivation(InterfaceClass[S], class_id=6, version=0):
    """Enables the registers of one mask and disables all others assigned (Blue Book ed. 9, 4.3.5)."""

    register_assignment = attribute(2, array(object_id), "registers the masks speak of", static=True, default=())
    mask_list = attribute(3, array(register_mask), "the masks", static=True, default=())
    active_mask = attribute(4, octet_string(), "name of the active mask")

    add_register = method(1, object_id, "adds a register to the assignment", sn_offset=0x30)
    add_mask = method(2, register_mask, "adds a mask, or replaces that of the same name", sn_offset=0x38)
    delete_mask = method(3, octet_string(), "deletes the mask of that name", sn_offset=0x40)
