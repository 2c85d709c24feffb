"""Devices and what was read of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from cosem.errors import ConfigError
from cosem.headend.access import Act, Person
from cosem.headend.api.app import Asked, Key, NotFound, Served, allowed, once, room, seen_device
from cosem.headend.api.shapes import (
    MAX_NUMBER,
    MAX_PAGE,
    Address,
    Coupling,
    Device,
    Devices,
    Meter,
    Move,
    NewDeviceShape,
    Time,
    Value,
    Values,
    moment,
    seconds,
)
from cosem.headend.audit import record
from cosem.headend.cim import meter_readings
from cosem.headend.database import one_view
from cosem.headend.engine import Headend
from cosem.headend.exports import exact
from cosem.headend.intervals import MISSING, Series
from cosem.headend.inventory import ELSEWHERE, METER, DeviceRow, Inventory, Kind, NewDevice, State
from cosem.headend.schema import channel, latest

router = room("devices")
Named = Annotated[str, Path(min_length=1, max_length=200)]
FORMS = ("text/csv", "application/jsonl", "application/vnd.apache.parquet", "application/xml")
"""What values are also given as."""
LONGEST = 400 * 86_400
"""Seconds of values in one answer."""


@router.get("/devices")
def list_devices(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    text: Annotated[str, Query(max_length=200)] = "",
    kind: Kind | None = None,
    state: State | None = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    group: Annotated[str | None, Query(max_length=200)] = None,
    parent: Annotated[str | None, Query(max_length=200)] = None,
) -> Devices:
    """List devices behind a cursor, by what is asked of them."""
    with headend.engine.connect() as connection:
        inventory = Inventory(connection)
        try:
            if parent is not None and not who.sees(inventory.get(parent).id):
                raise NotFound(f"there is no device {parent!r}")
            rows = inventory.page(
                after=after,
                limit=limit,
                text=text,
                kind=kind,
                state=state,
                tag=tag,
                group=group,
                parent=parent,
                among=who.devices,
            )
        except ConfigError:
            # Which groups and other devices there are is nothing of theirs.
            if not who.narrowed:
                raise
            rows = []
    return Devices(devices=[Device.of(row, who) for row in rows], next=rows[-1].id if len(rows) == limit else None)


@router.post("/devices", status_code=201, response_model=Device)
async def add_device(
    headend: Served,
    who: Annotated[Person, allowed(Act.INVENTORY, everywhere=True)],
    item: NewDeviceShape,
    request: Request,
    key: Key = None,
) -> Response:
    """Add a device."""

    async def act(asked: Asked) -> Device:
        now = int(headend.clock())
        given = item.model_dump()
        given["segment"] = given["segment"] or ELSEWHERE
        given["tags"] = tuple(given["tags"])
        meter = given.pop("meter")
        given["details"] = {} if meter is None else {METER: meter}
        with headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.add(NewDevice(**given), now)
            record(connection, now, who.name, "add device", item.name, after=item.model_dump(mode="json"))
            return Device.of(inventory.get(item.name), who)

    return await once(headend, who, key, request, act, 201)


@router.get("/devices/{name}")
def get_device(headend: Served, who: Annotated[Person, allowed(Act.SEE)], name: Named) -> Device:
    """Return one device."""
    with headend.engine.connect() as connection:
        return Device.of(seen_device(connection, name, who), who)


@router.post("/devices/{name}/state")
def move_device(headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], name: Named, item: Move) -> Device:
    """Bring a device to another state of its life."""
    now = int(headend.clock())
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        before = seen_device(connection, name, who)
        inventory.move(name, item.state, now)
        record(connection, now, who.name, "move device", name, before=before.state, after=item.state)
        return Device.of(inventory.get(name), who)


@router.put("/devices/{name}/url")
def relocate_device(
    headend: Served, who: Annotated[Person, allowed(Act.INVENTORY, everywhere=True)], name: Named, item: Address
) -> Device:
    """Say how a device is reached from now on."""
    return _changed(
        headend, who, name, "relocate device", lambda inventory, now: inventory.relocate(name, item.url, now)
    )


@router.put("/devices/{name}/coupling")
def couple_device(
    headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], name: Named, item: Coupling
) -> Device:
    """Say on which channel of what a device hangs: from now on it is read through that."""
    with headend.engine.connect() as connection:
        seen_device(connection, name, who)
        seen_device(connection, item.parent, who)
    return _changed(
        headend,
        who,
        name,
        "couple device",
        lambda inventory, now: inventory.couple(name, item.parent, item.channel, now),
    )


@router.delete("/devices/{name}/coupling")
def decouple_device(headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], name: Named) -> Device:
    """Free the channel of a device for another one, in the inventory only."""
    return _changed(headend, who, name, "decouple device", lambda inventory, now: inventory.decouple(name, now))


@router.put("/devices/{name}/meter")
def identify_device(
    headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], name: Named, item: Meter
) -> Device:
    """Say who a device is on the M-Bus, as after a swap."""
    return _changed(
        headend, who, name, "identify device", lambda inventory, now: inventory.identify(name, item.meter, now)
    )


def _changed(headend: Headend, who: Person, name: str, what: str, change: Callable[[Inventory, int], None]) -> Device:
    now = int(headend.clock())
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        before = _place(seen_device(connection, name, who))
        change(inventory, now)
        row = inventory.get(name)
        record(connection, now, who.name, what, name, before=before, after=_place(row))
        return Device.of(row, who)


def _place(row: DeviceRow) -> dict[str, Any]:
    return {"url": row.url, "parent": row.parent, "channel": row.channel, "meter": row.meter}


@router.get("/devices/{name}/latest")
def latest_values(headend: Served, who: Annotated[Person, allowed(Act.SEE)], name: Named) -> list[Values]:
    """Return the latest value of each channel."""
    with headend.engine.connect() as connection:
        row = seen_device(connection, name, who)
        query = select(channel, latest.c.time, latest.c.value).join(channel, channel.c.id == latest.c.channel)
        found = connection.execute(query.where(latest.c.device == row.id)).all()
    return [
        Values(
            device=name,
            channel=item.name,
            unit=item.unit,
            values=[Value(time=moment(item.time), value=exact(item.value, item.scaler), quality=0)],
        )
        for item in found
    ]


@router.get(
    "/devices/{name}/values",
    response_model=Values,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in FORMS}}},
)
def values(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    name: Named,
    channel_name: Annotated[str, Query(alias="channel", min_length=1, max_length=200)],
    start: Annotated[Time, Query(alias="from")],
    end: Annotated[Time, Query(alias="to")],
    form: Annotated[Literal["json", "csv", "jsonl", "parquet", "cim"], Query(alias="format")] = "json",
) -> Any:
    """Return the values of one channel at or after `from` and before `to`; both have a zone."""
    first, last = seconds(start), seconds(end)
    if not first < last <= first + LONGEST:
        raise ConfigError(f"from is before to, and at most {LONGEST // 86_400} days")
    with headend.engine.connect() as connection:
        row = seen_device(connection, name, who)
        found = connection.execute(select(channel).where(channel.c.name == channel_name)).one_or_none()
        if found is None:
            raise NotFound(f"there is no channel {channel_name!r}")
        # Values that are moved from the database into a file meanwhile are in one of them.
        one_view(connection)
        series = headend.intervals.read(connection, row.id, found.id, first, last)
    if form == "json":
        # Written as text at once: a model for each of a month's values would take longer than reading them.
        content = {"device": name, "channel": channel_name, "unit": found.unit, "values": _plain(series, found.scaler)}
        return Response(json.dumps(content), media_type="application/json")
    return _EXPORTS[form](name, found, series)


def _csv(name: str, found: Any, series: Series) -> Response:
    def lines() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(("device", "channel", "unit", "time", "value", "quality", "estimate"))
        for item in _items(series, found.scaler):
            writer.writerow(
                (
                    name,
                    found.name,
                    found.unit,
                    item["time"].isoformat(),
                    item["value"],
                    item["quality"],
                    item["estimate"],
                )
            )
            if buffer.tell() > 1 << 16:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8")


def _jsonl(name: str, found: Any, series: Series) -> Response:
    def lines() -> Iterator[str]:
        for item in _items(series, found.scaler):
            item["time"] = item["time"].isoformat()
            yield json.dumps({"device": name, "channel": found.name, "unit": found.unit, **item}) + "\n"

    return StreamingResponse(lines(), media_type="application/jsonl")


def _parquet(name: str, found: Any, series: Series) -> Response:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values_ = pa.array(series.values, mask=series.values == MISSING)
    estimates = pa.array(series.estimates, mask=series.estimates == MISSING)
    table = pa.table(
        {
            "time": pa.array(series.times * 1_000_000, pa.timestamp("us", "UTC")),
            "value": values_,
            "quality": pa.array(series.quality),
            "estimate": estimates,
        },
        metadata={"device": name, "channel": found.name, "unit": found.unit, "scaler": str(found.scaler)},
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return Response(sink.getvalue(), media_type="application/vnd.apache.parquet")


def _cim(name: str, found: Any, series: Series) -> Response:
    return Response(meter_readings(name, found.name, found.unit, found.scaler, series), media_type="application/xml")


_EXPORTS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet, "cim": _cim}


def _plain(series: Series, scaler: int) -> list[dict[str, Any]]:
    """Return values as `shapes.Value` has them."""
    moments = np.datetime_as_string(series.times.astype("datetime64[s]"), timezone="UTC").tolist()
    columns = zip(moments, series.values.tolist(), series.quality.tolist(), series.estimates.tolist(), strict=True)
    return [
        {
            "time": at,
            "value": None if value == MISSING else exact(value, scaler),
            "quality": quality,
            "estimate": None if estimate == MISSING else exact(estimate, scaler),
        }
        for at, value, quality, estimate in columns
    ]


def _items(series: Series, scaler: int) -> Iterator[dict[str, Any]]:
    for at, value, quality, estimate in zip(
        series.times.tolist(), series.values.tolist(), series.quality.tolist(), series.estimates.tolist(), strict=True
    ):
        yield {
            "time": moment(at),
            "value": None if value == MISSING else exact(value, scaler),
            "quality": quality,
            "estimate": None if estimate == MISSING else exact(estimate, scaler),
        }
