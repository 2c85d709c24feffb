"""``cosem plc``: power line networks of the S-FSK profile."""

from __future__ import annotations

from pathlib import Path

import click

from cosem.cli.decode import read_octets, show


@click.group("plc")
def plc_command() -> None:
    """Power line: the S-FSK profile of IEC 61334."""


@plc_command.command("decode")
@click.argument("source", required=False, default="-", metavar="[HEX | FILE | -]")
@click.option(
    "--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML) to open protected APDUs with."
)
@click.option("--device", help="Section of the key file; without it every section is tried.")
@click.option("--octets", is_flag=True, help="Annotate the value octet by octet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def decode(source: str, key_file: Path | None, device: str | None, octets: bool, as_json: bool) -> int:
    """Explain a frame of the line: slots, a MAC frame, a message to a modem, or an M_sdu by itself.

    \b
    cosem plc decode 6c6c00c00fff119000011d64000a000000000000000000000000000000000000000b8480

    What is inside is explained too: the LLC, and the management of the network (CIASE) or an APDU.
    """
    from cosem.cli.keys import keyring_from_file
    from cosem.explain import explain

    keyring = keyring_from_file(key_file, device)
    given = read_octets(source)
    # The first octet tells an M_sdu from a frame; no frame begins with one of these.
    kind = {0x90: "sfsk-llc", 0x7E: "hdlc"}.get(given[0], "sfsk-mac") if given else "sfsk-mac"
    return show(explain(given, keyring=keyring, kind=kind), keyring, as_json=as_json, octets=octets)
