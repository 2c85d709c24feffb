"""How messages leave: to a web address, by e-mail, to an MQTT broker. Each says once whether it arrived."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from cosem.errors import ConfigError

SECONDS: Final = 10.0
"""How long a server may take."""
MAX_RECIPIENTS: Final = 100
_WIRES: Final = ("none", "starttls", "tls")


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. `id` stays the same when it is told again; `subject` is a device's or a segment's name."""

    id: int
    subject: str
    content: Mapping[str, Any]
    created: int

    def body(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"id": self.id, "subject": self.subject, "created": self.created, **self.content}).encode()

    def words(self) -> str:
        """Return it in a line."""
        content = self.content
        if content.get("what") == "outage":
            count = "1 device" if content["devices"] == 1 else f"{content['devices']} devices"
            return f"{content['kind']} of {count} in segment {self.subject}"
        mark = "fraud: " if content.get("fraud") else ""
        return f"{mark}{content.get('kind', content.get('what', 'message'))} at {self.subject}"


class NotSent(Exception):
    """It did not arrive, or nobody knows whether it did: it is sent again."""


class Sender(Protocol):
    """A way out."""

    def check(self, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Raise `ConfigError` for a target that cannot be one."""

    async def send(self, message: Message, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Tell one target. Raises `NotSent`."""


class Webhook:
    """POST of JSON to ``{"url": ...}``; with a `secret` signed by HMAC-SHA-256.

    ``X-Cosem-Signature: sha256=...`` is over the timestamp of ``X-Cosem-Timestamp``, a full stop and the body, so that
    an old message cannot be played again. ``X-Cosem-Delivery`` is the message's id: who has seen it need not act again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def check(self, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Refuse what is no http address."""
        _known(target, ("url",), secrets, ("secret",))
        self._parts(str(target.get("url", "")))

    def _parts(self, url: str) -> tuple[str, str, int, str]:
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ConfigError(f"{url!r} is no address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not url.isprintable():
            raise ConfigError("a webhook has an address http://... or https://..., without a password in it")
        path = parts.path or "/"
        return parts.scheme, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path

    async def send(self, message: Message, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """POST it; every answer but 2xx is a failure, redirections included."""
        try:
            status = await asyncio.to_thread(self._post, message, str(target["url"]), secrets.get("secret"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from None
        if not 200 <= status < 300:
            raise NotSent(f"the server answered {status}")

    def _post(self, message: Message, url: str, secret: str | None) -> int:
        scheme, host, port, path = self._parts(url)
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        connection = kind(host, port, timeout=SECONDS)
        body, at = message.body(), str(int(self._clock()))
        headers = {"Content-Type": "application/json", "X-Cosem-Delivery": str(message.id), "X-Cosem-Timestamp": at}
        if secret is not None:
            headers["X-Cosem-Signature"] = signature(secret, at, body)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


def signature(secret: str, at: str, body: bytes) -> str:
    """Return what a webhook's receiver computes as well, and compares."""
    return "sha256=" + hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


class Mail:
    """E-mail by ``{"host", "port", "from", "to": [...], "wire": "starttls"|"tls"|"none", "user"}``, with a `password`.

    `wire` is "starttls" unless something else is said; a server that does not offer it gets nothing.
    """

    def check(self, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Refuse what is no address or server."""
        _known(target, ("host", "port", "from", "to", "wire", "user"), secrets, ("password",))
        recipients = target.get("to")
        if not isinstance(recipients, (list, tuple)) or not 1 <= len(recipients) <= MAX_RECIPIENTS:
            raise ConfigError(f"a mail goes to 1 to {MAX_RECIPIENTS} addresses")
        for address in (target.get("from"), *recipients):
            if not isinstance(address, str) or "@" not in address or not address.isprintable() or "," in address:
                raise ConfigError("an address of a mail is name@host")
        _server(target)
        if target.get("wire", "starttls") not in _WIRES:
            raise ConfigError(f"wire is one of {', '.join(_WIRES)}")
        if "user" in target and target.get("wire") == "none":
            raise ConfigError("a password does not go over an open wire")

    async def send(self, message: Message, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Hand it to the server."""
        try:
            await asyncio.to_thread(self._deliver, message, target, secrets)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from None

    def _deliver(self, message: Message, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        wire = target.get("wire", "starttls")
        mail = EmailMessage()
        mail["Subject"] = "".join(sign for sign in message.words() if sign.isprintable())[:200]
        mail["From"] = target["from"]
        mail["To"] = ", ".join(target["to"])
        mail["Date"] = formatdate(message.created)
        mail["Message-ID"] = f"<cosem-{message.id}-{message.created}@{target['from'].rpartition('@')[2]}>"
        mail.set_content("\n".join(f"{name}: {value}" for name, value in message.content.items()))
        context = ssl.create_default_context()
        port = int(target.get("port", 465 if wire == "tls" else 587))
        server: smtplib.SMTP
        if wire == "tls":
            server = smtplib.SMTP_SSL(target["host"], port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(target["host"], port, timeout=SECONDS)
        with server:
            if wire == "starttls":
                server.starttls(context=context)
            if "user" in target:
                server.login(str(target["user"]), secrets.get("password", ""))
            server.send_message(mail)


class Mqtt:
    """A message for ``<topic>/<subject>`` at ``{"host", "port", "topic", "user", "tls"}``, with a `password`; QoS 1."""

    def check(self, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Refuse what is no broker or topic."""
        _known(target, ("host", "port", "topic", "user", "tls"), secrets, ("password",))
        _server(target)
        topic = target.get("topic", "cosem/alarms")
        if not isinstance(topic, str) or not 1 <= len(topic) <= 200 or set(topic) & set("+#\0"):
            raise ConfigError("a topic has 1 to 200 characters, and neither + nor #")

    async def send(self, message: Message, target: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Publish it and wait until the broker has it."""
        try:
            import aiomqtt
        except ImportError:
            raise NotSent("aiomqtt is not installed: pip install 'cosem[headend]'") from None
        subject = "".join("_" if sign in "/+#\0" else sign for sign in message.subject)
        tls = bool(target.get("tls"))
        try:
            async with asyncio.timeout(SECONDS):
                async with aiomqtt.Client(
                    str(target["host"]),
                    int(target.get("port", 8883 if tls else 1883)),
                    username=target.get("user"),
                    password=secrets.get("password"),
                    tls_context=ssl.create_default_context() if tls else None,
                    timeout=SECONDS,
                ) as client:
                    await client.publish(f"{target.get('topic', 'cosem/alarms')}/{subject}", message.body(), qos=1)
        except (aiomqtt.MqttError, OSError, TimeoutError, ValueError) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from None


def _known(
    target: Mapping[str, Any], names: tuple[str, ...], secrets: Mapping[str, str], hidden: tuple[str, ...]
) -> None:
    for name in target:
        if name not in names:
            raise ConfigError(f"{name!r} is nothing of this target; there are: {', '.join(names)}")
    for name in secrets:
        if name not in hidden:
            raise ConfigError(f"{name!r} is no secret of this target; there are: {', '.join(hidden)}")


def _server(target: Mapping[str, Any]) -> None:
    host, port = target.get("host"), target.get("port", 1)
    if not isinstance(host, str) or not 1 <= len(host) <= 253 or not host.isprintable() or " " in host:
        raise ConfigError("the host of a server is a name or an address")
    if type(port) is not int or not 1 <= port <= 65_535:
        raise ConfigError("a port is 1 to 65535")
