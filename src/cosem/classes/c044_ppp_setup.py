"""PPP setup (class 44): options and authentication of the point-to-point protocol."""

from __future__ import annotations

from typing import Any, NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    any_data,
    array,
    boolean,
    choice,
    code,
    double_long_unsigned,
    logical_name,
    long_unsigned,
    null_data,
    octet_string,
    structure,
    unsigned,
)


class LCPOptionType(OpenEnum):
    """Option of the link control protocol (RFC 1661)."""

    MAXIMUM_RECEIVE_UNIT = 1
    ASYNC_CONTROL_CHARACTER_MAP = 2
    AUTHENTICATION_PROTOCOL = 3
    MAGIC_NUMBER = 5
    PROTOCOL_FIELD_COMPRESSION = 7
    ADDRESS_AND_CONTROL_FIELD_COMPRESSION = 8
    FCS_ALTERNATIVES = 9
    CALLBACK = 13


class IPCPOptionType(OpenEnum):
    """Option of the IP control protocol (RFC 1332); from 20 on COSEM's own."""

    IP_COMPRESSION_PROTOCOL = 2
    PREFERRED_LOCAL_IP_ADDRESS = 3
    PREFERRED_PEER_IP_ADDRESSES = 20
    GRANT_ACCESS_ONLY_TO_PREFERRED_PEER = 21
    USE_STATIC_IP_POOL = 22


class CallbackOperation(OpenEnum):
    """How the place to call back is told."""

    BY_USER_AUTHENTICATION = 0
    DIALLING_STRING = 1
    LOCATION_IDENTIFIER = 2
    E_164_NUMBER = 3
    X_500_DISTINGUISHED_NAME = 4
    BY_CBCP = 6


class ChapAlgorithm(OpenEnum):
    """Algorithm of the challenge-handshake authentication."""

    MD5 = 5
    SHA_1 = 6
    MS_CHAP = 128
    MS_CHAP_2 = 129


class Callback(NamedTuple):
    """Data of the callback option."""

    callback_active: bool
    callback_data_length: int
    callback_operation: CallbackOperation
    callback_message: bytes


class LCPOption(NamedTuple):
    """One option; the type of its data goes with its own: see `PPPSetup`."""

    LCP_option_type: LCPOptionType
    LCP_option_length: int
    LCP_option_data: int | bool | Callback


class IPCPOption(NamedTuple):
    """One option and its data."""

    IPCP_option_type: IPCPOptionType
    IPCP_option_length: int
    IPCP_option_data: Any


class PAPAuthentication(NamedTuple):
    """User name and password."""

    user_name: bytes
    PAP_password: bytes

    def __repr__(self) -> str:
        return f"PAPAuthentication({self.user_name!r}, ...)"


class CHAPAuthentication(NamedTuple):
    """User name and algorithm."""

    user_name: bytes
    algorithm_id: ChapAlgorithm


class EAPAuthentication(NamedTuple):
    """Which methods are allowed."""

    md5_challenge: bool
    one_time_password: bool
    generic_token_card: bool


class PPPSetup(InterfaceClass[S], class_id=44, version=0, name="PPP setup"):
    """Options of LCP and IPCP, and how the device proves who it is (Blue Book ed. 9, 4.8.4).

    Data of LCP options: maximum receive unit and authentication protocol (C023h PAP, C223h CHAP, C227h EAP) are
    long-unsigned, control character map and magic number double-long-unsigned, compressions boolean, FCS unsigned.
    The types of IPCP data (any type here) and of the credentials of CHAP and EAP are not verified.
    """

    PHY_reference = attribute(2, logical_name, "the setup object of the layer below", static=True)
    LCP_options = attribute(
        3,
        array(
            structure(
                LCPOption,
                LCP_option_type=code(LCPOptionType),
                LCP_option_length=unsigned,
                LCP_option_data=choice(
                    long_unsigned,
                    double_long_unsigned,
                    boolean,
                    unsigned,
                    structure(
                        Callback,
                        callback_active=boolean,
                        callback_data_length=unsigned,
                        callback_operation=code(CallbackOperation),
                        callback_message=octet_string(),
                    ),
                ),
            )
        ),
        "options of the link control protocol",
        static=True,
        default=(),
    )
    IPCP_options = attribute(
        4,
        array(
            structure(
                IPCPOption,
                IPCP_option_type=code(IPCPOptionType),
                IPCP_option_length=unsigned,
                IPCP_option_data=any_data,
            )
        ),
        "options of the IP control protocol",
        static=True,
        default=(),
    )
    PPP_authentication = attribute(
        5,
        choice(
            null_data,
            structure(PAPAuthentication, user_name=octet_string(), PAP_password=octet_string()),
            structure(CHAPAuthentication, user_name=octet_string(), algorithm_id=code(ChapAlgorithm)),
            structure(EAPAuthentication, md5_challenge=boolean, one_time_password=boolean, generic_token_card=boolean),
        ),
        "how the device proves who it is, None = not at all",
        static=True,
    )
