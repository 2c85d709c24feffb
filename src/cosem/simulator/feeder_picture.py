"""A feeder as a picture (SVG): cables, cabinets, meters on their phases, who repeats, and how far each is from the
concentrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, NamedTuple

from cosem.plc.addresses import NEW
from cosem.simulator.feeder import Feeder
from cosem.simulator.feeder_network import FeederNetwork

PHASES: Final = ("#8a8f98", "#d55e00", "#0072b2", "#009e73")
"""Colours of all phases and of L1 to L3: they stay apart for people who do not see red and green apart."""
_INK, _PALE, _PAPER = "#22262e", "#c3c8d1", "#ffffff"
_WIDTH, _LEFT, _RIGHT = 1180, 96, 64
_STACK: Final = 5
"""Meters of a cabinet that stand below each other."""


class StationView(NamedTuple):
    """One meter at one moment: MAC address (0 for none), repetitions it takes, whether it repeats, level in dBµV."""

    station: int
    address: int
    hops: int
    repeats: bool
    level: float


def snapshot(network: FeederNetwork) -> list[StationView]:
    """Return how the meters of a network stand now."""
    views = []
    for station, system in network.systems.items():
        known = network.initiator.registry.systems.get(system.settings.title)
        address = 0 if system.mac.address == NEW else system.mac.address
        hops, level = (known.credit, known.level) if known is not None else (0, 0.0)
        views.append(StationView(station, address, hops, system.mac.repeats, level))
    return views


@dataclass(slots=True)
class Lane:
    """A stretch of cable that is drawn in one row: it leaves `origin` (None for the transformer) at `begin` metres.

    `cabinets` are joints with their metres from the transformer; `depth` counts branches.
    """

    origin: int | None
    begin: float
    depth: int
    cabinets: list[tuple[int, float]]


def lanes(feeder: Feeder) -> list[Lane]:
    """Return the cables and branches of a feeder in the order in which they are drawn, branches behind their cable."""
    metres = [0.0] * (len(feeder.segments) + 1)
    children: list[list[int]] = [[] for _ in metres]
    for joint, segment in enumerate(feeder.segments, 1):
        metres[joint] = metres[segment.parent] + segment.metres
        children[segment.parent].append(joint)
    meters = {place.joint for place in feeder.stations[1:]}
    # A drop carries a meter and nothing behind it; all other joints are cabinets.
    cabinets = [bool(children[joint]) or joint not in meters for joint in range(len(metres))]
    found: list[Lane] = []
    todo: list[tuple[int, int | None, float, int]]
    todo = [(joint, None, 0.0, 0) for joint in reversed(children[0]) if cabinets[joint] or joint in meters]
    while todo:
        joint, origin, begin, depth = todo.pop()
        lane = Lane(origin, begin, depth, [])
        found.append(lane)
        following: int | None = joint
        while following is not None:
            here = following
            lane.cabinets.append((here, metres[here]))
            further = [child for child in children[here] if cabinets[child]]
            following = max(further, key=lambda child: metres[child]) if further else None
            for child in further:
                if child != following:
                    todo.append((child, here, metres[here], depth + 1))
    return found


def meters_at(feeder: Feeder) -> dict[int, list[int]]:
    """Return the stations of each cabinet: those at it, and those at the end of a drop from it."""
    found: dict[int, list[int]] = {}
    parents = {segment.parent for segment in feeder.segments}
    for station, place in enumerate(feeder.stations[1:], 1):
        joint = place.joint
        at = joint if joint in parents or not joint else feeder.segments[joint - 1].parent
        found.setdefault(at or joint, []).append(station)
    return found


def document(network: FeederNetwork, names: Mapping[int, str]) -> dict[str, Any]:
    """Return how a network is laid out and stands now as JSON, for whoever draws it in a way of their own.

    ``lanes`` are stretches of cable as `lanes` has them; ``meters`` stand at the cabinet of this joint.
    """
    feeder = network.feeder
    cabinet = {station: joint for joint, stations in meters_at(feeder).items() for station in stations}
    return {
        "lanes": [{"origin": lane.origin, "begin": lane.begin, "cabinets": lane.cabinets} for lane in lanes(feeder)],
        "meters": [
            {
                "unit": names.get(view.station, ""),
                "cabinet": cabinet[view.station],
                "phase": feeder.stations[view.station].phase,
                "metres": round(feeder.distance(view.station)),
                "registered": bool(view.address),
                "hops": view.hops,
                "repeats": view.repeats,
                "level": round(view.level),
            }
            for view in snapshot(network)
        ],
    }


def picture(feeder: Feeder, panels: Sequence[tuple[str, Sequence[StationView]]], *, title: str) -> str:
    """Return an SVG document with a panel for each moment, one below the other."""
    rows = lanes(feeder)
    at = meters_at(feeder)
    longest = max((metres for lane in rows for _, metres in lane.cabinets), default=1.0) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    dot = 4.0 if len(feeder.stations) <= 400 else 2.6
    heights = [_height(lane, at, dot) for lane in rows]
    panel = sum(heights) + 70
    total = 64 + round(panel * len(panels)) + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {total}" width="{_WIDTH}" height="{total}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{total}" fill="{_PAPER}"/>',
        f'<text x="24" y="34" font-size="18" font-weight="bold">{escape(title)}</text>',
    ]
    top = 64.0
    for caption, views in panels:
        parts += _panel(feeder, rows, heights, at, {view.station: view for view in views}, caption, top, scale, dot)
        top += panel
    parts += _legend(top + 16)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _height(lane: Lane, at: dict[int, list[int]], dot: float) -> float:
    most = max((len(at.get(joint, ())) for joint, _ in lane.cabinets), default=0)
    return 30 + min(most, _STACK) * (2 * dot + 3)


def _panel(
    feeder: Feeder,
    rows: Sequence[Lane],
    heights: Sequence[float],
    at: dict[int, list[int]],
    views: dict[int, StationView],
    caption: str,
    top: float,
    scale: float,
    dot: float,
) -> list[str]:
    registered = sum(bool(view.address) for view in views.values())
    repeating = sum(view.repeats for view in views.values())
    parts = [
        f'<text x="24" y="{top + 14:.0f}" font-size="15" font-weight="bold">{escape(caption)}</text>',
        f'<text x="24" y="{top + 32:.0f}">{registered} of {len(views)} meters registered, {repeating} repeat</text>',
    ]
    top += 58
    lines: dict[int, float] = {}
    y = top
    for lane, height in zip(rows, heights, strict=True):
        for joint, _ in lane.cabinets:
            lines[joint] = y
        y += height
    bottom = max(lines.values(), default=top)
    parts.append(f'<line x1="60" y1="{top - 12:.1f}" x2="60" y2="{bottom + 12:.1f}" stroke="{_INK}" stroke-width="5"/>')
    parts.append(
        f'<text transform="translate(48 {(top + bottom) / 2:.0f}) rotate(-90)" font-size="11" text-anchor="middle">'
        "transformer and concentrator</text>"
    )
    marks: list[str] = []
    origins = {lane.origin for lane in rows}
    for lane in rows:
        here = lines[lane.cabinets[0][0]]
        start = 60.0 if lane.origin is None else _LEFT + lane.begin * scale
        if lane.origin is not None:
            parts.append(_line(start, lines[lane.origin], start, here))
        parts.append(_line(start, here, _LEFT + lane.cabinets[-1][1] * scale, here))
        for joint, metres in lane.cabinets:
            x = _LEFT + metres * scale
            marks.append(f'<rect x="{x - 3:.1f}" y="{here - 3:.1f}" width="6" height="6" fill="{_INK}"/>')
            # Beside the branch that goes down from here, not on it.
            aside = (2 * dot + 3) if joint in origins else 0.0
            marks += _meters(feeder, at.get(joint, ()), views, x - aside, here, dot)
        end = lane.cabinets[-1][1]
        marks.append(f'<text x="{_LEFT + end * scale + 8:.1f}" y="{here - 5:.1f}" font-size="10">{end:.0f} m</text>')
    return parts + marks


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_INK}" stroke-width="1.4"/>'


def _meters(
    feeder: Feeder, stations: Sequence[int], views: dict[int, StationView], x: float, y: float, dot: float
) -> list[str]:
    parts = []
    step = 2 * dot + 3
    columns = -(-len(stations) // _STACK)
    for number, station in enumerate(stations):
        column, row = divmod(number, _STACK)
        cx = x + (column - (columns - 1) / 2) * step
        cy = y + 9 + dot + row * step
        view = views.get(station)
        colour = PHASES[feeder.stations[station].phase]
        tip = f"<title>{escape(_words(feeder, station, view))}</title>"
        if view is not None and view.repeats:
            parts.append(
                f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{dot + 1.6:.1f}" fill="none" stroke="{_INK}" '
                f'stroke-width="{dot * 0.4:.1f}"/>'
            )
        if view is None or not view.address:
            parts.append(
                f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{dot - 0.8:.1f}" fill="{_PAPER}" stroke="{colour}" '
                f'stroke-width="1.4">{tip}</circle>'
            )
            continue
        parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{dot:.1f}" fill="{colour}">{tip}</circle>')
        if view.hops:
            parts.append(
                f'<text x="{cx:.1f}" y="{cy + dot * 0.75:.1f}" font-size="{dot * 2:.0f}" font-weight="bold" '
                f'fill="{_PAPER}" text-anchor="middle" pointer-events="none">{view.hops}</text>'
            )
    return parts


def _words(feeder: Feeder, station: int, view: StationView | None) -> str:
    place = feeder.stations[station]
    words = f"meter {station}, L{place.phase}, {feeder.distance(station):.0f} m"
    if view is None or not view.address:
        return words + ", without an address"
    role = ", repeats" if view.repeats else ""
    return words + f", address {view.address:03X}, {view.level:.0f} dBµV, {view.hops} repetitions{role}"


def _legend(y: float) -> list[str]:
    parts, x = [f'<line x1="24" y1="{y - 14:.0f}" x2="{_WIDTH - 24}" y2="{y - 14:.0f}" stroke="{_PALE}"/>'], 32.0
    for phase in (1, 2, 3):
        parts.append(f'<circle cx="{x:.0f}" cy="{y + 6:.0f}" r="4" fill="{PHASES[phase]}"/>')
        parts.append(f'<text x="{x + 10:.0f}" y="{y + 10:.0f}">on L{phase}</text>')
        x += 72
    parts.append(
        f'<circle cx="{x:.0f}" cy="{y + 6:.0f}" r="3.2" fill="{_PAPER}" stroke="{PHASES[0]}" stroke-width="1.4"/>'
    )
    parts.append(f'<text x="{x + 10:.0f}" y="{y + 10:.0f}">not registered</text>')
    x += 124
    parts.append(f'<circle cx="{x:.0f}" cy="{y + 6:.0f}" r="4" fill="{PHASES[0]}"/>')
    parts.append(f'<circle cx="{x:.0f}" cy="{y + 6:.0f}" r="5.6" fill="none" stroke="{_INK}" stroke-width="1.6"/>')
    parts.append(f'<text x="{x + 12:.0f}" y="{y + 10:.0f}">repeats frames of others</text>')
    x += 180
    parts.append(f'<circle cx="{x:.0f}" cy="{y + 6:.0f}" r="4.6" fill="{PHASES[0]}"/>')
    parts.append(
        f'<text x="{x:.0f}" y="{y + 9:.0f}" font-size="8" font-weight="bold" fill="{_PAPER}" '
        'text-anchor="middle">2</text>'
    )
    parts.append(
        f'<text x="{x + 10:.0f}" y="{y + 10:.0f}">repetitions to the concentrator (none where no number)</text>'
    )
    x += 320
    parts.append(f'<rect x="{x - 3:.0f}" y="{y + 3:.0f}" width="6" height="6" fill="{_INK}"/>')
    parts.append(f'<text x="{x + 10:.0f}" y="{y + 10:.0f}">cabinet; its place is its cable in metres</text>')
    return parts
