"""How the command line prints: tables and colour for a terminal, plain text for a pipe, JSON on demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from cosem.errors import AccessError, ConfigError, CosemError, ExceptionResponseReceived, KeyMissing
from cosem.results import DataAccessResult, ExceptionServiceError

DONE, SAID_NO, WRONG_USAGE = 0, 1, 2
_NEXT: dict[int, str] = {
    DataAccessResult.TEMPORARY_FAILURE: "the meter cannot do it just now: try again later",
    DataAccessResult.READ_WRITE_DENIED: (
        "this client may not: another one (client=1), or more security, may; `cosem objects` shows the rights"
    ),
    DataAccessResult.OBJECT_UNDEFINED: "this client sees no such object: `cosem objects` lists those that it does",
    DataAccessResult.OBJECT_UNAVAILABLE: "the object is not to be had now: `cosem objects` lists those that are",
    DataAccessResult.OBJECT_CLASS_INCONSISTENT: "the object there is of another class: `cosem objects` says of which",
    DataAccessResult.TYPE_UNMATCHED: "the value is of another type than the attribute: `cosem class` says of which",
    DataAccessResult.OTHER_REASON: "the meter does not take this, and does not say why",
}
"""What people can do about a result: its name alone helps few. The codes of actions are the same."""


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(json_text(document))


def json_text(document: Any) -> str:
    """Return JSON on one line in which nothing steers a terminal: what is not printable is written as an escape."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def printable(text: str) -> str:
    """Return text of a meter with a replacement sign for what would steer a terminal or break a table."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def report_error(error: CosemError, *, as_json: bool) -> int:
    """Print `error` as one sentence (or as a JSON document) and return the exit status."""
    try:
        if as_json:
            print_json({"error": {"what": str(error), "kind": type(error).__name__}})
    except OSError:
        as_json = False  # standard output takes nothing any more
    if not as_json:
        hint = _hint(error)
        what = f"{error}. {hint[0].upper()}{hint[1:]}" if hint else str(error)
        click.echo(f"{click.style('cosem:', fg='red', bold=True)} {printable(what)}", err=True)
    return WRONG_USAGE if isinstance(error, (ConfigError, KeyMissing)) else SAID_NO


def _hint(error: CosemError) -> str | None:
    if isinstance(error, AccessError):
        return _NEXT.get(int(error.result))
    if isinstance(error, ExceptionResponseReceived) and error.invocation_counter is not None:
        return (
            "somebody else speaks to it under the same client_system_title just now: try again, one after the other, "
            "or each with a title of its own in the key file"
        )
    impossible = ExceptionServiceError.OPERATION_NOT_POSSIBLE
    if isinstance(error, ExceptionResponseReceived) and error.service_error == impossible:
        return "the meter cannot do this now; a gateway says the same of a meter that it cannot reach"
    return None


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[int] = ()) -> None:
    """Print a table: drawn for a terminal, tab-separated for a pipe. `right` names columns to align right."""
    if not is_terminal():
        click.echo("\t".join(headings))
        for row in rows:
            click.echo("\t".join(printable(str(cell)) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    flush_right = set(right)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in flush_right else "left", overflow="fold")
    for row in rows:
        # Text, not markup: what a meter sends must never be read as formatting.
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    Console(highlight=False).print(table)


def heading(text: str) -> None:
    """Print a heading, bold for a terminal."""
    click.echo(click.style(text, bold=True))


def note(text: str) -> None:
    """Say something beside the answer, on standard error."""
    click.echo(click.style(printable(text), fg="yellow"), err=True)
