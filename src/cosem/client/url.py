"""Meters have URLs: where they are, and how to associate. Secrets never stand in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from cosem.association.settings import AUTHENTICATION as AUTHENTICATION
from cosem.association.settings import SECURITY as SECURITY
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.serial import SerialUrl

DEFAULT_PORT = 4059
"""The port registered for DLMS/COSEM."""

SCHEMES = {"tcp": "wrapper", "udp": "wrapper", "hdlc+tcp": "hdlc"}
PUSH_SCHEMES = {"mbus+tcp": "mbus", "mbus+serial": "mbus"}
"""What only pushes come by."""
SERIAL_SCHEMES = ("hdlc+serial", "optical", "mbus+serial")
"""HDLC on a serial port, from the start or after IEC 62056-21 mode E; M-Bus frames there."""
AUTHENTICATION_LATER = ("high-ecdsa",)
CIPHERING = ("glo", "ded", "general")
REFERENCING = ("ln", "sn")
LONGEST_INFORMATION, WIDEST_WINDOW = 2030, 7
"""As `link.hdlc.parameters` has them, which a wrapper's URL need not load."""
ADDRESS_SIZES = {"1": 1, "2": 2, "4": 4}
_SECRETS = ("password", "secret", "key", "ek", "ak", "pw")


@dataclass(frozen=True, slots=True)
class MeterUrl:
    """A parsed URL. `framing` is ``"wrapper"`` or ``"hdlc"``, `mechanism` and `security` are the numbers they mean.

    `counter` is the logical name of the invocation-counter object to be read over the public client first, if given.
    `transport` is ``"tcp"``, ``"udp"`` or ``"serial"``; `gateway` the network id and device address of a meter behind a
    gateway. `serial` says everything about a serial port; there is no host then.
    `address_size` is how many octets the HDLC address of the server takes, the fewest if None. `information` and
    `window` are what is asked for in SNRM, both ways: octets of an information field, frames before an answer.
    """

    framing: str
    host: str
    port: int
    client: int = 16
    server: int = 1
    physical: int | None = None
    mechanism: int = 0
    security: int = 0
    ciphering: str = "glo"
    device: str | None = None
    counter: str | None = None
    timeout: float | None = None
    transport: str = "tcp"
    gateway: tuple[int, bytes] | None = None
    serial: SerialUrl | None = None
    address_size: int | None = None
    referencing: str = "ln"
    information: int = 128
    window: int = 1

    @classmethod
    def parse(cls, text: str, *, pushes: bool = False) -> MeterUrl:
        """Read a URL; raise `ConfigError` with one sentence that names the mistake.

        `pushes` also takes the schemes that only pushes come by.
        """
        try:
            parts = urlsplit(text)
        except ValueError:
            # The parser's own words would quote what it stumbled on, which may be a secret.
            raise ConfigError("this is no meter URL: the host is not written as a name or an address") from None
        scheme = parts.scheme.lower()
        if not scheme or "://" not in text:
            raise ConfigError(f"{text!r} is no meter URL: write tcp://host:port or hdlc+tcp://host:port")
        if scheme in PUSH_SCHEMES and not pushes:
            raise ConfigError(f"{scheme}:// brings pushes only: listen on it; meters are read by tcp:// or hdlc+tcp://")
        schemes = SCHEMES | PUSH_SCHEMES
        if scheme not in schemes and scheme not in SERIAL_SCHEMES:
            raise ConfigError(
                f"{scheme}:// is no scheme for meters: use tcp:// (wrapper), hdlc+tcp://, hdlc+serial:// or optical://"
            )
        if parts.username or parts.password:
            raise ConfigError("a URL holds no user or password: secrets come from the key file")
        if parts.fragment:
            raise ConfigError("a meter URL has nothing behind a #")
        query = query_of(parts.query)
        if scheme in SERIAL_SCHEMES:
            from cosem.client.serial import SerialUrl

            serial = SerialUrl.parse(scheme, parts.netloc, parts.path, query)
            return cls._from_query(PUSH_SCHEMES.get(scheme, "hdlc"), "serial", "", 0, query, serial)
        if not parts.hostname:
            raise ConfigError(f"{text!r} names no host")
        if parts.path not in ("", "/"):
            raise ConfigError(f"a meter URL has no path: {parts.path!r} does not belong there")
        try:
            port = parts.port
        except ValueError:
            raise ConfigError(f"the port in {text!r} is not between 0 and 65535") from None
        transport = scheme.rpartition("+")[2]
        port = DEFAULT_PORT if port is None else port
        return cls._from_query(schemes[scheme], transport, parts.hostname, port, query)

    @classmethod
    def _from_query(
        cls,
        framing: str,
        transport: str,
        host: str,
        port: int,
        query: dict[str, str],
        serial: SerialUrl | None = None,
    ) -> MeterUrl:
        largest = 0x3FFF if framing == "hdlc" else 0xFFFF
        client = _number(query, "client", 16, 0x7F if framing == "hdlc" else 0xFFFF)
        server = _number(query, "server", 1, largest)
        physical = _number(query, "physical", None, 0x3FFF)
        if physical is not None and framing != "hdlc":
            raise ConfigError("physical is an HDLC address: use it with hdlc+tcp://, hdlc+serial:// or optical://")
        size = query.pop("address_size", None)
        if size is not None and (framing != "hdlc" or size not in ADDRESS_SIZES):
            raise ConfigError(f"address_size={size}: use 1, 2 or 4 octets, where HDLC is spoken")
        if framing != "hdlc" and (named := query.keys() & {"information", "window"}):
            raise ConfigError(f"{min(named)} belongs to HDLC: use it with hdlc+tcp://, hdlc+serial:// or optical://")
        information = _number(query, "information", 128, LONGEST_INFORMATION, least=1)
        window = _number(query, "window", 1, WIDEST_WINDOW, least=1)
        if query.get("auth") in AUTHENTICATION_LATER:
            raise ConfigError(f"auth={query['auth']} is not in this version yet")
        mechanism = _choice(query, "auth", "none", AUTHENTICATION)
        security = _choice(query, "security", "none", SECURITY)
        ciphering = _word(query, "ciphering", "glo", CIPHERING)
        referencing = _word(query, "referencing", "ln", REFERENCING)
        if referencing == "sn" and transport == "udp" and not security:
            raise ConfigError(
                "short names over udp:// need security: nothing in a plain answer says what it answers, and datagrams "
                "come late and twice"
            )
        device = query.pop("device", None)
        counter = query.pop("counter", None)
        timeout = query.pop("timeout", None)
        gateway = _gateway(query)
        if query:
            name = next(iter(query))
            if name.lower() in _SECRETS or name.lower().endswith(("_key", "_secret")):
                raise ConfigError(f"{name} does not belong into a URL: secrets come from the key file")
            raise ConfigError(f"{name!r} is no parameter of a meter URL")
        if counter is not None:
            from cosem.obis import Obis

            counter = str(Obis.parse("0-0:43.1.0.255" if counter in ("", "read") else counter))
        assert client is not None
        assert server is not None
        return cls(
            framing, host, port, client, server, physical, mechanism, security, ciphering, device, counter,
            _seconds(timeout), transport, gateway, serial, None if size is None else ADDRESS_SIZES[size], referencing,
            information or 128, window or 1,
        )  # fmt: skip


def query_of(text: str) -> dict[str, str]:
    """Read the part behind the question mark. Raises `ConfigError` for a name that stands twice."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in query:
            raise ConfigError(f"{name} stands twice in the URL")
        query[name] = value
    return query


def _number(query: dict[str, str], name: str, default: int | None, largest: int, *, least: int = 0) -> int | None:
    text = query.pop(name, None)
    if text is None:
        return default
    try:
        value = int(text, 0)
    except ValueError:
        raise ConfigError(f"{name}={text} is no number") from None
    if not least <= value <= largest:
        raise ConfigError(f"{name}={text} is not between {least} and {largest}")
    return value


def _gateway(query: dict[str, str]) -> tuple[int, bytes] | None:
    network = _number(query, "gateway_network", None, 0xFF)
    text = query.pop("gateway_device", None)
    if text is None:
        if network is not None:
            raise ConfigError("gateway_network needs gateway_device, the address of the meter behind the gateway")
        return None
    try:
        device = bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"gateway_device={text} is no address in hex digits") from None
    if len(device) > 0xFF:
        raise ConfigError("gateway_device has 255 octets at the most")
    return network or 0, device


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"timeout={text} is no number of seconds") from None
    if not 0 < value <= 3600:
        raise ConfigError(f"timeout={text} is not between 0 and 3600 seconds")
    return value


def _choice(query: dict[str, str], name: str, default: str, choices: dict[str, int]) -> int:
    return choices[_word(query, name, default, tuple(choices))]


def _word(query: dict[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    word = query.pop(name, default)
    if word not in choices:
        raise ConfigError(f"{name}={word} is none of {', '.join(choices)}")
    return word
