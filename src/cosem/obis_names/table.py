"""The tables of value groups: how ``tables/*.toml`` is read, and what a value means in a table.

A table maps values of one group to meanings. A key is a value (``8``) or a range (``"1-63"``); what stands there is
the words alone or a node with these keys:

- ``words``: what the value means. ``{n}`` stands for the value, ``{k}`` for its place in the range, from 0; ``{n+1}``
  and ``{k+5}`` add to them. Words that begin with a space go on in the sentence without a comma.
- ``named``: other words by key of `units` (``integral``: energy where the words alone say power).
- ``say``: the whole sentence up to here, where joining the words of the groups would not be one.
- ``quiet``: true where the sentence leaves the words out.
- ``units``: names of `cosem.units.Unit` by key; ``unit``: the key to take (``base`` without it), or the name of a unit.
- ``classes``: usual interface classes, most usual first. ``keeps``: true where those of the groups behind, and their
  units, do not count: a profile of a quantity is a profile.
- ``status``: name of a `Status`, for this value and what stands behind it.
- ``then``: the table of the next group; digits in a node are such a table in place. ``variants``: endings with which
  that group's own ``then`` is looked for first (``events`` and ``voltage``: ``events_voltage``). ``e``: the table of
  group E, whatever group D says.
- ``f``: words for group F, where it counts no billing periods. ``measured``: true where it does.

``[[NAME.grid]]`` lays values out in rows of ``width``, from ``start``: `format` joins the words of row and column, what
is in ``all`` belongs to every cell, and a row or column ``"-"`` is left out. A table ``like`` another has its values
as well.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pkgutil import get_data
from typing import Any, Final, NamedTuple

from cosem.units import Unit


class Status(Enum):
    """Who says what a value of a group means."""

    STANDARD = "standard"
    COUNTRY = "country specific"
    CONSORTIUM = "consortium specific"
    UTILITY = "utility specific"
    MANUFACTURER = "manufacturer specific"
    INACTIVE = "inactive"
    UNKNOWN = "reserved or not known"


@dataclass(frozen=True, slots=True)
class Node:
    """What a value, or a range of values, of a group means; the keys are told at the head of this file."""

    words: str
    named: dict[str, str] = field(default_factory=dict)
    say: str | None = None
    quiet: bool = False
    units: dict[str, Unit] = field(default_factory=dict)
    unit: str | None = None
    classes: tuple[int, ...] = ()
    status: Status = Status.STANDARD
    then: str | Table | None = None
    variants: tuple[str, ...] = ()
    e: str | None = None
    f: str | None = None
    measured: bool = False
    keeps: bool = False


class _Range(NamedTuple):
    first: int
    last: int
    node: Node


class Meaning(NamedTuple):
    """A node met for one value, `place` being how far the value is into its range."""

    node: Node
    value: int
    place: int

    def fill(self, text: str) -> str:
        """Return `text` with the value and its place set in."""
        return _PLACEHOLDER.sub(self._number, text) if "{" in text else text

    def _number(self, match: re.Match[str]) -> str:
        return str((self.value if match[1] == "n" else self.place) + int(match[2] or 0))


_PLACEHOLDER: Final = re.compile(r"\{([nk])(?:\+(\d+))?\}")
_SKIPPED: Final = "-"
"""The words of a row or column of a grid that names nothing."""


class Table:
    """The meanings of the values of one group."""

    __slots__ = ("_ranges", "_values")

    def __init__(self, declared: dict[str, Any], every: dict[str, Any], library: dict[str, Any]) -> None:
        self._values: dict[int, Node] = {}
        self._ranges: list[_Range] = []
        self._take(declared, every, library)
        if "like" in declared:
            self._take(library[declared["like"]], every, library)

    def _take(self, declared: dict[str, Any], every: dict[str, Any], library: dict[str, Any]) -> None:
        for key, what in declared.items():
            first, _, last = key.partition("-")
            if first.isdecimal():
                node = _node(_merged(every, what), library)
                if last:
                    self._ranges.append(_Range(int(first), int(last), node))
                else:
                    self._values.setdefault(int(first), node)
        for grid in declared.get("grid", ()):
            self._lay_out(grid, every, library)

    def _lay_out(self, grid: dict[str, Any], every: dict[str, Any], library: dict[str, Any]) -> None:
        every = every | grid.get("all", {})
        for r, row in enumerate(grid["rows"]):
            for c, column in enumerate(grid["columns"]):
                if _SKIPPED not in (row, column):
                    cell = _cell(grid["format"], every, row, column)
                    value = grid.get("start", 0) + r * grid["width"] + c
                    self._values.setdefault(value, _node(cell, library))

    def find(self, value: int) -> Meaning | None:
        """Return what `value` means; None where the table does not say."""
        node = self._values.get(value)
        if node is not None:
            return Meaning(node, value, 0)
        for first, last, node in self._ranges:
            if first <= value <= last:
                return Meaning(node, value, value - first)
        return None


def _cell(form: str, every: dict[str, Any], row: Any, column: Any) -> dict[str, Any]:
    """Return the declaration of the cell at `row` and `column`: what both say, and their words joined."""
    row, column = _merged({}, row), _merged({}, column)
    cell: dict[str, Any] = every | column | row
    for key in ("units", "named"):
        cell[key] = every.get(key, {}) | column.get(key, {}) | row.get(key, {})

    def joined(name: str | None) -> str:
        texts: dict[str, str] = {
            "row": row.get("named", {}).get(name, row.get("words", "")),
            "column": column.get("named", {}).get(name, column.get("words", "")),
        }
        return " ".join(form.format(**texts).split())

    cell["words"] = joined(None)
    cell["named"] = {name: joined(name) for name in cell["named"]}
    return cell


def _merged(every: dict[str, Any], what: str | dict[str, Any]) -> dict[str, Any]:
    declared: dict[str, Any] = {"words": what} if isinstance(what, str) else what
    return every | declared


def _node(declared: dict[str, Any], library: dict[str, Any]) -> Node:
    inner = any(key[0].isdecimal() for key in declared) or "grid" in declared
    return Node(
        words=declared["words"],
        named=declared.get("named", {}),
        say=declared.get("say"),
        quiet=declared.get("quiet", False),
        units={key: Unit[name] for key, name in declared.get("units", {}).items()},
        unit=declared.get("unit"),
        classes=tuple(declared.get("classes", ())),
        status=Status[declared["status"].upper()] if "status" in declared else Status.STANDARD,
        then=Table(declared, {}, library) if inner else declared.get("then"),
        variants=tuple(declared.get("variants", ())),
        e=declared.get("e"),
        f=declared.get("f"),
        measured=declared.get("measured", False),
        keeps=declared.get("keeps", False),
    )


class Medium:
    """The tables of one medium, over those that all media share."""

    def __init__(self, library: dict[str, Any]) -> None:
        self._tables = {name: Table(table, table.get("all", {}), library) for name, table in library.items()}

    def table(self, which: str | Table | None, variants: tuple[str, ...] = ()) -> Table | None:
        """Return the table a node names, the first there is with an ending of `variants`, or else without one."""
        if not isinstance(which, str):
            return which
        for ending in variants:
            if (table := self._tables.get(f"{which}_{ending}")) is not None:
                return table
        return self._tables.get(which)

    def walk(self, c: int, d: int, e: int) -> list[Meaning]:
        """Return what groups C, D and E mean, as far as the tables say."""
        table = self.table("c")
        found: list[Meaning] = []
        e_table: str | None = None
        variants: tuple[str, ...] = ()
        for depth, value in enumerate((c, d, e)):
            if depth == 2 and e_table is not None:
                table = self.table(e_table)
            meaning = table.find(value) if table is not None else None
            if meaning is None:
                break
            found.append(meaning)
            if depth == 0:
                e_table, variants = meaning.node.e, meaning.node.variants
            table = self.table(meaning.node.then, variants)
        return found


@cache
def medium(name: str) -> Medium:
    """Read ``tables/NAME.toml``, with the named tables of ``common.toml`` behind its own."""
    own = _read(name)
    if name == "common":
        return Medium(own)
    return Medium({key: table for key, table in _read("common").items() if key != "c"} | own)


@cache
def _read(name: str) -> dict[str, Any]:
    octets = get_data("cosem.obis_names", f"tables/{name}.toml")  # from wherever the package lies: a folder, an archive
    assert octets is not None
    return tomllib.loads(octets.decode())
