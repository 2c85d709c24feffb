"""New firmware for a street with meters of three models: stage after stage, paused in the middle, resumed at the block.

Meters of one model trust another maker's signatures: the first of them says so, and no other one is sent anything.

    pip install 'cosem[headend]'
"""

import asyncio
import hashlib
import json
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cosem.client.firmware import ImagePatience
from cosem.headend.campaign import OPEN, CampaignState, NewCampaign
from cosem.headend.engine import HeadendSettings
from cosem.headend.exchange import import_rows, read_rows
from cosem.headend.firmware import NewImage
from cosem.headend.folder import make_folder
from cosem.headend.inventory import Inventory
from cosem.headend.permits import Limits
from cosem.headend.plans import Selection
from cosem.headend.service import working
from cosem.headend.vault import Vault
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import demo_signing_key
from cosem.simulator.neighbourhood.incidents import HEAR
from cosem.simulator.neighbourhood.layout import LINE_STREET, MODELS, NeighbourhoodSettings
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from cosem.simulator.neighbourhood.served import served
from cosem.simulator.neighbourhood.shipment import DEMO_TRANSPORT_KEY, shipment

MORNING = datetime(2026, 11, 25, 6, tzinfo=UTC)
IMAGE = "FW 2"
VERSION = "metrology 2"
SIZE = 30_000
HALF = 29
"""Blocks of 512 octets of half an image."""
SPEED = 60
"""A meter that starts anew takes twenty seconds of its own time."""


async def main(folder: Path) -> None:
    neighbours = Neighbourhood(
        NeighbourhoodSettings(meters=13, utilities=0, power_line=1, days=0.05), int(MORNING.timestamp()), chance=False
    )
    # One meter has been silent since last night; this is about those that can be heard.
    neighbours.act("E-007", HEAR)
    make_folder(folder)
    Vault.find(folder, create=True)
    async with (
        served(neighbours, speed=SPEED) as service,
        working(HeadendSettings(folder), schedule=False, clock=lambda: neighbours.now) as headend,
    ):
        rows = read_rows(json.dumps(shipment(neighbours, "127.0.0.1", service.ports)), transport_key=DEMO_TRANSPORT_KEY)
        # Over a power line an image takes hours: that meter is for a night of its own.
        rows = [row for row in rows if row.device.segment != LINE_STREET]
        with headend.engine.begin() as connection:
            inventory = Inventory(connection)
            for name in {row.device.segment for row in rows}:
                inventory.set_segment(name, Limits(concurrent=20, new_per_second=100.0))
            for kind, name in {(row.device.kind, row.device.type) for row in rows}:
                inventory.set_type(name, kind)
            import_rows(connection, headend.keys, rows, "example", neighbours.now)

        # The catalogue: what meters call the image, what they show when it runs, and whom it is for.
        octets = image()
        upload = headend.firmware.upload()
        upload.write(octets)
        item = NewImage(IMAGE, VERSION, types=MODELS)
        headend.firmware.add(item, upload, hashlib.sha256(octets).hexdigest(), "example")
        headend.firmware_campaign.patience = ImagePatience(pause=0.2)

        # The first model: one meter, then the others. Somebody pauses it when half of the image is there.
        half = asyncio.Event()
        resumed: list[int] = []

        def follow(kind: str, content: dict) -> None:
            if kind == "firmware" and content.get("blocks", 0) >= HALF:
                half.set()
            if kind == "firmware" and "resumed_at" in content:
                resumed.append(content["resumed_at"])

        headend.live.append(follow)
        first, stubborn, third = MODELS
        await headend.campaigns.begin(campaign(first), "anna")
        await half.wait()
        await headend.campaigns.pause(first, "anna")
        (device,) = [each for each in headend.campaigns.devices(1) if each["tries"]]
        print(f"{first}: paused; {device['name']} is {device['state']}")
        bits = neighbours.unit(device["name"]).meter.equipment.image.object.image_transferred_blocks_status
        await headend.campaigns.resume(first, "ben")
        row = await ended(headend, first)
        at = "the first that was missing" if resumed == [bits.find("0")] else "not the one that was missing"
        print(f"{first}: went on at block {resumed[0]} of {len(bits)}, {at}")
        print(told(row))

        # The other two at once: their devices do not wait for one another.
        for name in (stubborn, third):
            await headend.campaigns.begin(campaign(name), "anna")
        for name in (stubborn, third):
            print(told(row := await ended(headend, name)))
            for each in headend.campaigns.devices(row.id):
                if each["state"] == "failed":
                    print(f"  {each['name']}: {each['detail']}")

        # What the meters themselves say runs on them, whatever the head-end believes.
        running: dict[str, set[str]] = {}
        for row in rows:
            if row.device.kind == "electricity":
                parts = neighbours.unit(row.device.name).meter.equipment.image.firmware
                running.setdefault(row.device.type, set()).add(parts[0][0].decode())
        for name in MODELS:
            print(f"{name} runs {', '.join(sorted(running[name]))}")


def image() -> bytes:
    """Return an image as the maker of these meters signs it."""
    payload = random.Random(1).randbytes(SIZE)
    return make_image([ImagePart(THIS_DEVICE, 0, VERSION.encode(), payload)], demo_signing_key())


def campaign(model: str) -> NewCampaign:
    """Return a campaign for all meters of a model: one of them first, and no other one where it fails."""
    return NewCampaign(model, "firmware", {"image": IMAGE}, Selection(types=(model,)), stages=(1, 1.0), abort_share=0.1)


async def ended(headend, name):
    """Wait until a campaign is over and nothing of it is under way."""
    while True:
        row = headend.campaigns.get(name)
        over = row.state in (CampaignState.DONE, CampaignState.ABORTED)
        if over and not any(part.get(state) for part in row.account for state in OPEN):
            return row
        await asyncio.sleep(0.1)


def told(row) -> str:
    """Return a campaign's account, by stages."""
    stages = "; ".join(
        f"stage {number}: " + ", ".join(f"{count} {state}" for state, count in sorted(part.items()))
        for number, part in enumerate(row.account, 1)
    )
    return f"{row.name}: {row.state}; {stages}" + (f" ({row.detail})" if row.detail else "")


with tempfile.TemporaryDirectory() as made:
    asyncio.run(main(Path(made)))
