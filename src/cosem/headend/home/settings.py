"""The settings of what is told by MQTT: the table ``[mqtt]`` of ``headend.toml``, checked."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cosem.errors import ConfigError

PASSWORD: Final = "COSEM_MQTT_PASSWORD"  # noqa: S105 - a name
DAY: Final = 86_400
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_TYPES: Final[Mapping[str, type]] = {
    "host": str,
    "port": int,
    "user": str,
    "password_file": str,
    "tls": bool,
    "ca_file": str,
    "id": str,
    "topic": str,
    "home_assistant": bool,
    "discovery": str,
    "group": str,
    "fresh": int,
    "pages": str,
    "dsmr": dict,
    "wmbusmeters": dict,
}
_DSMR: Final = ("topic", "meter")
_WMBUSMETERS: Final = ("topic", "by")


@dataclass(frozen=True, slots=True)
class DsmrStyle:
    """Topics as DSMR-reader has them. `meter` is the one that has them without a name of its own in between."""

    topic: str = "dsmr"
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class WmbusmetersStyle:
    """Messages as wmbusmeters makes them, under the name of each meter or under its identification number."""

    topic: str = "wmbusmeters"
    by: Literal["name", "id"] = "name"


@dataclass(frozen=True, slots=True)
class HomeSettings:
    """Which broker is told what.

    `id` tells this head-end from others at the same broker; it begins all identifiers. `group` names whose devices are
    told of (None: all). `fresh` is for how many seconds the last value of a device counts. `pages` is where the
    head-end's pages are reached from outside. `discovery` None: Home Assistant is not told.
    """

    host: str
    port: int = 1883
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    id: str = "cosem"
    topic: str = "cosem"
    discovery: str | None = "homeassistant"
    group: str | None = None
    fresh: int = 2 * DAY
    pages: str | None = None
    dsmr: DsmrStyle | None = None
    wmbusmeters: WmbusmetersStyle | None = None

    @property
    def status(self) -> str:
        """The topic that says whether the head-end itself is there."""
        return f"{self.topic}/status"

    @property
    def open_wire(self) -> bool:
        """Whether a password would go over a network that others may listen to."""
        return self.user is not None and not self.tls and self.host not in LOOPBACK

    def password(self) -> str | None:
        """Return the password, from the environment or its file. Raises `ConfigError` where that cannot be read."""
        if self.user is None:
            return None
        if (found := os.environ.get(PASSWORD)) is not None:
            return found
        if self.password_file is None:
            raise ConfigError(f"mqtt: the user has a password, in {PASSWORD} or in the file that password_file names")
        try:
            text = self.password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"mqtt: the password cannot be read from {self.password_file}") from None
        if not text:
            raise ConfigError(f"mqtt: there is no password in {self.password_file}")
        return text

    def context(self) -> ssl.SSLContext | None:
        """Return what a TLS connection trusts. Raises `ConfigError` for a file without certificates."""
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError(f"mqtt: there are no certificates in {self.ca_file}") from None


def home_settings(content: Mapping[str, Any], folder: Path) -> HomeSettings:
    """Return the settings of a table ``[mqtt]``; files are named from the head-end's folder. Raises `ConfigError`."""
    if "password" in content:
        raise ConfigError(f"mqtt: a password does not stand here but in {PASSWORD}, or in the file of password_file")
    _known("mqtt", content, tuple(_TYPES))
    for name, value in content.items():
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and _TYPES[name] is not bool):
            raise ConfigError(f"mqtt: {name} has the wrong type")
    tls = content.get("tls", "ca_file" in content)
    if "ca_file" in content and not tls:
        raise ConfigError("mqtt: a ca_file is for tls = true")
    if "password_file" in content and "user" not in content:
        raise ConfigError("mqtt: a password_file is for a user")
    given: dict[str, Any] = {
        "host": _host(content.get("host")),
        "port": _number("port", content.get("port", 8883 if tls else 1883), 1, 65_535),
        "tls": tls,
        "fresh": _number("fresh", content.get("fresh", 2 * DAY), 1, 400 * DAY),
        "id": _id(content.get("id", "cosem")),
        "topic": _topic("topic", content.get("topic", "cosem")),
        "discovery": _topic("discovery", content.get("discovery", "homeassistant")),
        "user": content.get("user"),
        "group": content.get("group"),
    }
    if not content.get("home_assistant", True):
        given["discovery"] = None
    for name in ("password_file", "ca_file"):
        if name in content:
            given[name] = folder / content[name]
    if "pages" in content:
        if not content["pages"].startswith(("http://", "https://")) or not content["pages"].isprintable():
            raise ConfigError("mqtt: pages is the address of the pages, http://... or https://...")
        given["pages"] = content["pages"].rstrip("/")
    if "dsmr" in content:
        _known("mqtt.dsmr", content["dsmr"], _DSMR)
        _texts("mqtt.dsmr", content["dsmr"])
        style = DsmrStyle(**content["dsmr"])
        _topic("dsmr.topic", style.topic)
        given["dsmr"] = style
    if "wmbusmeters" in content:
        _known("mqtt.wmbusmeters", content["wmbusmeters"], _WMBUSMETERS)
        _texts("mqtt.wmbusmeters", content["wmbusmeters"])
        wmbusmeters = WmbusmetersStyle(**content["wmbusmeters"])
        _topic("wmbusmeters.topic", wmbusmeters.topic)
        if wmbusmeters.by not in ("name", "id"):
            raise ConfigError("mqtt.wmbusmeters: by is name or id")
        given["wmbusmeters"] = wmbusmeters
    return HomeSettings(**given)


def _known(table: str, content: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in content:
        if name not in names:
            raise ConfigError(f"{table}: {name!r} is no setting; there are: {', '.join(names)}")


def _texts(table: str, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        if not isinstance(value, str):
            raise ConfigError(f"{table}: {name} is a text")


def _host(host: Any) -> str:
    if not isinstance(host, str) or not 1 <= len(host) <= 253 or not host.isprintable() or " " in host:
        raise ConfigError("mqtt: host is the broker's name or address")
    return host


def _number(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ConfigError(f"mqtt: {name} is {least} to {most}")
    return value


def _id(text: str) -> str:
    if not 1 <= len(text) <= 32 or not text.isascii() or not text.replace("_", "").replace("-", "").isalnum():
        raise ConfigError("mqtt: id is 1 to 32 letters, digits, _ and -")
    return text


def _topic(name: str, topic: str) -> str:
    levels = topic.split("/")
    if len(topic) > 100 or not topic.isprintable() or set(topic) & set("+#$") or not all(levels):
        raise ConfigError(f"mqtt: {name} is 1 to 100 characters without +, # and $, with no / at its ends")
    return topic
