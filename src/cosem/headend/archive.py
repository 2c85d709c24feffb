"""Backup and restore of a head-end's folder as one file, also while it is at work.

The database is copied by SQLite's own backup, of one moment; the interval files are those that this copy lists. The key
that seals the devices' keys is not in it unless it is asked for. Durable work is not either: what was under way is
known from the database.

Restoring turns time back, and the meters do not turn with it. Invocation counters therefore begin far above those of
the backup: none that was used since may be used again. Commands that waited then are not carried out now.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, update

from cosem import __version__
from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.commands import CommandState
from cosem.headend.database import open_database
from cosem.headend.firmware import FOLDER as FIRMWARE
from cosem.headend.folder import DATABASE, INTERVALS, SETTINGS
from cosem.headend.schema import command, counter, segment
from cosem.headend.vault import FILE as KEY

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
COUNTER_MARGIN: Final = 1_000_000
"""How much higher counters begin after a restore, at least."""
COUNTERS_A_SECOND: Final = 2
"""How many a device may have used each second since the backup: seventy sessions an hour use as many."""
MAX_COUNTER: Final = 0xFFFF_FFFF
_MEMBER: Final = re.compile(
    rf"{INTERVALS}/(day|month)=[0-9-]{{7,10}}/[0-9]{{2}}-[0-9a-f]{{12}}\.parquet|{FIRMWARE}/[0-9a-f]{{64}}"
)
_LOOSE: Final = frozenset({DATABASE, SETTINGS, KEY})
_TRIES: Final = 3


def backup(folder: Path, target: Path, now: float, *, with_key: bool = False) -> dict[str, Any]:
    """Write a backup; return its manifest. Raises `ConfigError` where there is such a file already."""
    if not (folder / DATABASE).exists():
        raise ConfigError(f"{folder} has no head-end in it")
    if target.exists():
        raise ConfigError(f"{target} is there already")
    if with_key and not (folder / KEY).exists():
        raise ConfigError(f"there is no {folder / KEY}: this head-end's key is somewhere else")
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    try:
        for number in range(_TRIES):
            try:
                manifest = _write(folder, unfinished, now, with_key)
                break
            except FileNotFoundError:
                # A file that the copy lists was joined with others meanwhile, and swept: a newer copy lists the new.
                if number + 1 == _TRIES:
                    raise
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _write(folder: Path, target: Path, now: float, with_key: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch:
        copy = Path(scratch) / DATABASE
        _copy_database(folder / DATABASE, copy)
        with closing(sqlite3.connect(copy)) as connection:
            paths = [f"{INTERVALS}/{path}" for (path,) in connection.execute("SELECT path FROM interval_file")]
            images = connection.execute("SELECT DISTINCT digest FROM firmware_image")
            paths += [f"{FIRMWARE}/{digest.lower()}" for (digest,) in images]
        sources = {DATABASE: copy, **{path: folder / path for path in sorted(paths)}}
        for name in (SETTINGS, *([KEY] if with_key else [])):
            if (folder / name).exists():
                sources[name] = folder / name
        digests = {name: _digest(path) for name, path in sources.items()}
        manifest = {"format": FORMAT, "version": __version__, "at": int(now), "files": digests}
        text = json.dumps(manifest).encode()
        with tarfile.open(target, "w") as archive:
            archive.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
            for name, path in sources.items():
                with path.open("rb") as stream:
                    archive.addfile(_entry(name, path.stat().st_size), stream)
    return manifest


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
        # The copy is one file: it has no journal beside it.
        there.execute("PRAGMA journal_mode=DELETE")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def restore(source: Path, folder: Path, now: float, who: str) -> dict[str, Any]:
    """Bring a backup back into a folder that holds no head-end; return its manifest.

    Raises `ConfigError` where there is one, or the file is no backup or is not whole; then nothing is left behind.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty: a backup is restored into an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restore-") as scratch:
        place = Path(scratch) / "folder"
        place.mkdir(mode=0o700)
        manifest = _unpack(source, place)
        _turn_forward(place, manifest["at"], now, who)
        if folder.exists():
            folder.rmdir()
        place.rename(folder)
    return manifest


def _unpack(source: Path, place: Path) -> dict[str, Any]:
    try:
        with tarfile.open(source, "r:") as archive:
            manifest = _manifest(archive)
            waiting = dict(manifest["files"])
            while (entry := archive.next()) is not None:
                if entry.name not in waiting or not entry.isreg():
                    raise ConfigError(f"{source}: {entry.name!r} does not belong into a backup")
                path = place / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = archive.extractfile(entry)
                assert stream is not None
                digest = hashlib.sha256()
                with path.open("xb") as out:
                    path.chmod(0o600)
                    while octets := stream.read(1 << 20):
                        digest.update(octets)
                        out.write(octets)
                if digest.hexdigest() != waiting.pop(entry.name):
                    raise ConfigError(f"{source}: {entry.name} is not what was put in")
    except (tarfile.TarError, EOFError) as error:
        raise ConfigError(f"{source} is no backup of a head-end: {error}") from None
    if waiting:
        raise ConfigError(f"{source} is not whole: {min(waiting)} is missing")
    return manifest


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    first = archive.next()
    stream = None if first is None or first.name != MANIFEST or first.size > 1 << 28 else archive.extractfile(first)
    try:
        content = None if stream is None else json.loads(stream.read())
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("at"), int):
        raise ConfigError("this is no backup of a head-end, or one of a newer version")
    files = content.get("files")
    if not isinstance(files, dict) or DATABASE not in files:
        raise ConfigError("this backup has no database in it")
    for name in files:
        if name not in _LOOSE and not _MEMBER.fullmatch(name):
            raise ConfigError(f"{name!r} does not belong into a backup")
    return content


def _turn_forward(place: Path, then: int, now: float, who: str) -> None:
    """Make what was restored safe to go on with: counters, commands, and everybody who still works on the old one."""
    ahead = COUNTER_MARGIN + COUNTERS_A_SECOND * max(0, int(now) - then)
    engine = open_database(place / DATABASE)
    try:
        with engine.begin() as connection:
            highest = connection.execute(select(counter.c.next).order_by(counter.c.next.desc()).limit(1)).scalar()
            if highest is not None and highest + ahead > MAX_COUNTER:
                raise ConfigError("an invocation counter would be used up: change the keys of that meter first")
            connection.execute(update(counter).values(next=counter.c.next + ahead))
            connection.execute(update(segment).values(epoch=segment.c.epoch + 1))
            told = f"the head-end was restored from a backup of {then} (UTC seconds)"
            for states, state in (
                ((CommandState.WAITING, CommandState.UNCONFIRMED), CommandState.CANCELLED),
                ((CommandState.SENDING,), CommandState.UNCERTAIN),
            ):
                where = command.c.state.in_(states)
                connection.execute(update(command).where(where).values(state=state, detail=told, finished=int(now)))
            record(connection, now, who, "restore", "head-end", after={"backup": then, "counters": ahead})
    finally:
        engine.dispose()
