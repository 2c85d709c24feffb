"""Script table (class 9): lists of actions that are executed together."""

from __future__ import annotations

from typing import Any, NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, any_data, array, enum, integer, logical_name, long_unsigned, structure
from cosem.obis import Obis


class ScriptService(OpenEnum):
    """What an action does with its object."""

    WRITE_ATTRIBUTE = 1
    EXECUTE_METHOD = 2


class ScriptAction(NamedTuple):
    """One action: `index` is an attribute or a method, `parameter` the value to write or the method's parameter."""

    service_id: ScriptService
    class_id: int
    logical_name: Obis
    index: int  # type: ignore[assignment]  # the standard's name, also a method of tuple
    parameter: Any = None


class Script(NamedTuple):
    """A script and its actions; the identifier 0 is kept for the script that does nothing."""

    script_identifier: int
    actions: tuple[ScriptAction, ...]


script = structure(
    Script,
    script_identifier=long_unsigned,
    actions=array(
        structure(
            ScriptAction,
            service_id=enum(ScriptService),
            class_id=long_unsigned,
            logical_name=logical_name,
            index=integer,
            parameter=any_data,
        )
    ),
)


class ScriptTable(InterfaceClass[S], class_id=9, version=0):
    """Holds scripts and executes one by its identifier (Blue Book ed. 9, 4.5.2)."""

    scripts = attribute(2, array(script), "the scripts", static=True, default=())

    execute = method(1, long_unsigned, "executes the script of that identifier", optional=False, sn_offset=0x20)
