"""``cosem headend firmware``: the catalogue of images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import Office, folder_option, iso, json_option, opened, shown
from cosem.cli.output import DONE, print_json, print_table

if TYPE_CHECKING:
    from cosem.headend.firmware import Firmware, Image

PIECE = 1 << 20


@click.group("firmware")
def firmware_command() -> None:
    """The catalogue of firmware images."""


def _firmware(office: Office) -> Firmware:
    import time

    from cosem.headend.firmware import Firmware

    return Firmware(office.engine, office.folder, clock=time.time)


@firmware_command.command("list")
@folder_option
@json_option
def list_command(folder: Path, as_json: bool) -> int:
    """List images, the newest first."""
    from cosem.headend.access import Act

    with opened(folder, Act.SEE) as office:
        images = _firmware(office).all()
    if as_json:
        print_json([_document(image) for image in images])
        return DONE
    rows = [
        (image.identifier, image.version, image.octets, ", ".join(image.types) or "all", shown(image.added),
         "withdrawn" if image.withdrawn is not None else "")
        for image in images
    ]  # fmt: skip
    print_table(("image", "version", "octets", "for", "added", ""), rows, right=(2,))
    return DONE


def _document(image: Image) -> dict[str, Any]:
    return {
        "identifier": image.identifier,
        "version": image.version,
        "sha256": image.digest,
        "octets": image.octets,
        "types": list(image.types),
        "hardware": list(image.hardware),
        "from_versions": list(image.from_versions),
        "added_by": image.added_by,
        "added": iso(image.added),
        "withdrawn": iso(image.withdrawn),
    }


@firmware_command.command("add")
@click.argument("identifier")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--version", required=True, help="What a meter shows when it runs.")
@click.option("--sha256", help="What the file's SHA-256 is (hex), as its maker says: another file is refused.")
@click.option("--type", "types", multiple=True, help="Only for devices of this type; may be repeated.")
@click.option("--hardware", multiple=True, help="Only for this hardware; may be repeated.")
@click.option("--from-version", "from_versions", multiple=True, help="Only where this runs now; may be repeated.")
@folder_option
@json_option
def add_command(
    identifier: str,
    file: Path,
    version: str,
    sha256: str | None,
    types: tuple[str, ...],
    hardware: tuple[str, ...],
    from_versions: tuple[str, ...],
    folder: Path,
    as_json: bool,
) -> int:
    """Put the image FILE into the catalogue. IDENTIFIER is what meters are told of it."""
    from cosem.headend.access import Act
    from cosem.headend.firmware import NewImage

    item = NewImage(identifier, version, types, hardware, from_versions)
    with opened(folder, Act.INVENTORY) as office:
        firmware = _firmware(office)
        upload, digest = firmware.upload(), hashlib.sha256()
        try:
            with file.open("rb") as stream:
                while piece := stream.read(PIECE):
                    digest.update(piece)
                    upload.write(piece)
            image = firmware.add(item, upload, sha256 or digest.hexdigest(), office.who)
        finally:
            upload.drop()
    if as_json:
        print_json(_document(image))
    else:
        click.echo(f"{image.identifier}: {image.octets} octets, SHA-256 {image.digest}")
    return DONE


@firmware_command.command("withdraw")
@click.argument("identifier")
@folder_option
def withdraw_command(identifier: str, folder: Path) -> int:
    """Let an image go to no further device."""
    from cosem.headend.access import Act

    with opened(folder, Act.INVENTORY) as office:
        _firmware(office).withdraw(identifier, office.who)
    return DONE


@firmware_command.command("history")
@click.argument("device")
@folder_option
@json_option
def history_command(device: str, folder: Path, as_json: bool) -> int:
    """Show what became of images at a device, the newest first."""
    from cosem.headend.access import Act
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        rows = _firmware(office).history(connection, Inventory(connection).get(device).id)
    if as_json:
        print_json([row | {"at": iso(row["at"])} for row in rows])
        return DONE
    print_table(
        ("at", "image", "state", "before", "after", ""),
        [
            (shown(row["at"]), row["identifier"], row["state"], row["before"] or "", row["after"] or "", row["detail"])
            for row in rows
        ],
    )
    return DONE
