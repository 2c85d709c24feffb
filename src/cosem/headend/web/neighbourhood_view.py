"""The neighbourhood as its page says it: the tree, how every device is in words, and what the live topic tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from cosem.headend.web import text
from cosem.headend.web.feeder_drawing import Drawing, drawing
from cosem.headend.web.playing import PlayUnit, Seen, StoryLine
from cosem.headend.web.text import number, shown

if TYPE_CHECKING:
    from cosem.headend.web.frame import Frame

SPEEDS: Final = (1, 10, 60, 600, 3600)
LINES: Final = 60
OUT: Final = 10
KINDS: Final = {
    "done": "done there",
    "answer": "came of it",
    "happened": "happened",
    "switch": "switched",
    "push": "push",
    "alarm": "alarm opened",
    "fraud": "fraud alarm opened",
    "command": "command",
    "heard": "heard",
}
"""What stands before a line of the story, by its kind."""
Look = Mapping[str, Any]
_MARK: Final = Markup('<span class="pill {}">{}</span>')
_VALUE: Final = Markup('<span class="v">{}</span>')


@dataclass(frozen=True, slots=True)
class Branch:
    """A feeder: its place in the list of feeders, its name, and the meters that it supplies with what hangs at each."""

    number: int
    name: str
    meters: tuple[tuple[PlayUnit, tuple[PlayUnit, ...]], ...]


@dataclass(frozen=True, slots=True)
class Root:
    """What hangs behind nothing: a concentrator with feeders and M-Bus meters of its own, or the gas station."""

    unit: PlayUnit
    branches: tuple[Branch, ...]
    direct: tuple[PlayUnit, ...]


def tree(seen: Seen) -> list[Root]:
    """Return the units as they hang behind each other."""
    behind: dict[str | None, list[PlayUnit]] = {}
    for unit in seen.units:
        behind.setdefault(unit.parent, []).append(unit)
    found = []
    for root in behind.get(None, []):
        children = behind.get(root.name, [])
        branches = []
        for place, name in enumerate(seen.feeders):
            meters = [unit for unit in children if unit.feeder == name]
            if meters:
                hung = tuple((unit, tuple(behind.get(unit.name, ()))) for unit in meters)
                branches.append(Branch(place, name, hung))
        found.append(Root(root, tuple(branches), tuple(unit for unit in children if unit.feeder is None)))
    return found


def figure(value: Any, places: int = 0, unit: str = "") -> str:
    """Return a number that a stranger says, with its unit; a dash for what is none."""
    try:
        exact = Decimal(str(value))
        said = number(exact, places) if exact.is_finite() and not isinstance(value, bool) else "–"
    except InvalidOperation:
        said = "–"
    return f"{said}\u202f{unit}" if unit and said != "–" else said


def value_of(unit: PlayUnit, look: Look) -> str:
    """Return the one figure that says most of a unit."""
    if not look:
        return "–"
    if unit.kind == "electricity":
        return figure(look.get("power"), 0, "W")
    if unit.kind == "heat":
        return figure(look.get("power"), 0, "W")
    if unit.kind in ("gas", "water"):
        return figure(look.get("volume"), 3, "m³")
    if unit.kind == "converter":
        return figure(look.get("flow at base conditions"), 0, "m³/h")
    if "found" in look:
        return f"{figure(look.get('there'))} of {figure(look.get('found'))} answer"
    return f"{figure(look.get('channels'))} channels"


def marks_of(unit: PlayUnit, look: Look) -> list[tuple[str, str]]:
    """Return what stands out of a unit, each with how bad it is."""
    marks = []
    if look.get("powered") is False:
        marks.append(("no power", "bad"))
    switch = look.get("switch", "connected")
    if switch != "connected":
        marks.append((shown(switch, 30), "warn" if switch == "ready for reconnection" else "bad"))
    valve = look.get("valve", "open")
    if valve != "open":
        marks.append((f"valve {shown(valve, 20)}", "warn"))
    marks += [(f"{shown(which, 20)} cover open", "bad") for which in look.get("open", ())]
    if look.get("magnet"):
        marks.append(("magnet", "bad"))
    marks += [("cover open" if how == "cover" else shown(how, 20), "bad") for how in look.get("tampered", ())]
    marks += [(f"{shown(alarm, 30)}: disturbed", "bad") for alarm in look.get("alarms", ())]
    if look.get("silent"):
        marks.append(("silent", "warn"))
    return marks


def state_of(unit: PlayUnit, look: Look) -> Markup:
    """Return how a unit is as HTML: its figure and what stands out."""
    pills = Markup("").join(_MARK.format(tone, words) for words, tone in marks_of(unit, look))
    return pills + _VALUE.format(value_of(unit, look))


def feeder_look(seen: Seen, name: str) -> dict[str, int]:
    """Return how many meters a feeder has, how many have power, and the watts that they take together."""
    looks = [seen.look(unit) for unit in seen.units if unit.feeder == name]
    return {
        "meters": len(looks),
        "powered": sum(look.get("powered") is True for look in looks),
        "power": _watts(looks),
    }


def _watts(looks: Iterable[Look]) -> int:
    powers = [look.get("power", 0) for look in looks]
    return sum(round(power) for power in powers if isinstance(power, (int, float)))


def feeder_state(look: Mapping[str, int]) -> Markup:
    """Return how a feeder is as HTML."""
    dark = look["meters"] - look["powered"]
    pill = _MARK.format("bad", "cut" if not look["powered"] else f"{dark} without power") if dark else Markup("")
    return pill + _VALUE.format(figure(look["power"] / 1000, 1, "kW"))


def counts(seen: Seen) -> dict[str, str]:
    """Return the figures on top of the page by their ids."""
    meters = [seen.look(unit) for unit in seen.units if unit.kind == "electricity"]
    looks = list(seen.looks.values())
    opened = sum(bool(look.get("open") or look.get("magnet") or look.get("tampered")) for look in looks)
    return {
        "n-power": figure(_watts(meters) / 1000, 1),
        "n-dark": str(sum(look.get("powered") is False for look in meters)),
        "n-off": str(sum(look.get("switch", "connected") != "connected" for look in meters)),
        "n-open": str(opened),
        "n-silent": str(sum(bool(look.get("silent")) for look in looks)),
    }


def out_of(seen: Seen) -> list[tuple[PlayUnit, list[tuple[str, str]]]]:
    """Return the units that stand out, with why."""
    found = [(unit, marks_of(unit, seen.look(unit))) for unit in seen.units]
    return [item for item in found if item[1]]


def drawn(seen: Seen) -> Drawing | None:
    """Return the power line; None where nothing is known of it."""
    try:
        return None if not seen.line else drawing(seen.line)
    except (LookupError, TypeError, ValueError):
        return None


def line_words(line: StoryLine) -> str:
    """Return what a line of the story says first."""
    return KINDS.get(line.kind, "happened")


def given(seen: Seen) -> dict[str, Any]:
    """Return what the fragments of the page are made of."""
    return {
        "seen": seen,
        "story": seen.story[:LINES],
        "line_words": line_words,
        "out": out_of(seen)[:OUT],
        "more": max(0, len(out_of(seen)) - OUT),
        "line": drawn(seen),
        "state_of": state_of,
        "figure": figure,
    }


def clock_words(frame: Frame, seen: Seen) -> str:
    """Return the neighbourhood's time, to the second."""
    return text.times(frame.zone)["to_the_second"](seen.now or None)


def topic(frame: Frame, seen: Seen) -> dict[str, dict[str, Any]]:
    """Return the state of the live topic: every unit by an element of its own, so that what is sent is what changed."""
    html: dict[str, str] = {}
    for unit in seen.units:
        html[f"u{unit.number}"] = str(state_of(unit, seen.look(unit)))
    for place, name in enumerate(seen.feeders):
        html[f"f{place}"] = str(feeder_state(feeder_look(seen, name)))
    fragments = given(seen)
    for name in ("story", "out", "line"):
        html[f"live-{name}"] = frame.fragment(f"_n_{name}.html", **fragments)
    problem = str(escape(seen.problem)) if seen.problem else ""
    html["live-problem"] = f'<p class="hint">{problem}; what is seen here was the last of it.</p>' if problem else ""
    newest = next((line for line in seen.story if line.kind in ("alarm", "fraud")), None)
    said = "" if newest is None else f"{KINDS[newest.kind]}: {shown(newest.unit, 40)}, {shown(newest.words, 80)}"
    return {
        "text": {
            "n-clock": clock_words(frame, seen),
            "n-late": "slower than that: this machine is late" if seen.late else "",
            "n-said": said,
            **counts(seen),
        },
        "html": html,
        "attr": {f"speed-{speed}": {"aria-pressed": str(seen.speed == speed).lower()} for speed in SPEEDS},
    }
