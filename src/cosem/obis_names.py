"""What the value groups of an OBIS code name, in short words (Blue Book ed. 9, part 1: clauses 5 to 7)."""

from __future__ import annotations

from typing import Final

from cosem.obis import Obis

ABSTRACT: Final = 0
ELECTRICITY: Final = 1
GAS: Final = 7

MEDIA: Final = {
    0: "abstract",
    1: "electricity",
    4: "heat cost allocation",
    5: "cooling",
    6: "heat",
    7: "gas",
    8: "cold water",
    9: "hot water",
    15: "other media",
}

NOT_KNOWN: Final = "reserved or not known"

_ABSTRACT_C: Final = {
    0: "general",
    1: "clock",
    2: "modem",
    10: "script table",
    11: "special days",
    12: "schedule",
    13: "activity calendar",
    14: "register activation",
    15: "single action schedule",
    16: "register monitor",
    17: "limiter",
    19: "payment",
    20: "local port",
    21: "standard readout",
    22: "HDLC set-up",
    23: "twisted pair",
    24: "M-Bus",
    25: "internet and push",
    26: "S-FSK power line",
    27: "LLC set-up",
    28: "PRIME power line",
    29: "G3 power line",
    30: "ZigBee",
    31: "wireless M-Bus",
    40: "association",
    41: "SAP assignment",
    42: "logical device name",
    43: "security",
    44: "image transfer",
    65: "utility tables",
    66: "compact data",
}

_SERVICE_C: Final = {
    94: "country specific",
    96: "service",
    97: "errors and alarms",
    98: "list",
    99: "profile",
}
"""Values of group C with the same meaning for every medium."""

_ELECTRICITY_QUANTITIES: Final = {
    1: "active power import",
    2: "active power export",
    3: "reactive power import",
    4: "reactive power export",
    5: "reactive power quadrant I",
    6: "reactive power quadrant II",
    7: "reactive power quadrant III",
    8: "reactive power quadrant IV",
    9: "apparent power import",
    10: "apparent power export",
    11: "current",
    12: "voltage",
    13: "power factor",
    14: "frequency",
    15: "active power import + export",
    16: "active power import - export",
    17: "active power quadrant I",
    18: "active power quadrant II",
    19: "active power quadrant III",
    20: "active power quadrant IV",
}
"""Group C 1 to 20 for all phases together; 21 to 40, 41 to 60 and 61 to 80 are the same of one phase."""

_ELECTRICITY_C: Final = {
    0: "general",
    81: "angles",
    82: "unitless quantity",
    83: "losses",
    84: "power factor export",
    85: "power factor export L1",
    86: "power factor export L2",
    87: "power factor export L3",
    88: "ampere-squared hours",
    89: "volt-squared hours",
    90: "current, sum of phases",
    91: "current in the neutral",
    92: "voltage of the neutral",
}

_ELECTRICITY_D: Final = {
    0: "average of the billing period",
    7: "instantaneous",
    8: "time integral 1 (total)",
    9: "time integral 2 (billing period)",
    10: "time integral 3",
    27: "current average 5",
    28: "current average 6",
    29: "time integral 5 (load profile period 1)",
    30: "time integral 6 (load profile period 2)",
    31: "under limit: threshold",
    32: "under limit: occurrences",
    33: "under limit: duration",
    34: "under limit: magnitude",
    35: "over limit: threshold",
    36: "over limit: occurrences",
    37: "over limit: duration",
    38: "over limit: magnitude",
    39: "missing: threshold",
    40: "missing: occurrences",
    41: "missing: duration",
    42: "missing: magnitude",
    43: "under limit: time threshold",
    44: "over limit: time threshold",
    45: "missing: time threshold",
    55: "test average",
    58: "time integral 4 (test)",
}

_PERIOD_D: Final = (
    "cumulative minimum", "cumulative maximum", "minimum", "current average", "last average", "maximum"
)  # fmt: skip
"""Group D 1 to 6, 11 to 16 and 21 to 26: of measurement period 1, 2 and 3."""

_GAS_C: Final = {
    0: "general",
    41: "temperature",
    42: "absolute pressure",
    43: "flow rate",
    44: "velocity of sound",
    45: "density",
    46: "relative density",
    47: "gauge pressure",
    48: "differential pressure",
    49: "density of air",
    51: "correction factor",
    52: "conversion factor",
    53: "compressibility factor",
    54: "superior calorific value",
    70: "gas analysis",
}
_GAS_COUNTED: Final = {0: "meter", 1: "converter", 2: "logger", 3: "energy"}
_GAS_KINDS: Final = (
    "forward undisturbed", "forward disturbed", "forward absolute", "reverse undisturbed", "reverse disturbed",
    "reverse absolute",
)  # fmt: skip

_HEAT_C: Final = {
    0: "general",
    1: "energy",
    2: "volume",
    3: "mass",
    4: "flow volume",
    5: "flow mass",
    6: "return volume",
    7: "return mass",
    8: "flow rate",
    9: "power",
    10: "flow temperature",
    11: "return temperature",
    12: "differential temperature",
    13: "pressure",
}
_WATER_C: Final = {0: "general", 1: "volume", 2: "flow rate", 3: "temperature"}
_OTHER_C: Final = {4: {0: "general", 1: "consumption"}, 5: _HEAT_C, 6: _HEAT_C, 8: _WATER_C, 9: _WATER_C}

_ABSTRACT_D: Final = {
    (0, 1): "billing period",
    (0, 2): "program and firmware",
    (24, 0): "slave port",
    (24, 1): "client",
    (24, 2): "value",
    (24, 3): "profile",
    (24, 4): "disconnect control",
    (24, 5): "control log",
    (24, 6): "master port",
    (25, 0): "TCP-UDP",
    (25, 1): "IPv4",
    (25, 2): "MAC address",
    (25, 3): "PPP",
    (25, 4): "GPRS modem",
    (25, 5): "SMTP",
    (25, 6): "GSM diagnostic",
    (25, 7): "IPv6",
    (25, 9): "push",
    (43, 0): "security set-up",
    (43, 1): "invocation counter",
    (96, 1): "device identification",
    (96, 2): "parameter changes",
    (96, 3): "input, output and disconnection",
    (96, 4): "internal control signals",
    (96, 5): "internal operating status",
    (96, 6): "battery",
    (96, 7): "power failures",
    (96, 8): "operating time",
    (96, 9): "environment",
    (96, 10): "status register",
    (96, 11): "event code",
    (96, 12): "communication port",
    (96, 13): "consumer message",
    (96, 14): "active tariff",
    (96, 15): "event counter",
    (96, 20): "fraud detection",
    (97, 97): "errors",
    (97, 98): "alarms",
    (98, 1): "billing data",
    (99, 1): "load profile 1",
    (99, 2): "load profile 2",
    (99, 97): "power failure log",
    (99, 98): "event log",
}
"""Group D where C says what it is of, for every medium from C = 94 on."""


def describe_groups(code: Obis) -> list[tuple[str, int, str]]:
    """Return letter, value and short words of the value groups A to F.

    Reserved, utility and manufacturer specific values are named as such, never guessed.
    """
    a, b, c, d, e, f = code
    return [
        ("A", a, MEDIA.get(a, NOT_KNOWN)),
        ("B", b, _channel(b)),
        ("C", c, _quantity(a, c)),
        ("D", d, _processing(a, c, d)),
        ("E", e, _classification(a, c, d, e)),
        ("F", f, _storage(f)),
    ]


def _channel(b: int) -> str:
    if b == 0:
        return "no channel"
    if b <= 64:
        return f"channel {b}"
    if b <= 127:
        return "utility specific"
    return "manufacturer specific" if b <= 199 else NOT_KNOWN


def _manufacturer(value: int) -> bool:
    return 128 <= value <= 199 or value == 240


def _quantity(a: int, c: int) -> str:
    if c in _SERVICE_C:
        return _SERVICE_C[c]
    if c == 93:
        return "consortia specific"
    if _manufacturer(c):
        return "manufacturer specific"
    if a == ABSTRACT:
        return _ABSTRACT_C.get(c, NOT_KNOWN)
    if a == ELECTRICITY:
        if 1 <= c <= 80:
            phase = (c - 1) // 20
            return _ELECTRICITY_QUANTITIES[(c - 1) % 20 + 1] + (f" L{phase}" if phase else "")
        return _ELECTRICITY_C.get(c, NOT_KNOWN)
    if a == GAS:
        tens, kind = divmod(c, 10)
        if tens in _GAS_COUNTED and 1 <= kind <= 6:
            return f"{_GAS_COUNTED[tens]}{'' if tens == 3 else ' volume'}, {_GAS_KINDS[kind - 1]}"
        return _GAS_C.get(c, NOT_KNOWN)
    return _OTHER_C.get(a, {}).get(c, NOT_KNOWN)


def _processing(a: int, c: int, d: int) -> str:
    if a == ABSTRACT or c in _SERVICE_C:
        if words := _ABSTRACT_D.get((c, d)):
            return words
    elif a == ELECTRICITY and c not in (0, 93):
        period, kind = divmod(d, 10)
        if d in _ELECTRICITY_D:
            return _ELECTRICITY_D[d]
        if period <= 2 and 1 <= kind <= 6:
            return f"{_PERIOD_D[kind - 1]} {period + 1}"
    if _manufacturer(d):
        return "manufacturer specific"
    return f"number {d}" if a == ABSTRACT or c in _SERVICE_C or c == 0 else f"processing {d}"


def _classification(a: int, c: int, d: int, e: int) -> str:
    if 128 <= e <= 254:
        return "manufacturer specific"
    if a == ELECTRICITY and c not in (0, 81, 82, 83) and c not in _SERVICE_C:
        if d == 7 and (c - 1) % 20 + 1 in (11, 12) and c <= 80 and e:
            return "total harmonic distortion" if e == 124 else f"harmonic {e}" if e < 120 else NOT_KNOWN
        return "total" if e == 0 else f"rate {e}" if e <= 63 else NOT_KNOWN
    if a not in (ABSTRACT, ELECTRICITY) and c not in _SERVICE_C and c:
        return "total" if e == 0 else f"rate or item {e}"
    return f"number {e}"


def _storage(f: int) -> str:
    if f == 255:
        return "current value"
    if f <= 99:
        return f"billing period {f}"
    if 101 <= f <= 125:
        return "last billing period" if f == 101 else f"billing period {f - 100} back"
    return "billing periods, number unspecified" if f == 126 else NOT_KNOWN
