"""Behaviour of the limiter (class 71): scripts when a value was over or under its threshold long enough."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from cosem.classes.c071_limiter import EmergencyProfile, Limiter, LimiterActions
from cosem.classes.common import AttributeReference, attribute_reference
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.host import Origin
from cosem.device.watch import NUMBERS, Watch, Watched
from cosem.errors import DecodeError, EncodeError
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime

NO_EMERGENCY: Final = EmergencyProfile(0, CosemDateTime(), 0)
"""An emergency profile that never becomes active."""


class SoftLimit(NamedTuple):
    """Warn before the action over the threshold, and carry out the one under it `attempts` times in `within` seconds.

    After that somebody has to reconnect by hand or from afar. A policy of manufacturers; the class has none.
    """

    attempts: int = 3
    within: int = 3600


class LimiterBehaviour:
    """One limiter. Durations run by the simulation's time, the emergency by the meter's clock.

    A value that equals the threshold changes nothing. At the start and after a power failure no action is due before
    the threshold is crossed. `pair_actions` leaves out the action under the threshold where there was none over it.
    """

    def __init__(
        self,
        watch: Watch,
        name: str | Obis,
        monitored: AttributeReference,
        normal: Data,
        actions: LimiterActions,
        *,
        emergency: Data | None = None,
        min_over: int = 0,
        min_under: int = 0,
        pair_actions: bool = False,
        soft: SoftLimit | None = None,
    ) -> None:
        self._watch = watch
        host = self._host = watch.host
        self._scripts = watch.scripts
        self._watched = Watched(host, monitored)
        self._pair_actions = pair_actions
        self._soft = soft
        self._over: bool | None = None
        self._since = host.now
        self._done = True
        self._acted_over = False
        self._reconnections: list[int] = []
        self._window: tuple[int, int] | None = None
        self.emergency_active = False
        self.object = host.add(
            Limiter(
                name,
                monitored_value=monitored,
                threshold_normal=normal,
                threshold_emergency=emergency or normal,
                min_over_threshold_duration=min_over,
                min_under_threshold_duration=min_under,
                emergency_profile=NO_EMERGENCY,
                actions=actions,
            )
        )
        host.compute(self.object, 3, self._threshold)
        host.compute(self.object, 10, lambda: Data(Tag.BOOLEAN, self.emergency_active))
        host.writers(
            self.object,
            {
                2: self._write_monitored,
                8: self._write_emergency,
                **{number: self._writer(number) for number in (4, 5, 6, 7, 9, 11)},
            },
        )
        host.clock.on_jump.append(lambda old, new: self._clock_jumped())
        watch.add(self)

    def _values(self) -> dict[int, Data]:
        store: Any = self.object.store
        values: dict[int, Data] = store.values
        return values

    def _threshold(self) -> Data:
        return self._values()[5 if self.emergency_active else 4]

    # --- limiting ------------------------------------------------------------------------------------------

    def look(self, now: int) -> None:
        """See on which side of the threshold the value is, and act where it has been there for long enough."""
        if self._window is not None:
            self._see_emergency()
        value = self._watched.value()
        if value is None:
            return
        threshold = self._threshold().value
        if self._over is None:
            self._over, self._done = value > threshold, True
        elif value != threshold and self._over is not (value > threshold):
            self._over, self._since, self._done = value > threshold, now, False
            if self._over and self._soft:
                self._note(Cause.LIMITER_WARNING)
        if not self._done and now - self._since >= self._duration():
            self._done = True
            self._act(now, self._over)

    def _duration(self) -> int:
        duration: int = self._values()[6 if self._over else 7].value
        return duration

    def _act(self, now: int, over: bool) -> None:
        if not over and self._pair_actions and not self._acted_over:
            return
        self._acted_over = over
        self._note(Cause.LIMITER_EXCEEDED if over else Cause.LIMITER_OK)
        actions: LimiterActions = self.object.actions
        if over:
            self._scripts.run(actions.action_over_threshold, Origin.LOCAL)
        elif self._may_reconnect(now):
            self._scripts.run(actions.action_under_threshold, Origin.LOCAL)

    def _may_reconnect(self, now: int) -> bool:
        if self._soft is None:
            return True
        self._reconnections = [at for at in self._reconnections if now - at < self._soft.within]
        if len(self._reconnections) >= self._soft.attempts:
            self._note(Cause.LIMITER_GAVE_UP)
            return False
        self._reconnections.append(now)
        return True

    def _note(self, cause: Cause) -> None:
        self._host.note(cause, limiter=self.object.obis, threshold=self._threshold().value)

    def restart(self) -> None:
        """Take the side where the value is next for the one it has always been on."""
        self._over, self._done = None, True

    def due(self) -> int | None:
        """Return when a duration or an emergency is over, or one begins."""
        if self._done and self._window is None:
            return None
        moments = [] if self._done else [self._since + self._duration()]
        if self._window is not None:
            clock = self._host.clock
            moments += [moment - clock.offset for moment in self._window if moment > clock.now]
        return min(moments, default=None)

    # --- emergency -----------------------------------------------------------------------------------------

    def _see_emergency(self) -> None:
        """Begin or end the emergency by the meter's clock."""
        begin, end = self._window or (0, 0)
        active = begin <= self._host.clock.now < end
        if active is not self.emergency_active:
            self.emergency_active = active
            self._note(Cause.LIMITER_CHANGED)

    def _clock_jumped(self) -> None:
        # Its rules may be others too, by which an activation time in local time is another moment.
        self._window = self._window_of(self._values()[8])
        self._see_emergency()

    def _window_of(self, value: Data) -> tuple[int, int] | None:
        """Return begin and end of an emergency profile, None where it never becomes active. Raises `DecodeError`."""
        profile_id, moment, duration = (part.value for part in value.value)
        activation = CosemDateTime.from_octets(moment)
        unspecified = all(field is None for field in activation[:8])
        begin = 0 if unspecified else self._host.clock.utc(activation)
        members = [member.value for member in self._values()[9].value]
        if unspecified or not duration or profile_id not in members:
            return None
        return begin, begin + duration

    # --- being set -----------------------------------------------------------------------------------------

    def _write_monitored(self, value: Data) -> DataAccessResult:
        """Take another attribute; the thresholds become of its type, and have to fit it."""
        watched = Watched(self._host, attribute_reference.from_data(value))
        data = watched.data()
        if data is None:
            return DataAccessResult.OTHER_REASON
        values = self._values()
        try:
            made = {number: _in_type(values[number], data.tag) for number in (4, 5)}
        except EncodeError:
            return DataAccessResult.OTHER_REASON
        self._watched = watched
        self.restart()
        return self._take({2: value, **made})

    def _write_emergency(self, value: Data) -> DataAccessResult:
        try:
            self._window_of(value)
        except DecodeError:
            return DataAccessResult.OTHER_REASON
        return self._take({8: value})

    def _writer(self, number: int) -> Any:
        return lambda value: self._take({number: value})

    def _take(self, written: dict[int, Data]) -> DataAccessResult:
        """Let what was written hold at once."""
        before = self._threshold()
        active = self.emergency_active
        self._values().update(written)
        self._window = self._window_of(self._values()[8])
        self._see_emergency()
        if self.emergency_active is active and self._threshold().value != before.value:
            self._note(Cause.LIMITER_CHANGED)
        self._watch.disturb()
        return DataAccessResult.SUCCESS


def _in_type(threshold: Data, tag: Tag) -> Data:
    """Return a threshold as another number type. Raises `EncodeError` where that does not hold it."""
    if threshold.tag not in NUMBERS:
        raise EncodeError("a threshold is a number")
    number = threshold.value
    if tag in (Tag.FLOAT32, Tag.FLOAT64):
        made = Data(tag, float(number))
    elif not math.isfinite(number) or int(number) != number:
        raise EncodeError("a threshold is no whole number")
    else:
        made = Data(tag, bool(number) if tag is Tag.BOOLEAN and number in (0, 1) else int(number))
    axdr.encode(made)
    return made
