"""dlms-cosem as a client of our meter: its own client class and transports over a wire of ours."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import structlog
from dlms_cosem import cosem, dlms_data, enumerations, security, time, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import EntryDescriptor, RangeDescriptor
from dlms_cosem.hdlc.frames import HDLC_FLAG
from dlms_cosem.io import HdlcTransport, TcpTransport
from dlms_cosem.protocol.xdlms import SetResponseNormal

from interop.world import AK, CLIENT_TITLE, EK, PASSWORD, SECRET, BufferedWire, Place, next_counter, not_possible

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _authentication(place: Place, as_it_is: bool) -> Any:
    case = place.case
    if case.mechanism == 0:
        return security.NoSecurityAuthentication()
    if case.mechanism == 1:
        return security.LowLevelSecurityAuthentication(PASSWORD)
    if case.mechanism == 2:
        return security.HighLevelSecurityCommonAuthentication(SECRET)
    if case.mechanism == 5:
        return security.HighLevelSecurityGmacAuthentication() if as_it_is else Repaired()
    return not_possible("dlms-cosem has mechanisms 0, 1, 2 (AES-ECB) and 5")


class Repaired(security.HighLevelSecurityGmacAuthentication):
    """Its GMAC, without the fault that proof and APDU around it have one counter, and so one nonce."""

    def hls_generate_reply_data(self, connection: Any) -> bytes:
        proof = super().hls_generate_reply_data(connection)
        connection.client_invocation_counter += 1
        return proof


class RepairedHdlc(HdlcTransport):
    """Its HDLC, without the fault that a frame whose check sequence ends in 7Eh is waited for without end."""

    def recv_frame(self) -> bytes:
        if self.hdlc_connection.buffer:
            return self.io.recv_until(HDLC_FLAG)
        return super().recv_frame()


class Peer:
    """One session."""

    name = "dlms-cosem"

    def __init__(
        self,
        place: Place,
        max_pdu_size: int = 1024,
        as_it_is: bool = False,
        physical: int | None = None,
        address_size: int = 1,
        max_info: int = 128,
    ) -> None:
        if max_info != 128:
            not_possible("it negotiates no HDLC parameters")
        case = place.case
        if case.referencing == "sn":
            not_possible("it has logical names only")
        authentication = _authentication(place, as_it_is)
        if case.mechanism == 5 and case.policy == 0:
            not_possible("it ciphers everything as soon as it has keys, and GMAC needs keys")
        if case.policy in (1, 2):
            not_possible("it always authenticates and encrypts")
        if case.form == "ded":
            not_possible("it has no dedicated keys")
        if case.form == "glo" and case.policy:
            # General-glo is its only form; the row without the word says so too.
            not_possible("general-glo-ciphering is its only form")
        self.wire = BufferedWire(place.address)
        hdlc = HdlcTransport if as_it_is else RepairedHdlc
        kind = hdlc if place.transport == "hdlc" else TcpTransport
        addresses = {"client_logical_address": case.client, "server_logical_address": 1, "io": self.wire}
        if physical is not None:
            addresses |= {"server_physical_address": physical, "extended_addressing": address_size == 4}
        ciphered = case.policy == 3
        self.client = DlmsClient(
            transport=kind(**addresses),
            authentication=authentication,
            encryption_key=EK if ciphered else None,
            authentication_key=AK if ciphered else None,
            client_system_title=CLIENT_TITLE,
            client_initial_invocation_counter=next_counter(),
            max_pdu_size=max_pdu_size,
        )

    def open(self) -> None:
        self.client.connect()
        self.client.associate()

    def _attribute(self, class_id: int, name: str, attribute: int) -> Any:
        return cosem.CosemAttribute(enumerations.CosemInterface(class_id), cosem.Obis.from_string(name), attribute)

    def _get(self, class_id: int, name: str, attribute: int, selection: Any = None) -> Any:
        octets = self.client.get(self._attribute(class_id, name, attribute), access_descriptor=selection)
        return utils.parse_as_dlms_data(octets)

    def read(self, class_id: int, name: str, attribute: int = 2) -> Any:
        return self._get(class_id, name, attribute)

    def read_list(self, targets: list[tuple[int, str, int]]) -> list[Any]:
        listed = [cosem.CosemAttributeWithSelection(self._attribute(*target), None) for target in targets]
        response = self.client.get_many(listed)
        return [
            utils.parse_as_dlms_data(item.to_bytes()) if hasattr(item, "to_bytes") else item
            for item in response.response_data
        ]

    def clock(self) -> datetime:
        moment, _ = time.datetime_from_bytes(bytes(self._get(8, "0.0.1.0.0.255", 2)))
        return moment

    def objects(self) -> set[tuple[int, int, bytes]]:
        listed = self._get(15, "0.0.40.0.0.255", 2)
        return {(item[0], item[1], bytes(item[2])) for item in listed}

    def profile_range(self, name: str, start: datetime, end: datetime) -> list[list[Any]]:
        selection = RangeDescriptor(CaptureObject(self._attribute(8, "0.0.1.0.0.255", 2)), start, end)
        return self._get(7, name, 2, selection)

    def profile_entries(self, name: str, first: int, last: int) -> list[list[Any]]:
        selection = EntryDescriptor(first, last)
        try:
            selection.to_bytes()
        except NotImplementedError:
            not_possible("its entry descriptor cannot be encoded")
        return self._get(7, name, 2, selection)

    def whole_profile(self, name: str) -> list[list[Any]]:
        return self._get(7, name, 2)

    def set_clock(self, moment: datetime) -> None:
        value = dlms_data.OctetStringData(time.datetime_to_bytes(moment)).to_bytes()
        response = self.client.set(self._attribute(8, "0.0.1.0.0.255", 2), value)
        assert isinstance(response, SetResponseNormal), response
        assert response.result == enumerations.DataAccessResult.SUCCESS

    def call(self, class_id: int, name: str, method: int) -> None:
        target = cosem.CosemMethod(enumerations.CosemInterface(class_id), cosem.Obis.from_string(name), method)
        self.client.action(target, dlms_data.IntegerData(0).to_bytes())

    def release(self) -> None:
        response = self.client.release_association()
        assert response is not None

    def close(self) -> None:
        self.client.disconnect()
