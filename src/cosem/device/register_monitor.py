"""Behaviour of the register monitor (class 21): scripts when a value crosses thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cosem.classes.c021_register_monitor import RegisterMonitor
from cosem.classes.common import ActionItem, ActionSet, AttributeReference, attribute_reference
from cosem.classes.types import TypeMismatch
from cosem.codec.axdr import Data
from cosem.device.causes import Cause
from cosem.device.host import Origin
from cosem.device.watch import NUMBERS, Watch, Watched
from cosem.obis import Obis
from cosem.results import DataAccessResult


class MonitorBehaviour:
    """One register monitor: where the value gets over a threshold or under one, the script for that is run.

    What is crossed at once is done in the order of the thresholds upwards, in the opposite order downwards. The first
    value seen crosses nothing, unless `before` says what was before it: then no power failure makes it forget. `up` and
    `down` are noted as well where given, with `details`.
    """

    def __init__(
        self,
        watch: Watch,
        name: str | Obis,
        monitored: AttributeReference,
        thresholds: Sequence[Data],
        actions: Sequence[ActionSet] = (),
        *,
        up: Cause | None = None,
        down: Cause | None = None,
        details: Mapping[str, object] | None = None,
        before: Any = None,
    ) -> None:
        host = self._host = watch.host
        self._scripts = watch.scripts
        self._causes = {True: up, False: down}
        self._details = dict(details or {})
        self._before = before
        self._last: Any = before
        self._watched = Watched(host, monitored)
        self.object = host.add(
            RegisterMonitor(name, thresholds=tuple(thresholds), monitored_value=monitored, actions=tuple(actions))
        )
        host.writers(self.object, {2: self._write_thresholds, 3: self._write_monitored, 4: self._write_actions})
        watch.add(self)

    def look(self, now: int) -> None:
        """Run what was crossed since the last look."""
        value = self._watched.value()
        before = self._last
        if value == before or value is None:
            return
        self._last = value
        if before is None:
            return
        store: Any = self.object.store
        thresholds = [threshold.value for threshold in store.values[2].value]
        if value > before:
            crossed = [index for index, threshold in enumerate(thresholds) if before <= threshold < value]
        else:
            crossed = [index for index, threshold in enumerate(thresholds) if value < threshold <= before][::-1]
        for index in crossed:
            self._cross(index, value > before)

    def _cross(self, index: int, up: bool) -> None:
        cause = self._causes[up]
        if cause is not None:
            self._host.note(cause, monitor=self.object.obis, **self._details)
        actions: tuple[ActionSet, ...] = self.object.actions
        # There are fewer actions than thresholds between a client's two writes.
        if index < len(actions):
            action: ActionItem = actions[index].action_up if up else actions[index].action_down
            self._scripts.run(action, Origin.LOCAL)

    def restart(self) -> None:
        """Forget the last value."""
        if self._before is None:
            self._last = None

    def due(self) -> int | None:
        """Return None: nothing depends on time."""
        return None

    # --- being set -----------------------------------------------------------------------------------------

    def _write_thresholds(self, value: Data) -> DataAccessResult:
        monitored = self._watched.data()
        tag = None if monitored is None else monitored.tag
        for threshold in value.value:
            if threshold.tag not in NUMBERS or tag not in (None, threshold.tag):
                raise TypeMismatch("the type of the monitored value", threshold.tag.label)
        return self._take(2, value)

    def _write_monitored(self, value: Data) -> DataAccessResult:
        watched = Watched(self._host, attribute_reference.from_data(value))
        if watched.data() is None:
            return DataAccessResult.OTHER_REASON
        self._watched, self._last = watched, None
        return self._take(3, value)

    def _write_actions(self, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        if len(value.value) != len(store.values[2].value):
            return DataAccessResult.OTHER_REASON
        return self._take(4, value)

    def _take(self, number: int, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        return DataAccessResult.SUCCESS
