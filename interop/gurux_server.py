"""gurux-dlms as a meter: its server class behind a socket, for our client.

As published its Python server cannot answer: it calls methods of its own classes that are not there. Those that are
needed are added here by name; what is wrong beyond that is left as it is and told in the tests.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gurux_dlms import GXDateTime
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import AccessMode, Authentication, InterfaceType, MethodAccessMode, SourceDiagnostic
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXServerReply import GXServerReply
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSClock, GXDLMSData, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureServer

from interop.world import AK, EK, METER_TITLE, PASSWORD


class Reply(GXServerReply):
    def setReply(self, value: Any) -> None:
        self.reply = value

    def getConnectionInfo(self) -> None:
        return None


class Server(GXDLMSSecureServer):
    """A small meter: a clock, a serial number, two registers."""

    def __init__(self, transport: str) -> None:
        kind = InterfaceType.HDLC if transport == "hdlc" else InterfaceType.WRAPPER
        super().__init__(True, kind)
        self.settings.cipher = GXCiphering(bytearray(METER_TITLE))
        self.faults: list[str] = []
        self.settings.cipher.blockCipherKey = bytearray(EK)
        self.settings.cipher.authenticationKey = bytearray(AK)
        association = GXDLMSAssociationLogicalName()
        serial = GXDLMSData("0.0.96.1.0.255")
        serial.value = bytearray(b"10000001")
        energy = GXDLMSRegister("1.0.1.8.0.255")
        energy.value, energy.scaler, energy.unit = 123456, 1, 30
        clock = GXDLMSClock("0.0.1.0.0.255")
        clock.time = GXDateTime(datetime.fromisoformat("2026-11-01T01:00:00+01:00"))
        for item in (association, serial, energy, clock):
            self.items.append(item)
        association.objectList.extend(self.items)
        self.initialize()

    def handleSnrmRequest(self, data: Any) -> None:
        """Accept with a UA that names no parameters; the one it makes has wrong lengths."""
        self.reset(True)
        self.settings.connected = ConnectionState.HDLC

    def generateDisconnectRequest(self) -> None:
        """Answer DISC with a UA that names no parameters either."""

    def setTransaction(self, value: Any) -> None:
        self.transaction = value

    def getTransaction(self) -> Any:
        return self.transaction

    def notifyRead(self, *args: Any) -> None: ...
    def notifyPostRead(self, *args: Any) -> None: ...
    def onPreRead(self, *args: Any) -> None: ...
    def onPostRead(self, *args: Any) -> None: ...
    def onPreWrite(self, *args: Any) -> None: ...
    def onPostWrite(self, *args: Any) -> None: ...
    def onPreAction(self, *args: Any) -> None: ...
    def onPostAction(self, *args: Any) -> None: ...
    def onPreGet(self, *args: Any) -> None: ...
    def onPostGet(self, *args: Any) -> None: ...
    def onConnected(self, *args: Any) -> None: ...
    def onDisconnected(self, *args: Any) -> None: ...
    def onInvalidConnection(self, *args: Any) -> None: ...
    def onFindObject(self, *args: Any) -> None: ...

    def isTarget(self, server: int, client: int) -> bool:
        return True

    def onValidateAuthentication(self, authentication: Any, password: Any) -> Any:
        if authentication == Authentication.LOW and bytes(password or b"") != PASSWORD:
            return SourceDiagnostic.AUTHENTICATION_FAILURE
        return SourceDiagnostic.NONE

    def onGetAttributeAccess(self, arg: Any) -> Any:
        return AccessMode.READ_WRITE

    def onGetMethodAccess(self, arg: Any) -> Any:
        return MethodAccessMode.ACCESS

    def handleCommand(self, *args: Any) -> Any:
        try:
            return super().handleCommand(*args)
        except Exception as error:
            self.faults.append(f"{type(error).__name__}: {error}")
            raise


@contextmanager
def serving(transport: str) -> Iterator[tuple[tuple[str, int], Server]]:
    """Serve one connection after the other, each chunk as it comes."""
    server = Server(transport)
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                server.reset()
                while octets := client.recv(65536):
                    reply = Reply(bytearray(octets))
                    try:
                        server.handleRequest(reply)
                    except Exception as error:
                        server.faults.append(f"{type(error).__name__}: {error}")
                    if reply.reply:
                        client.sendall(bytes(reply.reply))
                    if server.faults:
                        break

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[:2], server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
