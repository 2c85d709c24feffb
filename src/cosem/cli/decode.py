"""``cosem decode``: octets in, layers out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosem.cli.output import DONE, SAID_NO, print_json
from cosem.errors import ConfigError
from cosem.explain.pasted import octets_of_hex

if TYPE_CHECKING:
    from cosem.explain import Explanation
    from cosem.explain.keyring import Keyring

_KINDS = ["hdlc", "mbus", "wrapper", "llc", "sfsk-mac", "sfsk-llc", "gateway", "p1", "apdu", "data"]


@click.command("decode")
@click.argument("source", required=False, default="-", metavar="[HEX | FILE | -]")
@click.option(
    "--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML) to open protected APDUs with."
)
@click.option("--device", help="Section of the key file; without it every section is tried.")
@click.option("--as", "kind", type=click.Choice(_KINDS), help="The outermost layer, instead of finding it out.")
@click.option("--country", help="Two letters (NO, SI): tells layouts of national pushes apart that look alike.")
@click.option("--octets", is_flag=True, help="Annotate the value octet by octet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def decode_command(
    source: str,
    key_file: Path | None,
    device: str | None,
    kind: str | None,
    country: str | None,
    octets: bool,
    as_json: bool,
) -> int:
    """Explain octets, layer by layer: a frame, an APDU or a bare value, as hex, a file, or standard input.

    \b
    cosem decode 'c4 01 c1 00 06 00 00 16 dc'
    cosem decode capture.bin --keys keys.toml
    """
    from cosem.cli.keys import keyring_from_file
    from cosem.explain import explain

    keyring = keyring_from_file(key_file, device)
    explanation = explain(read_octets(source), keyring=keyring, kind=kind, country=country and country.upper())
    return show(explanation, keyring, as_json=as_json, octets=octets)


def show(explanation: Explanation, keyring: Keyring, *, as_json: bool, octets: bool = False) -> int:
    """Print an explanation and return the exit status."""
    if as_json:
        print_json(explanation.to_json())
    else:
        from cosem.explain.text import render

        for line in render(explanation, colour=sys.stdout.isatty(), octets=octets):
            click.echo(line)
        for name in sorted(entry.name for entry in keyring.entries if not entry.verify):
            click.echo(f"note: [{name}] says verify = false: what was opened with it is not proven genuine", err=True)
    return DONE if explanation.ok else SAID_NO


def read_octets(source: str) -> bytes:
    """Return octets from hex text, a file (of hex text or raw octets), or ``-`` for standard input."""
    if not source.strip():
        raise ConfigError("there are no octets to decode: give hex digits, the name of a file, or - for standard input")
    if source == "-":
        return _from_bytes(sys.stdin.buffer.read(), "standard input")
    if (octets := octets_of_hex(source)) is not None:
        return octets
    path = Path(source)
    try:
        return _from_bytes(path.read_bytes(), source)
    except FileNotFoundError:
        raise ConfigError(f"{_short(source)!r} is neither hex digits nor the name of a file") from None
    except OSError as error:
        raise ConfigError(f"{_short(source)!r} cannot be read: {error.strerror}") from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _from_bytes(content: bytes, name: str) -> bytes:
    """Hex text where it is that, the octets themselves otherwise."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    octets = octets_of_hex(text)
    if octets is not None:
        return octets
    if not text.strip():
        raise ConfigError(f"{name} holds no octets")
    return content
