"""What campaigns do: bundles of commands, firmware, and new keys, each at one device after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.client.firmware import ImagePatience, ImageProgress, ImageUpdate
from cosem.errors import ConfigError, CosemError, ImageTransferFailed
from cosem.headend.broadcast import Broadcasts
from cosem.headend.campaign import CampaignRow, DeviceState, Ended
from cosem.headend.command_more import emergency_of
from cosem.headend.commands import Commands, CommandState, NewCommand, kind_of
from cosem.headend.firmware import VERSION, Firmware, Image, running_version
from cosem.headend.inventory import DeviceRow
from cosem.headend.keychanges import KEYS, USUAL, ChangeState, KeyChanges
from cosem.headend.permits import Lane
from cosem.headend.reasons import AGAIN, reason_of
from cosem.headend.schema import broadcast_sent
from cosem.headend.vault import Purpose
from cosem.obis import obis

DEVICE_SECONDS: Final = 900
"""How long one device is tried before it counts as failed."""
SETTLE_SECONDS: Final = 5.0
VERSION_TRIES: Final = 5


class CommandCampaign:
    """A bundle of commands for every device: ``{"commands": [{"kind": ..., "parameters": {...}}], "broadcast": true}``.

    With `broadcast` an emergency profile goes to all devices of a segment at once where that has a channel; at each
    device the command then reads, and writes only where it was not heard.
    """

    kind = "commands"
    interruptible = False

    def __init__(
        self, engine: Engine, commands: Commands, broadcasts: Broadcasts, *, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._commands = commands
        self._broadcasts = broadcasts
        self._clock = clock
        self.settle = SETTLE_SECONDS
        """Seconds until a broadcast has arrived wherever it does, and devices are asked."""

    def check(self, content: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return the content, and whether a kind in it is confirmed by a second person."""
        _only(content, "commands", "broadcast", "seconds")
        commands = content.get("commands")
        if not isinstance(commands, (list, tuple)) or not 1 <= len(commands) <= 100:
            raise ConfigError("a campaign of commands has 1 to 100 of them")
        kept: list[dict[str, Any]] = []
        for item in commands:
            if not isinstance(item, Mapping) or not isinstance(item.get("parameters", {}), Mapping):
                raise ConfigError('a command is {"kind": ..., "parameters": {...}}')
            kind = kind_of(str(item.get("kind")))
            kept.append({"kind": kind.name, "parameters": kind.check(item.get("parameters", {}))})
        seconds = content.get("seconds", DEVICE_SECONDS)
        if type(seconds) is not int or not 1 <= seconds <= 86_400:
            raise ConfigError("seconds for a device are 1 to 86400")
        broadcast = content.get("broadcast", False)
        if broadcast not in (True, False) or (broadcast and all(item["kind"] != "emergency" for item in kept)):
            raise ConfigError("what goes to all at once is the emergency profile")
        grave = self._commands.wants_two(NewCommand(item["kind"], item["parameters"]) for item in kept)
        return {"commands": kept, "broadcast": broadcast, "seconds": seconds}, grave

    def due(self, content: Mapping[str, Any]) -> int | None:
        """Nothing waits for a time of its own."""
        return None

    async def begin(self, row: CampaignRow, segment: int) -> None:
        """Tell all of the segment at once, once."""
        if not row.content["broadcast"]:
            return
        with self._engine.begin() as connection:
            channel = self._broadcasts.channel(connection, segment)
            mark = {"campaign": row.id, "segment": segment, "at": int(self._clock())}
            statement = upsert(broadcast_sent).values(mark).on_conflict_do_nothing()
            if channel is None or not connection.execute(statement).rowcount:
                return
        for item in row.content["commands"]:
            if item["kind"] == "emergency":
                name, profile = emergency_of(item["parameters"])
                try:
                    await self._broadcasts.write(channel, 71, obis(name), 8, profile)
                except (CosemError, OSError) as error:
                    # Each device is asked anyway: who did not hear it is told alone.
                    self._problem(row.id, segment, f"{reason_of(error)}: {error}")
        await asyncio.sleep(self.settle)

    def _problem(self, number: int, segment: int, problem: str) -> None:
        where = (broadcast_sent.c.campaign == number, broadcast_sent.c.segment == segment)
        with self._engine.begin() as connection:
            connection.execute(update(broadcast_sent).where(*where).values(problem=problem[:500]))

    async def one(self, row: CampaignRow, target: DeviceRow, *, final: bool) -> Ended:
        """Carry the bundle out at one device; after a crash the same one."""
        rows = await self._commands.request_and_carry_out(
            target.name,
            [NewCommand(item["kind"], item["parameters"]) for item in row.content["commands"]],
            row.requested_by,
            identity=f"campaign {row.id} device {target.id}",
            not_after=min(row.not_after, int(self._clock()) + row.content["seconds"]),
            confirmed_by=row.confirmed_by,
        )
        answer = [{"kind": each.kind, "state": each.state, "answer": each.answer} for each in rows]
        wrong = [each for each in rows if each.state is not CommandState.DONE]
        if wrong:
            detail = f"{wrong[0].kind} {wrong[0].state}: {wrong[0].detail}"
            return Ended(DeviceState.FAILED, detail, answer)
        return Ended(DeviceState.DONE, "", answer)

    async def give_up(self, row: CampaignRow, devices: Sequence[int]) -> None:
        """Take back commands that were written down and not sent."""
        for number in devices:
            with suppress(ConfigError):
                await self._commands.cancel(f"campaign {row.id} device {number}", row.requested_by)


class KeyCampaign:
    """New keys for every device: ``{"purposes": [...], "older_than_days": 365, "counter_above": 2000000000}``.

    Where an age or a counter is given, devices whose keys are younger and counters lower are passed over.
    """

    kind = "keys"
    interruptible = False

    def __init__(self, engine: Engine, changes: KeyChanges) -> None:
        self._engine = engine
        self._changes = changes

    def check(self, content: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return the content."""
        _only(content, "purposes", "older_than_days", "counter_above")
        purposes = content.get("purposes", list(USUAL))
        if not isinstance(purposes, (list, tuple)) or not purposes or any(item not in KEYS for item in purposes):
            raise ConfigError(f"keys that change by a campaign: {', '.join(KEYS)}")
        kept: dict[str, Any] = {"purposes": list(purposes)}
        for name, most in (("older_than_days", 36_500), ("counter_above", 2**32 - 1)):
            if name in content:
                if type(content[name]) is not int or not 0 <= content[name] <= most:
                    raise ConfigError(f"{name} is 0 to {most}")
                kept[name] = content[name]
        return kept, False

    def due(self, content: Mapping[str, Any]) -> int | None:
        """Nothing waits for a time of its own."""
        return None

    async def begin(self, row: CampaignRow, segment: int) -> None:
        """Nothing is done for a segment as a whole."""

    async def one(self, row: CampaignRow, target: DeviceRow, *, final: bool) -> Ended:
        """Change the keys of one device; after a crash it is the same change that goes on."""
        identity = f"campaign {row.id} device {target.id}"
        days, above = row.content.get("older_than_days"), row.content.get("counter_above")
        if (days is not None or above is not None) and not self._begun(identity):
            with self._engine.connect() as connection:
                wanted = self._changes.due(
                    connection,
                    [target.id],
                    older_than=None if days is None else days * 86_400,
                    counter_above=2**32 if above is None else above,
                )
            if not wanted:
                return Ended(DeviceState.SKIPPED, "its keys are young enough")
        purposes = [Purpose(item) for item in row.content["purposes"]]
        self._changes.prepare(target.name, row.requested_by, purposes, identity=identity)
        change = await self._changes.carry_out(identity, lane=Lane.BACKGROUND)
        if change.state is ChangeState.DONE:
            return Ended(DeviceState.DONE, change.detail)
        detail = change.detail if change.state is ChangeState.FAILED else f"not decided yet: {change.detail}"
        return Ended(DeviceState.FAILED, detail)

    async def give_up(self, row: CampaignRow, devices: Sequence[int]) -> None:
        """Take back changes of which nothing was sent; the others are decided by the sweep all the same."""
        for number in devices:
            with suppress(ConfigError):
                self._changes.take_back(f"campaign {row.id} device {number}", "head-end")

    def _begun(self, identity: str) -> bool:
        try:
            self._changes.get(identity)
        except ConfigError:
            return False
        return True


class FirmwareCampaign:
    """An image for every device: ``{"image": identifier, "activate_at": time, "version_object": "1-0:0.2.0.255"}``.

    Without `activate_at` each device activates as soon as it has verified; with it all are ready first, and activate
    when that time has come. `open_meter(number, lane=)` associates.
    """

    kind = "firmware"
    interruptible = True

    def __init__(
        self,
        engine: Engine,
        firmware: Firmware,
        open_meter: Callable[..., Any],
        *,
        tell: Callable[[str, dict[str, Any]], None] = lambda kind, content: None,
        patience: ImagePatience | None = None,
        pause: float = 5.0,
    ) -> None:
        self._engine = engine
        self._firmware = firmware
        self._open = open_meter
        self._tell = tell
        self.patience = patience or ImagePatience()
        self._pause = pause
        self._octets: tuple[str, bytes] = ("", b"")
        self.progress: dict[tuple[int, int], ImageProgress] = {}
        """How far each device is that is under way, by campaign and device."""

    def check(self, content: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return the content."""
        _only(content, "image", "activate_at", "version_object")
        image = self._firmware.get(str(content.get("image")))
        if image.withdrawn is not None:
            raise ConfigError(f"{image.identifier} was withdrawn")
        self._firmware.octets(image)
        kept: dict[str, Any] = {"image": image.identifier, "version_object": content.get("version_object", VERSION)}
        obis(str(kept["version_object"]))
        if content.get("activate_at") is not None:
            try:
                moment = datetime.fromisoformat(str(content["activate_at"]))
            except ValueError:
                raise ConfigError("activate_at is a date and time, as in 2026-11-01T02:00:00Z") from None
            if moment.tzinfo is None:
                raise ConfigError("activate_at has a zone, as in 2026-11-01T02:00:00Z")
            kept["activate_at"] = moment.isoformat()
        return kept, False

    def due(self, content: Mapping[str, Any]) -> int | None:
        """Return when images are activated."""
        text = content.get("activate_at")
        return None if text is None else int(datetime.fromisoformat(text).timestamp())

    async def begin(self, row: CampaignRow, segment: int) -> None:
        """Nothing is done for a segment as a whole: broadcasts of images are of the client (`broadcast_image`)."""

    async def one(self, row: CampaignRow, target: DeviceRow, *, final: bool) -> Ended:
        """Send what is missing of the image, have it verified and activated, and read what runs then."""
        image = self._firmware.get(row.content["image"])
        where = (row.id, target.id)
        before = None
        try:
            misfit = image.misfit(target, image.version)
            if misfit is None:
                before = await self._version(row, target)
                misfit = image.misfit(target, before)
            if misfit is not None:
                self._note(row, target, image, DeviceState.SKIPPED, before, None, misfit)
                return Ended(DeviceState.SKIPPED, misfit)
            if before == image.version:
                return Ended(DeviceState.DONE, f"{before} runs already", {"before": before, "after": before})
            activate = final or self.due(row.content) is None
            await self._send(row, target, image, activate)
            if not activate:
                return Ended(DeviceState.READY, "verified, waits for its time")
            after = await self._version(row, target)
            if after != image.version:
                raise ImageTransferFailed(f"it was activated, and {after} runs, not {image.version}")
        except asyncio.CancelledError:
            self._note(row, target, image, "interrupted", before, None, self._shown(where))
            raise
        except (CosemError, OSError) as error:
            detail = f"{reason_of(error)}: {error}"
            self._note(row, target, image, DeviceState.FAILED, before, None, detail)
            return Ended(DeviceState.FAILED, detail)
        finally:
            self.progress.pop(where, None)
        self._note(row, target, image, DeviceState.DONE, before, after, "")
        return Ended(DeviceState.DONE, "", {"before": before, "after": after})

    async def give_up(self, row: CampaignRow, devices: Sequence[int]) -> None:
        """Blocks that a device has are left to it."""

    async def _send(self, row: CampaignRow, target: DeviceRow, image: Image, activate: bool) -> None:
        octets = self._image(image)

        def tell(progress: ImageProgress) -> None:
            self.progress[row.id, target.id] = progress
            content = {"id": row.id, "campaign": row.name, "device": target.id, "phase": progress.phase}
            self._tell("firmware", {**content, "blocks": progress.blocks, "total": progress.total})

        async with self._open(target.id, lane=Lane.BACKGROUND) as meter:
            transfer = ImageUpdate(
                meter.core,
                octets,
                image.identifier.encode(),
                activate=activate,
                progress=tell,
                patience=self.patience,
            )
            report = await meter.run(transfer.run())
        if report.resumed_at is not None:
            told = {"id": row.id, "campaign": row.name, "device": target.id, "resumed_at": report.resumed_at}
            self._tell("firmware", told)

    async def _version(self, row: CampaignRow, target: DeviceRow) -> str | None:
        """Read which firmware runs; a device that starts anew is given some time."""
        for left in reversed(range(VERSION_TRIES)):
            try:
                async with self._open(target.id, lane=Lane.BACKGROUND) as meter:
                    return await running_version(meter, row.content["version_object"])
            except (CosemError, OSError) as error:
                if not left or reason_of(error) not in AGAIN:
                    raise
            await asyncio.sleep(self._pause)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _image(self, image: Image) -> bytes:
        """Return the octets: a campaign sends the same ones again and again."""
        if self._octets[0] != image.digest:
            self._octets = (image.digest, self._firmware.octets(image))
        return self._octets[1]

    def _shown(self, where: tuple[int, int]) -> str:
        progress = self.progress.get(where)
        return "" if progress is None else f"{progress.phase}: {progress.blocks} of {progress.total} blocks"

    def _note(
        self,
        row: CampaignRow,
        target: DeviceRow,
        image: Image,
        state: str,
        before: str | None,
        after: str | None,
        detail: str,
    ) -> None:
        with self._engine.begin() as connection:
            self._firmware.note(connection, target.id, image, row.id, state, before=before, after=after, detail=detail)


def _only(content: Mapping[str, Any], *names: str) -> None:
    for name in content:
        if name not in names:
            raise ConfigError(f"{name!r} says nothing to this kind of campaign; what does: {', '.join(names)}")
