"""What can be done at the site to a device of the neighbourhood, in plain words, and which of it makes sense now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Look = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Touch:
    """One act: its name in a form, what its button says, the words of the neighbourhood and what goes with them.

    `fits` says whether it makes sense as the device is now; `number` is a field that takes a whole number in a range.
    """

    name: str
    label: str
    words: str
    given: Mapping[str, Any] = field(default_factory=dict)
    fits: Callable[[Look], bool] = lambda look: True
    number: tuple[str, str, int, int, int] | None = None
    """Its name there, its label, the least, the most, and what stands in the field."""
    grave: bool = False


def _open(which: str, there: bool) -> Callable[[Look], bool]:
    return lambda look: (which in look.get("open", ())) is there


def _is(name: str, value: Any) -> Callable[[Look], bool]:
    return lambda look: look.get(name) == value


def _tampered(there: bool) -> Callable[[Look], bool]:
    return lambda look: ("cover" in look.get("tampered", ())) is there


def _alarm(word: str, there: bool) -> Callable[[Look], bool]:
    return lambda look: any(word in alarm for alarm in look.get("alarms", ())) is there


_HEARD: Final = (
    Touch("silence", "Silence", "silence", fits=_is("silent", False)),
    Touch("hear", "Let it be heard", "hear", fits=_is("silent", True)),
)
_METER: Final = (
    Touch("open-terminals", "Open terminal cover", "terminal cover opened", fits=_open("terminal", False)),
    Touch("close-terminals", "Close terminal cover", "terminal cover closed", fits=_open("terminal", True)),
    Touch("open-meter", "Open meter cover", "meter cover opened", fits=_open("meter", False)),
    Touch("close-meter", "Close meter cover", "meter cover closed", fits=_open("meter", True)),
    Touch("magnet", "Put magnet on", "magnet", fits=_is("magnet", False)),
    Touch("magnet-gone", "Take magnet off", "magnet gone", fits=_is("magnet", True)),
    Touch("button", "Push reconnect button", "button"),
    Touch("power-cut", "Cut its power", "power cut", fits=_is("powered", True), grave=True),
    Touch("power-return", "Give its power back", "power return", fits=_is("powered", False)),
    *_HEARD,
    Touch("limit", "Set limit", "limit", number=("watts", "Limiter, W", 0, 100_000, 1000)),
)
_UTILITY: Final = (
    Touch("open-cover", "Open cover", "tampered", {"how": "cover"}, fits=_tampered(False)),
    Touch("close-cover", "Close cover", "right", {"how": "cover"}, fits=_tampered(True)),
    Touch("button", "Push valve button", "button", fits=lambda look: "valve" in look),
    *_HEARD,
)
_STATION: Final = (
    Touch("high", "High gas", "gas", {"kind": "high"}),
    Touch("low", "Low gas", "gas", {"kind": "low"}),
    Touch("hydrogen", "A tenth of hydrogen", "gas", {"kind": "hydrogen"}),
    Touch("pressure-fails", "Pressure sensor fails", "sensor fails", {"sensor": "pressure"},
          fits=_alarm("pressure", False), grave=True),
    Touch("pressure-repaired", "Repair pressure sensor", "sensor repaired", {"sensor": "pressure"},
          fits=_alarm("pressure", True)),
    Touch("temperature-fails", "Temperature sensor fails", "sensor fails", {"sensor": "temperature"},
          fits=_alarm("temperature", False), grave=True),
    Touch("temperature-repaired", "Repair temperature sensor", "sensor repaired", {"sensor": "temperature"},
          fits=_alarm("temperature", True)),
    *_HEARD,
)  # fmt: skip
FEEDER: Final = "feeder"
TOUCHES: Final[Mapping[str, tuple[Touch, ...]]] = {
    "electricity": _METER,
    "gas": _UTILITY,
    "water": _UTILITY,
    "heat": _UTILITY,
    "converter": _STATION,
    "concentrator": _HEARD,
    FEEDER: (
        Touch("cut", "Cut the feeder", "cut", fits=lambda look: look.get("powered", 1) > 0, grave=True),
        Touch("mend", "Mend the feeder", "mend", fits=lambda look: look.get("powered", 0) < look.get("meters", 1)),
    ),
}
"""By the kind of device."""


def touch_of(kind: str, name: str) -> Touch | None:
    """Return what can be done to a kind of device by its name in a form."""
    return next((touch for touch in TOUCHES.get(kind, ()) if touch.name == name), None)


def fitting(kind: str, look: Look) -> list[Touch]:
    """Return what makes sense to do to a device of this kind as it is now."""
    return [touch for touch in TOUCHES.get(kind, ()) if touch.fits(look)]
