"""Campaigns and changes of keys on the durable queue itself: ended in the middle, begun anew, carried to the end."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import urlencode

from cosem.client.core import ClientOptions
from cosem.client.firmware import ImagePatience
from cosem.device.image import ImageOptions
from cosem.headend.campaign import CampaignState, NewCampaign
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.firmware import NewImage
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits
from cosem.headend.plans import Selection
from cosem.headend.vault import Vault
from cosem.headend.work import DbosQueue
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from support.offices import NOW, QUERY, SECRETS, prepare
from support.served import make_meter, served

QUICK = ImageOptions(block_size=128, verify_duration=0, activation_duration=0)


async def start(folder) -> Headend:
    prepare(folder)
    settings = HeadendSettings(folder, options=ClientOptions(retries=0), first_pause=0.05)
    queue = DbosQueue(folder / "work.db", poll=0.05)
    headend = Headend(settings, queue, clock=lambda: NOW, random=lambda: 0.5, sealer=Vault(bytes(32)))
    headend.firmware_campaign.patience = ImagePatience(pause=0.05)
    headend.firmware_campaign._pause = 0.05
    await headend.start(schedule=False)
    return headend


async def until(condition, seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_an_image_and_new_keys_survive_the_end_of_the_process(tmp_path):
    meter = make_meter(days=0.01, image_key=DEMO_IMAGE_KEY, image=QUICK)
    octets = make_image([ImagePart(THIS_DEVICE, 0, b"metrology 2", bytes(60_000))], demo_signing_key())
    with served(meter) as running:
        headend = await start(tmp_path)
        with headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.set_segment("street", Limits(5, 500))
            url = f"{running.url().partition('?')[0]}?{urlencode(QUERY)}"
            inventory.add(NewDevice("meter", Kind.ELECTRICITY, None, "street", url), int(NOW))
            inventory.move("meter", State.IN_USE, int(NOW))
            headend.keys.put(connection, 1, SECRETS, int(NOW))
        upload = headend.firmware.upload()
        upload.write(octets)
        headend.firmware.add(NewImage("FW 2", "metrology 2"), upload, hashlib.sha256(octets).hexdigest(), "anna")
        campaign = NewCampaign("f", "firmware", {"image": "FW 2"}, Selection(), (1.0,))
        await headend.campaigns.begin(campaign, "anna")
        blocks = meter.equipment.image.object
        await until(lambda: blocks.image_transferred_blocks_status.count("1") > 20)
        await headend.close()
        there = blocks.image_transferred_blocks_status.count("1")
        assert 20 < there < 470

        headend = await start(tmp_path)
        try:
            await until(lambda: headend.campaigns.get("f").state is not CampaignState.RUNNING)
            assert headend.campaigns.get("f").account == ({"done": 1},)
            assert meter.equipment.image.firmware[0][0] == b"metrology 2"
            change = await headend.key_changes.request("meter", "anna")
            await until(lambda: headend.key_changes.get(change.id).finished is not None)
            assert headend.key_changes.get(change.id).state == "done"
            keys = NewCampaign("k", "keys", {}, Selection(), (1.0,))
            await headend.campaigns.begin(keys, "anna")
            await until(lambda: headend.campaigns.get("k").state is CampaignState.DONE)
            async with headend.meter(1) as reached:
                await reached.clock()
        finally:
            await headend.close()
