"""The catalogue of firmware: images, what they are for, and what became of them at each device."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cosem.client.async_meter import AsyncMeter
from cosem.client.firmware import MAX_IMAGE
from cosem.errors import AccessError, ConfigError
from cosem.headend.audit import record
from cosem.headend.inventory import DeviceRow
from cosem.headend.schema import firmware_history, firmware_image

LONGEST_IDENTIFIER: Final = 64
VERSION: Final = "1-0:0.2.0.255"
"""Where a meter shows the identifier of the firmware that runs (active firmware identifier, value group B 0 or 1)."""
FOLDER: Final = "firmware"


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to be added. `identifier` is what meters are told of it, `version` what they show when it runs.

    `types` (names of device types), `hardware` (`details["hardware"]` of a device) and `from_versions` say whom it is
    for; empty ones allow all. Raises `ConfigError`.
    """

    identifier: str
    version: str
    types: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    from_versions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.identifier, self.version):
            if not 1 <= len(text.encode()) <= LONGEST_IDENTIFIER or not text.isprintable():
                raise ConfigError(f"identifier and version have 1 to {LONGEST_IDENTIFIER} printable octets each")


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the catalogue. `digest` is SHA-256 in hex, `octets` its size."""

    id: int
    identifier: str
    version: str
    digest: str
    octets: int
    types: tuple[str, ...]
    hardware: tuple[str, ...]
    from_versions: tuple[str, ...]
    added_by: str
    added: int
    withdrawn: int | None

    def misfit(self, row: DeviceRow, version: str | None) -> str | None:
        """Return why it is not for a device that runs `version`; None where it is."""
        if self.withdrawn is not None:
            return "the image was withdrawn"
        if self.types and row.type not in self.types:
            return f"the image is not for devices of type {row.type}"
        hardware = row.details.get("hardware")
        if self.hardware and hardware not in self.hardware:
            return f"the image is not for hardware {hardware}"
        if self.from_versions and version != self.version and version not in self.from_versions:
            return f"the image does not follow version {version}"
        return None


class Upload:
    """An image on its way in: counted and digested while it is written to a file that nobody sees yet."""

    def __init__(self, folder: Path, limit: int = MAX_IMAGE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._limit = limit
        self._digest = hashlib.sha256()
        self.octets = 0
        handle, name = tempfile.mkstemp(dir=folder, prefix=".upload-")
        self.path = Path(name)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    @property
    def digest(self) -> str:
        """SHA-256 of what arrived so far, in hex."""
        return self._digest.hexdigest()

    def write(self, octets: bytes) -> None:
        """Take a piece. Raises `ConfigError` where it becomes too much."""
        self.octets += len(octets)
        if self.octets > self._limit:
            raise ConfigError(f"an image has at most {self._limit} octets")
        self._digest.update(octets)
        self._file.write(octets)

    def finish(self, folder: Path, digest: str) -> None:
        """Keep the file under its digest. Raises `ConfigError` where it is another one than was said."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if not self.octets:
            raise ConfigError("the image is empty")
        if not hmac.compare_digest(self._digest.hexdigest(), digest.lower()):
            raise ConfigError("what arrived has another SHA-256 than was said: it is not the image, or not all of it")
        self.path.replace(folder / digest.lower())

    def drop(self) -> None:
        """Forget it; does nothing once it is kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Firmware:
    """Images and their history. Octets are files of `folder`, named by their digest."""

    def __init__(self, engine: Engine, folder: Path, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self.folder = folder / FOLDER
        self._clock = clock

    def upload(self, limit: int = MAX_IMAGE) -> Upload:
        """Begin to take an image in."""
        return Upload(self.folder, limit)

    def add(self, item: NewImage, upload: Upload, digest: str, who: str) -> Image:
        """Put an uploaded image into the catalogue. Raises `ConfigError` where the identifier is another image's."""
        now = int(self._clock())
        try:
            upload.finish(self.folder, digest)
        finally:
            upload.drop()
        row = {
            "identifier": item.identifier,
            "version": item.version,
            "digest": digest.lower(),
            "octets": upload.octets,
            "types": json.dumps(item.types),
            "hardware": json.dumps(item.hardware),
            "from_versions": json.dumps(item.from_versions),
            "added_by": who,
            "added": now,
        }
        with self._engine.begin() as connection:
            try:
                connection.execute(insert(firmware_image), row)
            except IntegrityError:
                raise ConfigError(f"there is an image {item.identifier!r} already: a changed one has another") from None
            after = {"version": item.version, "digest": digest.lower(), "octets": upload.octets}
            record(connection, now, who, "add firmware", item.identifier, after=after)
        return self.get(item.identifier)

    def get(self, identifier: str) -> Image:
        """Return an image by its identifier. Raises `ConfigError` where there is none."""
        with self._engine.connect() as connection:
            query = select(firmware_image).where(firmware_image.c.identifier == identifier)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise ConfigError(f"there is no image {identifier!r}")
        return _image(row)

    def all(self) -> list[Image]:
        """Return the catalogue, the newest first."""
        query = select(firmware_image).order_by(firmware_image.c.id.desc())
        with self._engine.connect() as connection:
            return [_image(row) for row in connection.execute(query)]

    def withdraw(self, identifier: str, who: str) -> Image:
        """Let an image go to no further device."""
        image = self.get(identifier)
        now = int(self._clock())
        with self._engine.begin() as connection:
            chosen = update(firmware_image).where(firmware_image.c.id == image.id, firmware_image.c.withdrawn.is_(None))
            if not connection.execute(chosen.values(withdrawn=now)).rowcount:
                raise ConfigError(f"{identifier} was withdrawn already")
            record(connection, now, who, "withdraw firmware", identifier)
        return self.get(identifier)

    def octets(self, image: Image) -> bytes:
        """Return the octets of an image. Raises `ConfigError` where the file is gone or is another by now."""
        try:
            octets = (self.folder / image.digest).read_bytes()
        except OSError as error:
            raise ConfigError(f"the file of {image.identifier} cannot be read: {error.strerror}") from None
        if hashlib.sha256(octets).hexdigest() != image.digest:
            raise ConfigError(f"the file of {image.identifier} is not the one that was uploaded")
        return octets

    def note(
        self,
        connection: Connection,
        device: int,
        image: Image,
        campaign: int | None,
        state: str,
        *,
        before: str | None = None,
        after: str | None = None,
        detail: str = "",
    ) -> None:
        """Add to the history of a device."""
        row = {"device": device, "image": image.id, "campaign": campaign, "at": int(self._clock()), "state": state}
        connection.execute(insert(firmware_history), {**row, "before": before, "after": after, "detail": detail[:500]})

    def history(self, connection: Connection, device: int) -> list[dict[str, Any]]:
        """Return what became of images at a device, the newest first."""
        query = (
            select(firmware_history, firmware_image.c.identifier)
            .join(firmware_image, firmware_image.c.id == firmware_history.c.image)
            .where(firmware_history.c.device == device)
            .order_by(firmware_history.c.id.desc())
            .limit(1000)
        )
        names = ("at", "state", "identifier", "campaign", "before", "after", "detail")
        return [{name: row._mapping[name] for name in names} for row in connection.execute(query)]


async def running_version(meter: AsyncMeter, name: str = VERSION) -> str | None:
    """Read which firmware runs; None where the meter does not show it."""
    (answer,) = await meter.get_many([(1, name, 2)])
    if isinstance(answer, AccessError):
        return None
    value = answer.value
    if isinstance(value, bytes):
        return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else value.hex()
    return None if value is None else str(value)


def _image(row: Row[Any]) -> Image:
    types, hardware, versions = (tuple(json.loads(text)) for text in (row.types, row.hardware, row.from_versions))
    return Image(
        row.id,
        row.identifier,
        row.version,
        row.digest,
        row.octets,
        types,
        hardware,
        versions,
        row.added_by,
        row.added,
        row.withdrawn,
    )
