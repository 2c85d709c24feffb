"""The key file: secrets by device, in TOML. They are read, used, and never shown.

Sections are devices, ``[default]`` applies to all. The same names in upper case with ``COSEM_`` in front are taken
from the environment where no file gives them (``COSEM_PASSWORD``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cosem.errors import ConfigError
from cosem.security.keys import Keys
from cosem.tolerances import TOLERANT, Tolerances

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = "COSEM_KEYS"
_MBUS_ID = re.compile("[0-9A-Fa-f]{8}")
_KEYS = (
    "global_unicast_encryption_key",
    "authentication_key",
    "global_broadcast_encryption_key",
    "dedicated_key",
    "master_key",
)
_TITLES = ("system_title", "client_system_title")
_TEXTS = ("password", "hls_secret")
_LATER = ("signing_key", "agreement_key", "certificate")
_MBUS = ("mbus_key", "mbus_default_key", "mbus_id")
_KNOWN = (*_KEYS, *_TITLES, *_TEXTS, *_MBUS, *_LATER, "suite", "verify", "tolerances", "country")


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What a key file says of one device. `verify` false opens telegrams without an authentication key.

    `tolerances` are the habits of this device that are put up with; `country` (two letters) tells layouts of pushes
    apart that look alike. `mbus_key` is that of the M-Bus meter with the number `mbus_id` (eight digits),
    `mbus_default_key` the one it came with, under which new keys are wrapped.
    """

    name: str
    keys: Keys = field(default_factory=Keys)
    system_title: bytes | None = None
    client_system_title: bytes | None = None
    password: bytes | None = field(default=None, repr=False)
    hls_secret: bytes | None = field(default=None, repr=False)
    suite: int = 0
    verify: bool = True
    tolerances: Tolerances = TOLERANT
    country: str | None = None
    mbus_key: bytes | None = field(default=None, repr=False)
    mbus_id: str | None = None
    mbus_default_key: bytes | None = field(default=None, repr=False)


class KeyFile:
    """A parsed key file: `device(name)` gives one section with the defaults in it."""

    def __init__(self, sections: Mapping[str, Mapping[str, Any]], source: str = "the key file") -> None:
        self.source = source
        self._sections = {name: dict(values) for name, values in sections.items()}
        for name, values in self._sections.items():
            for key in values:
                if key not in _KNOWN:
                    raise ConfigError(f"{source}, [{name}]: {key!r} is no setting of a key file")
        # A mistake in any section is told at once, not when that meter's turn comes.
        for name in self._sections:
            self.device(name)

    def __repr__(self) -> str:
        return f"<KeyFile {self.source}: {', '.join(self._sections) or 'empty'}>"

    @classmethod
    def load(cls, path: Path | str) -> KeyFile:
        """Read a file. Raises `ConfigError` with one sentence that names the mistake, never a secret."""
        import tomllib  # not needed where the keys are given directly

        try:
            with open(path, "rb") as file:
                content = tomllib.load(file)
        except FileNotFoundError:
            raise ConfigError(f"there is no key file {path}") from None
        except OSError as error:
            raise ConfigError(f"the key file {path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            # The parser's text may quote the line; only the place is told.
            place = str(error).rsplit("(", 1)[-1].rstrip(")") if "(" in str(error) else "somewhere"
            raise ConfigError(f"the key file {path} is no TOML ({place})") from None
        loose = [name for name, value in content.items() if not isinstance(value, dict)]
        if loose:
            raise ConfigError(f"the key file {path}: {loose[0]!r} stands outside of a section such as [default]")
        return cls(content, str(path))

    @classmethod
    def find(cls, path: Path | str | None = None) -> KeyFile:
        """Read `path`, or the file that ``COSEM_KEYS`` names, or take the environment alone."""
        path = path or os.environ.get(ENVIRONMENT)
        return cls.load(path) if path else cls({}, "the environment")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the devices that have a section of their own."""
        return tuple(name for name in self._sections if name != "default")

    def device(self, name: str | None = None) -> DeviceKeys:
        """Return the section of a device over the defaults and the environment. Raises `ConfigError`."""
        if name is not None and name != "default" and name not in self._sections:
            known = ", ".join(self.names) or "none"
            raise ConfigError(f"{self.source} has no section [{name}]; it has: {known}")
        values: dict[str, Any] = {
            key: os.environ[f"COSEM_{key.upper()}"]
            for key in (*_KEYS, *_TITLES, *_TEXTS)
            if f"COSEM_{key.upper()}" in os.environ
        }
        values |= self._sections.get("default", {})
        if name is not None:
            values |= self._sections.get(name, {})
        return self._parse(name or "default", values)

    def section(self, name: str) -> DeviceKeys:
        """Return what one section says by itself, without defaults and environment. Raises `ConfigError`."""
        if name not in self._sections:
            raise ConfigError(f"{self.source} has no section [{name}]")
        return self._parse(name, self._sections[name])

    def all(self) -> tuple[DeviceKeys, ...]:
        """Return every section, and the defaults where they hold a key of their own."""
        devices = [self.device(name) for name in self.names]
        default = self.device()
        if default.keys.global_unicast_encryption_key is not None:
            devices.append(default)
        return tuple(devices)

    def mbus_names(self) -> dict[str, str]:
        """Return the names of sections by the identification number of the M-Bus meters they are of."""
        sections = [self.device(name) for name in self._sections]
        return {item.mbus_id.upper(): item.name for item in sections if item.mbus_id is not None}

    def mbus_keys(self) -> dict[str, bytes]:
        """Return the M-Bus keys by the identification number of their meters."""
        found = {}
        for name in self._sections:
            section = self.device(name)
            if section.mbus_key is not None and section.mbus_id is not None:
                found[section.mbus_id.upper()] = section.mbus_key
        return found

    def _parse(self, name: str, values: Mapping[str, Any]) -> DeviceKeys:
        where = f"{self.source}, [{name}]"
        for key in _LATER:
            if key in values:
                raise ConfigError(f"{where}: {key} is not in this version yet")
        titles = {key: _octets(values.get(key), f"{where}: {key}", 8) for key in _TITLES}
        texts = {key: _text(values.get(key), f"{where}: {key}") for key in _TEXTS}
        suite = values.get("suite", 0)
        verify = values.get("verify", True)
        if not isinstance(suite, int) or isinstance(suite, bool) or suite not in (0, 1, 2):
            raise ConfigError(f"{where}: suite is 0, 1 or 2")
        if not isinstance(verify, bool):
            raise ConfigError(f"{where}: verify is true or false")
        length = 32 if suite == 2 else 16
        keys = {key: _octets(values.get(key), f"{where}: {key}", length) for key in _KEYS}
        return DeviceKeys(
            name,
            Keys(**keys),
            **titles,
            **texts,
            suite=suite,
            verify=verify,
            tolerances=_tolerances(values.get("tolerances", {}), where),
            country=_country(values.get("country"), where),
            mbus_key=_octets(values.get("mbus_key"), f"{where}: mbus_key", 16),
            mbus_default_key=_octets(values.get("mbus_default_key"), f"{where}: mbus_default_key", 16),
            mbus_id=_mbus_id(values.get("mbus_id"), name, where),
        )


def _country(value: Any, where: str) -> str | None:
    if value is not None and not (isinstance(value, str) and len(value) == 2 and value.isalpha()):
        raise ConfigError(f"{where}: country is two letters, such as NO")
    return None if value is None else value.upper()


def _mbus_id(value: Any, name: str, where: str) -> str | None:
    """Read ``mbus_id = "12345678"``; a section that has the number for its name needs none."""
    if value is None:
        return name if _MBUS_ID.fullmatch(name) else None
    if not isinstance(value, str) or not _MBUS_ID.fullmatch(value):
        raise ConfigError(f"{where}: mbus_id is the meter's identification number, eight digits in quotes")
    return value.upper()


def _tolerances(value: Any, where: str) -> Tolerances:
    """Read ``tolerances = "strict"``, or a table that switches single ones off or on."""
    if value == "strict":
        return Tolerances.strict()
    if not isinstance(value, dict):
        raise ConfigError(f'{where}: tolerances is "strict" or a table such as {{ llc_absent = false }}')
    for name, switch in value.items():
        if name not in Tolerances._fields:
            raise ConfigError(f"{where}: {name!r} is no tolerance; there are: {', '.join(Tolerances._fields)}")
        if not isinstance(switch, bool):
            raise ConfigError(f"{where}: the tolerance {name} is true or false")
    return TOLERANT._replace(**value)


def _octets(value: Any, where: str, length: int) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{where} is written as hex digits in quotes")
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        raise ConfigError(f"{where} holds something else than hex digits") from None
    if len(octets) != length:
        raise ConfigError(f"{where} has {len(octets)} octets, not {length}")
    return octets


def _text(value: Any, where: str) -> bytes | None:
    """Read a password: text, or hex digits after ``hex:``."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{where} is written as text in quotes")
    if value.startswith("hex:"):
        try:
            return bytes.fromhex(value[4:])
        except ValueError:
            raise ConfigError(f"{where} holds something else than hex digits behind hex:") from None
    return value.encode("utf-8")
