"""The keys of one association. They are never shown."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from cosem.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Keys:
    """Symmetric keys, 16 octets each (suite 0 and 1; 32 in suite 2), or None where not given.

    The repr says which keys are there, never what they are.
    """

    global_unicast_encryption_key: bytes | None = field(default=None, repr=False)
    authentication_key: bytes | None = field(default=None, repr=False)
    global_broadcast_encryption_key: bytes | None = field(default=None, repr=False)
    dedicated_key: bytes | None = field(default=None, repr=False)
    master_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            key = getattr(self, item.name)
            if key is not None and len(key) not in (16, 32):
                raise ConfigError(f"{item.name} has {len(key)} octets, not 16 (or 32 in suite 2)")

    def __repr__(self) -> str:
        given = ", ".join(item.name for item in fields(self) if getattr(self, item.name) is not None)
        return f"<Keys: {given or 'none'}>"
