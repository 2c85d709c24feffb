"""What VIFs and VIFEs mean: the primary table, its extensions FBh, FDh and EFh, combinable VIFEs, record errors.

EN 13757-3:2018, Tables 10 to 18. A line is the first code, how many codes it stands for, the quantity, the unit
without a prefix, and the power of ten of the first code, which grows by one from code to code. Durations go through
the units in order. What is absent is reserved.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from cosem.units import Unit


class Kind(Enum):
    """How the octets of a value are to be read where the data field leaves it open."""

    SIGNED = "signed"  # type B
    UNSIGNED = "unsigned"  # type C
    BITS = "bits"  # type D
    MOMENT = "moment"  # F, G, I, J, M by the size
    DAYLIGHT_SAVING = "daylight saving"  # K
    LISTENING_WINDOW = "listening window"  # L
    OCTETS = "octets"  # a container, in the order of the line


class Meaning(NamedTuple):
    """What one code says: the value is raw times `factor` times 10 to the power of `exponent`, in `unit`."""

    quantity: str
    unit: str = ""
    exponent: int = 0
    kind: Kind = Kind.SIGNED
    factor: int = 1


Line: TypeAlias = (
    tuple[int, int, str, str, int] | tuple[int, int, str, str, int, Kind] | tuple[int, tuple[Meaning, ...]]
)

SECONDS_TO_DAYS: Final = ("s", "min", "h", "d")
HOURS_TO_YEARS: Final = ("h", "d", "mo", "a")


def _durations(quantity: str, kind: Kind, units: tuple[str, ...] = SECONDS_TO_DAYS) -> tuple[Meaning, ...]:
    return tuple(Meaning(quantity, unit, 0, kind) for unit in units)


def _table(*lines: Line) -> dict[int, Meaning]:
    table: dict[int, Meaning] = {}
    for line in lines:
        if len(line) == 2:
            table |= {line[0] + place: meaning for place, meaning in enumerate(line[1])}
            continue
        first, count, quantity, unit, exponent = line[:5]
        kind = line[5] if len(line) == 6 else Kind.SIGNED
        table |= {first + n: Meaning(quantity, unit, exponent + n, kind) for n in range(count)}
    return table


def _plain(first: int, kind: Kind, *quantities: str) -> Line:
    return first, tuple(Meaning(quantity, "", 0, kind) for quantity in quantities)


RESERVED: Final = Meaning("unknown")
ANY: Final = Meaning("any")
MANUFACTURER: Final = Meaning("manufacturer specific")

PRIMARY: Final = _table(
    (0x00, 8, "energy", "Wh", -3),
    (0x08, 8, "energy", "J", 0),
    (0x10, 8, "volume", "m³", -6),
    (0x18, 8, "mass", "kg", -3),
    (0x20, _durations("on time", Kind.SIGNED)),
    (0x24, _durations("operating time", Kind.SIGNED)),
    (0x28, 8, "power", "W", -3),
    (0x30, 8, "power", "J/h", 0),
    (0x38, 8, "volume flow", "m³/h", -6),
    (0x40, 8, "volume flow", "m³/min", -7),
    (0x48, 8, "volume flow", "m³/s", -9),
    (0x50, 8, "mass flow", "kg/h", -3),
    (0x58, 4, "flow temperature", "°C", -3),
    (0x5C, 4, "return temperature", "°C", -3),
    (0x60, 4, "temperature difference", "K", -3),
    (0x64, 4, "external temperature", "°C", -3),
    (0x68, 4, "pressure", "bar", -3),
    _plain(0x6C, Kind.MOMENT, "date", "date and time"),
    (0x6E, 1, "units for heat cost allocator", "HCA", 0),
    (0x70, _durations("averaging duration", Kind.SIGNED)),
    (0x74, _durations("actuality duration", Kind.SIGNED)),
    _plain(0x78, Kind.UNSIGNED, "fabrication number", "enhanced identification", "address"),
)

FIRST_EXTENSION: Final = _table(
    (0x00, 2, "energy", "Wh", 5),
    (0x02, 2, "reactive energy", "varh", 3),
    (0x04, 2, "apparent energy", "VAh", 3),
    (0x06, 1, "coefficient of performance", "", -1),  # later than 2018
    (0x08, 2, "energy", "J", 8),
    (0x0C, 4, "energy", "cal", 5),
    (0x10, 2, "volume", "m³", 2),
    (0x14, 4, "reactive power", "var", 0),
    (0x18, 2, "mass", "kg", 5),
    (0x1A, 2, "relative humidity", "%", -1),
    (0x20, 1, "volume", "ft³", 0),
    (0x21, 1, "volume", "ft³", -1),
    # 22h to 26h as they were until 2004: meters with gallons are still about, and nothing else uses the codes but a
    # phase angle in 23h, which is newer than the edition at hand.
    (0x22, 2, "volume", "gal(US)", -1),
    (0x24, 1, "volume flow", "gal(US)/min", -3),
    (0x25, 1, "volume flow", "gal(US)/min", 0),
    (0x26, 1, "volume flow", "gal(US)/h", 0),
    (0x28, 2, "power", "W", 5),
    (0x2A, 1, "phase of voltage to voltage", "°", -1),
    (0x2B, 1, "phase of voltage to current", "°", -1),
    (0x2C, 4, "frequency", "Hz", -3),
    (0x30, 2, "power", "J/h", 8),
    (0x34, 4, "apparent power", "VA", 0),
    # Degrees Fahrenheit: until 2004, too.
    (0x58, 4, "flow temperature", "°F", -3),
    (0x5C, 4, "return temperature", "°F", -3),
    (0x60, 4, "temperature difference", "°F", -3),
    (0x64, 4, "external temperature", "°F", -3),
    # The factors of heat cost allocators count in 2**-12, which is 244140625 * 10**-12.
    (0x68, (Meaning("resulting rating factor", "HCA", -12, Kind.UNSIGNED, 244140625),)),
    (0x69, (Meaning("thermal output rating factor", "W", 0, Kind.UNSIGNED),)),
    (
        0x6A,
        tuple(
            Meaning(quantity, "", -12, Kind.UNSIGNED, 244140625)
            for quantity in (
                "thermal coupling rating factor (overall)",
                "thermal coupling rating factor (room side)",
                "thermal coupling rating factor (heater side)",
                "low temperature rating factor",
                "display output scaling factor",
            )
        ),
    ),
    (0x70, 4, "cold or warm temperature limit", "°F", -3),
    (0x74, 4, "cold or warm temperature limit", "°C", -3),
    (0x78, 8, "cumulative maximum of active power", "W", -3),
)

SECOND_EXTENSION: Final = _table(
    (0x00, 4, "credit", "currency", -3),
    (0x04, 4, "debit", "currency", -3),
    _plain(
        0x08,
        Kind.UNSIGNED,
        "access number",
        "device type",
        "manufacturer",
        "parameter set identification",
        "model version",
        "hardware version",
        "firmware version",
        "software version",
        "customer location",
        "customer",
        "access code of the user",
        "access code of the operator",
        "access code of the system operator",
        "access code of the developer",
        "password",
    ),
    _plain(0x17, Kind.BITS, "error flags", "error mask"),
    _plain(0x19, Kind.UNSIGNED, "security key"),
    _plain(0x1A, Kind.BITS, "digital output", "digital input"),
    (0x1C, 1, "baud rate", "Bd", 0, Kind.UNSIGNED),
    (0x1D, 1, "response delay time", "bit times", 0, Kind.UNSIGNED),
    _plain(0x1E, Kind.UNSIGNED, "retry", "remote control", "first storage number", "last storage number"),
    _plain(0x22, Kind.UNSIGNED, "size of storage block", "descriptor for tariff and subunit"),
    (0x24, _durations("storage interval", Kind.UNSIGNED, ("s", "min", "h", "d", "mo", "a"))),
    _plain(0x2A, Kind.SIGNED, "operator specific data"),
    (0x2B, 1, "time point", "s", 0, Kind.UNSIGNED),
    (0x2C, _durations("duration since last readout", Kind.UNSIGNED)),
    _plain(0x30, Kind.MOMENT, "start of tariff"),
    (0x31, _durations("duration of tariff", Kind.UNSIGNED, ("min", "h", "d"))),
    (0x34, _durations("period of tariff", Kind.UNSIGNED, ("s", "min", "h", "d", "mo", "a"))),
    _plain(0x3A, Kind.SIGNED, "dimensionless"),
    _plain(0x3B, Kind.OCTETS, "wireless container"),
    (0x3C, _durations("period of nominal transmissions", Kind.UNSIGNED)),
    (0x40, 16, "voltage", "V", -9),
    (0x50, 16, "current", "A", -12),
    _plain(0x60, Kind.SIGNED, "reset counter", "cumulation counter", "control signal", "day of week", "week number"),
    _plain(0x65, Kind.MOMENT, "time point of day change"),
    _plain(0x66, Kind.UNSIGNED, "state of parameter activation", "special supplier information"),
    (0x68, _durations("duration since last cumulation", Kind.UNSIGNED, HOURS_TO_YEARS)),
    (0x6C, _durations("operating time of battery", Kind.UNSIGNED, HOURS_TO_YEARS)),
    _plain(0x70, Kind.MOMENT, "date and time of battery change"),
    (0x71, 1, "RF level", "dBm", 0),
    _plain(0x72, Kind.DAYLIGHT_SAVING, "daylight saving"),
    _plain(0x73, Kind.LISTENING_WINDOW, "listening window management"),
    (0x74, 1, "remaining battery lifetime", "d", 0, Kind.UNSIGNED),
    _plain(0x75, Kind.UNSIGNED, "number of times the meter was stopped"),
    _plain(0x76, Kind.OCTETS, "manufacturer container"),
)

FURTHER_SECOND_EXTENSION: Final = _table(
    # FDh FDh, later than 2018: one public implementation has these four.
    _plain(0x00, Kind.UNSIGNED, "currently selected application"),
    (0x02, _durations("remaining battery lifetime", Kind.UNSIGNED, ("mo", "a"))),
    (0x3E, 1, "moisture level", "%", 0),
)

THIRD_EXTENSION: Final[dict[int, Meaning]] = {}
"""EFh: the structure is given, every code of it is reserved."""

FIRST, SECOND, THIRD, FURTHER = 0xFB, 0xFD, 0xEF, 0x7D
PLAIN_TEXT, ANY_VIF, MANUFACTURER_VIF = 0x7C, 0x7E, 0x7F
EXTENSIONS: Final = {FIRST: FIRST_EXTENSION, SECOND: SECOND_EXTENSION, THIRD: THIRD_EXTENSION}

# --- combinable VIFEs (Tables 15 and 16) --------------------------------------------------------------------------

AVERAGE: Final = 0x12
INVERSE_PROFILE, REGISTER_PROFILE, PROFILE = 0x13, 0x1E, 0x1F
PER: Final = dict(
    enumerate(("s", "min", "h", "d", "wk", "mo", "a", "revolution", "input pulse 0", "input pulse 1"), start=0x20)
) | dict(
    enumerate(
        ("output pulse 0", "output pulse 1", "l", "m³", "kg", "K", "kWh", "GJ", "kW", "(K·l)", "V", "A"), start=0x2A
    )
)
"""The unit is divided by this."""
TIMES: Final = {0x36: "s", 0x37: "s/V", 0x38: "s/A"}
"""The unit is multiplied by this."""
START_OF: Final = 0x39
NON_METRIC, AT_BASE_CONDITIONS = 0x3D, 0x3E
MANUFACTURER_VIFE, COMBINABLE_EXTENSION, TIMES_THOUSAND = 0x7F, 0x7C, 0x7D
TYPE_C, TYPE_D = 0x11, 0x12

QUALIFIERS: Final[dict[int, str]] = {
    AVERAGE: "average",
    INVERSE_PROFILE: "inverse compact profile",
    0x14: "relative deviation",
    0x1D: "standard conform",
    REGISTER_PROFILE: "compact profile with register numbers",
    PROFILE: "compact profile",
    START_OF: "start of",
    0x3A: "uncorrected",
    0x3B: "forward flow",
    0x3C: "backward flow",
    NON_METRIC: "not metric",
    AT_BASE_CONDITIONS: "at base conditions",
    0x3F: "OBIS declaration",
    0x40: "lower limit",
    0x41: "number of exceeds of lower limit",
    0x48: "upper limit",
    0x49: "number of exceeds of upper limit",
    0x68: "during lower limit exceed",
    0x6C: "during upper limit exceed",
    0x69: "leakage",
    0x6D: "overflow",
    0x7E: "future",
}
"""What a combinable VIFE adds to the quantity. Those that stand for a moment or a duration are added below."""
COUNTS: Final = frozenset((0x41, 0x49))
"""The value is a number of times."""
MOMENTS: Final[set[int]] = {START_OF}
"""The value is a moment."""
DURATIONS: Final[dict[int, str]] = {}
"""The value is a duration in this unit."""

for _upper, _limit in enumerate(("lower", "upper")):
    for _last, _which in enumerate(("first", "last")):
        for _end, _point in enumerate(("begin", "end")):
            _code = 0x42 | _upper << 3 | _last << 2 | _end
            QUALIFIERS[_code] = f"{_point} of {_which} {_limit} limit exceed"
            MOMENTS.add(_code)
        for _place, _unit in enumerate(SECONDS_TO_DAYS):
            _code = 0x50 | _upper << 3 | _last << 2 | _place
            QUALIFIERS[_code] = f"duration of {_which} {_limit} limit exceed"
            DURATIONS[_code] = _unit
for _last, _which in enumerate(("first", "last")):
    for _place, _unit in enumerate(SECONDS_TO_DAYS):
        QUALIFIERS[0x60 | _last << 2 | _place] = f"duration of {_which}"
        DURATIONS[0x60 | _last << 2 | _place] = _unit
    for _end, _point in enumerate(("begin", "end")):
        QUALIFIERS[0x6A | _last << 2 | _end] = f"{_point} of {_which}"
        MOMENTS.add(0x6A | _last << 2 | _end)
del _upper, _limit, _last, _which, _end, _point, _place, _unit, _code

FURTHER_QUALIFIERS: Final[dict[int, str]] = {
    0x01: "phase L1",
    0x02: "phase L2",
    0x03: "phase L3",
    0x04: "neutral",
    0x05: "between L1 and L2",
    0x06: "between L2 and L3",
    0x07: "between L3 and L1",
    0x08: "quadrant 1",
    0x09: "quadrant 2",
    0x0A: "quadrant 3",
    0x0B: "quadrant 4",
    0x0C: "delta between import and export",
    0x0D: "not metric",  # 0Dh to 0Fh and 13h to 15h as one public implementation has them: later than 2018
    0x0E: "secondary sensor",
    0x0F: "higher resolution",
    0x10: "absolute values accumulated",
    TYPE_C: "type C",
    TYPE_D: "type D",
    0x13: "end date",
    0x14: "from communication partner to meter",
    0x15: "from meter to communication partner",
}
"""What a code behind the extension FCh of combinable VIFEs adds."""

RECORD_ERRORS: Final[dict[int, str]] = {
    0x01: "too many DIFEs",
    0x02: "storage number not implemented",
    0x03: "subunit not implemented",
    0x04: "tariff not implemented",
    0x05: "function not implemented",
    0x06: "data class not implemented",
    0x07: "data size not implemented",
    0x0B: "too many VIFEs",
    0x0C: "illegal VIF group",
    0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF mismatch",
    0x0F: "unimplemented action",
    0x15: "no data available",
    0x16: "data overflow",
    0x17: "data underflow",
    0x18: "data error",
    0x1C: "premature end of record",
}
"""Codes that a slave puts behind the VIF of a record that it could not serve (Table 18); 0 is no error."""

ACTIONS: Final[dict[int, str]] = {
    0x00: "write",
    0x01: "add",
    0x02: "subtract",
    0x03: "or",
    0x04: "and",
    0x05: "xor",
    0x06: "and not",
    0x07: "clear",
    0x08: "add entry",
    0x09: "delete entry",
    0x0A: "delayed action",
    0x0B: "freeze data",
    0x0C: "add to readout list",
    0x0D: "delete from readout list",
}
"""What the same codes mean in what a master sends (Table 17)."""

# --- units of COSEM ----------------------------------------------------------------------------------------------

COSEM_UNITS: Final[dict[str, Unit]] = {"": Unit.COUNT, "HCA": Unit.COUNT} | {
    unit.symbol: unit
    for unit in (
        *(Unit.YEAR, Unit.MONTH, Unit.DAY, Unit.HOUR, Unit.MINUTE, Unit.SECOND, Unit.DEGREE, Unit.DEGREE_CELSIUS),
        *(Unit.CURRENCY, Unit.CUBIC_METRE, Unit.CUBIC_METRE_PER_HOUR, Unit.CUBIC_METRE_PER_DAY, Unit.KILOGRAM),
        *(Unit.BAR, Unit.JOULE, Unit.JOULE_PER_HOUR, Unit.WATT, Unit.VOLT_AMPERE, Unit.VAR, Unit.WATT_HOUR),
        *(Unit.VOLT_AMPERE_HOUR, Unit.VAR_HOUR, Unit.AMPERE, Unit.VOLT, Unit.HERTZ, Unit.KILOGRAM_PER_SECOND),
        *(Unit.KELVIN, Unit.PERCENT, Unit.WATT_HOUR_PER_CUBIC_METRE, Unit.JOULE_PER_CUBIC_METRE),
        *(Unit.JOULE_PER_KILOGRAM, Unit.DECIBEL_MILLIWATT, Unit.CUBIC_FOOT, Unit.GALLON_US, Unit.DEGREE_FAHRENHEIT),
        *(Unit.GALLON_US_PER_MINUTE, Unit.GALLON_US_PER_HOUR),
    )
}
"""The COSEM unit of a unit; absent where COSEM has none that differs by a power of ten only (m³/min, kg/h, cal)."""
AT_BASE: Final = {
    "m³": Unit.CUBIC_METRE_CORRECTED,
    "m³/h": Unit.CUBIC_METRE_PER_HOUR_CORRECTED,
    "m³/d": Unit.CUBIC_METRE_PER_DAY_CORRECTED,
}
"""The COSEM unit of a gas volume at base conditions."""
