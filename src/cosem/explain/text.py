"""Explanations as text for people: the layers as an indented tree, the value below, octet by octet if asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cosem.codec.axdr import Data, Tag
from cosem.explain.octets import annotate
from cosem.explain.tree import Explained, Explanation, Layer
from cosem.explain.words import scalar_words
from cosem.pushes.reading import described

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _END = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
_HIDDEN = frozenset({"m_sdu", "plain_hex", "info", "body", "value", "parameters", "raw", "text", "records"})
_WIDTH = 96


def render(explanation: Explanation, *, colour: bool = False, octets: bool = False) -> Iterator[str]:
    """Yield the lines of `explanation`. `octets` adds every octet of the value with its meaning."""
    paint = _Paint(colour)
    many = len(explanation.frames) > 1
    for index, frame in enumerate(explanation.frames):
        if many:
            yield paint(_DIM, f"--- {index + 1} of {len(explanation.frames)} ---")
        yield from _frame(frame, paint, explanation.country, octets=octets)
    if explanation.error is not None:
        error = explanation.error
        yield paint(_RED, f"{error.layer}: {error.what} (octet {error.offset})")


class _Paint:
    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_END}" if self.colour else text


def _frame(frame: Explained, paint: _Paint, country: str | None, *, octets: bool) -> Iterator[str]:
    for depth, layer in enumerate(frame.layers):
        yield from _layer(layer, "  " * depth, paint)
        for record in layer.fields.get("records", ()) if layer.name == "mbus-application" else ():
            yield f"{'  ' * depth}      {printable(record_words(record))}"
    indent = "  " * len(frame.layers)
    if isinstance(frame.value, Data):
        # Outside of a push only what describes itself is named: an attribute has its layout from its class.
        named = frame.readings(country) or described(frame.value)
        if named and not octets:
            yield from (f"{indent}{printable(reading.words)}" for reading in named)
        elif octets and frame.data is not None:
            for row in annotate(frame.data):
                words = "  " * row.depth + printable(row.words)
                yield f"{indent}{paint(_DIM, f'{row.offset:5d}')}  {row.octets.hex():<26} {words}"
        else:
            yield from value_lines(frame.value, indent)
    elif isinstance(frame.value, list):
        for item in frame.value:
            if isinstance(item, Data):
                yield from value_lines(item, indent)
            else:
                yield f"{indent}{item}"
    if frame.error is None and frame.layers and not is_open(frame.layers[-1]):
        yield paint(_YELLOW, f"{indent}no key is known that opens it: it belongs into the key file (--keys)")
    if frame.error is not None:
        yield paint(_RED, f"{indent}{frame.error.layer}: {frame.error.what} (octet {frame.error.offset})")


def _layer(layer: Layer, indent: str, paint: _Paint) -> Iterator[str]:
    title = f"{paint(_BOLD, layer.name)} {paint(_DIM, f'[{layer.offset}..{layer.offset + len(layer.octets)})')}"
    if "verified" in layer.fields:
        verified = layer.fields["verified"]
        title += {
            True: paint(_GREEN, "  verified"),
            False: paint(_RED, "  NOT genuine"),
            # What was opened, or signed and readable, has an author unproven; the rest stays shut.
            None: paint(_YELLOW, "  not verified" if is_open(layer) else "  not opened"),
        }[verified]
    yield f"{indent}{title}"
    for name, words in facts(layer):
        yield f"{indent}    {paint(_DIM, name + ':')} {words}"


def facts(layer: Layer) -> Iterator[tuple[str, str]]:
    """Yield name and words of what a layer says; what stands in the layers inside is left to them."""
    for name, item in layer.fields.items():
        if name == "verified" or name in _HIDDEN or item is None:
            continue
        yield name, _short(printable(_words(item)))


def record_words(record: dict[str, Any]) -> str:
    """Return a record of an M-Bus meter in a line."""
    words = [record["quantity"], *record.get("qualifiers", ())]
    words += [] if record["function"] == "instantaneous" else [record["function"]]
    words += [f"{name} {record[name]}" for name in ("storage", "tariff", "subunit") if record[name]]
    value = "no value" if record["value"] is None else f"{record['value']} {record['unit'] or ''}".rstrip()
    flags = f" ({', '.join(record['flags'])})" if record.get("flags") else ""
    return f"{', '.join(words)}: {value}{flags}"


def is_open(layer: Layer) -> bool:
    """Whether the content of a layer is there to be read; layers without a cipher always are."""
    return "text" not in layer.fields or "plain_hex" in layer.fields


def _words(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(
            f"{key} {_words(value)}" for key, value in item.items() if value is not None and value is not False
        )
    if isinstance(item, (list, tuple)):
        return (
            "; ".join(_words(value) for value in item)
            if item and isinstance(item[0], dict)
            else ", ".join(map(str, item))
        )
    return {True: "yes", False: "no"}.get(item, str(item)) if isinstance(item, bool) else str(item)


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def printable(text: str) -> str:
    """Replace what could steer a terminal: meters can send anything."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def value_lines(value: Data, indent: str = "") -> Iterator[str]:
    """Yield `value` as an indented tree, with logical names and date-times read out."""
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        yield f"{indent}{value.tag.label} of {len(value.value)}"
        for item in value.value:
            yield from value_lines(item, indent + "  ")
    elif value.tag is Tag.COMPACT_ARRAY:
        yield f"{indent}compact-array of {len(value.value.values)}"
        for item in value.value.values:
            yield from value_lines(item, indent + "  ")
    else:
        yield f"{indent}{value.tag.label} {printable(scalar_words(value))}"
