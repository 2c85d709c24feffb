"""A head-end for a neighbourhood: its devices from the shipment, what is read of them, plans, and people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis, obis

if TYPE_CHECKING:
    from cosem.headend.engine import Headend
    from cosem.headend.inventory import DeviceRow

NIGHT, DAY = "night", "by day"
WHO: Final = "demonstration"
PASSWORD: Final = "a morning in november"  # noqa: S105 - of a demonstration on this machine, and said on its page
HOUSEHOLD: Final = "Maple Road 1"
PEOPLE: Final = (
    ("anna", "administrator", "may do everything"),
    ("omar", "operator", "reads, commands, works at the site"),
    ("sigrid", "second person", "confirms what cuts people off"),
    ("vera", "viewer", "looks on"),
    ("household", "household", f"the in-home display of {HOUSEHOLD}"),
)
"""Who may enter the demonstration: name, role, and what that is for."""
TWO_PERSONS: Final = frozenset({"disconnect", "close valve"})
DISPLAY: Final = " with in-home display"
"""What stands behind the type of meters that are read by the hour and by rates too, for those who live there."""
METER_PROFILES: Final = (obis("1-0:99.1.0.255"),)
DISPLAY_PROFILES: Final = (*METER_PROFILES, obis("1-0:99.1.1.255"))
CONVERTER_PROFILES: Final = (obis("7-0:99.99.2.255"),)
RATES: Final = {1: "Day", 2: "Night, weekend"}
PRICES: Final = {1: Decimal("0.34"), 2: Decimal("0.27")}
"""What the supplier of this neighbourhood calls the rates, and takes for a kilowatt-hour."""
LEARNT_FROM: Final = 3
"""How many devices of a type are asked, one after the other, what their profiles capture."""


def take_shipment(headend: Headend, path: Path, transport_key: bytes) -> int:
    """Take the devices of a shipment file into the inventory; return how many."""
    from cosem.headend.exchange import import_rows, read_rows
    from cosem.headend.inventory import Inventory, Kind
    from cosem.headend.permits import Limits

    rows = read_rows(path.read_text("utf-8"), transport_key=transport_key)
    now = int(headend.clock())
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for name in dict.fromkeys(row.device.segment for row in rows):
            inventory.set_segment(name, Limits(40, 200.0))
        makers: dict[str, str] = {}
        for row in rows:
            if row.device.type is not None:
                makers.setdefault(row.device.type, row.device.kind)
        for name, kind in makers.items():
            inventory.set_type(name, kind, manufacturer="CSM")
        count = import_rows(connection, headend.keys, rows, WHO, now)
        for row in rows:
            if row.device.place == HOUSEHOLD and row.device.kind is Kind.ELECTRICITY:
                name = f"{row.device.type}{DISPLAY}"
                inventory.set_type(name, row.device.kind, manufacturer="CSM")
                inventory.assign(row.device.name, name, now)
        return count


async def learn_types(headend: Headend) -> dict[str, str]:
    """Ask one device of every type what its profiles capture; return the types nobody told of, with the reason."""
    from cosem.headend.inventory import Inventory
    from cosem.headend.learning import adopt, learn

    with headend.engine.connect() as connection:
        rows = Inventory(connection).page(limit=1000)
    failed: dict[str, str] = {}
    by_type: dict[str, list[DeviceRow]] = {}
    for row in rows:
        if row.type is not None and row.url is not None and row.kind != "concentrator":
            by_type.setdefault(row.type, []).append(row)
    for name, devices in by_type.items():
        for row in devices[:LEARNT_FROM]:
            try:
                async with headend.meter(row.id) as meter:
                    learned = await learn(meter, _profiles(row))
            except (CosemError, OSError) as error:
                failed[name] = str(error)
                continue
            with headend.engine.begin() as connection:
                adopt(connection, row.name, learned, WHO, int(headend.clock()))
            failed.pop(name, None)
            break
    return failed


def _profiles(row: DeviceRow) -> tuple[Obis, ...]:
    if row.kind == "converter":
        return CONVERTER_PROFILES
    return DISPLAY_PROFILES if (row.type or "").endswith(DISPLAY) else METER_PROFILES


def make_plans(headend: Headend) -> int:
    """Make the plans of the demonstration; return the number of the night's."""
    from cosem.headend.plans import Plan, Plans

    with headend.engine.begin() as connection:
        plans = Plans(connection)
        number = plans.save(Plan(NIGHT, "10 0 * * *", spread=0.0, depth=1, events=("standard", "fraud")))
        # Windows of hours: at 3,600 times real time they are seconds.
        plans.save(Plan(DAY, "20 6,12,18 * * *", window=20_000, spread=0.0, depth=1, clock=False))
    return number


def make_people(headend: Headend, now: int) -> None:
    """Let the people of the demonstration sign in, one of them for a household."""
    from cosem.headend.access import Role
    from cosem.headend.inventory import Inventory
    from cosem.headend.web.accounts import accounts, add_account, hash_now

    with headend.engine.begin() as connection:
        if accounts(connection):
            return
        rows = [row for row in Inventory(connection).page(limit=1000) if row.place == HOUSEHOLD]
        if not rows:
            raise ConfigError(f"nobody lives at {HOUSEHOLD}")
        Inventory(connection).group(HOUSEHOLD, [row.name for row in rows])
        hashed = hash_now(PASSWORD)
        for name, role, _ in PEOPLE:
            group = HOUSEHOLD if role == "household" else None
            add_account(connection, name, hashed, Role(role), WHO, now, group=group)


def told_of(account: Mapping[str, int]) -> tuple[int, int]:
    """Return how many devices a run has, and how many of them are accounted for."""
    total = sum(account.values())
    return total, total - account.get("waiting", 0)


def settings_of(folder: Path) -> Any:
    """Return the settings of a head-end that is in no mood to wait."""
    from cosem.headend.engine import HeadendSettings

    return HeadendSettings(folder, first_pause=1.0, two_persons=TWO_PERSONS)
