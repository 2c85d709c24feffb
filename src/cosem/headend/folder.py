"""The folder of a head-end: its settings, its key, and who works in it.

Many processes may look into a folder and ask for work; one carries the work out, the one that holds the lock.
"""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cosem.errors import ConfigError
from cosem.headend.command_kinds import KINDS
from cosem.headend.engine import CLIENT_TITLE, HeadendSettings
from cosem.headend.home.settings import home_settings

SETTINGS: Final = "headend.toml"
DATABASE: Final = "headend.db"
WORK: Final = "work.db"
INTERVALS: Final = "intervals"
LOCK: Final = "headend.lock"
TEXT: Final = f"""\
# Settings of this head-end. The key that seals the devices' keys is in headend.key, or in COSEM_HEADEND_KEY.

client_title = "{CLIENT_TITLE.hex().upper()}"  # the system title sent to meters: the utility's own, 16 hex digits
zone = -60                         # deviation to UTC in minutes of meters whose times have none
write_every = 600                  # seconds between two writings of interval files
first_pause = 5                    # seconds before a device that did not answer is asked again; each time twice as many
two_persons = []                   # kinds of commands that a second person confirms, such as "disconnect"

# Tell Home Assistant and other tools by MQTT; see docs/own_tools.md, and look by: cosem headend mqtt
# [mqtt]
# host = "localhost"
"""
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "client_title": str,
    "zone": int,
    "write_every": (int, float),
    "first_pause": (int, float),
    "two_persons": list,
    "mqtt": dict,
}


def make_folder(folder: Path) -> None:
    """Make the folder with its settings, readable by its owner only. Raises `ConfigError` where there is one."""
    if (folder / DATABASE).exists() or (folder / SETTINGS).exists():
        raise ConfigError(f"{folder} is a head-end's already")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / SETTINGS).write_text(TEXT, encoding="utf-8")


def load_settings(folder: Path) -> HeadendSettings:
    """Return the settings of a folder. Raises `ConfigError` where there are none, or with what is wrong."""
    path = folder / SETTINGS
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder} is no head-end's folder: cosem headend init makes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    for name, value in content.items():
        if name not in _TYPES:
            raise ConfigError(f"{path}: {name!r} is no setting; there are: {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise ConfigError(f"{path}: {name} has the wrong type")
    return _settings(folder, path, content)


def _settings(folder: Path, path: Path, content: Mapping[str, Any]) -> HeadendSettings:
    given: dict[str, Any] = {name: content[name] for name in ("zone", "write_every", "first_pause") if name in content}
    positive = given.get("write_every", 1) > 0 and given.get("first_pause", 1) > 0
    if not -840 <= given.get("zone", 0) <= 840 or not positive:
        raise ConfigError(f"{path}: zone is -840 to 840 minutes, write_every and first_pause are more than 0 s")
    if "client_title" in content:
        try:
            given["client_title"] = bytes.fromhex(content["client_title"])
        except ValueError:
            given["client_title"] = b""
        if len(given["client_title"]) != 8:
            raise ConfigError(f"{path}: client_title is 16 hex digits")
    kinds = content.get("two_persons", [])
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"{path}: there is no kind of command {kind!r}; there are: {', '.join(KINDS)}")
    if "mqtt" in content:
        try:
            given["home"] = home_settings(content["mqtt"], folder)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return HeadendSettings(folder, two_persons=frozenset(kinds), **given)


class Lock:
    """Who carries out the work of a folder. The lock ends with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock unless another process has it; return whether it is ours."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Lock:
        if not self.take():
            raise ConfigError(f"another process works in {self._path.parent}: cosem headend serve, or a run")
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
