"""Push setup (class 40): what the device sends on its own, where and when."""
# ruff: noqa: N815 - attributes are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import capture_object, time_windows
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.protection import protection_parameters, restricted_columns, restricted_objects
from cosem.classes.types import (
    OpenEnum,
    array,
    date_time,
    double_long_unsigned,
    enum,
    integer,
    logical_name,
    long_unsigned,
    octet_string,
    structure,
    trigger,
    unsigned,
)
from cosem.times import CosemDateTime


class TransportService(OpenEnum):
    """How the push travels; 200 to 255 are manufacturer specific."""

    TCP = 0
    UDP = 1
    FTP = 2
    SMTP = 3
    SMS = 4
    HDLC = 5
    M_BUS = 6
    ZIGBEE = 7
    DLMS_GATEWAY = 8
    COAP_RELIABLE = 9
    COAP_UNRELIABLE = 10


class MessageType(OpenEnum):
    """How the push is encoded; 128 to 255 are manufacturer specific."""

    A_XDR_ENCODED_XDLMS_APDU = 0
    XML_ENCODED_XDLMS_APDU = 1


class PushOperationMethod(OpenEnum):
    """When a push is tried again."""

    UNCONFIRMED_RETRY_ON_SUPPORTING_LAYER_FAILURE = 0
    UNCONFIRMED_RETRY_ON_MISSING_SUPPORTING_LAYER_CONFIRMATION = 1
    CONFIRMED_RETRY_ON_MISSING_CONFIRMATION = 2


class SendDestinationAndMethod(NamedTuple):
    """Where the push goes and how; the form of `destination` depends on the transport service."""

    transport_service: TransportService
    destination: bytes
    message: MessageType


class RepetitionDelay(NamedTuple):
    """Seconds between attempts: the delay grows from the least to the most, the exponent in hundredths."""

    repetition_delay_min: int
    repetition_delay_exponent: int
    repetition_delay_max: int


class ConfirmationParameters(NamedTuple):
    """From when on pushes are confirmed, and seconds until the next confirmation is due."""

    confirmation_start_date: CosemDateTime
    confirmation_interval: int


class PushSetupV0(InterfaceClass[S], class_id=40, version=0, name="Push setup"):
    """Sends the values of a list of attributes as data-notification (Blue Book ed. 12, 4.4.8)."""

    push_object_list = attribute(2, array(capture_object), "what is sent", static=True, default=())
    send_destination_and_method = attribute(
        3,
        structure(
            SendDestinationAndMethod,
            transport_service=enum(TransportService),
            destination=octet_string(),
            message=enum(MessageType),
        ),
        "where it is sent and how",
        static=True,
    )
    communication_window = attribute(4, time_windows, "when it may be sent, none = always", static=True, default=())
    randomisation_start_interval = attribute(5, long_unsigned, "seconds, most random delay", static=True, default=0)
    number_of_retries = attribute(6, unsigned, "attempts after the first", static=True, default=0)
    repetition_delay = attribute(7, long_unsigned, "seconds until the next attempt", static=True, default=0)

    push = method(1, trigger, "sends now", optional=False, sn_offset=0x38)


class PushSetupV1(PushSetupV0[S], class_id=40, version=1):
    """Adds restrictions, the port, the client and protection (Blue Book ed. 12.1, 4.4.8).

    The short name offset of push, which cannot stay where version 0 has it, is not known.
    """

    push_object_list = attribute(2, restricted_objects, "what is sent", static=True, default=())  # type: ignore[assignment]
    port_reference = attribute(8, logical_name, "the port's setup object", static=True)
    push_client_SAP = attribute(9, integer, "service access point of the client", static=True)
    push_protection_parameters = attribute(
        10, protection_parameters, "protection of what is sent", static=True, default=()
    )

    push = method(1, trigger, "sends now", optional=False)


class PushSetup(PushSetupV1[S], class_id=40, version=2):
    """Adds columns, growing delays and confirmed pushes (Blue Book ed. 14, 4.4.8).

    The short name offsets of the methods are not known.
    """

    push_object_list = attribute(2, restricted_columns, "what is sent", static=True, default=())  # type: ignore[assignment]
    repetition_delay = attribute(  # type: ignore[assignment]
        7,
        structure(
            RepetitionDelay,
            repetition_delay_min=long_unsigned,
            repetition_delay_exponent=long_unsigned,
            repetition_delay_max=long_unsigned,
        ),
        "seconds until the next attempt",
        static=True,
        default=RepetitionDelay(0, 0, 0),
    )
    push_operation_method = attribute(
        11,
        enum(PushOperationMethod),
        "when a push is tried again",
        static=True,
        default=PushOperationMethod.UNCONFIRMED_RETRY_ON_SUPPORTING_LAYER_FAILURE,
    )
    confirmation_parameters = attribute(
        12,
        structure(
            ConfirmationParameters, confirmation_start_date=date_time, confirmation_interval=double_long_unsigned
        ),
        "when pushes are confirmed",
        static=True,
    )
    last_confirmation_date_time = attribute(13, date_time, "when a push was last confirmed")

    reset = method(2, trigger, "forgets what waits to be sent")


class PushSetupV3(PushSetup[S], class_id=40, version=3, verified=False):
    """Version 3 is not verified: no public source says what changed, its 13 attributes are those of version 2."""
