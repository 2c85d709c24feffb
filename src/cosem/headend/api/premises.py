"""What a device shows now, and what is known of a connection and of what hangs behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Path, Query, Request, Response
from pydantic import Field

from cosem.errors import ConfigError
from cosem.headend import premises
from cosem.headend.access import Act, Person
from cosem.headend.api.app import Asked, Key, Served, allowed, once, room, seen_device, within_reach
from cosem.headend.api.shapes import Name, Shape, moment
from cosem.headend.commands import CommandState, now_of
from cosem.headend.inventory import Inventory, Kind
from cosem.headend.values_now import MOST, Figure, Shown, shown

router = room("premises")
Named = Annotated[str, Path(min_length=1, max_length=200)]
WAIT = 25.0
"""Seconds an answer waits for a device; who wants more asks for the command."""
GOOD = 60
"""Seconds a device is tried."""


class ReadRequest(Shape):
    """What is read: everything that matters to whom it supplies, or the objects that are named."""

    objects: list[Name] = Field(default_factory=list, max_length=MOST)


class FigureShape(Shape):
    """An exact value, and when it was so."""

    name: str
    value: str
    unit: str
    at: datetime

    @classmethod
    def of(cls, figure: Figure) -> FigureShape:
        """Return a figure as it is shown."""
        return cls(name=figure.name, value=figure.value, unit=figure.unit, at=moment(figure.at))


class BehindShape(Shape):
    """What was found on a M-Bus channel. `problem`: why nothing was taken of the device, or why its values are old."""

    device: str
    kind: str
    channel: int
    problem: str | None
    figures: list[FigureShape]


class ShownShape(Shape):
    """What a device showed; `state` is that of the command that asked: it goes on where it is not done yet."""

    command: str
    state: CommandState
    detail: str
    figures: list[FigureShape] = Field(default_factory=list)
    others: dict[str, Any] = Field(default_factory=dict)
    tariff: str | None = None
    supply: dict[str, int] | None = None
    limit: FigureShape | None = None
    port: str | None = None
    display: str | None = None
    behind: list[BehindShape] = Field(default_factory=list)


class UsedShape(Shape):
    """What a register grew from `since` to `until`; null where a value is missing for it."""

    amount: str | None
    unit: str
    since: datetime
    until: datetime
    rates: dict[int, str]

    @classmethod
    def of(cls, used: premises.Used | None) -> UsedShape | None:
        """Return it as it is shown."""
        if used is None:
            return None
        return cls(**asdict(used) | {"since": moment(used.since), "until": moment(used.until)})


class SupplyShape(Shape):
    """Whether there is supply, the limit, and the rate in force."""

    connected: bool | None
    state: str | None
    at: datetime | None
    limit: FigureShape | None
    rate: int | None


class ToldShape(Shape):
    """A message at the display, or at the port."""

    text: str
    display: bool
    at: datetime


class CountedShape(Shape):
    """A device on the M-Bus: what it counted up to now, today and this month."""

    device: str
    kind: Kind
    total: FigureShape | None
    today: UsedShape | None
    month: UsedShape | None


class PremisesShape(Shape):
    """What is known of a connection, by what was read last."""

    drawn: FigureShape | None
    fed: FigureShape | None
    today: UsedShape | None
    month: UsedShape | None
    fed_today: UsedShape | None
    fed_month: UsedShape | None
    supply: SupplyShape
    messages: list[ToldShape]
    behind: list[CountedShape]


def _figure(figure: Figure | None) -> FigureShape | None:
    return None if figure is None else FigureShape.of(figure)


@router.post("/devices/{name}/read", response_model=ShownShape)
async def read_now(
    headend: Served,
    who: Annotated[Person, allowed(Act.READ)],
    name: Named,
    item: ReadRequest,
    request: Request,
    key: Key = None,
) -> Response:
    """Read what a device shows now, ahead of plans, with those on its M-Bus, and keep it as latest values.

    Waits up to 25 seconds. A device that is not reached by then is tried for a minute: look at the command.
    """
    with headend.engine.connect() as connection:
        row = seen_device(connection, name, who)

    async def act(asked: Asked) -> ShownShape:
        with headend.engine.connect() as connection:
            command = now_of(connection, name, item.objects, who.sees)
            within_reach(connection, row, [command], who)
        late = int(headend.clock()) + GOOD
        (sent,) = await headend.commands.request(name, [command], who.name, identity=asked.identity, not_after=late)
        with suppress(TimeoutError):
            # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
            async with asyncio.timeout(WAIT):
                await asyncio.shield(headend.commands.ended(sent.bundle))
        (found,) = headend.commands.bundle(sent.bundle)
        answer: Mapping[str, Any] = found.answer if isinstance(found.answer, dict) else {}
        with headend.engine.connect() as connection:
            inventory = Inventory(connection)
            seen = shown(connection, row.id, answer, found.finished or int(headend.clock()))
            numbers = {part.device: inventory.get(part.device).id for part in seen.behind}
        return _shown(found.bundle, found.state, found.detail, seen, numbers, who)

    return await once(headend, who, key, request, act, 200)


def _shown(
    bundle: str, state: CommandState, detail: str, seen: Shown, numbers: Mapping[str, int], who: Person
) -> ShownShape:
    behind = [
        BehindShape(**asdict(part) | {"figures": [FigureShape.of(item) for item in part.figures]})
        for part in seen.behind
        if who.devices is None or numbers[part.device] in who.devices
    ]
    return ShownShape(
        command=bundle,
        state=state,
        detail=detail,
        figures=[FigureShape.of(item) for item in seen.figures],
        others=dict(seen.others),
        tariff=seen.tariff,
        supply=None if seen.supply is None else dict(seen.supply),
        limit=_figure(seen.limit),
        port=seen.port,
        display=seen.display,
        behind=behind,
    )


@router.get("/devices/{name}/premises")
def get_premises(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    name: Named,
    zone: Annotated[str, Query(max_length=100)] = "Europe/Berlin",
) -> PremisesShape:
    """Return what is known of a connection: power, energy of today and this month, supply, messages, gas, water, heat.

    Days and months are those of `zone`. It is what was read last: by plans, or by `POST /devices/{name}/read`.
    """
    try:
        where = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"there is no time zone {zone!r}") from None
    now = int(headend.clock())
    day, month = premises.midnight(now, where), premises.midnight(now, where, day=1)
    with headend.engine.connect() as connection:
        row = seen_device(connection, name, who)
        power, supply = premises.power(connection, row.id), premises.supply(connection, row.id)

        def grown(register: str, first: int) -> UsedShape | None:
            return UsedShape.of(premises.energy(connection, headend.intervals, row.id, first, now, register=register))

        counted = premises.behind(connection, headend.intervals, row.id, now, where)
        return PremisesShape(
            drawn=_figure(power.drawn),
            fed=_figure(power.fed),
            today=grown(premises.IMPORT, day),
            month=grown(premises.IMPORT, month),
            fed_today=grown(premises.EXPORT, day),
            fed_month=grown(premises.EXPORT, month),
            supply=SupplyShape(
                connected=supply.connected,
                state=supply.state,
                at=None if supply.at is None else moment(supply.at),
                limit=_figure(supply.limit),
                rate=supply.rate,
            ),
            messages=[
                ToldShape(text=item.text, display=item.display, at=moment(item.at))
                for item in premises.messages(connection, row.id)
            ],
            behind=[
                CountedShape(
                    device=item.name,
                    kind=item.kind,
                    total=_figure(item.total),
                    today=UsedShape.of(item.today),
                    month=UsedShape.of(item.month),
                )
                for item in counted
                if who.devices is None or item.device in who.devices
            ],
        )
