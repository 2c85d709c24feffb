"""Campaigns, firmware, changes of keys, broadcast channels and notifications."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from cosem.errors import ConfigError
from cosem.headend.access import Act, Person
from cosem.headend.api.app import Asked, Key, NotFound, Served, allowed, looked_up, once, room, seen_device
from cosem.headend.api.shapes import (
    MAX_NUMBER,
    MAX_PAGE,
    Flag,
    Name,
    Names,
    Shape,
    Share,
    Time,
    moment,
    seconds,
)
from cosem.headend.campaign import USUAL_STAGES, CampaignRow, CampaignState, DeviceState, NewCampaign
from cosem.headend.firmware import Image, NewImage
from cosem.headend.inventory import Inventory, Kind
from cosem.headend.keychanges import Change, ChangeState
from cosem.headend.notify import GATHERED, Rule
from cosem.headend.plans import Selection
from cosem.headend.vault import Purpose
from cosem.security.keys import Keys

router = room("campaigns")
Named = Annotated[str, Path(min_length=1, max_length=200)]
Before = Annotated[int | None, Query(ge=0, le=MAX_NUMBER)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Hex = Annotated[str, Field(pattern="^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})$")]
Digest = Annotated[str, Query(pattern="^[0-9A-Fa-f]{64}$")]
Texts = Annotated[list[Annotated[str, Field(max_length=64)]], Query(max_length=20)]


Stage = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]
"""1 is one device, 1.0 are all."""


class SelectionShape(Shape):
    """Which devices: those in use that fit every condition given."""

    kinds: list[Kind] = Field(default_factory=list, max_length=20)
    types: Names = Field(default_factory=list)
    groups: Names = Field(default_factory=list)
    tags: Names = Field(default_factory=list)
    names: Names = Field(default_factory=list)

    def selection(self) -> Selection:
        """Return it as plans have it."""
        return Selection(tuple(self.kinds), tuple(self.types), tuple(self.groups), tuple(self.tags), tuple(self.names))


class CampaignRequest(Shape):
    """A campaign: `kind` is commands, firmware or keys; `stages` as numbers of devices, or fractions of all."""

    name: Name
    kind: Name
    content: dict[str, Any] = Field(default_factory=dict)
    selection: SelectionShape = Field(default_factory=SelectionShape)
    stages: list[Stage] = Field(default_factory=lambda: list(USUAL_STAGES), min_length=1, max_length=20)
    gate: Flag = False
    abort_share: Share = 0.05
    not_after: Time | None = None


class CampaignShape(Shape):
    """A campaign as it stands. `account` counts devices by state, for each stage."""

    id: int
    name: str
    kind: str
    content: dict[str, Any]
    stages: list[int | float]
    gate: bool
    abort_share: float
    state: CampaignState
    stage: int
    requested_by: str
    confirmed_by: str | None
    created: datetime
    not_after: datetime
    finished: datetime | None
    detail: str
    account: list[dict[str, int]]

    @classmethod
    def of(cls, row: CampaignRow) -> CampaignShape:
        """Return what is shown of a row."""
        given = {name: getattr(row, name) for name in cls.model_fields}
        times = {name: None if given[name] is None else moment(given[name]) for name in ("created", "not_after")}
        given |= times | {"finished": None if row.finished is None else moment(row.finished)}
        given |= {"stages": list(row.stages), "account": [dict(part) for part in row.account]}
        return cls(**given)


class CampaignDevice(Shape):
    """What became of a device in a campaign."""

    device: int
    name: str
    stage: int
    state: DeviceState
    tries: int
    detail: str
    answer: Any
    finished: datetime | None


class ImageShape(Shape):
    """An image of the catalogue."""

    identifier: str
    version: str
    digest: str
    octets: int
    types: list[str]
    hardware: list[str]
    from_versions: list[str]
    added_by: str
    added: datetime
    withdrawn: datetime | None

    @classmethod
    def of(cls, image: Image) -> ImageShape:
        """Return what is shown of an image."""
        given = {name: getattr(image, name) for name in cls.model_fields}
        given |= {name: list(given[name]) for name in ("types", "hardware", "from_versions")}
        given |= {"added": moment(image.added)}
        return cls(**given | {"withdrawn": None if image.withdrawn is None else moment(image.withdrawn)})


class KeyChangeRequest(Shape):
    """Which keys of a device are changed."""

    purposes: list[Purpose] = Field(default=[Purpose.UNICAST, Purpose.AUTHENTICATION], min_length=1, max_length=4)


class SharedShape(Shape):
    """Whether something of the device opened already with the key that its parent was given."""

    opens: bool


class KeyChangeShape(Shape):
    """A change of keys as it stands; no key is in it."""

    id: str
    device: int
    purposes: list[Purpose]
    state: ChangeState
    requested_by: str
    requested: datetime
    not_after: datetime
    finished: datetime | None
    detail: str

    @classmethod
    def of(cls, change: Change) -> KeyChangeShape:
        """Return what is shown of a change."""
        given = {name: getattr(change, name) for name in cls.model_fields}
        given |= {"purposes": list(change.purposes)}
        given |= {"requested": moment(change.requested), "not_after": moment(change.not_after)}
        return cls(**given | {"finished": None if change.finished is None else moment(change.finished)})


class BroadcastShape(Shape):
    """How a segment is told at once: addresses udp://host:port, the sender's system title, and keys in hex."""

    urls: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=1000)]
    system_title: str = Field(pattern="^[0-9A-Fa-f]{16}$")
    broadcast_key: Hex | None = None
    authentication_key: Hex | None = None


class RuleShape(Shape):
    """Who is told of what: see `cosem.headend.notify.Rule`."""

    name: Name
    sender: Name
    target: dict[str, Any]
    kinds: Names = Field(default_factory=list)
    fraud: Flag | None = None
    segments: Names = Field(default_factory=list)
    gather: Names = Field(default_factory=lambda: list(GATHERED))


class RuleRequest(RuleShape):
    """The same with secrets of the target, which are never shown; left out, those that are there stay."""

    secrets: dict[str, Annotated[str, Field(max_length=1000)]] | None = Field(None, max_length=5)


# --- campaigns --------------------------------------------------------------------------------------------------------


@router.get("/campaigns")
def list_campaigns(
    headend: Served, who: Annotated[Person, allowed(Act.SEE, everywhere=True)], before: Before = None, limit: Limit = 50
) -> list[CampaignShape]:
    """Return campaigns, the newest first."""
    return [CampaignShape.of(row) for row in headend.campaigns.all(before=before, limit=limit)]


@router.post("/campaigns", status_code=202, response_model=CampaignShape)
async def begin_campaign(
    headend: Served,
    who: Annotated[Person, allowed(Act.COMMAND, everywhere=True)],
    item: CampaignRequest,
    request: Request,
    key: Key = None,
) -> Response:
    """Begin a campaign. One that changes keys or firmware is an administrator's."""
    if item.kind in ("keys", "firmware"):
        who.may(Act.INVENTORY)

    async def act(asked: Asked) -> CampaignShape:
        made = NewCampaign(
            item.name,
            item.kind,
            item.content,
            item.selection.selection(),
            tuple(item.stages),
            item.gate,
            item.abort_share,
            None if item.not_after is None else seconds(item.not_after),
        )
        return CampaignShape.of(await headend.campaigns.begin(made, who.name))

    return await once(headend, who, key, request, act, 202)


def _campaign(headend: Served, name: str) -> CampaignRow:
    with looked_up():
        return headend.campaigns.get(name)


@router.get("/campaigns/{name}")
def get_campaign(
    headend: Served, who: Annotated[Person, allowed(Act.SEE, everywhere=True)], name: Named
) -> CampaignShape:
    """Return a campaign."""
    return CampaignShape.of(_campaign(headend, name))


@router.get("/campaigns/{name}/devices")
def campaign_devices(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE, everywhere=True)],
    name: Named,
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
    limit: Limit = 50,
    state: DeviceState | None = None,
) -> list[CampaignDevice]:
    """Return what became of the devices of a campaign, behind a cursor: the number of the last one."""
    row = _campaign(headend, name)
    found = headend.campaigns.devices(row.id, after=after, limit=limit, state=state)
    return [
        CampaignDevice(**item | {"finished": None if item["finished"] is None else moment(item["finished"])})
        for item in found
    ]


@router.post("/campaigns/{name}/confirmation")
async def confirm_campaign(
    headend: Served, who: Annotated[Person, allowed(Act.CONFIRM, everywhere=True)], name: Named
) -> CampaignShape:
    """Confirm as the second person."""
    _campaign(headend, name)
    return CampaignShape.of(await headend.campaigns.confirm(name, who.name))


@router.post("/campaigns/{name}/pause")
async def pause_campaign(
    headend: Served, who: Annotated[Person, allowed(Act.COMMAND, everywhere=True)], name: Named
) -> CampaignShape:
    """Begin no further device; what may be cut off is."""
    _campaign(headend, name)
    return CampaignShape.of(await headend.campaigns.pause(name, who.name))


@router.post("/campaigns/{name}/resumption")
async def resume_campaign(
    headend: Served, who: Annotated[Person, allowed(Act.COMMAND, everywhere=True)], name: Named
) -> CampaignShape:
    """Go on behind a pause or a gate."""
    _campaign(headend, name)
    return CampaignShape.of(await headend.campaigns.resume(name, who.name))


@router.post("/campaigns/{name}/abort")
async def abort_campaign(
    headend: Served, who: Annotated[Person, allowed(Act.COMMAND, everywhere=True)], name: Named
) -> CampaignShape:
    """Abort: devices whose turn has not come are left as they are."""
    _campaign(headend, name)
    return CampaignShape.of(await headend.campaigns.abort(name, who.name))


# --- firmware ---------------------------------------------------------------------------------------------------------


@router.get("/firmware")
def list_firmware(headend: Served, who: Annotated[Person, allowed(Act.SEE, everywhere=True)]) -> list[ImageShape]:
    """Return the catalogue of images, the newest first."""
    return [ImageShape.of(image) for image in headend.firmware.all()]


@router.put(
    "/firmware/{identifier}",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_firmware(
    headend: Served,
    who: Annotated[Person, allowed(Act.INVENTORY, everywhere=True)],
    identifier: Annotated[str, Path(min_length=1, max_length=64)],
    request: Request,
    version: Annotated[str, Query(min_length=1, max_length=64)],
    sha256: Digest,
    types: Texts = [],  # noqa: B006 - FastAPI copies it
    hardware: Texts = [],  # noqa: B006
    from_versions: Texts = [],  # noqa: B006
) -> ImageShape:
    """Upload an image as the body (application/octet-stream); `sha256` is checked against what arrives."""
    item = NewImage(identifier, version, tuple(types), tuple(hardware), tuple(from_versions))
    upload = headend.firmware.upload()
    try:
        async for piece in request.stream():
            upload.write(piece)
        return ImageShape.of(await asyncio.to_thread(headend.firmware.add, item, upload, sha256, who.name))
    except ClientDisconnect:
        raise ConfigError("the upload broke off") from None
    finally:
        upload.drop()


@router.post("/firmware/{identifier}/withdrawal")
def withdraw_firmware(
    headend: Served,
    who: Annotated[Person, allowed(Act.INVENTORY, everywhere=True)],
    identifier: Annotated[str, Path(min_length=1, max_length=64)],
) -> ImageShape:
    """Let an image go to no further device."""
    with looked_up():
        headend.firmware.get(identifier)
    return ImageShape.of(headend.firmware.withdraw(identifier, who.name))


@router.get("/devices/{name}/firmware")
def firmware_history(headend: Served, who: Annotated[Person, allowed(Act.SEE)], name: Named) -> list[dict[str, Any]]:
    """Return what became of images at a device, the newest first."""
    with headend.engine.connect() as connection:
        found = headend.firmware.history(connection, seen_device(connection, name, who).id)
    if who.narrowed:
        found = [item | {"campaign": None} for item in found]
    return [item | {"at": moment(item["at"])} for item in found]


# --- keys -------------------------------------------------------------------------------------------------------------


@router.post("/devices/{name}/keys", status_code=202, response_model=KeyChangeShape)
async def change_keys(
    headend: Served,
    who: Annotated[Person, allowed(Act.INVENTORY)],
    name: Named,
    item: KeyChangeRequest,
    request: Request,
    key: Key = None,
) -> Response:
    """Change keys of a device: new ones are made here, and nobody sees them."""

    async def act(asked: Asked) -> KeyChangeShape:
        made = await headend.key_changes.request(name, who.name, item.purposes, identity=asked.identity)
        return KeyChangeShape.of(made)

    with headend.engine.connect() as connection:
        seen_device(connection, name, who)

    return await once(headend, who, key, request, act, 202)


@router.post("/devices/{name}/keys/sharing")
async def share_key(headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], name: Named) -> SharedShape:
    """Give the parent of a device on a M-Bus the key that the device came with."""
    with headend.engine.connect() as connection:
        seen_device(connection, name, who)
    return SharedShape(opens=await headend.key_changes.share(name, who.name))


@router.get("/key-changes")
def list_key_changes(
    headend: Served,
    who: Annotated[Person, allowed(Act.INVENTORY)],
    device: Annotated[str | None, Query(max_length=200)] = None,
    open_only: Annotated[bool, Query(alias="open")] = False,
    limit: Limit = 50,
) -> list[KeyChangeShape]:
    """Return changes of keys, the newest first; those that are open wait for a device to tell which keys it has."""
    number = None
    if device is not None:
        with headend.engine.connect() as connection:
            number = seen_device(connection, device, who).id
    else:
        who.everywhere()
    return [KeyChangeShape.of(item) for item in headend.key_changes.of(number, open_only=open_only, limit=limit)]


@router.post("/key-changes/{identity}/recovery", status_code=202)
async def recover_keys(
    headend: Served, who: Annotated[Person, allowed(Act.INVENTORY)], identity: Named
) -> KeyChangeShape:
    """Find out which keys a device has, now."""
    with looked_up():
        change = headend.key_changes.get(identity)
    if not who.sees(change.device):
        raise NotFound(f"there is no change of keys {identity!r}")
    return KeyChangeShape.of(await headend.key_changes.recover(identity, who.name))


@router.put("/segments/{name}/broadcast")
def set_broadcast(
    headend: Served, who: Annotated[Person, allowed(Act.INVENTORY, everywhere=True)], name: Named, item: BroadcastShape
) -> dict[str, int]:
    """Say how all meters of a segment are told at once; keys are sealed and never shown."""
    with headend.engine.connect() as connection, looked_up():
        Inventory(connection).segment(name)
    keys = None
    if item.broadcast_key is not None or item.authentication_key is not None:
        held = [None if key is None else bytes.fromhex(key) for key in (item.authentication_key, item.broadcast_key)]
        keys = Keys(authentication_key=held[0], global_broadcast_encryption_key=held[1])
    headend.broadcasts.set(name, tuple(item.urls), bytes.fromhex(item.system_title), keys, who.name)
    return {"addresses": len(item.urls)}


# --- notifications ----------------------------------------------------------------------------------------------------


@router.get("/notifications")
def list_rules(headend: Served, who: Annotated[Person, allowed(Act.ACCESS)]) -> list[RuleShape]:
    """Return who is told of what."""
    return [
        RuleShape(
            name=rule.name,
            sender=rule.sender,
            target=dict(rule.target),
            kinds=list(rule.kinds),
            fraud=rule.fraud,
            segments=list(rule.segments),
            gather=list(rule.gather),
        )
        for rule in headend.notifier.rules()
    ]


@router.put("/notifications")
def save_rule(headend: Served, who: Annotated[Person, allowed(Act.ACCESS)], item: RuleRequest) -> RuleShape:
    """Add a rule, or change the one of that name."""
    rule = Rule(
        item.name,
        item.sender,
        item.target,
        tuple(item.kinds),
        item.fraud,
        tuple(item.segments),
        tuple(item.gather),
    )
    headend.notifier.save(rule, who.name, item.secrets)
    return RuleShape(**item.model_dump(exclude={"secrets"}))


@router.delete("/notifications/{name}")
def remove_rule(headend: Served, who: Annotated[Person, allowed(Act.ACCESS)], name: Named) -> dict[str, str]:
    """Tell by this rule no more."""
    with looked_up():
        headend.notifier.remove(name, who.name)
    return {"removed": name}


@router.get("/outbox")
def list_outbox(
    headend: Served, who: Annotated[Person, allowed(Act.ACCESS)], dead: bool = False, limit: Limit = 50
) -> list[dict[str, Any]]:
    """Return what waits to be told, or what was given up (`dead`)."""
    return headend.notifier.waiting(dead=dead, limit=limit)
