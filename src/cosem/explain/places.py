"""Where everything of an explanation stands: buffers of octets, and a tree of places in them, for a hex dump beside it.

The layers, fields and values are those of the explanation; this only finds them again among the octets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.errors import CosemError, DecodeError
from cosem.explain.fields import LINKS, PROTECTED, What, pieces, told
from cosem.explain.octets import Annotated, annotate, annotate_before
from cosem.explain.secrets import HIDDEN
from cosem.explain.text import facts, is_open, printable
from cosem.explain.tree import Explained, Failure, Layer
from cosem.obis import Obis
from cosem.obis_names import words as obis_words

VALUE: Final = "value"
"""The name of an element of a value; its words say what it is."""
MAX_HEAD: Final = 40
"""Octets of an APDU in front of its value."""
MAX_GUESSED: Final = 8192
"""Octets of an APDU whose value is looked for where it could not be read to its end."""
SHORTEST_SECRET: Final = 4
"""Octets; what is shorter stands everywhere by chance."""


class Origin(StrEnum):
    """Where the octets of a buffer come from."""

    GIVEN = "as given"
    DECIPHERED = "deciphered"
    JOINED = "put together"


@dataclass(slots=True)
class Place:
    """Octets that belong together: `start` to `end` in buffer number `buffer`, and what they are.

    `layer` is set for layers, the others are fields and values. The first `head` octets say type and length of a value.
    `state` is "verified", "not genuine", "not verified" or "not opened" for what is protected, "wrong" where decoding
    stopped.
    """

    what: What
    name: str
    buffer: int
    start: int
    end: int
    words: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    state: str = ""
    head: int = 0
    painted: bool = True
    layer: bool = False
    inner: list[Place] = field(default_factory=list)

    def walk(self) -> Iterator[Place]:
        """Yield this place and everything in it, outermost first."""
        waiting = [self]
        while waiting:
            place = waiting.pop()
            yield place
            waiting += reversed(place.inner)


@dataclass(slots=True)
class Buffer:
    """Octets that places count in. `hidden` are indexes of octets that are not shown."""

    origin: Origin
    octets: bytes
    hidden: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Sheet:
    """Everything of one explanation: its buffers (the first is what was given), its places, and what went wrong."""

    buffers: list[Buffer]
    places: list[Place] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)
    error: str = ""
    error_at: tuple[int, int] | None = None
    """Buffer and offset where decoding stopped."""
    complete: bool = True
    """Whether every octet was explained; a protected telegram without its key is, as far as it goes."""
    sealed: bool = False
    behind: int = 0
    """How much of the first buffer is explained, or given up."""

    def walk(self) -> Iterator[Place]:
        """Yield every place, in the order of the tree."""
        for place in self.places:
            yield from place.walk()


def sheet_of(
    frames: Sequence[Explained],
    octets: bytes,
    error: Failure | None = None,
    *,
    base: int = 0,
    country: str | None = None,
) -> Sheet:
    """Return the places of `frames`, whose outermost offsets and errors count from `base` in front of `octets`."""
    sheet = Sheet([Buffer(Origin.GIVEN, octets)])
    starts = sorted(frame.layers[0].offset - base for frame in frames if frame.layers)
    for frame in frames:
        _add(sheet, frame, base, starts)
        sheet.readings += [printable(reading.words) for reading in frame.readings(country)]
        sheet.sealed |= frame.error is None and bool(frame.layers) and not is_open(frame.layers[-1])
    if error is not None:
        _wrong(sheet, error, base, starts, None)
    return sheet


def _add(sheet: Sheet, frame: Explained, base: int, starts: list[int]) -> None:
    outer: tuple[Layer, Place] | None = None
    for layer in frame.layers:
        around = outer
        place = _place(sheet, layer, around, base)
        (around[1].inner if around is not None else sheet.places).append(place)
        if place.buffer == 0:
            sheet.behind = max(sheet.behind, place.end)
        place.inner += [
            Place(piece.what, piece.name, place.buffer, place.start + piece.start, place.start + piece.end, piece.words)
            for piece in pieces(layer, last=layer is frame.layers[-1])
        ]
        outer = (layer, place)
    parent = None if outer is None else outer[1]
    if frame.data is not None:
        at = base if parent is None else sheet.buffers[parent.buffer].octets.rfind(frame.data, 0, parent.end)
        if at >= 0:
            number = 0 if parent is None else parent.buffer
            inside = sheet.places if parent is None else parent.inner
            inside += _values(frame.data, at - (base if parent is None else 0), number)
    elif parent is not None and parent.name == "p1":
        parent.inner += list(_p1_lines(sheet.buffers[parent.buffer].octets, parent))
    if parent is not None:
        for place in sheet.places[-1].walk():
            place.inner.sort(key=lambda item: (item.buffer, item.start))
    if frame.error is not None:
        _wrong(sheet, frame.error, base, starts, parent)


def _place(sheet: Sheet, layer: Layer, outer: tuple[Layer, Place] | None, base: int) -> Place:
    what = What.FRAME if layer.name in LINKS else What.SECURITY if "text" in layer.fields else What.SERVICE
    end = layer.offset + len(layer.octets)
    if outer is None:
        number, start = 0, layer.offset - base
    elif outer[0].octets[layer.offset : end] == layer.octets:
        number, start = outer[1].buffer, outer[1].start + layer.offset
    else:
        origin = Origin.DECIPHERED if "plain_hex" in outer[0].fields else Origin.JOINED
        sheet.buffers.append(Buffer(origin, layer.octets))
        number, start = len(sheet.buffers) - 1, 0
    result = layer.fields.get("result")
    aside = {"values", "results"} | ({"result"} if isinstance(result, dict) and "data" in result else set())
    said = tuple((name, words) for name, words in facts(layer) if name not in aside | told(layer))
    end = start + len(layer.octets)
    return Place(what, layer.name, number, start, end, _title(layer), said, _state(layer), layer=True)


def _title(layer: Layer) -> str:
    return _named(str(layer.fields.get("obis", ""))) or PROTECTED.get(layer.name, "")


def _named(code: str) -> str:
    """Return what an OBIS code means; nothing for what is none."""
    try:
        return printable(obis_words(Obis.parse(code)) or "")
    except CosemError:
        return ""


def _state(layer: Layer) -> str:
    if "verified" not in layer.fields:
        return ""
    shut = "not verified" if is_open(layer) else "not opened"
    return {True: "verified", False: "not genuine", None: shut}[layer.fields["verified"]]


def _values(data: bytes, at: int, number: int) -> list[Place]:
    """Return the elements of a value, nested as they are."""
    return _nested(annotate(data), at, number)


def _nested(rows: Iterable[Annotated], at: int, number: int) -> list[Place]:
    roots: list[Place] = []
    path: list[Place] = []
    for row in rows:
        start = at + row.offset
        place = Place(What.VALUE, VALUE, number, start, start + len(row.octets), printable(row.words))
        place.head = len(row.octets) if row.octets[0] in (Tag.ARRAY, Tag.STRUCTURE) else _head(row.octets)
        del path[row.depth :]
        for around in path:
            around.end = place.end
        (path[-1].inner if path else roots).append(place)
        path.append(place)
    return roots


def _head(octets: bytes) -> int:
    """Return how many octets of an element tell its type and length."""
    if octets[0] not in (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BIT_STRING):
        return 1
    try:
        return axdr.decode_length(octets, 1, len(octets))[1] if octets[0] != Tag.BIT_STRING else 2
    except DecodeError:
        return 1


def _p1_lines(octets: bytes, around: Place) -> Iterator[Place]:
    at = around.start
    for line in octets[around.start : around.end].splitlines(keepends=True):
        text = line.decode("ascii", "replace").strip()
        place = Place(What.FRAME, "line", around.buffer, at, at + len(line), printable(text))
        at += len(line)
        code, bracket, _ = text.partition("(")
        if bracket:
            place.what, place.head, place.words = What.VALUE, len(code), f"{place.words}  {_named(code)}".rstrip()
        elif text.startswith("/"):
            place.what, place.name = What.ADDRESS, "identification"
        elif text.startswith("!"):
            place.what, place.name = What.CHECK, "check sum"
        if text:
            yield place


def _wrong(sheet: Sheet, error: Failure, base: int, starts: list[int], parent: Place | None) -> None:
    """Put where decoding stopped into the tree: what was read up to there, and what is left."""
    sheet.complete = False
    if error.octets is None:
        size = len(sheet.buffers[0].octets)
        number, at = 0, min(max(0, error.offset - base), size)
        following = bisect_right(starts, at)
        start, end = min(sheet.behind, at), starts[following] if following < len(starts) else size
    else:
        number, start = _find(sheet, error.octets)
        at, end = start + min(error.offset, len(error.octets)), start + len(error.octets)
    if parent is not None and (number, start, at, end) == (parent.buffer, parent.start, parent.start, parent.end):
        # What is wrong with a layer as a whole (its authentication tag) leaves its fields as they are.
        parent.words = f"{parent.words}: {printable(error.what)}".removeprefix(": ")
        sheet.error = sheet.error or printable(f"{error.layer}: {error.what}")
        sheet.error_at = sheet.error_at or (number, at)
        return
    inside = sheet.places if parent is None else parent.inner
    stopped = at
    within = error.octets is not None or error.layer == "data"
    read = _read_before(sheet.buffers[number].octets[start:end], at - start, error.layer) if within else []
    if read and read[0].offset:
        inside.append(Place(What.SERVICE, error.layer, number, start, start + read[0].offset))
    if read:
        inside += _nested(read, start, number)
        at = start + read[-1].offset + len(read[-1].octets)
    elif at > start and not _covers(inside[-1:], number, start):
        inside.append(Place(What.SERVICE, error.layer, number, start, at, "read up to here"))
    inside.append(Place(What.UNKNOWN, "not understood", number, at, end, printable(error.what), state="wrong"))
    if number == 0:
        sheet.behind = max(sheet.behind, end)
    if not sheet.error:
        sheet.error = printable(f"{error.layer}: {error.what}")
        sheet.error_at = (number, stopped)


def _read_before(octets: bytes, at: int, layer: str) -> list[Annotated]:
    """Return the elements of a value that were read before an APDU was given up at offset `at`.

    Where the value begins, its error does not tell: it is where reading stops at that very octet.
    """
    if len(octets) > MAX_GUESSED:
        return []
    for start in range(0 if layer == "data" else 1, min(at, MAX_HEAD)):
        if octets[start] in (Tag.ARRAY, Tag.STRUCTURE):
            rows, end = annotate_before(octets, start)
            if rows and end == at:
                return rows
    return []


def _covers(places: Sequence[Place], number: int, start: int) -> bool:
    return any(place.buffer == number and place.start <= start < place.end for place in places)


def _find(sheet: Sheet, octets: bytes) -> tuple[int, int]:
    for number in range(len(sheet.buffers) - 1, -1, -1):
        at = sheet.buffers[number].octets.rfind(octets)
        if at >= 0:
            return number, at
    sheet.buffers.append(Buffer(Origin.DECIPHERED, octets))
    return len(sheet.buffers) - 1, 0


def conceal(sheet: Sheet, secrets: Iterable[tuple[bytes, int]]) -> None:
    """Take secrets out of a sheet: their octets are not shown, and no words have them.

    Each is octets as they stand there, and how many at their beginning are no secret.
    """
    needles = [(octets, skip) for octets, skip in secrets if len(octets) >= SHORTEST_SECRET]
    for buffer in sheet.buffers:
        for octets, skip in needles:
            at = buffer.octets.find(octets)
            while at >= 0:
                buffer.hidden.update(range(at + skip, at + len(octets)))
                at = buffer.octets.find(octets, at + 1)
    texts = [octets[skip:].hex() for octets, skip in needles]
    texts += [octets[skip:].decode("ascii", "replace") for octets, skip in needles]
    texts = [text for text in texts if len(text) >= SHORTEST_SECRET]

    def clean(words: str) -> str:
        return HIDDEN if any(text in words for text in texts) else words

    for place in sheet.walk():
        hidden = sheet.buffers[place.buffer].hidden
        touched = bool(hidden) and not hidden.isdisjoint(range(place.start, place.end))
        if touched and not place.inner:
            place.words = HIDDEN
        else:
            place.words = clean(place.words)
        place.facts = tuple((name, clean(words)) for name, words in place.facts)
    sheet.readings = [clean(words) for words in sheet.readings]
    sheet.error = clean(sheet.error)
