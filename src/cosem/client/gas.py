"""The hourly archive of a gas converter, as rows with names; and its energy computed once more from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cosem.client.table import ProfileTable
from cosem.errors import ConfigError
from cosem.gas.counters import MICRO, in_units
from cosem.gas.recompute import EnergyRow, Recomputed, recompute_energy
from cosem.obis import Obis
from cosem.units import Quantity

HOURLY_ARCHIVE: Final = "7-0:99.99.2.255"
PERIOD_ENDED: Final = 1
"""The trigger of a row that stands at the end of its period; every other one stands in between."""
NO_QUALITY: Final = 0x10
"""The bit of the status word that says that no gas quality was valid."""
_COLUMNS: Final = {
    "trigger": "7-0:96.131.1.255",
    "status": "7-0:96.5.0.255",
    "base_undisturbed": "7-0:11.2.0.255",
    "base_disturbed": "7-0:12.2.0.255",
    "energy_undisturbed": "7-0:31.2.0.255",
    "energy_disturbed": "7-0:32.2.0.255",
    "calorific": "7-0:54.0.0.255",
    "pressure": "7-0:42.42.0.255",
    "temperature": "7-0:41.42.0.255",
    "factor": "7-0:52.0.16.255",
}


class GasRow(NamedTuple):
    """One row: volumes in m³, energies in kWh, calorific value in kWh/m³, bar absolute, °C.

    `pressure`, `temperature` and `factor` are averages of the last hour that ended, None before the first.
    """

    at: datetime
    trigger: int
    status: int
    base_undisturbed: Decimal
    base_disturbed: Decimal
    energy_undisturbed: Decimal
    energy_disturbed: Decimal
    calorific: Decimal
    pressure: Decimal | None
    temperature: Decimal | None
    factor: Decimal | None

    @property
    def energy_row(self) -> EnergyRow:
        """Return what `recompute_energy` takes."""
        return EnergyRow(
            in_units(self.base_undisturbed),
            in_units(self.base_disturbed),
            in_units(self.energy_undisturbed),
            in_units(self.energy_disturbed),
            in_units(self.calorific),
            bool(self.status & NO_QUALITY),
        )


def gas_rows(table: ProfileTable) -> list[GasRow]:
    """Return the rows of an hourly archive that was read whole. Raises `ConfigError` where it is none."""
    places = {column.obis: index for index, column in enumerate(table.columns) if column.capture.attribute_index == 2}
    try:
        wanted = {name: places[Obis.parse(code)] for name, code in _COLUMNS.items()}
    except KeyError as error:
        raise ConfigError(f"this profile has no column {error.args[0]}: it is not the hourly archive") from None
    found = []
    for time, row in zip(table.times(), table.rows, strict=True):
        if time is None:
            raise ConfigError("a row of the archive has no time")
        cells = table.quantities(row)
        values = {name: _plain(cells[index]) for name, index in wanted.items()}
        for name in ("energy_undisturbed", "energy_disturbed", "calorific"):
            values[name] = values[name] / 1000
        found.append(GasRow(at=time.to_datetime(), **values))
    return found


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Quantity) else value


def recomputed(rows: Sequence[GasRow]) -> Recomputed:
    """Return the energy from the first row to the last, computed from volumes and calorific values alone."""
    return recompute_energy(row.energy_row for row in rows)


def kilowatt_hours(units: int) -> Decimal:
    """Return kWh of units of 1e-6 kWh."""
    return Decimal(units) / MICRO
