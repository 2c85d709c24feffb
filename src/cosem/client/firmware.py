"""Images to meters (class 18) as conversations: sent, resumed, verified, activated; or sent to all at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from cosem.apdu.action import ActionRequestNormal
from cosem.apdu.base import MethodDescriptor
from cosem.association.steps import Calls, Hangup, Post, Sleep, Step
from cosem.classes.c018_image_transfer import (
    ImageBlock,
    ImageIdentification,
    ImageToActivate,
    ImageTransfer,
    ImageTransferStatus,
)
from cosem.classes.model import Method
from cosem.client.core import Core, Talk
from cosem.codec import axdr
from cosem.errors import (
    AccessError,
    AssociationRejected,
    ConfigError,
    ConnectionLost,
    ExceptionResponseReceived,
    ImageTransferFailed,
    LocalProtocolError,
    Timeout,
)
from cosem.obis import Obis
from cosem.results import ActionResult

T = TypeVar("T")

IMAGE_TRANSFER: Final = Obis.parse("0-0:44.0.0.255")
MAX_IMAGE: Final = 64 * 1024 * 1024
"""Octets of the largest image that is sent; no meter takes as much, and some file is not an image at all."""
MAX_BLOCKS: Final = 1 << 20
"""Blocks of one image: a meter that names a block size of some octets must not make a list of millions."""
BATCH: Final = 16
"""Blocks between two looks at how far it is."""

PASSING: Final = (Timeout, ConnectionLost, ExceptionResponseReceived, LocalProtocolError)
"""What passes when one waits or associates anew; the last is that all invoke-ids rest after time-outs."""

_Status = ImageTransferStatus
_BUSY = (_Status.VERIFICATION_INITIATED, _Status.ACTIVATION_INITIATED)
_LOST = (1, 5, 6)
"""Service errors of a meter that has lost the association, its keys or its counters: to associate anew may help."""
_TAKING = (_Status.INITIATED, _Status.VERIFICATION_FAILED)


class ImageProgress(NamedTuple):
    """How far it is: `phase` is "transfer", "verify", "activate" or "done"; blocks that the meter has, of all."""

    phase: str
    blocks: int
    total: int


Progress = Callable[[ImageProgress], Any]


class ImageReport(NamedTuple):
    """How an update went. `resumed_at` is the first block that was missing of an earlier one, None where none was.

    `sent` counts blocks as they went out, repeated ones included. `status` is the meter's own at the end.
    """

    status: ImageTransferStatus
    blocks: int
    sent: int
    resumed_at: int | None


@dataclass(frozen=True, slots=True)
class ImagePatience:
    """`pause`: seconds between two looks at a status, or two attempts to reach the meter. `tries`: how many of them.

    `rounds`: how often blocks are sent anew of which none arrives.
    """

    pause: float = 2.0
    tries: int = 150
    rounds: int = 5


def expected_images(image: bytes, identifier: bytes) -> tuple[ImageToActivate, ...]:
    """Return what image_to_activate_info may say of an image: the whole of it, or the parts of a container of ours."""
    from cosem.errors import DecodeError
    from cosem.security.image import parse_image

    try:
        container = parse_image(image)
    except DecodeError:
        return (ImageToActivate(len(image), identifier, b""),)
    return tuple(ImageToActivate(len(part.payload), part.identifier, container.signature) for part in container.parts)


class ImageUpdate:
    """One image on its way into one meter. `run` may be called again after whatever ended it: it goes on."""

    def __init__(
        self,
        core: Core,
        image: bytes,
        identifier: bytes,
        *,
        activate: bool = True,
        resume: bool = True,
        progress: Progress | None = None,
        patience: ImagePatience | None = None,
        name: Obis = IMAGE_TRANSFER,
    ) -> None:
        if not 0 < len(image) <= MAX_IMAGE:
            raise ConfigError(f"an image has 1 to {MAX_IMAGE} octets, not {len(image)}")
        self.core = core
        self.image = image
        self.identifier = identifier
        self.activate = activate
        self.resume = resume
        self.patience = patience or ImagePatience()
        self.name = name
        self.sent = 0
        self.resumed_at: int | None = None
        self._progress = progress
        self._size = 0
        self._count = 0
        self._begun = False

    def run(self) -> Talk[ImageReport]:
        """Send, verify and, where asked for, activate. Raises `ImageTransferFailed` where the meter says no."""
        if not (yield from self._patiently(lambda: self._read(5))):
            raise ImageTransferFailed(f"{self.name}: image_transfer_enabled is false")
        self._size = yield from self._patiently(lambda: self._read(2))
        if self._size <= 0 or len(self.image) > self._size * MAX_BLOCKS:
            raise ImageTransferFailed(f"{self.name}: the meter names a block size of {self._size}")
        self._count = -(-len(self.image) // self._size)
        status = yield from self._settled()
        again = True
        while not (yield from self._is_ours(status)):
            going_on = yield from self._begin(status)
            yield from self._transfer()
            status = yield from self._verify()
            if status == _Status.VERIFICATION_SUCCESSFUL:
                break
            if not (going_on and again):
                raise ImageTransferFailed("the meter does not take the image for genuine", int(status))
            # What was there may have been another image of as many blocks.
            again = self.resume = self._begun = False
        if self.activate and status != _Status.ACTIVATION_SUCCESSFUL:
            status = yield from self._activate()
        self._tell("done", self._count)
        return ImageReport(status, self._count, self.sent, self.resumed_at)

    # --- steps ---------------------------------------------------------------------------------------------

    def _is_ours(self, status: ImageTransferStatus) -> Talk[bool]:
        """Whether the meter has verified, or activated, this very image already."""
        if not self.resume or status not in (_Status.VERIFICATION_SUCCESSFUL, _Status.ACTIVATION_SUCCESSFUL):
            return False
        told: Sequence[ImageToActivate] = yield from self._patiently(lambda: self._read(7))
        wanted = expected_images(self.image, self.identifier)
        if len(told) != len(wanted):
            return False
        return all(
            (one.image_to_activate_size, one.image_to_activate_identification)
            == (two.image_to_activate_size, two.image_to_activate_identification)
            and two.image_to_activate_signature in (b"", one.image_to_activate_signature)
            for one, two in zip(told, wanted, strict=True)
        )

    def _begin(self, status: ImageTransferStatus) -> Talk[bool]:
        """Initiate, unless blocks of this image, as far as their number tells, are there already: then True."""
        if (self.resume or self._begun) and status in _TAKING:
            bits = yield from self._patiently(lambda: self._read(3))
            if len(bits) == self._count and (self._begun or "1" in bits):
                self.resumed_at = bits.find("0") if "0" in bits else self._count
                return True
        parameter = ImageIdentification(self.identifier, len(self.image))
        yield from self._patiently(lambda: self._call(ImageTransfer.image_transfer_initiate, parameter))
        self._begun = True
        return False

    def _transfer(self) -> Talk[None]:
        """Send what is missing until nothing is."""
        idle, before = 0, -1
        while True:
            bits = yield from self._patiently(lambda: self._read(3))
            if len(bits) != self._count:
                raise ImageTransferFailed(f"the meter counts {len(bits)} blocks, not {self._count}")
            there = bits.count("1")
            self._tell("transfer", there)
            if there == self._count:
                return
            idle = idle + 1 if there <= before else 0
            if idle >= self.patience.rounds:
                raise ImageTransferFailed("blocks are sent again and again, and none arrives")
            before = there
            missing = [number for number, bit in enumerate(bits) if bit == "0"]
            for start in range(0, len(missing), BATCH):
                there += yield from self._send(missing[start : start + BATCH])
                self._tell("transfer", there)

    def _send(self, numbers: Sequence[int]) -> Talk[int]:
        """Send some blocks and return how many were taken; the others are sent again in the next round.

        A block may be sent twice: the meter writes it over.
        """
        if not self.core.associated:
            yield from self._reach()
        taken, over = 0, False
        for answer in (yield from self._answers(numbers)):
            self.sent += 1
            if isinstance(answer, AccessError):
                if answer.result != ActionResult.TEMPORARY_FAILURE:
                    raise ImageTransferFailed(f"the meter refuses a block: {answer}")
            elif answer is None:
                taken += 1
            else:
                # Somebody answers who knows of no association any more, or there are no invoke-ids left.
                over = over or not isinstance(answer, Timeout)
        if over or not taken:
            yield Hangup()
        return taken

    def _answers(self, numbers: Sequence[int]) -> Talk[list[Exception | None]]:
        """Send blocks, side by side where the options say so; None for each that was taken."""
        answers: list[Exception | None] = []
        core, method = self.core, ImageTransfer.image_block_transfer
        if core.options.window > 1 and core.machine.settings.referencing == "ln":
            responses = yield Calls([self._request(number) for number in numbers], core.options.window)
            for number, response in zip(numbers, responses, strict=True):
                if isinstance(response, BaseException):
                    answers.append(_passing(response))
                else:
                    answers.append(AccessError(response.result, f"block {number}") if response.result else None)
            return answers
        for number in numbers:
            block = ImageBlock(number, self._content(number))
            try:
                yield from self._call(method, block)
            except (*PASSING, AccessError) as error:
                answers.append(error)
                if not isinstance(error, AccessError) and not _only_late(answers):
                    break
            else:
                answers.append(None)
        return answers

    def _content(self, number: int) -> bytes:
        return self.image[number * self._size : (number + 1) * self._size]

    def _request(self, number: int) -> ActionRequestNormal:
        return block_request(self.name, self.image, number, self._size)

    def _verify(self) -> Talk[ImageTransferStatus]:
        """Have the image verified, and return the status that this ends in."""
        self._tell("verify", self._count)
        return (
            yield from self._ordered(ImageTransfer.image_verify, _Status.VERIFICATION_SUCCESSFUL, (_Status.INITIATED,))
        )

    def _activate(self) -> Talk[ImageTransferStatus]:
        self._tell("activate", self._count)
        ready = (_Status.VERIFICATION_SUCCESSFUL,)
        status = yield from self._ordered(ImageTransfer.image_activate, _Status.ACTIVATION_SUCCESSFUL, ready)
        if status != _Status.ACTIVATION_SUCCESSFUL:
            raise ImageTransferFailed("the meter does not activate the image", int(status))
        return status

    def _ordered(
        self, method: Method[Any, Any], done: ImageTransferStatus, before: Sequence[ImageTransferStatus]
    ) -> Talk[ImageTransferStatus]:
        """Call a method whose outcome the status tells: until it is done, or refused, or the patience is over."""
        for _ in range(self.patience.tries):
            refused = False
            try:
                yield from self._call(method, 0)
            except AccessError as error:
                refused = error.result != ActionResult.TEMPORARY_FAILURE
            except PASSING:
                # It may have been carried out.
                if not self.core.associated:
                    yield from self._reach()
            status = yield from self._settled()
            if status == done or refused or status not in before:
                return status
            yield Sleep(self.patience.pause)
        return status

    def _settled(self) -> Talk[ImageTransferStatus]:
        """Return the status, once nothing is under way any more."""
        for _ in range(self.patience.tries):
            status: ImageTransferStatus = yield from self._patiently(lambda: self._read(6))
            if status not in _BUSY:
                return status
            yield Sleep(self.patience.pause)
        raise ImageTransferFailed(f"the meter still says {status.label}", int(status))

    # --- talking -------------------------------------------------------------------------------------------

    def _read(self, number: int) -> Talk[Any]:
        attribute = ImageTransfer.attributes[number]
        data = yield from self.core.get_data(18, self.name, number)
        return attribute.type.from_data(data)

    def _call(self, method: Method[Any, Any], parameter: Any) -> Talk[None]:
        yield from self.core.call_data(18, self.name, method.id, method.parameter.to_data(parameter))

    def _patiently(self, talk: Callable[[], Talk[T]]) -> Talk[T]:
        """Have a conversation that may be held twice, through silence, lost lines and restarts of the meter."""
        for left in reversed(range(self.patience.tries)):
            try:
                if not self.core.associated:
                    yield from self.core.reopen()
                return (yield from talk())
            except (*PASSING, AssociationRejected) as error:
                if not left or _for_good(error):
                    raise
                if not isinstance(error, Timeout):
                    yield Hangup()
                yield Sleep(self.patience.pause)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _reach(self) -> Talk[None]:
        """Associate anew."""
        yield from self._patiently(_nothing)

    def _tell(self, phase: str, blocks: int) -> None:
        if self._progress is not None:
            self._progress(ImageProgress(phase, blocks, self._count))


def _nothing() -> Talk[None]:
    yield from ()


def _for_good(error: Exception) -> bool:
    """Whether no waiting helps: the meter rejects this client for good, or cannot do what it is asked for at all."""
    if isinstance(error, AssociationRejected):
        return error.result == 1
    return isinstance(error, ExceptionResponseReceived) and error.service_error not in _LOST


def _passing(error: BaseException) -> Exception:
    """Return what a block failed with where it is worth to send it again; raise everything else."""
    if isinstance(error, PASSING):
        return error
    raise error


def _only_late(answers: Sequence[Exception | None]) -> bool:
    """Whether the last block alone met silence: one is lost now and then, two in a row say that nobody is there."""
    return isinstance(answers[-1], Timeout) and not (len(answers) > 1 and isinstance(answers[-2], Timeout))


def block_request(name: Obis, image: bytes, number: int, size: int) -> ActionRequestNormal:
    """Return the ACTION that carries one block."""
    block = ImageBlock(number, image[number * size : (number + 1) * size])
    method = ImageTransfer.image_block_transfer
    return ActionRequestNormal(MethodDescriptor(18, name, method.id), axdr.encode(method.parameter.to_data(block)))


def broadcast_image(
    image: bytes,
    identifier: bytes,
    block_size: int,
    *,
    pause: float = 0.0,
    progress: Progress | None = None,
    name: Obis = IMAGE_TRANSFER,
) -> Generator[Step, Any, int]:
    """Send an image to every meter at once, unconfirmed, and return how many blocks that were.

    It runs on a machine whose settings say `broadcast`, associated with nobody (`open_association`). Who missed a block
    gets it from `ImageUpdate` with that meter alone. `pause`: seconds between two blocks, for lines that are slow.
    """
    if block_size <= 0 or not 0 < len(image) <= min(MAX_IMAGE, block_size * MAX_BLOCKS):
        raise ConfigError(f"{len(image)} octets cannot be sent in blocks of {block_size}")
    method = ImageTransfer.image_transfer_initiate
    parameter = method.parameter.to_data(ImageIdentification(identifier, len(image)))
    yield Post(ActionRequestNormal(MethodDescriptor(18, name, method.id), axdr.encode(parameter)))
    count = -(-len(image) // block_size)
    for number in range(count):
        yield Sleep(pause)
        yield Post(block_request(name, image, number, block_size))
        if progress is not None:
            progress(ImageProgress("transfer", number + 1, count))
    return count
