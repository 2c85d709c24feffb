"""Images sent by the client's verb: over lossy lines, through power cuts, killed anywhere, to many meters at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.client.core import ClientOptions, Core
from cosem.client.firmware import ImagePatience, ImageProgress, ImageReport, ImageUpdate, broadcast_image
from cosem.device.causes import Cause
from cosem.device.image import ACTIVATED, INITIATED, NOT_INITIATED, VERIFIED, ImageOptions
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError, CosemError, ImageTransferFailed
from cosem.io.memory import MemoryDriver
from cosem.link.base import Link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.memory import PERFECT, LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink
from cosem.security.counters import MemoryCounterStore
from cosem.security.image import MBUS_DEVICE, THIS_DEVICE, ImagePart, make_image
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from support.meters import utc
from support.served import END, served

START = utc(2026, 6, 1)
KEYS = Keys(bytes(range(16)), bytes(range(16, 32)), global_broadcast_encryption_key=bytes(range(32, 48)))
TITLE, TO_ALL = b"CSMclien", b"CSMtoall"
NAME = b"FW 2"
LOSSY = LineQuality(loss=0.10, delay=0.01)


class Killed(Exception):
    """The client's process ended."""


def firmware(size: int, version: bytes = b"metrology 2", seed: int = 1) -> bytes:
    """Return a signed image of `size` octets in all."""
    overhead = len(make_image([ImagePart(THIS_DEVICE, 0, version, b"")], demo_signing_key()))
    payload = random.Random(seed).randbytes(size - overhead)
    return make_image([ImagePart(THIS_DEVICE, 0, version, payload)], demo_signing_key())


def altered(octets: bytes) -> bytes:
    """Return an image whose signature is wrong."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


class World:
    """A meter whose time is that of the line; clients come, are killed, and come again."""

    def __init__(
        self,
        quality: LineQuality = PERFECT,
        link: Callable[[bool], Link] = lambda server: WrapperLink(server=server),
        image: ImageOptions | None = None,
        **settings: Any,
    ) -> None:
        self.quality = quality
        self.link = link
        self.random = random.Random(7)
        chosen = MeterSettings(
            keys=KEYS, image_key=DEMO_IMAGE_KEY, image=image or ImageOptions(block_size=64), **settings
        )
        self.meter = ElectricityMeter(chosen, START, SeededRandom(1), simulation=True, counters=MemoryCounterStore())
        self.store = MemoryCounterStore()
        self.passed = 0.0
        self.at: Callable[[MemoryDriver, int], None] | None = None
        self.steps = 0
        self.told: list[ImageProgress] = []

    @property
    def image(self) -> Any:
        return self.meter.equipment.image

    def client(self, options: ClientOptions | None = None) -> tuple[Core, MemoryDriver]:
        settings = AssociationSettings(
            client_sap=1,
            mechanism=5,
            protection=0x30,
            keys=KEYS,
            system_title=TITLE,
            lease=lambda count: self.store.lease("key", count),
        )
        responder = Responder(self.link(True), self.meter.device, self.random.randbytes)
        initiator = Initiator(self.link(False), settings)
        pipe = LossyPipe(self.random.random, self.quality)
        driver = MemoryDriver(initiator, responder, pipe)
        began = self.passed

        def hook(step: int) -> None:
            self.steps += 1
            self.passed = began + driver.now
            if self.meter.device.down and driver.connected and self.at is None:
                driver.cut()
            self.meter.advance(START + int(self.passed))
            if self.at is not None:
                self.at(driver, self.steps)

        driver.hook = hook
        self.meter.device.on_down.append(driver.cut)
        return Core(initiator, self.random.randbytes, options), driver

    def power_cut(self, driver: MemoryDriver) -> None:
        device = self.meter.device
        device.go_down("power")
        self.meter.host.note(Cause.POWER_DOWN)
        driver.cut()
        device.come_up("power")
        self.meter.host.note(Cause.POWER_UP)

    def update(self, image: bytes, options: ClientOptions | None = None, **other: Any) -> ImageReport:
        core, driver = self.client(options)
        update = ImageUpdate(core, image, NAME, progress=self.told.append, **other)

        report: ImageReport = driver.run(update.run())
        driver.cut()
        return report

    @property
    def running(self) -> bytes:
        identifier: bytes = self.image.firmware[0][0]
        return identifier


def test_an_image_is_sent_verified_and_activated() -> None:
    world = World()
    report = world.update(firmware(1000))
    assert report == ImageReport(ACTIVATED, 16, 16, None)
    assert world.running == b"metrology 2"
    assert [at.phase for at in world.told if at.phase != "transfer"] == ["verify", "activate", "done"]
    assert [at.blocks for at in world.told if at.phase == "transfer"] == [0, 16, 16]
    assert {at.total for at in world.told} == {16}


def test_without_activation_it_ends_verified_and_another_call_activates() -> None:
    world = World()
    image = firmware(1000)
    assert world.update(image, activate=False).status == VERIFIED
    assert world.running != b"metrology 2"
    assert world.update(image) == ImageReport(ACTIVATED, 16, 0, None)
    assert world.update(image) == ImageReport(ACTIVATED, 16, 0, None), "what is done is not done again"


def three_power_cuts(world: World, blocks: int) -> list[int]:
    """Cut the power when a quarter, a half and three quarters of the blocks are there; returns the cuts to come."""
    cuts = [blocks // 4, blocks // 2, blocks * 3 // 4]

    def cut(driver: MemoryDriver, step: int) -> None:
        bits: str = world.image.object.image_transferred_blocks_status
        if cuts and bits.count("1") >= cuts[0]:
            cuts.pop(0)
            world.power_cut(driver)

    world.at = cut
    return cuts


@pytest.mark.parametrize("window", [1, 4])
def test_firmware_of_512_kib_arrives_over_a_lossy_line_through_three_power_cuts(window: int) -> None:
    world = World(LOSSY, image=ImageOptions(block_size=960))
    cuts = three_power_cuts(world, 547)
    report = world.update(firmware(512 * 1024), ClientOptions(window=window), patience=ImagePatience(rounds=20))
    assert cuts == []
    assert (report.status, report.blocks, report.resumed_at) == (ACTIVATED, 547, None)
    assert 547 < report.sent < 1400
    assert world.running == b"metrology 2"


def test_firmware_of_512_kib_arrives_over_a_lossy_hdlc_line_through_three_power_cuts() -> None:
    parameters = HdlcParameters(1024, 1024, 3, 3)
    world = World(LOSSY, lambda server: HdlcLink(server=server, parameters=parameters), ImageOptions(block_size=960))
    cuts = three_power_cuts(world, 547)
    report = world.update(firmware(512 * 1024), patience=ImagePatience(rounds=20))
    assert (cuts, report.status, world.running) == ([], ACTIVATED, b"metrology 2")
    assert report.sent < 600, "the link repairs its losses by itself"


def steps_of_an_undisturbed_update() -> int:
    world = World()
    world.update(firmware(300))
    return world.steps


STEPS = steps_of_an_undisturbed_update()
FATES = ("client", "power", "line")


@pytest.mark.parametrize("fate", FATES)
def test_whatever_is_killed_at_any_step_it_goes_on(fate: str) -> None:
    assert STEPS > 30
    resumed = 0
    for step in range(1, STEPS + 1):
        world = World()
        image = firmware(300)

        def disturb(driver: MemoryDriver, now: int, world: World = world, step: int = step) -> None:
            if now != step:
                return
            if fate == "client":
                raise Killed
            if fate == "power":
                world.power_cut(driver)
            else:
                driver.cut()

        world.at = disturb
        try:
            report = world.update(image)
        except Killed:
            world.at = None
            report = world.update(image)
            resumed += report.resumed_at is not None
        assert report.status == ACTIVATED, step
        assert world.running == b"metrology 2", step
        assert world.image.status == ACTIVATED
    assert (resumed > 0) is (fate == "client")


def test_a_transfer_that_was_left_is_gone_on_with_at_the_first_missing_block() -> None:
    world = World()
    image = firmware(1000)

    def kill(driver: MemoryDriver, step: int) -> None:
        if world.image.object.image_first_not_transferred_block_number == 7:
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        world.update(image)
    world.at = None
    assert world.update(image) == ImageReport(ACTIVATED, 16, 9, 7)


def test_a_transfer_may_be_begun_anew() -> None:
    world = World()
    image = firmware(1000)
    world.update(image, activate=False)
    assert world.update(image, resume=False) == ImageReport(ACTIVATED, 16, 16, None)


def test_blocks_of_another_image_are_found_out_and_sent_again() -> None:
    world = World()
    other = firmware(1000, b"another one", seed=2)
    world.image.status = INITIATED
    world.image._initiate(type("", (), {"image_identifier": b"x", "image_size": 1000})())
    for number in range(5):
        block = type("", (), {"image_block_number": number, "image_block_value": other[number * 64 : number * 64 + 64]})
        world.image._block(block())
    report = world.update(firmware(1000))
    assert (report.status, report.sent, report.resumed_at) == (ACTIVATED, 11 + 16, 5)
    assert world.running == b"metrology 2"


def test_an_image_that_is_not_genuine_fails_in_words() -> None:
    world = World()
    with pytest.raises(ImageTransferFailed, match="genuine") as failed:
        world.update(altered(firmware(1000)))
    assert failed.value.status == 4
    assert world.image.status == 4


def test_a_meter_that_takes_no_images_says_so() -> None:
    world = World()
    world.image.enabled = False
    with pytest.raises(ImageTransferFailed, match="image_transfer_enabled is false"):
        world.update(firmware(1000))


def test_an_image_beyond_the_memory_of_the_meter_is_refused() -> None:
    world = World(image=ImageOptions(memory=500))
    with pytest.raises(CosemError, match="other-reason"):
        world.update(firmware(1000))


def test_a_firmware_that_does_not_start_is_told() -> None:
    world = World()
    world.image.defective = True
    with pytest.raises(ImageTransferFailed, match="does not activate") as failed:
        world.update(firmware(1000))
    assert failed.value.status == 7


def test_an_image_for_an_mbus_device_waits_in_the_meter() -> None:
    world = World()
    image = make_image([ImagePart(MBUS_DEVICE, 1, b"gas 3", b"x" * 100)], demo_signing_key())
    assert world.update(image, activate=False).status == VERIFIED
    assert world.image.held[1].identifier == b"gas 3"
    with pytest.raises(ImageTransferFailed, match="does not activate"):
        world.update(image, patience=ImagePatience(tries=3))


@pytest.mark.parametrize("size", [0, 65 * 1024 * 1024])
def test_what_cannot_be_an_image_is_refused_before_anything_is_sent(size: int) -> None:
    core, _ = World().client()
    with pytest.raises(ConfigError, match="octets"):
        ImageUpdate(core, bytes(size), NAME)


@pytest.mark.parametrize("block_size", [0, -1])
def test_a_block_size_that_is_none_is_refused(block_size: int) -> None:
    with pytest.raises(ConfigError, match="cannot be sent in blocks"):
        next(broadcast_image(b"x", NAME, block_size))


# --- to all at once -----------------------------------------------------------------------------------------------


def test_35_9_an_image_for_all_and_the_gaps_for_each() -> None:
    """Three meters hear the broadcast, each misses other blocks; one did not take part from the start."""
    worlds = [World(broadcast_title=TO_ALL) for _ in range(3)]
    image = firmware(2000)
    worlds[2].image.enabled = False
    store = MemoryCounterStore()
    settings = AssociationSettings(
        client_sap=102,
        server_sap=0x7F,
        protection=0x30,
        keys=KEYS,
        system_title=TO_ALL,
        lease=lambda count: store.lease("broadcast", count),
        pre_established=True,
        broadcast=True,
    )
    initiator = Initiator(WrapperLink(), settings)
    driver = MemoryDriver(initiator, None)
    responders = [Responder(WrapperLink(server=True), world.meter.device, world.random.randbytes) for world in worlds]
    heard = [0] * len(worlds)

    def to_all(side: int, octets: bytes, now: float) -> None:
        for number, responder in enumerate(responders):
            heard[number] += 1
            if heard[number] == 1 or worlds[number].random.random() > 0.3:
                responder.receive(octets, now)
                assert responder.take() == b"", "nobody answers a broadcast"

    driver.pipe.send = to_all  # type: ignore[method-assign]

    def talk() -> Any:
        yield from open_association(initiator, random.Random(1).randbytes)
        return (yield from broadcast_image(image, NAME, 64, pause=0.1))

    assert driver.run(talk()) == 32
    missing = [world.image.object.image_transferred_blocks_status.count("0") for world in worlds[:2]]
    assert all(0 < count < 32 for count in missing)
    assert worlds[2].image.status == NOT_INITIATED
    for world, gaps in zip(worlds, missing, strict=False):
        report = world.update(image)
        assert (report.status, report.sent) == (ACTIVATED, gaps)
        assert world.running == b"metrology 2"


# --- over sockets -------------------------------------------------------------------------------------------------


QUICK = ImageOptions(block_size=256, verify_duration=0, activation_duration=0)


def test_synchronous_and_asynchronous_send_alike() -> None:
    image = firmware(3000)
    told: list[ImageProgress] = []
    for framing in ("wrapper", "hdlc"):
        with served(days=0.01, image_key=DEMO_IMAGE_KEY, image=QUICK) as world:
            with world.connect(framing) as meter:
                assert meter.update_firmware(image, NAME, progress=told.append) == ImageReport(ACTIVATED, 12, 12, None)

            async def again(world: Any = world, framing: str = framing) -> ImageReport:
                meter = await world.connect_async(framing, ClientOptions(window=4))
                async with meter:
                    report: ImageReport = await meter.update_firmware(image, NAME, resume=False)
                    return report

            assert asyncio.run(again()) == ImageReport(ACTIVATED, 12, 12, None)
    assert told[-1] == ImageProgress("done", 12, 12)


def test_by_short_names_it_is_the_same() -> None:
    with served(days=0.01, image_key=DEMO_IMAGE_KEY, image=QUICK, referencing="sn") as world, world.connect() as meter:
        assert meter.update_firmware(firmware(1000), NAME) == ImageReport(ACTIVATED, 4, 4, None)


def test_a_restart_drops_every_connection_of_the_server() -> None:
    """The meter lives with the server's own time: it restarts while the client waits, and comes back."""
    import time

    slow = ImageOptions(block_size=256, verify_duration=0, activation_duration=2)
    with served(days=0.01, image_key=DEMO_IMAGE_KEY, image=slow) as world:
        begun, life = time.monotonic(), world.meter.now

        def live() -> None:
            world.meter.advance(life + int((time.monotonic() - begun) * 10))

        for server in world.servers:
            server.before = live
            world.meter.device.on_down.append(server.drop)
        with world.connect(timeout="0.2", client="1", auth="high-gmac", security="both") as meter:
            report = meter.update_firmware(firmware(600), NAME, patience=ImagePatience(pause=0.1))
        assert report.status == ACTIVATED
        assert world.meter.equipment.image.firmware[0][0] == b"metrology 2"
    assert END
