"""Gas quality as an object: what the gas is, from when on, until when, and from where; its changes leave audit rows.

A quality that comes late takes effect when it comes: what was converted before stays as it was. One that comes twice
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from cosem.errors import CompositionError, ConfigError
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.compressibility import Gas
from cosem.gas.counters import in_units
from cosem.gas.factors import MEGAJOULE_PER_KWH

_CALORIFIC = Decimal("0.000001")


class Source(Enum):
    """Where a gas quality comes from."""

    FIXED_TABLE = "fixed table"
    CHROMATOGRAPH = "chromatograph"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class GasQuality:
    """What the gas is from `valid_from` until `valid_until` (seconds; None: until further notice).

    `calorific` superior calorific value in kWh/m³ at base conditions, with six decimals at most; `gas` what
    compressibility is computed from; `density` at base conditions in kg/m³, where known.
    """

    name: str
    calorific: Decimal
    gas: Gas | None = None
    valid_from: int = 0
    valid_until: int | None = None
    source: Source = Source.FIXED_TABLE
    density: Decimal | None = None

    def __post_init__(self) -> None:
        if not (self.calorific.is_finite() and 0 < self.calorific < 100):
            raise CompositionError(f"quality {self.name}: a calorific value of {self.calorific} kWh/m³ is none")
        in_units(self.calorific)
        if self.density is not None and not (self.density.is_finite() and 0 < self.density < 20):
            raise CompositionError(f"quality {self.name}: a density of {self.density} kg/m³ is none")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ConfigError(f"quality {self.name} ends before it begins")

    @classmethod
    def of_composition(
        cls, name: str, composition: Composition, *, combustion: float = 25.0, metering: float = 0.0, **rest: Any
    ) -> GasQuality:
        """Return the quality of an analysis: calorific value and density by ISO 6976:2016 at base conditions."""
        from cosem.gas.iso6976 import properties

        found = properties(composition, combustion=combustion, metering=metering)
        kwh = (Decimal(found.superior_volume.value) / MEGAJOULE_PER_KWH).quantize(_CALORIFIC)
        density = Decimal(found.density.value).quantize(_CALORIFIC)
        return cls(name, kwh, composition, density=density, **rest)

    @property
    def hydrogen_share(self) -> float:
        """Return the mole fraction of hydrogen."""
        if self.gas is None:
            return 0.0
        return self.gas.hydrogen_share if isinstance(self.gas, Composition) else self.gas.h2

    def to_json(self) -> dict[str, Any]:
        """Return the quality for a file; `of_json` reads it again, exactly."""
        gas: dict[str, Any] | None = None
        if isinstance(self.gas, Composition):
            gas = {"composition": dict(self.gas.fractions)}
        elif self.gas is not None:
            figures = self.gas
            named = {name: getattr(figures, name) for name in ("hs", "density", "co2", "h2", "n2")}
            gas = {name: value for name, value in named.items() if value is not None}
        return {
            "name": self.name,
            "calorific": str(self.calorific),
            "gas": gas,
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
            "source": self.source.value,
            "density": None if self.density is None else str(self.density),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> GasQuality:
        """Return the quality `to_json` wrote; ConfigError where it is none."""
        try:
            saved = document.get("gas")
            gas: Gas | None = None
            if saved is not None and "composition" in saved:
                gas = Composition.of(saved["composition"])
            elif saved is not None:
                gas = Characteristics(**saved)
            density = document.get("density")
            return cls(
                document["name"],
                Decimal(document["calorific"]),
                gas,
                int(document["valid_from"]),
                None if document["valid_until"] is None else int(document["valid_until"]),
                Source(document["source"]),
                None if density is None else Decimal(density),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"a saved gas quality is none: {error!r}") from None


class Change(Enum):
    """What became of a quality that came or fell due."""

    IN_FORCE = "in force"
    WAITING = "waiting for its time"
    LATE = "late: in force from now on, not before"
    CORRECTED = "corrected: in force from now on, not before"
    REPLACED = "replaced one that waited"
    DOUBLED = "came twice: nothing changed"
    OUTDATED = "older than the one in force: refused"
    EXPIRED = "no longer valid when it came: refused"
    RAN_OUT = "ran out: its substitute is in force"


class QualityChange(NamedTuple):
    """One audit row: when, what, and the names of the quality that was and that is in force."""

    at: int
    what: Change
    old: str | None
    new: str | None


@dataclass(slots=True)
class QualityBook:
    """The quality in force, those that wait for their time, and a substitute for when there is none."""

    substitute: GasQuality
    current: GasQuality | None = None
    waiting: list[GasQuality] = field(default_factory=list)

    @property
    def in_force(self) -> GasQuality:
        """Return what is converted with now."""
        return self.current or self.substitute

    @property
    def substituted(self) -> bool:
        """Whether the substitute stands in."""
        return self.current is None

    @property
    def next_change(self) -> int | None:
        """Return when a quality begins or ends next, in seconds: convert to that moment first."""
        moments = [quality.valid_from for quality in self.waiting]
        if self.current is not None and self.current.valid_until is not None:
            moments.append(self.current.valid_until)
        return min(moments, default=None)

    def offer(self, quality: GasQuality, now: int) -> QualityChange:
        """Take a quality that came at `now` (convert to that moment first), and return the audit row of it."""
        old = self.in_force.name if self.current is not None else None
        if quality == self.current or quality in self.waiting:
            return QualityChange(now, Change.DOUBLED, old, old)
        if quality.valid_until is not None and quality.valid_until <= now:
            return QualityChange(now, Change.EXPIRED, old, old)
        if quality.valid_from > now:
            same = [other for other in self.waiting if other.valid_from == quality.valid_from]
            self.waiting = sorted(
                [other for other in self.waiting if other not in same] + [quality], key=lambda each: each.valid_from
            )
            if same:
                return QualityChange(now, Change.REPLACED, same[0].name, quality.name)
            return QualityChange(now, Change.WAITING, old, quality.name)
        what = Change.IN_FORCE if quality.valid_from == now else Change.LATE
        if self.current is not None:
            if quality.valid_from < self.current.valid_from:
                return QualityChange(now, Change.OUTDATED, old, old)
            if quality.valid_from == self.current.valid_from:
                what = Change.CORRECTED
        self.current = quality
        return QualityChange(now, what, old, quality.name)

    def advance(self, now: int) -> tuple[QualityChange, ...]:
        """Bring in force what is due by `now`, in the order of time; return the audit rows."""
        rows: list[QualityChange] = []
        while (moment := self.next_change) is not None and moment <= now:
            old = self.current.name if self.current is not None else None
            if self.waiting and self.waiting[0].valid_from <= moment:
                self.current = self.waiting.pop(0)
                rows.append(QualityChange(moment, Change.IN_FORCE, old, self.current.name))
            else:
                self.current = None
                rows.append(QualityChange(moment, Change.RAN_OUT, old, self.substitute.name))
        return tuple(rows)

    def to_state(self) -> dict[str, Any]:
        """Return what to persist."""
        return {
            "current": self.current and self.current.to_json(),
            "waiting": [quality.to_json() for quality in self.waiting],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with what `to_state` gave."""
        current = state.get("current")
        self.current = None if current is None else GasQuality.of_json(current)
        self.waiting = [GasQuality.of_json(saved) for saved in state.get("waiting", ())]
