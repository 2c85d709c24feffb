"""``cosem image``: send an image to a meter, and make, show and sign images of our own form."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, note, print_json, printable
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.firmware import ImageProgress
    from cosem.security.image import PrivateKey

PLACES = {"metrology": 0, "application": 1}
_WORDS = {"transfer": "sending", "verify": "verifying", "activate": "activating", "done": "done"}


class _ImageGroup(click.Group):
    """A group whose usual command needs no name: ``cosem image URL FILE`` sends."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["send", *args]
        return super().parse_args(ctx, args)


@click.group("image", cls=_ImageGroup)
def image_command() -> None:
    """Send an image (cosem image URL FILE), or make one."""


@image_command.command("send")
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--identifier", metavar="ID", help="Name of the transfer: text, or hex:...; the file's name without it.")
@click.option("--activate", is_flag=True, help="Activate the image once it is verified.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever the meter has of an earlier transfer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def send_command(
    url: str,
    file: Path,
    identifier: str | None,
    activate: bool,
    restart: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Send FILE to a meter and have it verified. Interrupted, the same command goes on where blocks are missing."""
    image = file.read_bytes()
    name = _octets(identifier) if identifier is not None else file.name.encode()
    with connected(url, **options) as meter, _bar(as_json) as progress:
        report = meter.update_firmware(image, name, activate=activate, resume=not restart, progress=progress)
    answer = {
        "status": report.status.label,
        "octets": len(image),
        "blocks": report.blocks,
        "sent": report.sent,
        "resumed_at": report.resumed_at,
    }
    if as_json:
        print_json(answer)
        return DONE
    gone_on = "" if report.resumed_at is None else f", gone on at block {report.resumed_at}"
    click.echo(f"{report.status.label}: {len(image)} octets in {report.blocks} blocks, {report.sent} sent{gone_on}")
    return DONE


def _octets(text: str) -> bytes:
    if not text.startswith("hex:"):
        return text.encode("utf-8")
    try:
        return bytes.fromhex(text[4:])
    except ValueError:
        raise ConfigError("the identifier holds something else than hex digits behind hex:") from None


def _person_looks() -> bool:
    return sys.stderr.isatty()


@contextmanager
def _bar(silent: bool) -> Iterator[Callable[[ImageProgress], None] | None]:
    """Show how far it is on standard error, where a person looks at it."""
    if silent or not _person_looks():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as shown:
        task = shown.add_task("sending", total=None)
        yield lambda at: shown.update(task, description=_WORDS[at.phase], completed=at.blocks, total=at.total)


@image_command.command("make")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--part",
    "parts",
    multiple=True,
    required=True,
    metavar="PLACE:IDENTIFIER:FILE",
    help="PLACE is metrology, application, 0 to 9, or mbus1 to mbus4.",
)
@click.option("--sign", "key", type=click.Path(path_type=Path, exists=True), help="Private key (PEM) to sign with.")
def make_command(output: Path, parts: tuple[str, ...], key: Path | None) -> int:
    """Make a signed image of one part or more; without --sign by the example key of the simulator."""
    from cosem.security.image import load_private_key, make_image

    made = [_part(text) for text in parts]
    if key is None:
        from cosem.simulator.meter import demo_signing_key

        note("signed by the example key: only simulated meters take it")
        private: PrivateKey = demo_signing_key()
    else:
        private = load_private_key(key.read_bytes())
    octets = make_image(made, private)
    output.write_bytes(octets)
    click.echo(f"{output}: {len(octets)} octets, {len(made)} part{'s' if len(made) > 1 else ''}")
    return DONE


def _part(text: str) -> Any:
    from cosem.security.image import MBUS_DEVICE, THIS_DEVICE, ImagePart

    pieces = text.split(":", 2)
    if len(pieces) != 3:
        raise ConfigError(f"{text!r} is no part: write PLACE:IDENTIFIER:FILE")
    place, identifier, file = pieces
    kind = THIS_DEVICE
    if place.startswith("mbus"):
        kind, place = MBUS_DEVICE, place.removeprefix("mbus")
    if place in PLACES:
        place = str(PLACES[place])
    if not (place.isascii() and place.isdigit()):
        raise ConfigError(f"{pieces[0]!r} is no place: metrology, application, 0 to 9, or mbus1 to mbus4")
    return ImagePart(kind, int(place), identifier.encode("utf-8"), Path(file).read_bytes())


@image_command.command("show")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show_command(file: Path, as_json: bool) -> int:
    """Tell what an image holds. Whether its signature is right only the holder of the public key can say."""
    from cosem.security.image import ECDSA_P256, MBUS_DEVICE, parse_image

    container = parse_image(file.read_bytes())
    rows = [
        {
            "for": f"mbus{part.place}" if part.kind == MBUS_DEVICE else f"1-{part.place}:0.2.0",
            "identifier": part.identifier.decode("utf-8", "replace"),
            "octets": len(part.payload),
        }
        for part in container.parts
    ]
    algorithm = "ecdsa-p256-sha256" if container.algorithm == ECDSA_P256 else "ed25519"
    if as_json:
        print_json({"signature": algorithm, "parts": rows})
        return DONE
    click.echo(f"signed by {algorithm}")
    for row in rows:
        click.echo(f"{row['for']}\t{printable(str(row['identifier']))}\t{row['octets']} octets")
    return DONE


@image_command.command("new-key")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
def new_key_command(output: Path) -> int:
    """Make a private key (Ed25519) to sign images with, readable by its owner alone; prints the public one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from cosem.security.image import public_key

    private = Ed25519PrivateKey.generate()
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{output} is there already") from None
    with os.fdopen(handle, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    click.echo(public_key(private).hex())
    return DONE
