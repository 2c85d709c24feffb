"""``cosem mbus listen``: readings of what a radio receiver hands on, as they come."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from cosem.cli.output import DONE, SAID_NO, note, print_json, printable
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from io import BufferedReader

    from cosem.explain.mbus_document import TelegramExplained
    from cosem.explain.mbus_input import Item
    from cosem.mbus.model import Models
    from cosem.mbus.readings import Reading

BAUD = {"lines": 38400, "im871a": 57600, "amb8465": 9600}
"""What these receivers speak on their serial ports when nobody changed it."""
MAX_LINE = 8192
"""Octets of a line; what is longer is no telegram."""
models_option = click.option(
    "--models",
    "model_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with meter models of your own (TOML, see docs/mbus_models.md), taken before those of the package.",
)


@click.command("listen")
@click.argument("source", required=False, default="-", metavar="[PORT | FILE | -]")
@click.option(
    "--receiver",
    type=click.Choice(list(BAUD)),
    default="lines",
    show_default=True,
    help="What hands the telegrams on: lines of rtl-wmbus, a CUL or hex, or the messages of a dongle.",
)
@click.option("--baud", type=click.IntRange(300, 4_000_000), help="Speed of the port; the receiver's usual one if not.")
@click.option("--start", multiple=True, metavar="LINE", help="Send this line first (a CUL wants brt, brc or brs).")
@click.option("--key", "key_hex", metavar="HEX", help="Key of the meter, 16 octets; of every meter that is heard.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML): a section for each meter.")
@click.option("--already-decrypted", is_flag=True, help="The receiver has deciphered the telegrams.")
@click.option("--meter", "meters", multiple=True, metavar="NUMBER", help="Only this identification number.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many readings.")
@click.option("--json", "as_json", is_flag=True, help="Print one flat JSON object per reading and line.")
@models_option
@click.option("--full", is_flag=True, help="Print the whole document of cosem mbus decode per telegram and line.")
@click.option("-v", "--verbose", is_flag=True, help="Say on standard error what was refused, and why.")
def listen_command(
    source: str,
    receiver: str,
    baud: int | None,
    start: tuple[str, ...],
    key_hex: str | None,
    key_file: Path | None,
    already_decrypted: bool,
    meters: tuple[str, ...],
    count: int | None,
    as_json: bool,
    model_folder: Path | None,
    full: bool,
    verbose: bool,
) -> int:
    """Print readings of a radio receiver on a serial port, in a file, or on standard input, until interrupted.

    \b
    rtl_wmbus | cosem mbus listen --json
    cosem mbus listen /dev/ttyUSB0 --receiver im871a --keys keys.toml
    cosem mbus listen /dev/ttyACM0 --start brt
    """
    from cosem.cli.mbus_decode import meter_keys, meter_names
    from cosem.explain.mbus import MBusExplainer
    from cosem.mbus.keys import KeyStore

    keys, keyring = meter_keys(key_hex, key_file, None)
    names = meter_names(key_file)
    known = known_models(model_folder)
    store = KeyStore(ask=keys)
    explainer = MBusExplainer(already_decrypted=already_decrypted, keyring=keyring, store=store)
    heard: Counter[str] = Counter()
    wanted = frozenset(number.upper() for number in meters)
    chunks = _chunks(source, baud or BAUD[receiver], start)
    with contextlib.suppress(KeyboardInterrupt):
        for item in _items(chunks, receiver):
            said = explainer.take(item, time.monotonic())
            if wanted and said.header().get("identification") not in wanted:
                continue
            if said.error is not None or said.sealed or said.waits or said.nameless:
                _passed_over(said, heard, verbose)
                continue
            if said.telegram is None:
                continue  # an acknowledge, or what a master asks
            heard["readings"] += 1
            if full:
                print_json(said.to_json())
            elif as_json:
                name = names.get(said.header().get("identification") or "", "")
                click.echo(flat_reading(said, known, datetime.now(UTC), name).line())
            else:
                click.echo(reading_words(said))
            sys.stdout.flush()
            if heard["readings"] == count:
                break
    if verbose:
        note(", ".join(f"{number} {name}" for name, number in heard.items()) or "nothing was heard")
    return DONE if heard["readings"] else SAID_NO


def _passed_over(said: TelegramExplained, heard: Counter[str], verbose: bool) -> None:
    if said.waits:
        heard["fragments"] += 1
        return
    why = said.note or "protected" if said.error is None else said.error.what
    kind = "of unknown format" if said.nameless else "protected"
    heard[kind if said.error is None else "refused"] += 1
    if verbose:
        who = said.header().get("identification") or "a frame"
        note(f"{who}: {why}")


def reading_words(said: TelegramExplained) -> str:
    """Return a reading in one line for people."""
    from cosem.cli.mbus_text import title, value_rows

    values = [f"{row[0]} {row[1]} {row[2]}".strip() for row in value_rows(said) if not row[4] and not row[3]]
    return printable(f"{title(said)}: {'; '.join(values) or 'no values'}")


def flat_reading(said: TelegramExplained, known: Models, when: datetime, name: str = "") -> Reading:
    """Return a reading as people's tools take it: one flat object, values by the names of the meter's model.

    The one place where an explained telegram, by radio or from the wire, becomes a reading.
    """
    from cosem.mbus.readings import fixed_reading, reading

    received = said.received
    rssi = None if received is None else received.rssi
    if received is not None and received.time is not None:
        # rtl-wmbus writes its machine's local time; the first and the last year there is have no neighbours.
        with contextlib.suppress(OverflowError, ValueError):
            when = received.time.astimezone(UTC)
    if said.fixed is not None:
        return fixed_reading(said.fixed, timestamp=when, name=name, rssi=rssi)
    assert said.telegram is not None
    found = reading(said.telegram, known, timestamp=when, name=name, records=said.records, rssi=rssi)
    told = {
        "application_error": said.more.get("application_error", {}).get("words"),
        "alarm": said.more.get("alarm", {}).get("state"),
    }
    return replace(found, values={**found.values, **{key: word for key, word in told.items() if word is not None}})


def known_models(folder: Path | None) -> Models:
    """Return the models of the package, and in front of them those of a folder (*.toml). Raises `ConfigError`."""
    from cosem.mbus.model import Models, models, parse_model

    if folder is None:
        return models()
    try:
        files = sorted(folder.glob("*.toml"))
        texts = [(file.name, file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder}: {error}") from None
    if not texts:
        raise ConfigError(f"{folder} holds no model (*.toml)")
    return Models(parse_model(text, name) for name, text in texts).before(models())


# --- where octets come from ------------------------------------------------------------------------------------------


def _chunks(source: str, baud: int, start: tuple[str, ...]) -> Iterator[bytes]:
    """Yield octets of standard input, of a file, or of a serial port as they come."""
    if source == "-":
        stream = cast("BufferedReader", sys.stdin.buffer)
        while chunk := stream.read1(65536):
            yield chunk
        return
    path = Path(source)
    if path.is_file():
        yield path.read_bytes()
        return
    from cosem.io.serial import SerialTransport
    from cosem.link.line import Line, LineSettings

    port = SerialTransport(source, Line(LineSettings(baud)))
    port.open()
    try:
        for line in start:
            port.send(line.encode("latin-1", "replace") + b"\r\n")
        while (octets := port.receive(1.0)) != b"":
            if octets is not None:
                yield octets
    finally:
        port.close()


def _items(chunks: Iterator[bytes], receiver: str) -> Iterator[Item]:
    """Yield the frames in what a receiver hands on, as soon as they are whole."""
    from cosem.errors import DecodeError
    from cosem.mbus.relays import Amb8465Framer, Im871aFramer, Received

    if receiver == "lines":
        yield from _lines(chunks)
        return
    framer = Im871aFramer() if receiver == "im871a" else Amb8465Framer()
    for chunk in chunks:
        for item in framer.feed(chunk):
            yield item if isinstance(item, Received) else DecodeError(item.reason)


def _lines(chunks: Iterator[bytes]) -> Iterator[Item]:
    from cosem.explain.mbus_input import telegrams_in

    waiting = b""
    for chunk in chunks:
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            yield from telegrams_in(line.decode("latin-1"))
        if len(waiting) > MAX_LINE:
            waiting = b""
    if waiting:
        yield from telegrams_in(waiting.decode("latin-1"))
