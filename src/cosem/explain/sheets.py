"""What people paste, explained as sheets: one telegram, several, or a trace of a session, each with its octets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cosem.errors import ConfigError
from cosem.explain.decode import KINDS, explain
from cosem.explain.fields import What
from cosem.explain.keyring import Keyring
from cosem.explain.mbus import explain_application, explain_mbus, no_keys
from cosem.explain.mbus_document import TelegramExplained
from cosem.explain.mbus_input import is_relayed
from cosem.explain.mbus_octets import Row, rows
from cosem.explain.pasted import Message, Pasted, octets_of_hex, read_pasted
from cosem.explain.places import VALUE, Buffer, Origin, Place, Sheet, conceal, sheet_of
from cosem.explain.secrets import hide_secrets, secrets_in
from cosem.explain.text import printable, record_words
from cosem.explain.tree import Explained, Explanation, Failure
from cosem.mbus.keys import KeysOf
from cosem.mbus.telegram import State

MAX_OCTETS: Final = 1 << 16
"""Octets that are explained at once."""
FILLER: Final = "filler"
MAX_NAMES: Final = 6
"""Layers that are named in a line."""
METERS: Final = {"mbus-telegrams": "frames", "mbus-message": "message", "mbus-records": "records"}
"""Readings of M-Bus telegrams, beside those of `KINDS`."""
_FRAMED: Final = frozenset({"hdlc", "wrapper", "mbus-link", "sfsk-mac", "sfsk-phy"})
_METER_LAYERS: Final = frozenset({"mbus-application", "wmbus-link"})
_MBUS_NAMES: Final = {"tpl": "mbus-transport", "apl": "mbus-application", "mbus-link-end": "mbus-link"}
_ADDRESSES: Final = frozenset({"manufacturer", "identification", "version", "medium", "A", "receiver"})
_SECURITY: Final = frozenset({"configuration", "session number", "counter", "message counter", "key information"})


@dataclass(slots=True)
class Part:
    """One telegram or message: which way it went (``>`` to the meter, ``<`` from it), what stood in front of it."""

    sheet: Sheet
    direction: str = ""
    at: str = ""

    @property
    def title(self) -> str:
        """Return its layers in a line, and what the innermost is about."""
        spines = [_spine(root) for root in self.sheet.places if root.layer]
        names = [place.name for spine in spines for place in spine]
        if len(spines) == 1 and (said := _said(spines[0][-1])):
            return f"{', '.join(names)}: {said}"
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        alone = next((root.words for root in self.sheet.places if root.name == VALUE), "not understood")
        return (", ".join(names[:MAX_NAMES]) or alone) + more


@dataclass(slots=True)
class Sheets:
    """Everything that was pasted. `passed` lines had no octets in them."""

    parts: list[Part] = field(default_factory=list)
    passed: int = 0


def _spine(root: Place) -> list[Place]:
    """Return a place and the layers in it, the outermost first."""
    found = [root]
    while inner := [place for place in found[-1].inner if place.layer]:
        found.append(inner[-1])
    return found


def _said(last: Place) -> str:
    """Return what the innermost layer is about: its object, or the value it carries."""
    value = next((place.words for place in last.inner if place.name == VALUE), "")
    return (last.words if last.state == "" else "") or value


def explain_text(
    text: str,
    *,
    kind: str | None = None,
    keyring: Keyring | None = None,
    meters: KeysOf = no_keys,
    country: str | None = None,
) -> Sheets:
    """Explain what somebody pasted. `kind` is one of `KINDS` or `METERS`, without it that is found out.

    Raises `ConfigError` for text without octets, and for more than `MAX_OCTETS` of them.
    """
    keyring = keyring or Keyring()
    if kind in METERS or (kind is None and octets_of_hex(text) is None and is_relayed(text)):
        return _of_meters(text, METERS.get(kind or "", "frames"), keyring, meters)
    pasted = read_pasted(text)
    _bounded(sum(len(message.octets) for message in pasted.messages))
    if pasted.is_trace or len(pasted.messages) > 1:
        return Sheets(explain_messages(pasted.messages, keyring=keyring, kind=kind, country=country), pasted.passed)
    return Sheets(_of_one(pasted, kind, keyring, meters, country), pasted.passed)


def _bounded(size: int) -> None:
    if size > MAX_OCTETS:
        raise ConfigError(f"{size} octets are too many at once: at most {MAX_OCTETS}")


def _of_one(pasted: Pasted, kind: str | None, keyring: Keyring, meters: KeysOf, country: str | None) -> list[Part]:
    octets = pasted.messages[0].octets
    answer = explain(octets, keyring=keyring.copy(), kind=kind, country=country)
    if kind is None and any(layer.name in _METER_LAYERS for frame in answer.frames for layer in frame.layers):
        return _of_meters(octets, "frames", keyring, meters).parts
    if not answer.ok and kind is None and pasted.lines:
        # One telegram in each line, if that is what makes them all understood.
        alone = explain_messages([Message(line) for line in pasted.lines], keyring=keyring, country=country)
        if all(part.sheet.complete for part in alone):
            return alone
    return [Part(sheet_of(answer.frames, octets, answer.error, country=country))]


# --- traces ----------------------------------------------------------------------------------------------------


def explain_messages(
    messages: Sequence[Message],
    *,
    keyring: Keyring | None = None,
    kind: str | None = None,
    country: str | None = None,
    secrets: Iterable[bytes] | None = None,
) -> list[Part]:
    """Explain a session. Frames that were cut into several messages are put together, and segments of frames.

    With `secrets` these, and what else is secret in a session, are hidden.
    """
    keyring = keyring or Keyring()
    _bounded(sum(len(message.octets) for message in messages))
    found: list[tuple[int, Part]] = []
    # What is sent comes first: it tells the titles and keys that the answers are opened with.
    for direction in (">", "<", ""):
        mine = [(number, message) for number, message in enumerate(messages) if message.direction == direction]
        if mine:
            found += _one_way(mine, keyring, kind, country, None if secrets is None else list(secrets))
    return [part for _, part in sorted(found, key=lambda item: item[0])]


def _one_way(
    messages: Sequence[tuple[int, Message]],
    keyring: Keyring,
    kind: str | None,
    country: str | None,
    secrets: list[bytes] | None,
) -> list[tuple[int, Part]]:
    stream = b"".join(message.octets for _, message in messages)
    answer = explain(stream, keyring=keyring, kind=kind, country=country)
    framed = bool(answer.frames) and any(frame.layers and frame.layers[0].name in _FRAMED for frame in answer.frames)
    if not framed or messages[0][1].direction == "":
        found = []
        for number, message in messages:
            one = explain(message.octets, keyring=keyring, kind=kind, country=country)
            hidden = _secrets(one, secrets)
            sheet = sheet_of(one.frames, message.octets, one.error, country=country)
            found.append((number, Part(_concealed(sheet, hidden), message.direction, message.at)))
        return found
    hidden = _secrets(answer, secrets)
    ends: list[int] = []
    for _, message in messages:
        ends.append(len(message.octets) + (ends[-1] if ends else 0))
    parts = []
    at = 0
    for frame, start, end in _spans(answer, len(stream)):
        while at < len(ends) - 1 and ends[at] < end:
            at += 1
        number, message = messages[at]
        sheet = sheet_of([frame], stream[start:end], base=start, country=country)
        parts.append((number, Part(_concealed(sheet, hidden), message.direction, message.at)))
    if answer.error is not None and not answer.frames:
        parts.append((messages[-1][0], Part(sheet_of([], stream, answer.error), messages[-1][1].direction)))
    return parts


def _spans(answer: Explanation, size: int) -> list[tuple[Explained, int, int]]:
    """Return the frames of a stream with where they begin and end; what is no frame goes up to the next one."""
    found: list[tuple[Explained, int, int]] = []
    starts = [frame.layers[0].offset if frame.layers else None for frame in answer.frames]
    behind = 0
    for number, frame in enumerate(answer.frames):
        if frame.layers:
            start = frame.layers[0].offset
            behind = start + len(frame.layers[0].octets)
        else:
            start = behind
            behind = next((item for item in starts[number + 1 :] if item is not None), size)
        found.append((frame, start, behind))
    return found


def _secrets(answer: Explanation, given: list[bytes] | None) -> list[tuple[bytes, int]]:
    if given is None:
        return []
    found = [*secrets_in(answer), *((secret, 0) for secret in given)]
    hide_secrets(answer)
    return found


def _concealed(sheet: Sheet, secrets: list[tuple[bytes, int]]) -> Sheet:
    if secrets:
        conceal(sheet, secrets)
    return sheet


# --- M-Bus -----------------------------------------------------------------------------------------------------


def _of_meters(source: str | bytes, form: str, keyring: Keyring, meters: KeysOf) -> Sheets:
    _bounded(len(source) // 2 if isinstance(source, str) else len(source))
    if form == "frames":
        answer = explain_mbus(source, keys=meters, keyring=keyring)
    else:
        answer = explain_application(source, records_alone=form == "records", already_decrypted=False)
    parts = [part for frame in answer.frames for part in (frame, *frame.parts)]
    if answer.error is not None and not parts:
        raise ConfigError(answer.error.what)
    return Sheets([Part(meter_sheet(said)) for said in parts])


def meter_sheet(said: TelegramExplained) -> Sheet:
    """Return the places of one M-Bus telegram."""
    sheet = Sheet([Buffer(Origin.GIVEN, said.frame)])
    layers: dict[str, Place] = {}
    for row in rows(said):
        name = _MBUS_NAMES.get(row.layer, row.layer)
        if name not in layers:
            layers[name] = Place(What.FRAME, name, 0, row.offset, row.offset, painted=False, layer=True)
            sheet.places.append(layers[name])
        around = layers[name]
        around.end = max(around.end, row.offset + row.length)
        place, before = _field(row, said), around.inner[-1] if around.inner else None
        if place.name == FILLER and before is not None and (before.name, before.end) == (FILLER, place.start):
            # Sixteen lines of fillers tell nobody more than one.
            before.end, before.facts = place.end, ()
        else:
            around.inner.append(place)
    if (telegram := said.telegram) is not None and telegram.state is not State.CLEAR and "mbus-application" in layers:
        proven = {True: "verified", False: "not genuine", None: "not verified"}[telegram.verified]
        layers["mbus-application"].state = "not opened" if said.sealed else proven
    sheet.readings = [printable(record_words(record)) for record in said.record_documents()]
    sheet.sealed = said.sealed
    if said.apdu is not None:
        inside = said.apdu.frames[0].layers[0].octets if said.apdu.frames and said.apdu.frames[0].layers else b""
        more = sheet_of(said.apdu.frames, inside, said.apdu.error)
        _take_over(sheet, more)
    if said.error is not None:
        _failed(sheet, said.error)
    return sheet


def _field(row: Row, said: TelegramExplained) -> Place:
    name = row.name
    what = _WHAT.get(row.layer, _linked)(name)
    given = said.frame[row.offset : row.offset + row.length]
    plain = row.octets.hex() if row.octets and row.octets != given and what is not What.CHECK else ""
    facts = (("deciphered", plain),) if plain and said.telegram is not None and not said.sealed else ()
    state = "not opened" if what is What.SEALED else "wrong" if what is What.UNKNOWN else ""
    return Place(what, name, 0, row.offset, row.offset + row.length, printable(row.text), facts, state)


def _linked(name: str) -> What:
    if name in ("CRC", "checksum", "MAC", "tag"):
        return What.CHECK
    return What.ADDRESS if name in _ADDRESSES else What.SECURITY if name in _SECURITY else What.FRAME


def _applied(name: str) -> What:
    if name == "not understood":
        return What.UNKNOWN
    if name.endswith((" DIB", " VIB")) or name == "DIF":
        return What.TYPE
    return What.FRAME if name == FILLER else What.VALUE


_WHAT: Final[dict[str, Callable[[str], What]]] = {
    "tpl": lambda name: What.SERVICE if _linked(name) is What.FRAME else _linked(name),
    "apl": _applied,
    "sealed": lambda name: What.SEALED,
    "tag": lambda name: What.CHECK,
}


def _take_over(sheet: Sheet, more: Sheet) -> None:
    """Put what DLMS/COSEM says inside of a telegram behind its own layers."""
    shift = len(sheet.buffers)
    more.buffers[0].origin = Origin.JOINED
    sheet.buffers += more.buffers
    for place in more.walk():
        place.buffer += shift
    sheet.places += more.places
    sheet.readings += more.readings
    sheet.sealed |= more.sealed
    if more.error:
        sheet.error, sheet.complete = more.error, False
        sheet.error_at = None if more.error_at is None else (more.error_at[0] + shift, more.error_at[1])


def _failed(sheet: Sheet, error: Failure) -> None:
    sheet.complete = False
    if sheet.error:
        return
    sheet.error = printable(f"{error.layer}: {error.what}")
    wrong = next((place for place in sheet.walk() if place.state == "wrong"), None)
    size = len(sheet.buffers[0].octets)
    at = wrong.start if wrong is not None else error.offset if "link" in error.layer or error.layer == "input" else size
    sheet.error_at = (0, min(at, size))
    if wrong is None and at < size:
        sheet.places.append(Place(What.UNKNOWN, "not understood", 0, at, size, printable(error.what), state="wrong"))


def is_kind(kind: str) -> bool:
    """Whether `kind` is a reading that `explain_text` knows."""
    return kind in KINDS or kind in METERS
