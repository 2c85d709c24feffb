"""What the peers do, each through its own public or nearest-to-public way. Read, measured, never copied."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
CLIENT_TITLE = b"CSM\x00\x00\x00\x00\x01"
METER_TITLE = b"CSM\x00\x00\x00\x00\x02"


def _quiet() -> None:
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


_quiet()


def _gurux_chippering() -> Any:
    """Return the module that ciphers; it prints on every telegram, and that is left out of its time."""
    module: Any = importlib.import_module("gurux_dlms.GXDLMSChippering")
    module.print = lambda *_: None
    return module


# --- dlms-cosem -------------------------------------------------------------------------------------------------


def dlms_cosem_rows(octets: bytes) -> Callable[[], Any]:
    from dlms_cosem.utils import parse_as_dlms_data

    return lambda: parse_as_dlms_data(octets)


def dlms_cosem_encode(rows: list[tuple[Any, ...]]) -> Callable[[], bytes]:
    from dlms_cosem import dlms_data as d

    def build() -> bytes:
        kinds = (d.OctetStringData, d.UnsignedIntegerData, *(d.DoubleLongUnsignedData,) * 6)
        return d.DataArray(
            [d.DataStructure([kind(value) for kind, value in zip(kinds, row, strict=True)]) for row in rows]
        ).to_bytes()

    return build


def dlms_cosem_protection(plain: bytes) -> tuple[Callable[[], bytes], Callable[[bytes], bytes]]:
    """Return protect and unprotect of the bare cipher."""
    from dlms_cosem.security import SecurityControlField, decrypt, encrypt

    control = SecurityControlField(security_suite=0, authenticated=True, encrypted=True)

    def protect() -> bytes:
        return encrypt(control, CLIENT_TITLE, 7, EK, plain, AK)

    def unprotect(cipher: bytes) -> bytes:
        return decrypt(control, CLIENT_TITLE, 7, EK, cipher, AK)

    return protect, unprotect


def dlms_cosem_whole_protection(plain_service: Any = None) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Return protect and unprotect of an APDU with its header, as the library's own PDU classes do it."""
    from dlms_cosem.protocol.xdlms import GeneralGlobalCipher
    from dlms_cosem.security import SecurityControlField, decrypt, encrypt

    control = SecurityControlField(security_suite=0, authenticated=True, encrypted=True)

    def protect(plain: bytes) -> bytes:
        return GeneralGlobalCipher(
            system_title=CLIENT_TITLE,
            security_control=control,
            invocation_counter=7,
            ciphered_text=encrypt(control, CLIENT_TITLE, 7, EK, plain, AK),
        ).to_bytes()

    def unprotect(octets: bytes) -> bytes:
        apdu = GeneralGlobalCipher.from_bytes(octets)
        if apdu.invocation_counter <= 6:
            raise ValueError("replay")
        return decrypt(
            apdu.security_control, apdu.system_title, apdu.invocation_counter, EK, bytes(apdu.ciphered_text), AK
        )

    return protect, unprotect


def dlms_cosem_hdlc(payload: bytes) -> tuple[Callable[[], bytes], Callable[[bytes], Any]]:
    from dlms_cosem.hdlc.address import HdlcAddress
    from dlms_cosem.hdlc.frames import InformationFrame

    destination = HdlcAddress(16, None, "client")
    source = HdlcAddress(1, 17, "server")

    def build() -> bytes:
        return InformationFrame(destination, source, payload, 0, 0, False, True).to_bytes()

    return build, InformationFrame.from_bytes


def _dlms_cosem_connection() -> Any:
    from dlms_cosem.connection import DlmsConnection
    from dlms_cosem.security import HighLevelSecurityGmacAuthentication

    return DlmsConnection(
        authentication=HighLevelSecurityGmacAuthentication(),
        client_system_title=CLIENT_TITLE,
        global_encryption_key=EK,
        global_authentication_key=AK,
        client_invocation_counter=7,
    )


def dlms_cosem_aarq(challenge: bytes) -> Callable[[], bytes]:
    connection = _dlms_cosem_connection()

    def build() -> bytes:
        return connection.protect(connection.get_aarq()).to_bytes()

    return build


def dlms_cosem_aare(octets: bytes) -> Callable[[], Any]:
    from dlms_cosem.protocol.acse import ApplicationAssociationResponse

    connection = _dlms_cosem_connection()

    def parse() -> Any:
        connection.meter_invocation_counter = 0
        aare = ApplicationAssociationResponse.from_bytes(octets)
        connection.update_meter_info(aare)
        aare = connection.unprotect(aare)
        connection.update_negotiated_parameters(aare)
        return aare

    return parse


# --- gurux-dlms -------------------------------------------------------------------------------------------------


def _gurux_client(hdlc: bool = False) -> Any:
    from gurux_dlms.enums import Authentication, InterfaceType, Security
    from gurux_dlms.secure import GXDLMSSecureClient

    client = GXDLMSSecureClient(
        True, 16, 1, Authentication.HIGH_GMAC, None, InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER
    )
    client.ciphering.systemTitle = bytearray(CLIENT_TITLE)
    client.ciphering.blockCipherKey = bytearray(EK)
    client.ciphering.authenticationKey = bytearray(AK)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.invocationCounter = 7
    return client


def gurux_rows(octets: bytes) -> Callable[[], Any]:
    from gurux_dlms.GXByteBuffer import GXByteBuffer
    from gurux_dlms.internal._GXCommon import _GXCommon
    from gurux_dlms.internal._GXDataInfo import _GXDataInfo

    def read() -> Any:
        return _GXCommon.getData(None, GXByteBuffer(octets), _GXDataInfo())

    return read


def gurux_encode(rows: list[tuple[Any, ...]]) -> Callable[[], bytes]:
    from gurux_dlms.enums import DataType
    from gurux_dlms.GXArray import GXArray
    from gurux_dlms.GXByteBuffer import GXByteBuffer
    from gurux_dlms.GXStructure import GXStructure
    from gurux_dlms.GXUInt8 import GXUInt8
    from gurux_dlms.GXUInt32 import GXUInt32
    from gurux_dlms.internal._GXCommon import _GXCommon

    def build() -> bytes:
        array = GXArray()
        for row in rows:
            line = GXStructure()
            line.append(bytearray(row[0]))
            line.append(GXUInt8(row[1]))
            for value in row[2:]:
                line.append(GXUInt32(value))
            array.append(line)
        out = GXByteBuffer()
        _GXCommon.setData(None, out, DataType.ARRAY, array)
        return out.array()

    return build


def gurux_protection() -> tuple[Callable[[bytes], bytes], Callable[[bytes], Any]]:
    chippering = _gurux_chippering()
    from gurux_dlms.AesGcmParameter import AesGcmParameter
    from gurux_dlms.enums import Command, Security
    from gurux_dlms.GXByteBuffer import GXByteBuffer

    client = _gurux_client()

    def protect(plain: bytes) -> bytes:
        p = AesGcmParameter(Command.GENERAL_GLO_CIPHERING, bytearray(CLIENT_TITLE), bytearray(EK), bytearray(AK))
        p.security = Security.AUTHENTICATION_ENCRYPTION
        p.invocationCounter = 7
        return chippering.GXDLMSChippering.encryptAesGcm(p, plain)

    def unprotect(octets: bytes) -> Any:
        p = AesGcmParameter(0, bytearray(CLIENT_TITLE), bytearray(EK), bytearray(AK))
        return chippering.GXDLMSChippering.decryptAesGcm(client.settings, p, GXByteBuffer(octets))

    return protect, unprotect


def gurux_hdlc(payload: bytes) -> tuple[Callable[[], bytes], Callable[[bytes], Any]]:
    from gurux_dlms.enums import InterfaceType
    from gurux_dlms.GXByteBuffer import GXByteBuffer
    from gurux_dlms.GXDLMS import GXDLMS
    from gurux_dlms.GXReplyData import GXReplyData

    builder = _gurux_client(hdlc=True).settings
    builder.interfaceType = InterfaceType.HDLC
    builder.isServer = False
    builder.hdlc.maxInfoTX = 2030
    builder.serverAddress = 0x91
    builder.serverAddressSize = 2
    reader = _gurux_client(hdlc=True).settings
    reader.isServer = True
    reader.serverAddress = 0x91
    reader.serverAddressSize = 2
    data = GXByteBuffer(payload)

    def build() -> bytes:
        data.position = 0
        return GXDLMS.getHdlcFrame(builder, 0x10, data)

    def parse(octets: bytes) -> Any:
        reply = GXReplyData()
        reader.resetFrameSequence()
        GXDLMS.getHdlcData(True, reader, GXByteBuffer(octets), reply, None)
        return reply

    return build, parse


def gurux_aarq() -> Callable[[], Any]:
    client = _gurux_client()

    def build() -> Any:
        return client.aarqRequest()

    return build


def gurux_aare(octets: bytes) -> Callable[[], Any]:
    from gurux_dlms.GXByteBuffer import GXByteBuffer

    _gurux_chippering()

    client = _gurux_client()

    def parse() -> Any:
        client.settings.expectedInvocationCounter = 0
        return client.parseAareResponse(GXByteBuffer(octets))

    return parse
