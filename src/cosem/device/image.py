"""Behaviour of image transfer (class 18): blocks in any order, verification, activation with a restart.

What is received survives a lost link and a power cut. An image for this device becomes its firmware by a restart; one
for an M-Bus device is kept until something delivers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c018_image_transfer import (
    ImageBlock,
    ImageIdentification,
    ImageToActivate,
    ImageTransfer,
    ImageTransferStatus,
)
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause, Happening
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.errors import CosemError, SecurityError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.image import MBUS_DEVICE, THIS_DEVICE, verify_image

IMAGE_TRANSFER: Final = "0-0:44.0.0.255"
MEMORY: Final = 4 * 1024 * 1024
"""Octets of the largest image: meters have a MiB or two for one, and nobody may fill ours."""
RESTART: Final = "restart with a new firmware"

_Status = ImageTransferStatus
NOT_INITIATED, INITIATED = _Status.NOT_INITIATED, _Status.INITIATED
VERIFYING, VERIFIED, UNVERIFIED = (
    _Status.VERIFICATION_INITIATED,
    _Status.VERIFICATION_SUCCESSFUL,
    _Status.VERIFICATION_FAILED,
)
ACTIVATING, ACTIVATED, NOT_ACTIVATED = (
    _Status.ACTIVATION_INITIATED,
    _Status.ACTIVATION_SUCCESSFUL,
    _Status.ACTIVATION_FAILED,
)


class Call(Enum):
    """The methods."""

    INITIATE = 1
    BLOCK_TRANSFER = 2
    VERIFY = 3
    ACTIVATE = 4


class Does(Enum):
    """What a method does in a status."""

    BEGIN = "forget every block and begin"
    STORE = "store the block"
    VERIFY = "verify"
    NOTHING = "succeed, as it is done already"
    ACTIVATE = "activate"
    VERIFY_FIRST = "verify, then activate"
    REFUSE = "other-reason"
    WAIT = "temporary-failure"


_ROWS: Final = {
    NOT_INITIATED: (Does.BEGIN, Does.REFUSE, Does.REFUSE, Does.REFUSE),
    INITIATED: (Does.BEGIN, Does.STORE, Does.VERIFY, Does.VERIFY_FIRST),
    VERIFYING: (Does.WAIT, Does.WAIT, Does.WAIT, Does.WAIT),
    VERIFIED: (Does.BEGIN, Does.REFUSE, Does.NOTHING, Does.ACTIVATE),
    UNVERIFIED: (Does.BEGIN, Does.STORE, Does.VERIFY, Does.VERIFY_FIRST),
    ACTIVATING: (Does.WAIT, Does.WAIT, Does.WAIT, Does.WAIT),
    ACTIVATED: (Does.BEGIN, Does.REFUSE, Does.REFUSE, Does.REFUSE),
    NOT_ACTIVATED: (Does.BEGIN, Does.REFUSE, Does.VERIFY, Does.VERIFY_FIRST),
}
TABLE: Final = {(status, call): does for status, row in _ROWS.items() for call, does in zip(Call, row, strict=True)}
"""(image_transfer_status, method) -> what it does (Blue Book ed. 9, 4.4.6; where that is silent, our choice)."""


class Image(NamedTuple):
    """An image that proved genuine. `kind` and `place` as in `cosem.security.image`; `size` in octets."""

    kind: int
    place: int
    identifier: bytes
    signature: bytes
    size: int
    payload: bytes = b""


Verifier = Callable[[bytes], Sequence[Image]]
"""Takes what was transferred and returns the images in it. Raises `CosemError` for what is not genuine."""


def signed_by(public_key: bytes | None) -> Verifier:
    """Return a verifier of our own containers; without a key nothing can prove genuine."""

    def verify(octets: bytes) -> Sequence[Image]:
        if public_key is None:
            raise SecurityError("this device has no key to verify images by")
        container = verify_image(octets, public_key)
        return [
            Image(
                part.kind,
                part.place,
                part.identifier,
                container.signature,
                len(part.payload),
                part.payload if part.kind == MBUS_DEVICE else b"",
            )
            for part in container.parts
        ]

    return verify


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """Where the standard leaves a choice. Durations in seconds; 0 answers with the outcome at once, without a restart.

    `block_size` is image_block_size, `memory` the size of the largest image. `padded_last_block` takes a last block
    that was filled up with zeros to the full size, as some head-ends do.
    """

    block_size: int = 512
    memory: int = MEMORY
    verify_duration: int = 2
    activation_duration: int = 20
    padded_last_block: bool = False


class ImageTransferBehaviour:
    """One image transfer object, and the firmware it brings in.

    `firmware` is what runs: (identifier, signature) by value group B. `held` are images for M-Bus devices by channel;
    `deliver` hands one over and says whether that was possible. `defective` lets the next activation fail.
    """

    def __init__(
        self,
        host: Host,
        verifier: Verifier,
        options: ImageOptions | None = None,
        *,
        name: str = IMAGE_TRANSFER,
        firmware: Sequence[bytes] = (b"cosem simulated meter", b"cosem simulated application"),
    ) -> None:
        self.host = host
        self.options = options or ImageOptions()
        self.verifier = verifier
        self.status = NOT_INITIATED
        self.enabled = True
        self.identifier = b""
        self.images: Sequence[Image] = ()
        self.firmware: dict[int, tuple[bytes, bytes]] = {
            place: (identifier, b"") for place, identifier in enumerate(firmware)
        }
        self.held: dict[int, Image] = {}
        self.deliver: Callable[[Image], bool] | None = None
        self.defective = False
        self._octets = bytearray()
        self._size = 0
        self._received = bytearray()
        self._first = 0
        self._then_activate = False
        self._due: int | None = None
        self._next: Callable[[int], None] = lambda now: None
        self.object = host.add(
            ImageTransfer(obis(name), image_block_size=self.options.block_size, image_transfer_enabled=True)
        )
        host.compute(self.object, 3, lambda: Data(Tag.BIT_STRING, "".join("01"[bit] for bit in self._received)))
        host.compute(self.object, 4, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self._first))
        host.compute(self.object, 5, lambda: Data(Tag.BOOLEAN, self.enabled))
        host.compute(self.object, 6, lambda: Data(Tag.ENUM, int(self.status)))
        host.compute(self.object, 7, self._to_activate)
        host.writers(self.object, {5: self._write_enabled})
        for call, handler in (
            (Call.INITIATE, self._initiate),
            (Call.BLOCK_TRANSFER, self._block),
            (Call.VERIFY, self._verify),
            (Call.ACTIVATE, self._activate),
        ):
            host.handle(self.object, call.value, handler)
        for place in self.firmware:
            self._firmware_objects(place)
        host.causes.listeners.append(self._happened)
        host.schedule(self)

    def _firmware_objects(self, place: int) -> None:
        """Add the identifier and the signature of a running firmware."""
        for group, item in ((0, 0), (8, 1)):
            shown = self.host.add(DataObject(Obis(bytes((1, place, 0, 2, group, 255)))))

            def show(place: int = place, item: int = item) -> Data:
                return axdr.octet_string(self.firmware[place][item])

            self.host.compute(shown, 2, show)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when what is under way goes on."""
        return self._due

    def act(self, now: int) -> None:
        """Go on with what is under way."""
        self._due = None
        self._next(now)

    def _later(self, at: int, what: Callable[[int], None]) -> None:
        self._due, self._next = at, what

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_DOWN:
            self.power_down()

    def power_down(self) -> None:
        """Lose the power: what was received stays; a verification has to be asked for anew, an activation too."""
        self._due = None
        self._then_activate = False
        if self.status is VERIFYING:
            self.status = INITIATED
        elif self.status is ACTIVATING:
            self.status = VERIFIED
            self.host.device.come_up(RESTART)

    # --- attributes ----------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return self._first == len(self._received)

    def _to_activate(self) -> Data:
        rows = [ImageToActivate(image.size, image.identifier, image.signature) for image in self.images]
        return type(self.object).attributes[7].type.to_data(rows)

    def _write_enabled(self, value: Data) -> DataAccessResult:
        self.enabled = bool(value.value)
        return DataAccessResult.SUCCESS

    # --- methods -------------------------------------------------------------------------------------------

    def _decide(self, call: Call) -> Does:
        """Return what a method does now. Raises `Refused` where that is nothing."""
        does = TABLE[self.status, call] if self.enabled else Does.REFUSE
        if does is Does.WAIT:
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        # After an activation that failed there may be no image any more.
        if does is Does.REFUSE or (call in (Call.VERIFY, Call.ACTIVATE) and not self._size):
            raise Refused(ActionResult.OTHER_REASON)
        return does

    def _initiate(self, parameter: Any) -> None:
        self._decide(Call.INITIATE)
        wanted: ImageIdentification = parameter
        if not 0 < wanted.image_size <= self.options.memory:
            raise Refused(ActionResult.OTHER_REASON)
        self.identifier = wanted.image_identifier
        self._size = wanted.image_size
        self._octets = bytearray(self._size)
        self._received = bytearray(-(-self._size // self.options.block_size))
        self._first = 0
        self.images = ()
        self._then_activate = False
        self.status = INITIATED

    def _block(self, parameter: Any) -> None:
        self._decide(Call.BLOCK_TRANSFER)
        block: ImageBlock = parameter
        number, value, size = block.image_block_number, block.image_block_value, self.options.block_size
        if number >= len(self._received):
            raise Refused(ActionResult.OTHER_REASON)
        begin = number * size
        length = min(size, self._size - begin)
        if self.options.padded_last_block and len(value) == size and not any(value[length:]):
            value = value[:length]
        if len(value) != length:
            raise Refused(ActionResult.OTHER_REASON)
        self._octets[begin : begin + length] = value
        self._received[number] = 1
        if number == self._first:
            missing = self._received.find(0, number)
            self._first = len(self._received) if missing < 0 else missing
        self.status = INITIATED

    def _verify(self, parameter: Any) -> None:
        if self._decide(Call.VERIFY) is Does.VERIFY:
            self._begin_to_verify(activate=False)

    def _begin_to_verify(self, *, activate: bool) -> None:
        self._then_activate = activate
        if not self.complete:
            self._fail(UNVERIFIED, "blocks are missing")
            raise Refused(ActionResult.OTHER_REASON)
        self.status = VERIFYING
        if self.options.verify_duration:
            self._later(self.host.now + self.options.verify_duration, self._verified)
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        self._verified(self.host.now)
        if self.status in (UNVERIFIED, NOT_ACTIVATED):
            raise Refused(ActionResult.OTHER_REASON)
        if self.status is ACTIVATING or (activate and self.status is VERIFIED):
            raise Refused(ActionResult.TEMPORARY_FAILURE)

    def _verified(self, now: int) -> None:
        activate, self._then_activate = self._then_activate, False
        try:
            images = self.verifier(bytes(self._octets))
            if unknown := [i for i in images if i.kind == THIS_DEVICE and i.place not in self.firmware]:
                raise SecurityError(f"there is no firmware {unknown[0].place} in this device")
        except CosemError as error:
            self._fail(NOT_ACTIVATED if activate else UNVERIFIED, str(error))
            return
        self.images = images
        self.status = VERIFIED
        self.held |= {image.place: image for image in images if image.kind == MBUS_DEVICE}
        self.host.note(Cause.IMAGE_READY, identifier=self.identifier)
        if activate:
            self._begin_to_activate(now)

    def _fail(self, status: ImageTransferStatus, why: str) -> None:
        self.status = status
        self.host.note(Cause.IMAGE_VERIFICATION_FAILED, identifier=self.identifier, why=why)

    def _activate(self, parameter: Any) -> None:
        if self._decide(Call.ACTIVATE) is Does.VERIFY_FIRST:
            self._begin_to_verify(activate=True)
            return
        self._begin_to_activate(self.host.now)
        if self.status is NOT_ACTIVATED:
            raise Refused(ActionResult.OTHER_REASON)
        if self.status is not ACTIVATED:
            raise Refused(ActionResult.TEMPORARY_FAILURE)

    def _begin_to_activate(self, now: int) -> None:
        """Begin; an image that must be passed on and cannot be stays verified, and kept."""
        passed_on = [image for image in self.images if image.kind == MBUS_DEVICE]
        deliver = self.deliver
        if passed_on and (deliver is None or not all(deliver(image) for image in passed_on)):
            return
        for image in passed_on:
            self.held.pop(image.place, None)
        self.status = ACTIVATING
        if not self.options.activation_duration or len(passed_on) == len(self.images):
            self._activated(now)
            return
        # The answer leaves before the restart begins.
        self._later(now + 1, lambda at: self._restart(at, now + max(2, self.options.activation_duration)))

    def _restart(self, now: int, until: int) -> None:
        self.host.device.go_down(RESTART)
        self._later(until, self._activated)

    def _activated(self, now: int) -> None:
        self.host.device.come_up(RESTART)
        if self.defective:
            # It does not start: the old firmware goes on, and the new one is thrown away.
            self.defective = False
            self.images, self._octets, self._received, self._size, self._first = (), bytearray(), bytearray(), 0, 0
            self._fail(NOT_ACTIVATED, "the new firmware does not start")
            return
        for image in self.images:
            if image.kind == THIS_DEVICE:
                self.firmware[image.place] = (image.identifier, image.signature)
        self._octets, self._size = bytearray(), 0
        self.status = ACTIVATED
        self.host.note(Cause.IMAGE_ACTIVATED, identifier=self.identifier)
