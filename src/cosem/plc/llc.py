"""The two LLCs above the MAC layer of a power line: connectionless (IEC 61334-4-32) and HDLC (IEC 62056-46).

Both live on one network; the first octet of an M_sdu tells them apart. Of the services of 61334-4-32 only DL_Data
exists here (control octet 90): the coding of polled replies was found in no source, and the profile does not use
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from cosem.codec.primitive import in_octets
from cosem.errors import ConfigError, DecodeError, EncodeError
from cosem.link.hdlc import frame as hdlc
from cosem.link.hdlc.frame import HdlcAddress
from cosem.plc.mac_frame import MAX_SDU

DL_DATA: Final = 0x90
HEADER: Final = 3
MIN_FRAME_LENGTH: Final = 26
DEFAULT_FRAME_LENGTH: Final = 134
"""Octets of an M_sdu where class 55 says nothing else: four subframes."""


class ServerSap:
    """L_SAPs of a server; logical devices from 10 to FB, groups of them above."""

    CIASE: Final = 0x00
    MANAGEMENT: Final = 0x01
    FIRST_DEVICE: Final = 0x10
    LAST_DEVICE: Final = 0xFB
    ALL: Final = 0xFF


class ClientSap:
    """L_SAPs of a client. `INITIATOR` is where a server reports to before it knows its initiator's own L_SAP."""

    MANAGEMENT: Final = 0x01
    PUBLIC: Final = 0x10
    INITIATOR: Final = 0xFD


class LlcKind(Enum):
    """Which LLC an M_sdu is of."""

    CONNECTIONLESS = "IEC 61334-4-32"
    HDLC = "HDLC"


def kind_of(m_sdu: bytes) -> LlcKind:
    """Return which LLC `m_sdu` is of, by its first octet. Raises `DecodeError` where it is of neither."""
    if m_sdu[:1] == b"\x7e":
        return LlcKind.HDLC
    if m_sdu[:1] == bytes((DL_DATA,)):
        return LlcKind.CONNECTIONLESS
    what = f"an M_sdu that begins with {m_sdu[:1].hex().upper()}" if m_sdu else "an M_sdu without octets"
    raise DecodeError(f"{what}: neither 90 (IEC 61334-4-32) nor 7E (HDLC)", 0)


@dataclass(frozen=True, slots=True)
class LlcSettings:
    """Class 55: `max_frame_length` octets of an M_sdu, 26 to 242."""

    max_frame_length: int = DEFAULT_FRAME_LENGTH

    def __post_init__(self) -> None:
        if not MIN_FRAME_LENGTH <= self.max_frame_length <= MAX_SDU:
            raise ConfigError(f"max_frame_length {self.max_frame_length}: {MIN_FRAME_LENGTH} to {MAX_SDU}")

    @property
    def max_sdu(self) -> int:
        """The longest L_SDU: nothing is cut into segments here, longer APDUs go by block transfer."""
        return self.max_frame_length - HEADER


class LlcData(NamedTuple):
    """DL_Data: L_SAPs of 8 bits and an L_SDU, which is an xDLMS APDU or, where a SAP is 0, a PDU of CIASE."""

    destination: int
    source: int
    sdu: bytes

    @property
    def is_ciase(self) -> bool:
        """Whether the management of the network speaks: its L_SAP in a server is 0."""
        return ServerSap.CIASE in (self.destination, self.source)


def build(data: LlcData, settings: LlcSettings | None = None) -> bytes:
    """Return the M_sdu of `data`. Raises `EncodeError` where it is too long for a frame."""
    longest = (settings or LlcSettings()).max_sdu
    if not 0 < len(data.sdu) <= longest:
        raise EncodeError(f"an L_SDU of {in_octets(len(data.sdu))}: 1 to {longest}")
    if not (0 <= data.destination <= 0xFF and 0 <= data.source <= 0xFF):
        raise EncodeError(f"L_SAPs {data.destination} and {data.source} have 8 bits")
    return bytes((DL_DATA, data.destination, data.source)) + data.sdu


def parse(m_sdu: bytes) -> LlcData:
    """Return what `m_sdu` carries. Raises `DecodeError`."""
    if len(m_sdu) < HEADER:
        raise DecodeError(f"an LLC header of {in_octets(len(m_sdu))}, not {HEADER}", len(m_sdu))
    if m_sdu[0] != DL_DATA:
        raise DecodeError(f"LLC control {m_sdu[0]:02X}, where 90 (data) is known", 0)
    if len(m_sdu) == HEADER:
        raise DecodeError("nothing behind the LLC header", HEADER)
    return LlcData(m_sdu[1], m_sdu[2], m_sdu[HEADER:])


# --- management of the network over HDLC -------------------------------------------------------------------------

STATIONS: Final = HdlcAddress.of(0x67, hdlc.ALL_STATION)
"""The address of CIASE in all servers."""
MANAGER: Final = HdlcAddress.of(0x66)
"""The address of CIASE in the initiator."""
_UI_POLL: Final = hdlc.CONTROL["UI"] | 0x10
_COMMAND: Final = b"\xe6\xe6\x00"
_RESPONSE: Final = b"\xe6\xe7\x00"


class HdlcCiase(NamedTuple):
    """A PDU of CIASE in a UI frame. `header`: whether the LLC header of HDLC stands before it.

    Gurux sends Discover and its report with it, Register, Ping and RepeaterCall without.
    """

    from_server: bool
    sdu: bytes
    header: bool = True


def build_hdlc_ciase(data: HdlcCiase) -> bytes:
    """Return the M_sdu, a whole HDLC frame with its flags. Raises `EncodeError` where it is too long."""
    destination, source = (MANAGER, STATIONS) if data.from_server else (STATIONS, MANAGER)
    header = (_RESPONSE if data.from_server else _COMMAND) if data.header else b""
    m_sdu = hdlc.build(destination.octets, source.octets, _UI_POLL, header + data.sdu)
    if len(m_sdu) > MAX_SDU:
        raise EncodeError(f"an HDLC frame of {len(m_sdu)} octets: a MAC frame carries {MAX_SDU}")
    return m_sdu


def is_hdlc_ciase(frame: hdlc.Frame) -> bool:
    """Whether a frame of HDLC is one of the management of the network."""
    return {frame.destination.octets, frame.source.octets} == {STATIONS.octets, MANAGER.octets}


def parse_hdlc_ciase(m_sdu: bytes) -> HdlcCiase:
    """Return the PDU of CIASE in an M_sdu that is an HDLC frame. Raises `DecodeError`."""
    frame = hdlc.parse(m_sdu)
    if not is_hdlc_ciase(frame) or frame.kind != "UI":
        raise DecodeError("no frame of the network's management", 3)
    from_server = frame.source.octets == STATIONS.octets
    header = frame.info[:3] in (_COMMAND, _RESPONSE)
    return HdlcCiase(from_server, frame.info[3:] if header else frame.info, header)
