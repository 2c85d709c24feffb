"""How the head-end is: whether it lives, its figures for Prometheus, and totals over many devices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from cosem.errors import ConfigError
from cosem.headend.access import Act, Person
from cosem.headend.api.app import NotFound, Served, allowed, room
from cosem.headend.api.shapes import DayTotal, Health, Time, Totals, seconds
from cosem.headend.exports import channels_of, exact
from cosem.headend.logs import LOG
from cosem.headend.metrics import Metrics
from cosem.headend.query import totals
from cosem.headend.schema import device_group, group_member, segment

router = room("health")
LONGEST_DAYS = 400


@router.get("/health", responses={503: {"model": Health}})
def health(headend: Served, response: Response) -> Health:
    """Say whether the service and its database answer: 503 where they do not. Everybody may ask; no more is told."""
    try:
        with headend.engine.connect() as connection:
            connection.execute(select(segment.c.id).limit(1)).first()
    except SQLAlchemyError:
        LOG.exception("the database does not answer")
        response.status_code = 503
        return Health(status="failing")
    return Health(status="ok")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, headend: Served, who: Annotated[Person, allowed(Act.SEE, everywhere=True)]) -> Response:
    """Return the figures for Prometheus. They are of all devices: a token for some of them does not do."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/totals")
def list_totals(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    channel_name: Annotated[str, Query(alias="channel", min_length=1, max_length=200)],
    start: Annotated[Time, Query(alias="from")],
    end: Annotated[Time, Query(alias="to")],
    group: Annotated[str | None, Query(max_length=200)] = None,
) -> Totals:
    """Return sum, lowest, highest and growth of a channel by UTC day, over all devices or those of a group."""
    first, last = seconds(start), seconds(end)
    if not first < last <= first + LONGEST_DAYS * 86_400:
        raise ConfigError(f"from is before to, and at most {LONGEST_DAYS} days")
    with headend.engine.connect() as connection:
        channels = {item.name: (number, item) for number, item in channels_of(connection).items()}
        if channel_name not in channels:
            raise NotFound(f"there is no channel {channel_name!r}")
        number, known = channels[channel_name]
        devices = who.devices
        if group is not None:
            members = (
                select(group_member.c.device)
                .join(device_group, device_group.c.id == group_member.c.group)
                .where(device_group.c.name == group)
            )
            chosen = frozenset(connection.execute(members).scalars())
            devices = chosen if devices is None else devices & chosen
        found = totals(
            connection,
            headend.intervals,
            first,
            last,
            channels=[number],
            devices=devices,
        )
    days = [
        DayTotal(
            day=(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=item.day)).date(),
            devices=item.devices,
            values=item.values,
            **{name: exact(getattr(item, name), known.scaler) for name in ("sum", "lowest", "highest", "growth")},
        )
        for item in found
    ]
    return Totals(channel=channel_name, unit=known.unit, days=days)
