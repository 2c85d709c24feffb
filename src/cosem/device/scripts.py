"""Behaviour of script tables (class 9): actions the device does in order, for a client, a schedule or a monitor."""

from __future__ import annotations

from typing import Any, Final

from cosem.classes.c009_script_table import Script, ScriptAction, ScriptService, ScriptTable
from cosem.classes.common import ActionItem
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult

GLOBAL_RESET: Final = "0-0:10.0.0.255"
END_OF_BILLING: Final = "0-0:10.0.1.255"
TARIFFICATION: Final = "0-0:10.0.100.255"
OUTPUT_SIGNALS: Final = "0-0:10.0.103.255"
DISCONNECTION: Final = "0-0:10.0.106.255"
IMAGE_ACTIVATION: Final = "0-0:10.0.107.255"
PUSHING: Final = "0-0:10.0.108.255"
"""Script tables by their usual names."""
DISCONNECT, RECONNECT = 1, 2
"""The usual scripts of `DISCONNECTION`."""

MAX_DEPTH: Final = 8
"""Scripts that may be under way within each other; the standard names no number."""
MAX_ACTIONS: Final = 1000
"""Actions of one script with all the scripts it calls. Few scripts that call each other often would have no end."""
EXECUTE: Final = 1
_NOTHING: Final = ActionItem(Obis(bytes(6)), 0)


def calling(class_id: int, name: str | Obis, method: int, parameter: Data | None = None) -> ScriptAction:
    """Return the action that invokes a method, with integer(0) unless `parameter` is given."""
    given = axdr.integer(0) if parameter is None else parameter
    return ScriptAction(ScriptService.EXECUTE_METHOD, class_id, obis(name), method, given)


def writing(class_id: int, name: str | Obis, attribute: int, value: Data) -> ScriptAction:
    """Return the action that writes an attribute."""
    return ScriptAction(ScriptService.WRITE_ATTRIBUTE, class_id, obis(name), attribute, value)


class ScriptTables:
    """The script tables of one logical device.

    A script is executed by `execute` of its table, for whom `Host.origin` names: a client or a schedule unless it is
    `run` for somebody else. Its actions are done in order whatever becomes of the others; where one fails, or there is
    no such script, or it is under way already, the result is other-reason. Script 0 does nothing.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._under_way: list[tuple[bytes, int]] = []
        self._actions = 0

    def add(self, table: str | Obis, selector: int, *actions: ScriptAction) -> ActionItem:
        """Put a script into a table, which is made where it is not there yet; return what refers to the script.

        Raises `ConfigError` for a script that is there already, and for number 0, which is no script.
        """
        name = obis(table)
        found = self._host.find(name, ScriptTable.class_id) or self._made(name)
        assert isinstance(found, ScriptTable)
        if not selector or any(script.script_identifier == selector for script in found.scripts):
            raise ConfigError(f"script {selector} of {name} is taken")
        found.scripts = (*found.scripts, Script(selector, actions))
        return ActionItem(name, selector)

    def _made(self, name: Obis) -> ScriptTable:
        table = self._host.add(ScriptTable(name))
        self._host.handle(table, EXECUTE, lambda selector: self._execute(table, selector))
        self._host.writers(table, {2: lambda value: self._write(table, value)})
        return table

    def run(self, script: ActionItem, origin: Origin) -> ActionResult:
        """Execute what a monitor, limiter or schedule names, on behalf of `origin`. No name or no number is nothing."""
        if not script.script_selector or script.script_logical_name == _NOTHING.script_logical_name:
            return ActionResult.SUCCESS
        selector = axdr.long_unsigned(script.script_selector)
        with self._host.acting(origin):
            return self._host.invoke(ScriptTable.class_id, script.script_logical_name, EXECUTE, selector)

    def _write(self, table: ScriptTable, value: Data) -> DataAccessResult:
        """Take scripts. What they name need not be there yet, but each has a number of its own, which is not 0."""
        numbers = [script.value[0].value for script in value.value]
        if 0 in numbers or len(set(numbers)) != len(numbers):
            return DataAccessResult.OTHER_REASON
        store: Any = table.store
        store.values[2] = value
        return DataAccessResult.SUCCESS

    def _execute(self, table: ScriptTable, selector: int) -> None:
        if not selector:
            return
        # As `Data`, so that each parameter goes to its object in the type it has.
        store: Any = table.store
        scripts = store.data(2).value
        found = next((script.value[1].value for script in scripts if script.value[0].value == selector), None)
        place = (bytes(table.obis), selector)
        if found is None or place in self._under_way or len(self._under_way) >= MAX_DEPTH:
            raise Refused(ActionResult.OTHER_REASON)
        if not self._under_way:
            self._actions = 0
        self._under_way.append(place)
        try:
            done = [self._act(*action.value) for action in found]
        finally:
            self._under_way.pop()
        if not all(done):
            raise Refused(ActionResult.OTHER_REASON)

    def _act(self, service: Data, class_id: Data, name: Data, index: Data, parameter: Data) -> bool:
        """Do one action, where that is not one too many; return whether it succeeded."""
        self._actions += 1
        if self._actions > MAX_ACTIONS:
            return False
        target = class_id.value, Obis(name.value), index.value, parameter
        if service.value == ScriptService.WRITE_ATTRIBUTE:
            return not self._host.write(*target)
        return service.value == ScriptService.EXECUTE_METHOD and not self._host.invoke(*target)
