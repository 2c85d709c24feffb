"""``cosem mbus decode``: telegrams in, values out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosem.cli.output import DONE, SAID_NO, print_json
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.keyfile import DeviceKeys, KeyFile
    from cosem.explain.keyring import Keyring
    from cosem.mbus.keys import KeysOf


@click.command("decode")
@click.argument("source", required=False, default="-", metavar="[HEX | FILE | -]")
@click.option("--key", "key_hex", metavar="HEX", help="Key of the meter, 16 octets; of every meter in the input.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML): a section for each meter.")
@click.option("--device", help="Section of the key file whose mbus_key is taken for every meter in the input.")
@click.option(
    "--already-decrypted", is_flag=True, help="A receiver has deciphered the telegrams and left their headers."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["frames", "message", "records"]),
    default="frames",
    help="What the octets are: whole frames, what begins with CI, or records alone.",
)
@click.option("--octets", "-v", "octets", is_flag=True, help="Explain every octet, layer by layer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def decode_command(
    source: str,
    key_hex: str | None,
    key_file: Path | None,
    device: str | None,
    already_decrypted: bool,
    kind: str,
    octets: bool,
    as_json: bool,
) -> int:
    """Explain M-Bus telegrams, wired and wireless: hex, lines of rtl-wmbus and CUL, captures, messages of dongles.

    \b
    cosem mbus decode 684D4D680801720100000096150100...
    cosem mbus decode capture.txt --keys keys.toml --octets
    rtl_wmbus | cosem mbus decode --key 000102030405060708090A0B0C0D0E0F
    """
    from cosem.cli.mbus_text import print_explanation
    from cosem.explain.mbus import explain_application, explain_mbus

    keys, keyring = meter_keys(key_hex, key_file, device)
    content = read_telegrams(source)
    if kind == "frames":
        answer = explain_mbus(content, keys=keys, already_decrypted=already_decrypted, keyring=keyring)
    else:
        answer = explain_application(content, records_alone=kind == "records", already_decrypted=already_decrypted)
    if as_json:
        print_json(answer.to_json(octets=octets))
    else:
        print_explanation(answer, octets=octets, colour=sys.stdout.isatty())
    return DONE if answer.ok else SAID_NO


def meter_keys(key_hex: str | None, key_file: Path | None, device: str | None) -> tuple[KeysOf, Keyring]:
    """Return the keys by meter, and those of DLMS/COSEM inside: one for all, those of a section, or of a whole file."""
    from cosem.cli.keys import keyring_from_file
    from cosem.client.keyfile import KeyFile
    from cosem.explain.mbus import by_number, keyring_of, no_keys, one_key

    if key_hex is not None:
        if key_file is not None or device is not None:
            raise ConfigError("a key stands on the command line or in a key file, not in both")
        key = key_from_hex(key_hex)
        return one_key(key), keyring_of(key)
    file = KeyFile.find(key_file)
    keyring = keyring_from_file(key_file, device)
    if device is not None:
        return one_key(_mbus_key(file, file.device(device))), keyring
    numbers = file.mbus_keys()
    return by_number(numbers) if numbers else no_keys, keyring


def meter_names(key_file: Path | None) -> dict[str, str]:
    """Return what the owner calls meters, the sections of a key file, by identification number."""
    from cosem.client.keyfile import KeyFile

    return {number: name for number, name in KeyFile.find(key_file).mbus_names().items() if name != number}


def _mbus_key(file: KeyFile, section: DeviceKeys) -> bytes:
    if section.mbus_key is None:
        raise ConfigError(f"{file.source}, [{section.name}] has no mbus_key")
    return section.mbus_key


def key_from_hex(text: str) -> bytes:
    """Read a key. What is wrong with it is said without it."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise ConfigError("--key holds something else than hex digits") from None
    if len(key) != 16:
        raise ConfigError(f"--key has {len(key)} octets, not 16")
    return key


def read_telegrams(source: str) -> str | bytes:
    """Return what was given: text that is hex or a receiver's line, or the content of a file or of standard input."""
    from cosem.explain.mbus_input import MAX_TEXT, is_text

    if not source.strip():
        raise ConfigError("there is nothing to decode: give hex digits, the name of a file, or - for standard input")
    if source == "-":
        return _some(sys.stdin.buffer.read(MAX_TEXT + 1), "standard input")
    path = Path(source)
    try:
        there = len(source) < 1024 and path.exists() and not path.is_dir()
    except (OSError, ValueError):
        there = False
    if there:
        with path.open("rb") as file:
            return _some(file.read(MAX_TEXT + 1), source)
    if is_text(source):
        return source
    name = source if len(source) <= 60 else f"{source[:57]}..."
    raise ConfigError(f"{name!r} is neither hex digits, nor a receiver's line, nor the name of a file")


def _some(content: bytes, name: str) -> bytes:
    if not content.strip():
        raise ConfigError(f"{name} holds no telegram")
    return content
