"""The conformance block: which services an association may use (Green Book ed. 9, 9.4.6.1).

24 bits; bit 0 of the standard is the leftmost one, so its mask is 800000h.
"""

from __future__ import annotations

from enum import IntFlag


class Conformance(IntFlag):
    """A set of services. The wire holds its value as three octets, most significant first."""

    RESERVED_ZERO = 0x800000
    GENERAL_PROTECTION = 0x400000
    GENERAL_BLOCK_TRANSFER = 0x200000
    READ = 0x100000
    WRITE = 0x080000
    UNCONFIRMED_WRITE = 0x040000
    RESERVED_SIX = 0x020000  # delta-value-encoding in newer editions
    RESERVED_SEVEN = 0x010000
    ATTRIBUTE0_SUPPORTED_WITH_SET = 0x008000
    PRIORITY_MGMT_SUPPORTED = 0x004000
    ATTRIBUTE0_SUPPORTED_WITH_GET = 0x002000
    BLOCK_TRANSFER_WITH_GET_OR_READ = 0x001000
    BLOCK_TRANSFER_WITH_SET_OR_WRITE = 0x000800
    BLOCK_TRANSFER_WITH_ACTION = 0x000400
    MULTIPLE_REFERENCES = 0x000200
    INFORMATION_REPORT = 0x000100
    DATA_NOTIFICATION = 0x000080
    ACCESS = 0x000040
    PARAMETERIZED_ACCESS = 0x000020
    GET = 0x000010
    SET = 0x000008
    SELECTIVE_ACCESS = 0x000004
    EVENT_NOTIFICATION = 0x000002
    ACTION = 0x000001

    @property
    def names(self) -> tuple[str, ...]:
        """Return the standard's names of the bits that are set, leftmost first."""
        return tuple(
            (member.name or "").lower().replace("_", "-")
            for member in sorted(Conformance, key=lambda m: -m.value)
            if member.value & self.value
        )


LN_CORE = (
    Conformance.PRIORITY_MGMT_SUPPORTED
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""What every client asks for with logical names: the services that meters have had from the beginning."""

LN_ALL = LN_CORE | Conformance.GENERAL_BLOCK_TRANSFER | Conformance.DATA_NOTIFICATION | Conformance.ACCESS
"""Everything this library speaks with logical names."""

SN_CORE = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.INFORMATION_REPORT
    | Conformance.PARAMETERIZED_ACCESS
)
"""What every client asks for with short names: the services that meters have had from the beginning."""

SN_ALL = SN_CORE | Conformance.GENERAL_BLOCK_TRANSFER
"""Everything this library speaks with short names."""
