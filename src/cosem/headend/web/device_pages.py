"""Devices: the list, one device with what is known of it, and what can be done to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, func, select

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.api.devices import values as api_values
from cosem.headend.commands import CommandRow, CommandState
from cosem.headend.happenings import AlarmState, alarms, events
from cosem.headend.inventory import DeviceRow, Inventory, Kind, State
from cosem.headend.reach import shown_to
from cosem.headend.schema import (
    campaign,
    campaign_device,
    channel,
    clock_check,
    command,
    device,
    device_group,
    device_key,
    device_tag,
    gap,
    latest,
)
from cosem.headend.schema import segment as segment_table
from cosem.headend.web.acts import ACTS, command_of, own_words, read_words
from cosem.headend.web.asking import SECOND, Question, ask
from cosem.headend.web.frame import (
    Frame,
    Framed,
    Gone,
    Networked,
    Signed,
    Visitor,
    able,
    back,
    fields,
    first_time,
    key_of,
    word,
)
from cosem.headend.web.live import of_device
from cosem.headend.web.series import RANGES, plot

router = APIRouter(include_in_schema=False)
PAGE: Final = 50
EVENTS: Final = 20
COMMANDS: Final = 10
JOINED: Final = 8
Word = Annotated[str, Query(max_length=200)]
Before = Annotated[int | None, Query(ge=0, le=2**53)]


@router.get("/devices")
def device_list(
    frame: Framed,
    who: Signed,
    request: Request,
    text: Word = "",
    kind: Word = "",
    state: Word = "",
    segment: Word = "",
    group: Word = "",
    tag: Word = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """Show devices behind a cursor, by what is asked of them."""
    with frame.headend.engine.connect() as connection:
        inventory = Inventory(connection)
        try:
            rows = inventory.page(
                after=after,
                limit=PAGE + 1,
                text=text,
                kind=Kind(kind) if kind in list(Kind) else None,
                state=State(state) if state in list(State) else None,
                segment_name=segment or None,
                group=group or None,
                tag=tag or None,
                among=who.person.devices,
            )
        except ConfigError:
            # A segment or group of an old link that is not there any more.
            rows = []
        shown = rows[:PAGE]
        last = _last_values(connection, [row.id for row in shown])
        opened = _open_alarms(connection, [row.id for row in shown])
        choices: dict[str, Any] = {
            "segments": list(connection.execute(select(segment_table.c.name).order_by(segment_table.c.name)).scalars()),
            "groups": list(connection.execute(select(device_group.c.name).order_by(device_group.c.name)).scalars()),
            "tags": list(connection.execute(select(device_tag.c.tag).distinct().order_by(device_tag.c.tag)).scalars()),
        }
    asked = {"text": text, "kind": kind, "state": state, "segment": segment, "group": group, "tag": tag}
    return frame.page(
        request, "devices.html", who,
        rows=shown, last=last, alarms=opened, asked=asked, kinds=list(Kind), states=list(State), after=after,
        following=shown[-1].id if len(rows) > PAGE else None, **choices,
    )  # fmt: skip


def _last_values(connection: Connection, numbers: list[int]) -> dict[int, int]:
    query = select(latest.c.device, func.max(latest.c.time)).where(latest.c.device.in_(numbers))
    return dict(connection.execute(query.group_by(latest.c.device)).all())


def _open_alarms(connection: Connection, numbers: list[int]) -> dict[int, int]:
    from cosem.headend.schema import alarm

    query = select(alarm.c.device, func.count()).where(alarm.c.device.in_(numbers), alarm.c.state == AlarmState.OPEN)
    return dict(connection.execute(query.group_by(alarm.c.device)).all())


def find(connection: Connection, number: int, who: Visitor) -> DeviceRow:
    """Return a device that this visitor sees. Raises `Gone`: nobody learns what there is for others."""
    row = Inventory(connection).by_number([number]).get(number) if 0 < number < 2**53 else None
    if row is None or not who.person.sees(number):
        raise Gone("there is no such device")
    return row


@router.get("/device/{number}")
def show(
    frame: Framed,
    who: Signed,
    request: Request,
    number: int,
    chosen: Annotated[str, Query(alias="channel", max_length=200)] = "",
    days: Annotated[int, Query(ge=1, le=365)] = 31,
    before: Before = None,
    until: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show one device; its values up to the end of a local day."""
    days = min(RANGES, key=lambda known: abs(known - days))
    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
        given = device_state(frame, connection, number, before, narrowed=who.person.narrowed)
        channels = [item[0] for item in given["readings"]]
        # What is read of its type has a past to show; what is only pushed has none.
        read = _read_channels(connection, row)
        measured = min(channels, key=lambda item: (item.name != chosen, item.id not in read, item.name), default=None)
        drawn = None
        if measured is not None:
            end = _end(until, frame)
            drawn = plot(connection, frame.headend.intervals, number, measured, frame.now, days, frame.zone, end)
        details = _details(frame, connection, row, who.person.devices)
        traced = who.can(Act.COMMAND) and row.url is not None
        traces = frame.headend.traces.of(connection, number) if traced else []
    acts = [act for act in ACTS if who.can(act.right) and act.fits(row)]
    return frame.page(
        request, "device.html", who,
        device=row, plot=drawn, measured=measured, days=days, ranges=RANGES, acts=acts, before=before,
        live=f"{'traced' if traced else 'device'}:{number}", traced=traced, traces=traces,
        span=_span(until, days, frame), **given, **details,
    )  # fmt: skip


def _day(until: str, frame: Frame) -> date | None:
    """Return the local day up to which values are shown; None where that is today, or no day that can be."""
    try:
        found = date.fromisoformat(until)
    except ValueError:
        return None
    today = datetime.fromtimestamp(frame.now, UTC).astimezone(frame.zone).date()
    return found if date(1990, 1, 1) < found < today else None


def _end(until: str, frame: Frame) -> int | None:
    """Return the midnight at the end of a day, None for the newest values."""
    day = _day(until, frame)
    return None if day is None else int(datetime.combine(day + timedelta(1), time(), frame.zone).timestamp())


def _span(until: str, days: int, frame: Frame) -> dict[str, str]:
    """Return the day up to which values are shown, and those of the spans beside it; empty ones are the newest."""
    day = _day(until, frame)
    today = datetime.fromtimestamp(frame.now, UTC).astimezone(frame.zone).date()
    later = None if day is None else day + timedelta(days)
    return {
        "until": "" if day is None else day.isoformat(),
        "earlier": ((day or today) - timedelta(days)).isoformat(),
        "later": "" if later is None or later >= today else later.isoformat(),
    }


def _is_child(connection: Connection, number: int) -> bool:
    return Inventory(connection).by_number([number])[number].is_child


def device_state(
    frame: Frame, connection: Connection, number: int, before: int | None = None, *, narrowed: bool = False
) -> dict[str, Any]:
    """Return what of a device's page changes while it is open.

    `narrowed`: for who sees some devices only, and perhaps not what was read of those on its M-Bus: they have pages of
    their own.
    """
    query = select(channel, latest.c.time, latest.c.value).join(channel, channel.c.id == latest.c.channel)
    readings = connection.execute(query.where(latest.c.device == number).order_by(channel.c.name)).all()
    happened = events(connection, device_number=number, before=before, limit=EVENTS + 1)
    recent = select(command.c.bundle).where(command.c.device == number).order_by(command.c.requested.desc())
    bundles = list(dict.fromkeys(connection.execute(recent.limit(COMMANDS)).scalars()))
    return {
        "readings": [(row, row.time, row.value) for row in readings],
        "happened": happened[:EVENTS],
        "earlier": happened[EVENTS - 1]["id"] if len(happened) > EVENTS else None,
        "bundles": [(bundle, frame.headend.commands.bundle(bundle)) for bundle in bundles],
        "opened": alarms(connection, device_number=number, state=AlarmState.OPEN, limit=20),
        "read_words": own_words if narrowed and not _is_child(connection, number) else read_words,
        "now": frame.now,
    }


def _read_channels(connection: Connection, row: DeviceRow) -> set[int | None]:
    """Return the numbers of the channels that plans read of a device's type."""
    kind = next((kind for kind in Inventory(connection).types() if kind.name == row.type), None)
    return set() if kind is None else {number for reading in kind.readings for number in reading.channels}


def _details(frame: Frame, connection: Connection, row: DeviceRow, among: frozenset[int] | None) -> dict[str, Any]:
    keys = select(device_key.c.purpose, device_key.c.state, device_key.c.changed)
    behind = select(device.c.id, device.c.name, device.c.kind, device.c.channel).where(device.c.parent == row.id)
    above = select(device.c.id).where(device.c.name == row.parent)
    if among is not None:
        behind, above = behind.where(device.c.id.in_(among)), above.where(device.c.id.in_(among))
    joined = (
        select(campaign.c.id, campaign.c.name, campaign.c.kind, campaign_device.c.state, campaign_device.c.detail)
        .join(campaign, campaign.c.id == campaign_device.c.campaign)
        .where(campaign_device.c.device == row.id)
        .order_by(campaign.c.id.desc())
    )
    return {
        # Neither the key nor what it is sealed as is read here.
        "keys": connection.execute(
            keys.where(device_key.c.device == row.id, device_key.c.state != "expired").order_by(device_key.c.purpose)
        ).all(),
        "behind": connection.execute(behind.order_by(device.c.channel).limit(100)).all(),
        "above": connection.execute(above).scalar() if row.parent is not None else None,
        "holes": connection.execute(
            select(gap.c.profile, gap.c.first, gap.c["last"], gap.c.tries)
            .where(gap.c.device == row.id)
            .order_by(gap.c.first.desc())
            .limit(20)
        ).all(),
        "offset": connection.execute(select(clock_check).where(clock_check.c.device == row.id)).one_or_none(),
        "tags": Inventory(connection).tags(row.id),
        "changing": [] if among is not None else frame.headend.key_changes.of(row.id, open_only=True, limit=5),
        "joined": [] if among is not None else connection.execute(joined.limit(JOINED)).all(),
        "flashed": [] if among is not None else frame.headend.firmware.history(connection, row.id)[:JOINED],
    }


@router.get("/device/{number}/values.csv")
def values_file(
    frame: Framed,
    who: Signed,
    number: int,
    chosen: Annotated[str, Query(alias="channel", min_length=1, max_length=200)],
    days: Annotated[int, Query(ge=1, le=366)] = 31,
    until: Annotated[str, Query(max_length=20)] = "",
) -> Any:
    """Return the values of a channel as CSV, as the API gives them."""
    from cosem.headend.api.shapes import moment

    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
    last = _end(until, frame) or frame.now
    start, end = moment(last - days * 86_400), moment(last + 1)
    answer = api_values(frame.headend, who.person, row.name, chosen, start, end, "csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="device-{number}.csv"'
    return answer


# --- acts -----------------------------------------------------------------------------------------------------


@router.get("/device/{number}/ask/{name}")
def ask_act(frame: Framed, who: Signed, request: Request, number: int, name: str) -> Response:
    """Ask whether it is meant: which device, where, and what will happen."""
    act = next((act for act in ACTS if act.name == name), None)
    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
    if act is None or not act.fits(row):
        raise Gone("there is no such act")
    who.person.may(act.right)
    facts = [("Device", row.name), ("Place", row.place or "–")]
    if row.parent is not None and row.url is None:
        facts.append(("Reached through", f"{row.parent}, channel {row.channel}"))
    two = act.kind in frame.headend.settings.two_persons
    question = Question(
        act.words, act.words, act.says, f"/device/{number}/{act.name}", f"/device/{number}", tuple(facts), act.grave,
        SECOND if two else "", act.field, act.right is Act.READ and who.can(Act.COMMAND),
    )  # fmt: skip
    return ask(frame, request, who, question)


@router.post("/device/{number}/{name}")
async def do(frame: Framed, who: Signed, request: Request, number: int, name: str) -> Response:
    """Ask for a command: the same audited one that the API asks for; sent twice under one key it is asked for once."""
    act = next((act for act in ACTS if act.name == name), None)
    if act is None:
        raise Gone("there is no such act")
    who.person.may(act.right)
    form = await fields(request)
    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
        if not act.fits(row):
            raise Gone("there is no such act")
        wanted = command_of(connection, act, row, form, who.person.sees)
    if act.right is Act.READ and word(form, "trace") == "1":
        trace_next(frame, who, row, key_of(form))
    rows = await frame.headend.commands.request(row.name, [wanted], who.person.name, identity=f"page-{key_of(form)}")
    frame.live.touch(*of_device(number), "overview")
    waits = rows[0].state is CommandState.UNCONFIRMED
    said = "waits for a second person's confirmation" if waits else "was asked for"
    return back(f"/device/{number}", f"{act.words}: {said}.")


def trace_next(frame: Frame, who: Visitor, row: DeviceRow, key: str) -> None:
    """Ask for a trace of the next session, once for a form. Raises `Forbidden` for who may not see traces."""
    who.person.may(Act.COMMAND)
    with first_time(frame, who, key, f"trace {row.id}") as fresh:
        if fresh:
            with frame.headend.engine.begin() as connection:
                frame.headend.traces.ask(connection, row.id, who.person.name)


# --- bundles --------------------------------------------------------------------------------------------------


@router.get("/commands")
def command_list(
    frame: Framed,
    who: Networked,
    request: Request,
    state: Literal["unconfirmed", "uncertain", "all"] = "unconfirmed",
    after: Word = "",
) -> Response:
    """Show commands: those that wait for a person first."""
    query = select(command.c.bundle, func.max(command.c.requested).label("at")).group_by(command.c.bundle)
    if state != "all":
        query = query.where(command.c.state == state)
    query = query.order_by(func.max(command.c.requested).desc()).limit(PAGE)
    with frame.headend.engine.connect() as connection:
        bundles = [(bundle, frame.headend.commands.bundle(bundle)) for bundle, _ in connection.execute(query).all()]
        names = Inventory(connection).by_number({rows[0].device for _, rows in bundles})
    return frame.page(
        request, "commands.html", who, bundles=bundles, names=names, state=state, read_words=read_words, now=frame.now
    )


@router.get("/commands/{bundle}")
def show_bundle(frame: Framed, who: Signed, request: Request, bundle: str) -> Response:
    """Show the commands of a bundle."""
    row, rows = _bundle(frame, who, bundle)
    return frame.page(request, "command.html", who, device=row, bundle=bundle, rows=rows, read_words=read_words)


def _bundle(frame: Frame, who: Visitor, bundle: str) -> tuple[DeviceRow, list[CommandRow]]:
    rows = frame.headend.commands.bundle(bundle)
    if not rows:
        raise Gone("there is no such command")
    with frame.headend.engine.connect() as connection:
        row = find(connection, rows[0].device, who)
        return row, shown_to(connection, row, rows, who.person)


@router.post("/commands/{bundle}/confirm")
async def confirm(frame: Framed, who: Annotated[Visitor, able(Act.CONFIRM)], bundle: str) -> Response:
    """Confirm as the second person."""
    row, _ = _bundle(frame, who, bundle)
    await frame.headend.commands.confirm(bundle, who.person.name)
    frame.live.touch("overview", *of_device(row.id))
    return back(f"/commands/{bundle}", "Confirmed.")


@router.post("/commands/{bundle}/take-back")
async def take_back(frame: Framed, who: Annotated[Visitor, able(Act.COMMAND)], bundle: str) -> Response:
    """Take back what is not sent yet."""
    row, _ = _bundle(frame, who, bundle)
    await frame.headend.commands.cancel(bundle, who.person.name)
    frame.live.touch("overview", *of_device(row.id))
    return back(f"/commands/{bundle}", "Taken back.")


@router.post("/commands/{bundle}/decide")
async def decide(frame: Framed, who: Annotated[Visitor, able(Act.COMMAND)], request: Request, bundle: str) -> Response:
    """Say what became of a command whose effect nobody could see."""
    form = await fields(request)
    row, rows = _bundle(frame, who, bundle)
    identity = word(form, "id")
    if identity not in {item.id for item in rows}:
        raise Gone("there is no such command")
    await frame.headend.commands.decide(identity, word(form, "done") == "1", who.person.name)
    frame.live.touch("overview", *of_device(row.id))
    return back(f"/commands/{bundle}", "Noted.")
