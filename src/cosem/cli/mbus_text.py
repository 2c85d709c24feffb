"""M-Bus telegrams for people: who speaks, a table of values, and the octets by layer if asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.output import note, print_table, printable

if TYPE_CHECKING:
    from cosem.explain.mbus_document import MBusExplanation, TelegramExplained

COLOURS = {
    "mbus-link": "cyan",
    "wmbus-link": "cyan",
    "mbus-link-end": "cyan",
    "ell": "blue",
    "afl": "magenta",
    "tpl": "yellow",
    "apl": "green",
    "sealed": "red",
    "tag": "magenta",
}
HEX_WIDTH = 24
"""Digits of a row of octets; longer ones go on below."""


def print_explanation(answer: MBusExplanation, *, octets: bool, colour: bool) -> None:
    """Print every telegram: one line of who and how, its values, its octets where asked, and what went wrong."""
    many = len(answer.frames) > 1
    for index, frame in enumerate(answer.frames):
        if many:
            click.echo(click.style(f"--- {index + 1} of {len(answer.frames)} ---", dim=True))
        print_telegram(frame, octets=octets, colour=colour)
    if not answer.frames and answer.error is not None:
        note(answer.error.what)


def print_telegram(frame: TelegramExplained, *, octets: bool, colour: bool = False) -> None:
    """Print one telegram."""
    if link := frame.more.get("link_frame"):
        click.echo(link["kind"] + (f" frame {link['c_name']} to address {link['a']}" if "a" in link else ""))
    if frame.telegram is not None:
        click.echo(click.style(printable(title(frame)), bold=True))
    if octets:
        for line in octet_lines(frame, colour=colour):
            click.echo(line)
    if found := value_rows(frame):
        print_table(("quantity", "value", "unit", "function", "storage", "tariff", "subunit"), found, right=(1,))
    for line in _more(frame):
        click.echo(printable(line))
    if frame.apdu is not None:
        from cosem.explain.text import render

        for line in render(frame.apdu, colour=colour, octets=octets):
            click.echo(line)
    if frame.sealed and frame.error is None:
        note(f"{frame.note}: --key or --keys opens it" if frame.note else "it is protected: --key or --keys opens it")
    if frame.nameless:
        note(frame.note)
    if frame.error is not None:
        error = frame.error
        what = f"{error.layer}: {printable(error.what)} (octet {error.offset})"
        click.echo(click.style(what, fg="red") if colour else what)


def title(frame: TelegramExplained) -> str:
    """Return who speaks and how it came, in a line."""
    header = frame.header()
    who = " ".join(str(header[name]) for name in ("manufacturer", "identification") if header.get(name)) or "a meter"
    words = [who]
    if header.get("medium_name"):
        version = header["version"]
        words.append(header["medium_name"] + ("" if version is None else f" (version {version})"))
    if frame.content is not None:
        words.append(frame.content.value)
    if header.get("access_number") is not None:
        words.append(f"access {header['access_number']}")
    if header.get("status") is not None:
        words.append("status " + (", ".join(header["status_words"]) or str(header["status"])))
    telegram = frame.telegram
    if telegram is not None and telegram.state.value != "clear":
        proven = {True: ", verified", False: ", not genuine", None: ""}[telegram.verified]
        mode = f" (security mode {telegram.security_mode})" if telegram.security_mode else ""
        words.append(f"{telegram.state.value}{mode}{proven}")
    if frame.parts:
        words.append(f"{1 + len(frame.parts)} telegrams")
    if frame.received is not None and frame.received.rssi is not None:
        words.append(f"{frame.received.rssi} dBm")
    return ", ".join(words)


def value_rows(frame: TelegramExplained) -> list[tuple[str, ...]]:
    """Return the rows of the table of values."""
    return [_row(item) for item in frame.record_documents()]


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    name = ", ".join([item["quantity"], *item.get("qualifiers", ())])
    value = "" if item["value"] is None else str(item["value"])
    flags = item.get("flags") or []
    if item.get("error"):
        flags = [*flags, item["error"]]
    if flags:
        value = f"{value} ({', '.join(flags)})".strip()
    numbers = [str(item[key]) if item[key] else "" for key in ("storage", "tariff", "subunit")]
    function = "" if item["function"] == "instantaneous" else item["function"]
    return (name, value, item["unit"] or "", function, *numbers)


def _more(frame: TelegramExplained) -> Iterator[str]:
    more = frame.more
    if report := more.get("application_error"):
        code = "" if report["code"] is None else f" ({report['code']:02X}h)"
        yield f"the meter reports an error: {report['words']}{code}"
    if alarm := more.get("alarm"):
        bits = ", ".join(map(str, alarm["bits"])) or "none"
        yield f"the meter reports an alarm: {alarm['state']}, bits set: {bits}"
    if form := more.get("format"):
        yield f"format {form['signature']}: {form['headers']}"
    if text := more.get("application"):
        yield f"application: {text}"
    for series in frame.series():
        unit = f" in {series['unit']}" if series["unit"] else ""
        yield f"profile of {series['quantity']}{unit}, {series['function']}:"
        for point in series["points"]:
            when = point["time"] or f"storage {point['storage']}"
            yield f"  {when}  {'no value' if point['value'] is None else point['value']}"
    if frame.records.manufacturer_data:
        yield f"data of the manufacturer: {frame.records.manufacturer_data.hex()}"
    if frame.records.more_follows:
        yield "more records follow in the next telegram"
    if frame.waits and frame.error is None:
        yield f"further {frame.waits} follow"


def octet_lines(frame: TelegramExplained, *, colour: bool) -> Iterator[str]:
    """Yield a line for each run of octets: place, octets, layer, name and meaning."""
    from cosem.explain.mbus_octets import rows

    for part in (frame, *frame.parts):
        for row in rows(part):
            digits = row.octets.hex() or ".." * row.length
            for start in range(0, max(len(digits), 1), HEX_WIDTH):
                shown = f"{digits[start : start + HEX_WIDTH]:<{HEX_WIDTH}}"
                if start:
                    yield f"        {shown}"
                    continue
                place = f"{row.offset:5d}"
                layer = f"{row.layer:<13}"
                words = printable(f"{row.name}: {row.text}" if row.text else row.name)
                if colour:
                    fg = COLOURS.get(row.layer, "white")
                    place, shown, layer = (
                        click.style(place, dim=True),
                        click.style(shown, fg=fg),
                        click.style(layer, fg=fg),
                    )
                yield f"{place}   {shown}  {layer}  {words}"
