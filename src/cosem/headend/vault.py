"""Keys at rest: sealed by a key that is not in the database.

The head-end's own key comes from the environment (``COSEM_HEADEND_KEY``) or a file, 32 octets in hex. Where keys may
not leave a module, an object with `seal` and `unseal` of its own takes `Vault`'s place: that is all the head-end asks
of a hardware security module behind PKCS#11.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, insert, select, update

from cosem.client.keyfile import DeviceKeys
from cosem.errors import ConfigError, SecurityError
from cosem.headend.schema import device_key
from cosem.security.keys import Keys

ENVIRONMENT: Final = "COSEM_HEADEND_KEY"
FILE: Final = "headend.key"
_KEY_OCTETS, _NONCE_OCTETS = 32, 12
_FORMAT = b"\x01"


class Purpose(StrEnum):
    """What a key or secret is for; the names are those of the key file."""

    UNICAST = "global_unicast_encryption_key"
    AUTHENTICATION = "authentication_key"
    BROADCAST = "global_broadcast_encryption_key"
    MASTER = "master_key"
    PASSWORD = "password"  # noqa: S105 - a name
    HLS_SECRET = "hls_secret"  # noqa: S105 - a name
    MBUS = "mbus_key"
    MBUS_DEFAULT = "mbus_default_key"


class KeyState(StrEnum):
    """Where a key is in its life. A new one is on its way to the device: which one that has, it has to tell."""

    NEW = "new"
    ACTIVE = "active"
    EXPIRED = "expired"


class Sealer(Protocol):
    """What seals secrets: `Vault` here, or a hardware security module."""

    def seal(self, secret: bytes, context: str) -> bytes:
        """Return the secret sealed; it opens with the same context only."""

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Return the secret. Raises `SecurityError` if the key or the context is another."""


class Vault:
    """Seals with AES-256-GCM; the context (whose secret, what for) is authenticated, so that none can be exchanged."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_OCTETS:
            raise ConfigError(f"the head-end's key has {len(key)} octets, not {_KEY_OCTETS}")
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "<Vault>"

    @classmethod
    def find(cls, folder: Path, *, create: bool = False) -> Vault:
        """Take the key from the environment or the file in `folder`; `create` makes that file, readable by nobody else.

        Raises `ConfigError` where there is none or it is no key.
        """
        text = os.environ.get(ENVIRONMENT)
        source = ENVIRONMENT
        if text is None:
            path = folder / FILE
            source = str(path)
            if not path.exists():
                if not create:
                    raise ConfigError(f"the head-end's key is neither in {ENVIRONMENT} nor in {path}")
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(os.urandom(_KEY_OCTETS).hex() + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            text = path.read_text("ascii", errors="replace")
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            raise ConfigError(f"{source} holds something else than hex digits") from None
        return cls(key)

    def seal(self, secret: bytes, context: str) -> bytes:
        """Return the secret sealed."""
        nonce = os.urandom(_NONCE_OCTETS)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Return the secret."""
        nonce, body = sealed[1 : 1 + _NONCE_OCTETS], sealed[1 + _NONCE_OCTETS :]
        try:
            if sealed[:1] != _FORMAT:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, context.encode())
        except (InvalidTag, ValueError):
            raise SecurityError(f"the key {context} does not open: the head-end's key is another") from None


class KeyStore:
    """The keys of the devices. Methods take the connection of the caller's transaction."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def put(
        self,
        connection: Connection,
        device: int,
        secrets: Mapping[Purpose, bytes],
        now: int,
        state: KeyState = KeyState.ACTIVE,
    ) -> None:
        """Keep secrets. What was in that state before expires."""
        for purpose, secret in secrets.items():
            self._expire(connection, device, purpose, state, now)
            sealed = self._sealer.seal(secret, _context(device, purpose))
            row = {"device": device, "purpose": purpose, "state": state, "sealed": sealed}
            connection.execute(insert(device_key), {**row, "created": now, "changed": now})

    def promote(self, connection: Connection, device: int, now: int) -> None:
        """Make the new keys of a device its active ones: it has proved to have them."""
        for purpose in self.held(connection, device, KeyState.NEW):
            self._expire(connection, device, purpose, KeyState.ACTIVE, now)
            chosen = self._where(device, purpose, KeyState.NEW)
            connection.execute(update(device_key).where(*chosen).values(state=KeyState.ACTIVE, changed=now))

    def withdraw(self, connection: Connection, device: int, now: int) -> None:
        """Give up the new keys of a device: it has proved not to have them."""
        for purpose in self.held(connection, device, KeyState.NEW):
            self._expire(connection, device, purpose, KeyState.NEW, now)

    def held(self, connection: Connection, device: int, state: KeyState = KeyState.ACTIVE) -> tuple[Purpose, ...]:
        """Return what there are keys for; tells nothing of them."""
        query = select(device_key.c.purpose).where(device_key.c.device == device, device_key.c.state == state)
        return tuple(sorted(Purpose(purpose) for (purpose,) in connection.execute(query)))

    def secrets(
        self, connection: Connection, devices: list[int], state: KeyState = KeyState.ACTIVE
    ) -> dict[int, dict[Purpose, bytes]]:
        """Return the opened secrets of devices. Raises `SecurityError` where one does not open."""
        found: dict[int, dict[Purpose, bytes]] = {device: {} for device in devices}
        for start in range(0, len(devices), 500):
            query = select(device_key.c.device, device_key.c.purpose, device_key.c.sealed).where(
                device_key.c.device.in_(devices[start : start + 500]), device_key.c.state == state
            )
            for device, purpose, sealed in connection.execute(query):
                found[device][Purpose(purpose)] = self._sealer.unseal(sealed, _context(device, purpose))
        return found

    def _expire(self, connection: Connection, device: int, purpose: Purpose, state: KeyState, now: int) -> None:
        chosen = self._where(device, purpose, state)
        connection.execute(update(device_key).where(*chosen).values(state=KeyState.EXPIRED, changed=now))

    def _where(self, device: int, purpose: Purpose, state: KeyState) -> tuple[ColumnElement[bool], ...]:
        return (device_key.c.device == device, device_key.c.purpose == purpose, device_key.c.state == state)


def _context(device: int, purpose: str) -> str:
    return f"device {device} {purpose}"


def device_keys(
    name: str, secrets: Mapping[Purpose, bytes], *, system_title: bytes | None, client_system_title: bytes | None
) -> DeviceKeys:
    """Return what the client needs to speak to a device."""
    keys = Keys(
        global_unicast_encryption_key=secrets.get(Purpose.UNICAST),
        authentication_key=secrets.get(Purpose.AUTHENTICATION),
        global_broadcast_encryption_key=secrets.get(Purpose.BROADCAST),
        master_key=secrets.get(Purpose.MASTER),
    )
    return DeviceKeys(
        name,
        keys,
        system_title=system_title,
        client_system_title=client_system_title,
        password=secrets.get(Purpose.PASSWORD),
        hls_secret=secrets.get(Purpose.HLS_SECRET),
    )
