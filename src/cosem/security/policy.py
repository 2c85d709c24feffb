"""What protection an association demands of requests and responses (class 64, attribute security_policy)."""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import ConfigError, PolicyViolation
from cosem.security.control import AUTHENTICATED, ENCRYPTED

_V1_BITS = ((0x04, AUTHENTICATED), (0x08, ENCRYPTED)), ((0x20, AUTHENTICATED), (0x40, ENCRYPTED))
_SIGNED = 0x10 | 0x80
_UNUSED = 0x03


class Policy(NamedTuple):
    """Security control bits (10h authenticated, 20h encrypted) that requests and responses need at least."""

    request: int = 0
    response: int = 0

    @classmethod
    def from_v0(cls, value: int) -> Policy:
        """Read security_policy of class 64 version 0: 0 nothing, 1 authenticated, 2 encrypted, 3 both."""
        if not 0 <= value <= 3:
            raise ConfigError(f"security policy {value} is none of 0 to 3")
        bits = (AUTHENTICATED if value & 1 else 0) | (ENCRYPTED if value & 2 else 0)
        return cls(bits, bits)

    @classmethod
    def from_v1(cls, value: int) -> Policy:
        """Read security_policy of class 64 version 1, the same bits as access rights of class 15 version 3.

        Digital signatures belong to suites 1 and 2 and are refused here.
        """
        if value & _SIGNED:
            raise ConfigError("digital signatures are not part of suite 0")
        if value & _UNUSED or not 0 <= value <= 0xFF:
            raise ConfigError(f"security policy {value:#x} sets bits that mean nothing")
        request, response = (sum(control for bit, control in side if value & bit) for side in _V1_BITS)
        return cls(request, response)

    def union(self, access_bits: int) -> Policy:
        """Return this policy with the demands of one access right added (mask of class 15 version 3).

        Raises `PolicyViolation` where the right demands a digital signature, which suite 0 has not.
        """
        if access_bits & _SIGNED:
            raise PolicyViolation("the access right demands a digital signature, which suite 0 has not")
        if not access_bits & 0xFC:
            return self
        request, response = (sum(control for bit, control in side if access_bits & bit) for side in _V1_BITS)
        return Policy(self.request | request, self.response | response)

    def satisfied_by(self, control: int, *, request: bool) -> bool:
        """Whether an APDU protected as `control` says has what is demanded; more is always fine."""
        needed = self.request if request else self.response
        return control & needed == needed

    def request_control(self, suite: int = 0) -> int:
        """Return the security control octet a request needs at least."""
        return self.request | suite

    def response_control(self, suite: int = 0) -> int:
        """Return the security control octet a response needs at least."""
        return self.response | suite


NOTHING = Policy()
BOTH = Policy.from_v0(3)
