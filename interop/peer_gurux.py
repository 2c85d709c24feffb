"""gurux-dlms as a client of our meter: its secure client, over a wire of ours."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.CountType import CountType
from gurux_dlms.enums import Authentication, Conformance, DataType, InterfaceType, Security
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMSChippering import GXDLMSChippering
from gurux_dlms.GXDLMSException import GXDLMSException
from gurux_dlms.objects import (
    GXDLMSClock,
    GXDLMSData,
    GXDLMSDisconnectControl,
    GXDLMSObject,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.secure import GXDLMSSecureClient

from interop.world import AK, CLIENT_TITLE, EK, PASSWORD, SECRET, Place, Wire, next_counter, not_possible

_SECURITY = {
    0: Security.NONE,
    1: Security.AUTHENTICATION,
    2: Security.ENCRYPTION,
    3: Security.AUTHENTICATION_ENCRYPTION,
}
_MECHANISMS = {
    0: Authentication.NONE,
    1: Authentication.LOW,
    2: Authentication.HIGH,
    3: Authentication.HIGH_MD5,
    4: Authentication.HIGH_SHA1,
    5: Authentication.HIGH_GMAC,
    6: Authentication.HIGH_SHA256,
}
_KINDS = {1: GXDLMSData, 3: GXDLMSRegister, 7: GXDLMSProfileGeneric, 8: GXDLMSClock, 70: GXDLMSDisconnectControl}


_opened: Any = GXCiphering.decrypt.__func__


class WrongTagError(Exception):
    """What was deciphered does not become the octets that came when it is ciphered again."""


def _checked(kind: Any, settings: Any, parameters: Any, data: Any) -> Any:
    """Decipher as the peer does, and check the tag for it: it checks none where there is encryption too.

    Its own ciphering makes the octets anew, so the tags of our meter are held against what somebody else computes.
    """
    plain = _opened(kind, settings, parameters, data)
    received = bytes(parameters.cipheredContent)[5:]
    parameters.type_ = CountType.DATA | CountType.TAG
    made = GXDLMSChippering.encryptAesGcm(parameters, bytearray(plain))
    if bytes(made) != received:
        raise WrongTagError(received[-12:].hex())
    return plain


class Peer:
    """One session."""

    name = "gurux-dlms"

    def __init__(
        self,
        place: Place,
        max_pdu_size: int = 1024,
        as_it_is: bool = False,
        physical: int = 0,
        address_size: int = 1,
        max_info: int = 128,
        window: int = 1,
    ) -> None:
        case = place.case
        GXCiphering.decrypt = classmethod(_opened if as_it_is else _checked)
        self.place = place
        self.wire = Wire(place.address)
        hdlc = place.transport == "hdlc"
        password = {0: None, 1: PASSWORD, 5: None}.get(case.mechanism, SECRET)
        self.short_names = case.referencing == "sn"
        if self.short_names and case.policy:
            not_possible("ciphering with short names ends in an assertion of its own")
        if self.short_names and case.mechanism > 1:
            not_possible("it invokes methods with short names by Write, which brings no proof back")
        self._listed: dict[str, int] = {}
        self.client = GXDLMSSecureClient(
            not self.short_names,
            case.client,
            1,
            _MECHANISMS[case.mechanism],
            password,
            InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER,
        )
        self.client.maxReceivePDUSize = max_pdu_size
        if self.short_names:
            self.client.proposedConformance |= Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
        if physical:
            self.client.serverAddressSize = address_size
            self.client.serverAddress = GXDLMSSecureClient.getServerAddress(1, physical, address_size)
        limits = self.client.hdlcSettings
        limits.maxInfoTX = limits.maxInfoRX = max_info
        limits.windowSizeTX = limits.windowSizeRX = window
        self.window = window
        cipher = self.client.ciphering
        cipher.systemTitle = bytearray(CLIENT_TITLE)
        cipher.blockCipherKey = bytearray(EK)
        cipher.authenticationKey = bytearray(AK)
        cipher.invocationCounter = next_counter()
        cipher.security = _SECURITY[case.policy]
        if case.form == "ded":
            cipher.dedicatedKey = bytearray(range(0x40, 0x50))

    # --- exchange ----------------------------------------------------------------------------------------------

    def _ask(self, frames: Any) -> GXReplyData:
        """Send what the client made and gather the whole answer, asking for more while there is more."""
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self._exchange(frame, reply)
        while reply.isMoreData():
            self._exchange(self.client.receiverReady(reply), reply)
        return reply

    def _exchange(self, frame: Any, reply: GXReplyData) -> None:
        self.wire.send(bytes(frame))
        received = GXByteBuffer()
        notify = GXReplyData()
        reply.error = 0
        received.set(self.wire.recv_some())
        while not self.client.getData(received, reply, notify):
            received.set(self.wire.recv_some())
        if reply.error:
            raise GXDLMSException(reply.error)

    # --- session -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.wire.connect()
        if snrm := self.client.snrmRequest():
            self.client.parseUAResponse(self._ask(snrm).data)
        self.client.parseAareResponse(self._ask(self.client.aarqRequest()).data)
        if self.client.authentication > Authentication.LOW:
            reply = self._ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(reply.data)

    def _object(self, class_id: int, name: str) -> GXDLMSObject:
        kind = _KINDS.get(class_id)
        obj = kind() if kind else GXDLMSObject(class_id)
        obj.logicalName = name
        if self.short_names:
            if not self._listed:
                self.objects()
            obj.shortName = self._listed[name]
        return obj

    def read(self, class_id: int, name: str, attribute: int = 2) -> Any:
        return self._ask(self.client.read(self._object(class_id, name), attribute)).value

    def read_list(self, targets: list[tuple[int, str, int]]) -> list[Any]:
        listed = [(self._object(class_id, name), attribute) for class_id, name, attribute in targets]
        values: list[Any] = []
        for frames in self.client.readList(listed):
            values += self._ask(frames).value
        return values

    def clock(self) -> dt.datetime:
        clock = self._object(8, "0.0.1.0.0.255")
        reply = self._ask(self.client.read(clock, 2))
        self.client.updateValue(clock, 2, reply.value)
        return clock.time.value

    def objects(self) -> set[tuple[int, int, bytes]]:
        reply = self._ask(self.client.getObjectsRequest())
        listed = self.client.parseObjects(reply.data, False)
        self._listed = {o.logicalName: o.shortName for o in listed}
        return {(int(o.objectType), o.version, bytes(map(int, o.logicalName.split(".")))) for o in listed}

    def _profile(self, name: str) -> GXDLMSProfileGeneric:
        profile = self._object(7, name)
        self.client.updateValue(profile, 3, self._ask(self.client.read(profile, 3)).value)
        return profile

    def profile_range(self, name: str, start: dt.datetime, end: dt.datetime) -> list[list[Any]]:
        profile = self._profile(name)
        return self._ask(self.client.readRowsByRange(profile, GXDateTime(start), GXDateTime(end))).value

    def profile_entries(self, name: str, first: int, last: int) -> list[list[Any]]:
        profile = self._profile(name)
        return self._ask(self.client.readRowsByEntry(profile, first, last - first + 1)).value

    def whole_profile(self, name: str) -> list[list[Any]]:
        return self._ask(self.client.read(self._object(7, name), 2)).value

    def set_clock(self, moment: dt.datetime) -> None:
        clock = self._object(8, "0.0.1.0.0.255")
        clock.time = GXDateTime(moment)
        self._ask(self.client.write(clock, 2))

    def call(self, class_id: int, name: str, method: int) -> None:
        self._ask(self.client.method(self._object(class_id, name), method, 0, DataType.INT8))

    def release(self) -> None:
        self._ask(self.client.releaseRequest())

    def close(self) -> None:
        if self.place.transport == "hdlc":
            self._ask(self.client.disconnectRequest(True))
        self.wire.disconnect()
