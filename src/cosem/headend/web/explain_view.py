"""Sheets of an explanation as pages draw them: rows of octets, each run with its place, and the tree beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cosem.explain.fields import What
from cosem.explain.places import Buffer, Place, Sheet
from cosem.explain.sheets import Part

ROW: Final = 16
HALF: Final = 8
MOST_PARTS: Final = 200
MOST_PLACES: Final = 3000
"""Places that a page draws; octets of further ones are drawn with what is around them."""
MOST_READINGS: Final = 200
LEGEND: Final = {
    What.FRAME: "frame: flags, lengths, control",
    What.ADDRESS: "addresses and names",
    What.CHECK: "check sums and tags",
    What.SECURITY: "security header",
    What.SEALED: "enciphered",
    What.SERVICE: "APDU: what is asked or told",
    What.TYPE: "type and length of a value",
    What.VALUE: "value",
    What.UNKNOWN: "not understood",
}
"""What the colours mean, in words."""
_PILLS: Final = {"verified": "ok", "not genuine": "bad", "wrong": "bad", "not verified": "warn", "not opened": "warn"}


@dataclass(frozen=True, slots=True)
class Run:
    """Octets of one place in half a row. `first` where the place begins."""

    place: int
    kind: str
    text: str
    first: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row of octets: where it begins, and its two halves."""

    at: str
    halves: tuple[tuple[Run, ...], ...]


@dataclass(frozen=True, slots=True)
class Dump:
    """The octets of a buffer."""

    title: str
    lines: tuple[Line, ...]


@dataclass(slots=True)
class Node:
    """A place of the tree."""

    number: int
    place: Place
    pill: str
    inner: list[Node] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Return its octets in words."""
        place = self.place
        size = place.end - place.start
        return f"{size} octet{'' if size == 1 else 's'} at {place.start}" if size else f"at {place.start}"


@dataclass(frozen=True, slots=True)
class View:
    """One part as it is drawn. `left` places were too many."""

    number: int
    title: str
    direction: str
    at: str
    error: str
    error_at: str
    sealed: bool
    readings: list[str]
    more_readings: int
    dumps: list[Dump]
    nodes: list[Node]
    left: int


def views(parts: Sequence[Part]) -> tuple[list[View], int]:
    """Return what is drawn of parts, and how many are not."""
    drawn = _Drawing(MOST_PLACES)
    return [drawn.view(number, part) for number, part in enumerate(parts[:MOST_PARTS], 1)], max(
        0, len(parts) - MOST_PARTS
    )


class _Drawing:
    """Numbers the places of a page, as many as it draws."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._next = 0

    def view(self, number: int, part: Part) -> View:
        sheet = part.sheet
        owners = [[0] * len(buffer.octets) for buffer in sheet.buffers]
        kinds = [[""] * len(buffer.octets) for buffer in sheet.buffers]
        firsts: set[tuple[int, int]] = set()
        before = self._next
        nodes = [node for place in sheet.places if (node := self._node(place, owners, kinds)) is not None]
        seen = [node for root in nodes for node in _walk(root)]
        total = sum(1 for _ in sheet.walk())
        for node in seen:
            firsts.add((node.place.buffer, node.number))
        dumps = [
            _dump(buffer, owners[index], kinds[index], {number for at, number in firsts if at == index})
            for index, buffer in enumerate(sheet.buffers)
        ]
        assert self._next - before == len(seen)
        where = ""
        if sheet.error_at is not None:
            at = sheet.error_at[1]
            buffer = sheet.buffers[sheet.error_at[0]]
            where = f"octet {at} ({at:#06x}) of {len(buffer.octets)}, {buffer.origin.value}"
        return View(
            number, part.title, part.direction, part.at, sheet.error, where, sheet.sealed,
            sheet.readings[:MOST_READINGS], max(0, len(sheet.readings) - MOST_READINGS), dumps, nodes,
            total - len(seen),
        )  # fmt: skip

    def _node(self, place: Place, owners: list[list[int]], kinds: list[list[str]]) -> Node | None:
        if self._next >= self._most:
            return None
        self._next += 1
        node = Node(self._next, place, _PILLS.get(place.state, ""))
        if place.painted:
            owner, kind = owners[place.buffer], kinds[place.buffer]
            size = place.end - place.start
            owner[place.start : place.end] = [node.number] * size
            kind[place.start : place.end] = [str(place.what)] * size
            kind[place.start : place.start + place.head] = [str(What.TYPE)] * min(place.head, size)
        for inner in place.inner:
            found = self._node(inner, owners, kinds)
            if found is not None:
                node.inner.append(found)
        return node


def _walk(node: Node) -> list[Node]:
    found, waiting = [], [node]
    while waiting:
        item = waiting.pop()
        found.append(item)
        waiting += item.inner
    return found


def _dump(buffer: Buffer, owners: list[int], kinds: list[str], drawn: set[int]) -> Dump:
    octets, begun = buffer.octets, set[int]()
    lines = []
    for start in range(0, len(octets), ROW):
        halves = []
        for half in range(start, min(start + ROW, len(octets)), HALF):
            runs: list[Run] = []
            at = half
            end = min(half + HALF, len(octets))
            while at < end:
                behind = at + 1
                while behind < end and owners[behind] == owners[at] and kinds[behind] == kinds[at]:
                    behind += 1
                text = " ".join(
                    "··" if place in buffer.hidden else f"{octets[place]:02x}" for place in range(at, behind)
                )
                first = owners[at] in drawn and owners[at] not in begun
                begun.add(owners[at])
                runs.append(Run(owners[at], kinds[at] or str(What.UNKNOWN), text, first))
                at = behind
            halves.append(tuple(runs))
        lines.append(Line(f"{start:04x}", tuple(halves)))
    size = f"{len(octets)} octet{'' if len(octets) == 1 else 's'}"
    return Dump(f"{buffer.origin.value.capitalize()}, {size}", tuple(lines))


def sheet_kinds(sheet: Sheet) -> set[str]:
    """Return what kinds of octets there are, for a legend that says no more."""
    found = {str(place.what) for place in sheet.walk()}
    return found | {str(What.TYPE)} if any(place.head for place in sheet.walk()) else found
