"""MAC addresses of a power line, 12 bits (IEC 61334-5-1, 4.3.7), and who has which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosem.errors import ConfigError

NO_BODY: Final = 0x000
"""No initiator: a station that is locked to none."""
ALL_CONFIGURED: Final = 0xFFC
"""Every station that has an address of its own. The value is from memory of the standard, seen in no source."""
NEW: Final = 0xFFE
"""A station that has no address yet."""
ALL_PHYSICAL: Final = 0xFFF
"""Every station, whether it has an address or not."""
MAX_ADDRESS: Final = 0xFFF
_LAST_GROUP: Final = 0xFFB


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Where the addresses of initiators lie (FIMA to LIMA); below are servers, above groups.

    C00 as the first one is the default of modems; DFF as the last is from memory of the standard. Both may be set.
    """

    first_initiator: int = 0xC00
    last_initiator: int = 0xDFF

    def __post_init__(self) -> None:
        if not 1 < self.first_initiator <= self.last_initiator <= _LAST_GROUP:
            raise ConfigError(
                f"initiators from {self.first_initiator:03X} to {self.last_initiator:03X}: "
                f"they lie between the servers (from 001) and {_LAST_GROUP:03X}"
            )

    def is_initiator(self, address: int) -> bool:
        """Whether `address` is that of an initiator."""
        return self.first_initiator <= address <= self.last_initiator

    def is_server(self, address: int) -> bool:
        """Whether `address` is one that a registered server can have."""
        return 0 < address < self.first_initiator

    def is_group(self, address: int) -> bool:
        """Whether `address` is one of a group of servers."""
        return self.last_initiator < address <= _LAST_GROUP

    def words(self, address: int) -> str:
        """Return what kind of address this is, in words."""
        if address in _WORDS:
            return _WORDS[address]
        if self.is_initiator(address):
            return "initiator"
        return "server" if self.is_server(address) else "group" if self.is_group(address) else "reserved"


_WORDS: Final = {NO_BODY: "nobody", ALL_CONFIGURED: "all configured", NEW: "new", ALL_PHYSICAL: "all physical"}
