"""Function control (class 122): switches functions of the meter on and off."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.access import ObjectId, object_id
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, boolean, octet_string, structure


class FunctionStatus(NamedTuple):
    """Whether a function is on."""

    function_name: bytes
    function_status: bool


class FunctionBlock(NamedTuple):
    """A function and the objects that make it up."""

    function_name: bytes
    function_specifications: tuple[ObjectId, ...]


function_statuses = array(structure(FunctionStatus, function_name=octet_string(), function_status=boolean))
function_block = structure(FunctionBlock, function_name=octet_string(), function_specifications=array(object_id))


class FunctionControl(InterfaceClass[S], class_id=122, version=0):
    """Functions by name, their state and their objects (Blue Book ed. 13).

    Not verified: that add_function and remove_function take one function, not an array of them, and which methods are
    optional.
    """

    activation_status = attribute(2, function_statuses, "which functions are on", default=())
    function_list = attribute(3, array(function_block), "the functions and their objects", static=True, default=())

    set_function_status = method(1, function_statuses, "switches functions", optional=None, sn_offset=0x20)
    add_function = method(2, function_block, "adds a function", optional=None, sn_offset=0x28)
    remove_function = method(3, function_block, "removes a function", optional=None, sn_offset=0x30)
