"""Campaigns: the list, one with its stages and devices while it goes on, and letting it rest, go on or end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, case, func, select

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.audit import Entry, entries
from cosem.headend.campaign import OPEN, CampaignRow, CampaignState, DeviceState
from cosem.headend.schema import campaign_device, device
from cosem.headend.web.asking import Question, ask
from cosem.headend.web.forms import selection_words
from cosem.headend.web.frame import Frame, Framed, Gone, Networked, Visitor, back, fields, first_time, key_of

router = APIRouter(include_in_schema=False)
PAGE: Final = 20
DEVICES: Final = 50
INTEREST: Final = 25
"""Devices shown while nobody asks for those of one state."""
REASONS: Final = 8
HISTORY: Final = 30
HIDDEN: Final = frozenset({"write", "invoke"})
"""Commands whose parameters may be secrets: they are not shown."""
_FIRST: Final = (
    DeviceState.RUNNING,
    DeviceState.FAILED,
    DeviceState.READY,
    DeviceState.SKIPPED,
    DeviceState.WAITING,
    DeviceState.CANCELLED,
    DeviceState.DONE,
)
"""What somebody who looks at a campaign wants to see before the rest."""
_HISTORY: Final = {
    "begin campaign": "asked for",
    "confirm campaign": "confirmed",
    "pause campaign": "paused",
    "resume campaign": "resumed",
    "abort campaign": "aborted",
    "next stage": "next stage",
    "end campaign": "ended",
}
Number = Annotated[int, Query(ge=0, le=2**53)]


@dataclass(frozen=True, slots=True)
class CampaignAct:
    """What can be done to a campaign: the right it wants, the states that have it, and what the dialog says."""

    name: str
    words: str
    says: str
    done: str
    states: frozenset[CampaignState]
    right: Act = Act.COMMAND
    grave: bool = False


ACTS: Final = (
    CampaignAct(
        "confirm", "Confirm as second person", "It begins with its first stage at once.", "Confirmed.",
        frozenset({CampaignState.UNCONFIRMED}), Act.CONFIRM, grave=True,
    ),
    CampaignAct(
        "pause", "Pause",
        "No further device begins. An image on its way is cut off and goes on from there; a command that is under way "
        "comes to its end.", "Paused.", frozenset({CampaignState.RUNNING}),
    ),
    CampaignAct(
        "resume", "Resume", "It goes on where it stopped: with the devices that are not done, or with the next stage.",
        "It goes on.", frozenset({CampaignState.PAUSED, CampaignState.HELD}),
    ),
    CampaignAct(
        "abort", "Abort",
        "Devices whose turn has not come are left as they are. What was done stays done, and it cannot be resumed.",
        "Aborted.",
        frozenset({CampaignState.UNCONFIRMED, CampaignState.RUNNING, CampaignState.HELD, CampaignState.PAUSED}),
        grave=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage on the page: what its devices came to, and whether it is over, under way or to come."""

    number: int
    devices: int
    counts: Mapping[str, int]
    words: str

    @property
    def open(self) -> int:
        """Devices that are not over."""
        return sum(self.counts.get(state, 0) for state in OPEN)


# --- what there is --------------------------------------------------------------------------------------------


@router.get("/campaigns")
def campaigns(frame: Framed, who: Networked, request: Request, before: Number | None = None) -> Response:
    """Show the campaigns, the newest first."""
    rows = frame.headend.campaigns.all(before=before, limit=PAGE + 1)
    return frame.page(
        request, "campaigns.html", who,
        rows=[(row, totals(row)) for row in rows[:PAGE]], following=rows[PAGE - 1].id if len(rows) > PAGE else None,
        before=before, open_states=OPEN, selection_words=selection_words,
    )  # fmt: skip


@router.get("/campaigns/{number}")
def show(
    frame: Framed,
    who: Networked,
    request: Request,
    number: int,
    state: Annotated[str, Query(max_length=20)] = "",
    after: Number = 0,
) -> Response:
    """Show one campaign: as it goes on, or its devices of one state."""
    wanted = DeviceState(state) if state in list(DeviceState) else None
    given = campaign_state(frame, number, state=wanted, after=after)
    row: CampaignRow = given["row"]
    over = row.state in (CampaignState.DONE, CampaignState.ABORTED)
    # Those of other states are there too, hidden: the state may change while the page is open.
    acts = [act for act in ACTS if not over and who.can(act.right) and _not_own(act, row, who)]
    return frame.page(
        request, "campaign.html", who,
        live=f"campaign:{number}", acts=acts, after=after, content=content_words(frame, row),
        selection=selection_words(row.selection),
        waits_for=row.state is CampaignState.UNCONFIRMED and "confirm" not in {act.name for act in acts}, **given,
    )  # fmt: skip


def of(frame: Frame, number: int) -> CampaignRow:
    """Return a campaign. Raises `Gone`."""
    try:
        if 0 < number < 2**53:
            return frame.headend.campaigns.by_number(number)
    except ConfigError:
        pass
    raise Gone("there is no such campaign")


def totals(row: CampaignRow) -> Counter[str]:
    """Return the devices of a campaign by state, and all of them as "all"."""
    found: Counter[str] = Counter()
    for part in row.account:
        found.update(part)
        found["all"] += sum(part.values())
    found["over"] = found["all"] - sum(found[state] for state in OPEN)
    return found


def campaign_state(frame: Frame, number: int, *, state: DeviceState | None = None, after: int = 0) -> dict[str, Any]:
    """Return what of a campaign's page changes while it is open. Raises `Gone`."""
    row = of(frame, number)
    with frame.headend.engine.connect() as connection:
        if state is None:
            rows = _of_interest(connection, number)
        else:
            rows = frame.headend.campaigns.devices(number, state=state, after=after, limit=DEVICES + 1)
        given = {
            "reasons": _reasons(connection, number),
            "history": _history(connection, row.name),
        }
    blocks = {
        device_number: progress
        for (campaign_number, device_number), progress in list(frame.headend.firmware_campaign.progress.items())
        if campaign_number == number
    }
    return {
        "row": row,
        "state": state,
        "counts": totals(row),
        "stages": _stages(row),
        "devices": rows[:DEVICES],
        "following": rows[DEVICES - 1]["device"] if len(rows) > DEVICES else None,
        "blocks": blocks,
        "states": [item for item in _FIRST if totals(row)[item]],
        "now": frame.now,
        **given,
    }


def _of_interest(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Return the devices somebody looks for first: those under way, then those that failed."""
    rank = case({state: index for index, state in enumerate(_FIRST)}, value=campaign_device.c.state)
    chosen = (
        select(campaign_device)
        .where(campaign_device.c.campaign == number)
        .order_by(rank, campaign_device.c.stage, campaign_device.c.device)
        .limit(INTEREST)
        .subquery()
    )
    names = dict(
        connection.execute(select(device.c.id, device.c.name).join(chosen, chosen.c.device == device.c.id)).all()
    )
    order = chosen.c.state
    rank = case({state: index for index, state in enumerate(_FIRST)}, value=order)
    rows = connection.execute(select(chosen).order_by(rank, chosen.c.stage, chosen.c.device))
    shown = ("device", "stage", "state", "tries", "detail", "finished")
    return [{name: row._mapping[name] for name in shown} | {"name": names[row.device]} for row in rows]


def _stages(row: CampaignRow) -> list[Stage]:
    found = []
    over = row.state in (CampaignState.DONE, CampaignState.ABORTED)
    for index, part in enumerate(row.account):
        size = sum(part.values())
        if index < row.stage or row.state is CampaignState.DONE:
            words = "over"
        elif index > row.stage or row.state is CampaignState.UNCONFIRMED:
            words = "not begun" if over else "to come"
        else:
            words = {CampaignState.RUNNING: "under way", CampaignState.HELD: "waits for a person"}.get(
                row.state, row.state.value
            )
        found.append(Stage(index + 1, size, part, words))
    return found


def _reasons(connection: Connection, number: int) -> list[tuple[str, str, int]]:
    """Return why devices failed or were passed over, the most frequent first."""
    query = (
        select(campaign_device.c.state, campaign_device.c.detail, func.count().label("devices"))
        .where(
            campaign_device.c.campaign == number,
            campaign_device.c.state.in_((DeviceState.FAILED, DeviceState.SKIPPED)),
        )
        .group_by(campaign_device.c.state, campaign_device.c.detail)
        .order_by(func.count().desc())
        .limit(REASONS)
    )
    return [(row.state, row.detail, row.devices) for row in connection.execute(query)]


def _history(connection: Connection, name: str) -> list[tuple[Entry, str]]:
    """Return who did what to a campaign, the newest first; something else may have the same name."""
    found = entries(connection, subject=name, limit=200)
    return [(entry, _HISTORY[entry.what]) for entry in found if entry.what in _HISTORY][:HISTORY]


def content_words(frame: Frame, row: CampaignRow) -> list[tuple[str, str]]:
    """Return what a campaign does, as names and words."""
    content = row.content
    if row.kind == "firmware":
        said = [("Image", str(content["image"]))]
        with suppress(ConfigError):
            said.append(("Version", frame.headend.firmware.get(content["image"]).version))
        at = content.get("activate_at")
        when = "by each device as soon as it has verified" if at is None else _local(frame, at)
        return [*said, ("Activated", when)]
    if row.kind == "keys":
        said = [("Keys", ", ".join(item.replace("_", " ") for item in content["purposes"]))]
        if "older_than_days" in content:
            said.append(("Older than", f"{content['older_than_days']} days"))
        if "counter_above" in content:
            said.append(("Counter above", str(content["counter_above"])))
        return said
    said = []
    for item in content["commands"]:
        given = {} if item["kind"] in HIDDEN else item["parameters"]
        words = ", ".join(f"{name} {value}" for name, value in given.items())
        said.append(("Command", item["kind"] + (f": {words}" if words else "")))
    return said + ([("Told", "to all of a segment at once")] if content["broadcast"] else [])


def _local(frame: Frame, moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(frame.zone):%Y-%m-%d %H:%M}"


# --- acts -----------------------------------------------------------------------------------------------------


def _not_own(act: CampaignAct, row: CampaignRow, who: Visitor) -> bool:
    return act.right is not Act.CONFIRM or row.requested_by != who.person.name


def _act(name: str, who: Visitor) -> CampaignAct:
    act = next((act for act in ACTS if act.name == name), None)
    if act is None:
        raise Gone("there is no such act")
    who.person.may(act.right)
    return act


@router.get("/campaigns/{number}/ask/{name}")
def ask_act(frame: Framed, who: Networked, request: Request, number: int, name: str) -> Response:
    """Ask whether it is meant."""
    act, row = _act(name, who), of(frame, number)
    counts = totals(row)
    facts = (
        ("Campaign", row.name),
        ("Devices", f"{counts['all']}, {counts['over']} of them over"),
        *content_words(frame, row)[:3],
    )
    heading = f"{act.words.split(' as ')[0]} this campaign"
    to, cancel = f"/campaigns/{number}/{act.name}", f"/campaigns/{number}"
    return ask(frame, request, who, Question(heading, act.words, act.says, to, cancel, facts, act.grave))


@router.post("/campaigns/{number}/{name}")
async def do(frame: Framed, who: Networked, request: Request, number: int, name: str) -> Response:
    """Do it; sent twice under one key it is done once."""
    act, row = _act(name, who), of(frame, number)
    form = await fields(request)
    with first_time(frame, who, key_of(form), request.url.path) as fresh:
        if not fresh:
            return back(f"/campaigns/{number}", "That was done already.")
        await getattr(frame.headend.campaigns, act.name)(row.name, who.person.name)
    frame.live.touch(f"campaign:{number}", "overview")
    return back(f"/campaigns/{number}", act.done)
