"""Communication port protection (class 124): locks a port after failed attempts."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    trigger,
    unsigned,
)


class ProtectionMode(OpenEnum):
    """Whether the port is locked at all."""

    LOCKED = 0
    LOCKED_ON_FAILED_ATTEMPTS = 1
    UNLOCKED = 2


class ProtectionStatus(OpenEnum):
    """Whether the port is locked now."""

    UNLOCKED = 0
    TEMPORARILY_LOCKED = 1
    LOCKED = 2


class CommunicationPortProtection(InterfaceClass[S], class_id=124, version=0):
    """Lockout times that grow with every failure (Blue Book ed. 13)."""

    protection_mode = attribute(2, enum(ProtectionMode), "whether the port is locked at all", static=True)
    allowed_failed_attempts = attribute(3, long_unsigned, "failures before the port is locked", static=True)
    initial_lockout_time = attribute(4, double_long_unsigned, "seconds of the first lockout", static=True)
    steepness_factor = attribute(5, unsigned, "how the lockout time grows with each failure", static=True)
    max_lockout_time = attribute(6, double_long_unsigned, "seconds of a lockout at most", static=True)
    port_reference = attribute(7, octet_string(), "logical name of the port's setup object", static=True)
    protection_status = attribute(8, enum(ProtectionStatus), "whether the port is locked now")
    failed_attempts = attribute(9, double_long_unsigned, "failures since the last success or reset", default=0)
    cumulative_failed_attempts = attribute(10, double_long_unsigned, "failures since the last reset", default=0)

    reset = method(1, trigger, "sets the counters to 0 and unlocks", sn_offset=0x50)
