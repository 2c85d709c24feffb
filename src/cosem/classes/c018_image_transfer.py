"""Image transfer (class 18): firmware and other images, sent in blocks, verified and activated."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    bit_string,
    boolean,
    double_long_unsigned,
    enum,
    octet_string,
    structure,
    trigger,
)


class ImageTransferStatus(OpenEnum):
    """How far the transfer has come."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFICATION_SUCCESSFUL = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATION_SUCCESSFUL = 6
    ACTIVATION_FAILED = 7


class ImageToActivate(NamedTuple):
    """An image that was verified and is ready to be activated; its size in octets."""

    image_to_activate_size: int
    image_to_activate_identification: bytes
    image_to_activate_signature: bytes


class ImageIdentification(NamedTuple):
    """The image to be transferred; its size in octets."""

    image_identifier: bytes
    image_size: int


class ImageBlock(NamedTuple):
    """One block of the image, numbered from 0."""

    image_block_number: int
    image_block_value: bytes


class ImageTransfer(InterfaceClass[S], class_id=18, version=0):
    """Takes images in blocks of image_block_size octets, the last may be shorter (Blue Book ed. 9, 4.4.6).

    The methods are refused while image_transfer_enabled is false. image_verify and image_activate answer
    temporary-failure while they still run.
    """

    image_block_size = attribute(2, double_long_unsigned, "octets of a block", static=True)
    image_transferred_blocks_status = attribute(3, bit_string(), "a bit per block, leftmost = block 0, 1 = transferred")
    image_first_not_transferred_block_number = attribute(4, double_long_unsigned, "number of the first missing block")
    image_transfer_enabled = attribute(5, boolean, "whether images are taken", static=True)
    image_transfer_status = attribute(6, enum(ImageTransferStatus), "how far the transfer has come")
    image_to_activate_info = attribute(
        7,
        array(
            structure(
                ImageToActivate,
                image_to_activate_size=double_long_unsigned,
                image_to_activate_identification=octet_string(),
                image_to_activate_signature=octet_string(),
            )
        ),
        "the images that are ready to be activated",
        default=(),
    )

    image_transfer_initiate = method(
        1,
        structure(ImageIdentification, image_identifier=octet_string(), image_size=double_long_unsigned),
        "starts a transfer, forgetting blocks of an earlier one",
        optional=False,
        sn_offset=0x40,
    )
    image_block_transfer = method(
        2,
        structure(ImageBlock, image_block_number=double_long_unsigned, image_block_value=octet_string()),
        "takes one block",
        optional=False,
        sn_offset=0x48,
    )
    image_verify = method(3, trigger, "verifies the image", optional=False, sn_offset=0x50)
    image_activate = method(4, trigger, "activates the image", optional=False, sn_offset=0x58)
