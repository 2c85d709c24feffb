"""The security control octet (Green Book ed. 9, 9.2.7.2.4.1)."""

from __future__ import annotations

AUTHENTICATED = 0x10
ENCRYPTED = 0x20
BROADCAST = 0x40
COMPRESSED = 0x80
AUTHENTICATED_ENCRYPTED = AUTHENTICATED | ENCRYPTED


class SecurityControl(int):
    """Suite in bits 0 to 3, then authentication, encryption, broadcast key set, compression."""

    __slots__ = ()

    @property
    def suite(self) -> int:
        """Return the security suite id."""
        return self & 0x0F

    @property
    def authenticated(self) -> bool:
        """Whether a tag follows the text."""
        return bool(self & AUTHENTICATED)

    @property
    def encrypted(self) -> bool:
        """Whether the text is enciphered."""
        return bool(self & ENCRYPTED)

    @property
    def broadcast(self) -> bool:
        """Whether the broadcast key set is meant; says nothing under a dedicated key."""
        return bool(self & BROADCAST)

    @property
    def compressed(self) -> bool:
        """Whether the plain text was compressed."""
        return bool(self & COMPRESSED)

    @property
    def protection(self) -> int:
        """Return the bits of authentication and encryption alone."""
        return self & AUTHENTICATED_ENCRYPTED

    def __repr__(self) -> str:
        return f"SecurityControl(0x{int(self):02X})"
