"""General block transfer of 64 KiB between both ends in memory, in both directions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from bench import world
from bench.measure import medians
from bench.report import Line
from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.get import GetRequestNormal
from cosem.apdu.set import SetRequestNormal
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.server import AssociationProfile
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call
from cosem.codec import axdr
from cosem.conformance_block import Conformance
from cosem.device.random import SeededRandom
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import DataAccessResult

SIZE = 64 * 1024
MAX_PDU_SIZE = 1024
SERVICES = Conformance.GET | Conformance.SET | Conformance.GENERAL_BLOCK_TRANSFER
"""Without the block transfers of GET and SET themselves: what is too long is cut below them."""
TARGET = AttributeDescriptor(1, Obis.parse("0-0:96.1.0"), 2)
VALUE = axdr.encode(axdr.octet_string(bytes(range(256)) * (SIZE // 256)))


class _OneValue:
    """An object server that holds one long value."""

    def __init__(self) -> None:
        self.value = VALUE

    def association_profile(self, address: Any) -> AssociationProfile:
        return AssociationProfile(16, 1, conformance=SERVICES, max_pdu_size=MAX_PDU_SIZE)

    def security_context(self, profile: Any, client_title: bytes) -> None:
        return None

    def opened(self, session: Any) -> None:
        """Nothing to do."""

    closed = authentication_failed = opened

    def security_failed(self, session: Any, error: Exception) -> None:
        """Nothing to do."""

    def notification_confirmed(self, session: Any, invoke: int) -> None:
        """Nothing to do."""

    def get(self, session: Any, target: Any, selection: Any) -> bytes:
        return self.value

    def set(self, session: Any, target: Any, selection: Any, data: bytes) -> DataAccessResult:
        self.value = data
        return DataAccessResult.SUCCESS

    def action(self, session: Any, target: Any, data: Any) -> Any:
        raise NotImplementedError


def _ends() -> tuple[world.Ends, _OneValue]:
    server = _OneValue()
    ends = world.Ends.__new__(world.Ends)
    settings = AssociationSettings(conformance=SERVICES, max_pdu_size=MAX_PDU_SIZE)
    ends.initiator = Initiator(WrapperLink(), settings)
    ends.responder = Responder(WrapperLink(server=True), server, SeededRandom(2))
    ends.run(open_association(ends.initiator, SeededRandom(3)))
    return ends, server


def _ask(service: Any) -> Generator[Any, Any, Any]:
    return (yield Call(service))


def block_transfer() -> list[Line]:
    """General block transfer, blocks of 1,024 octets, window 8."""
    ends, server = _ends()
    blocks: list[int] = []
    send = ends.responder.link.send

    def counted(address: Any, apdu: bytes, now: float, **more: Any) -> None:
        blocks.append(apdu[0])
        send(address, apdu, now, **more)

    ends.responder.link.send = counted  # type: ignore[method-assign]
    if ends.run(_ask(GetRequestNormal(TARGET, None))).data != VALUE or blocks.count(0xE0) < SIZE // MAX_PDU_SIZE:
        raise SystemExit("64 KiB do not come in blocks: nothing is measured")
    ends.responder.link.send = send  # type: ignore[method-assign]
    written = VALUE[:-1] + b"\x00"
    if ends.run(_ask(SetRequestNormal(TARGET, None, written))).result != 0 or server.value != written:
        raise SystemExit("64 KiB do not go out in blocks: nothing is measured")
    times = medians(
        {
            "get": lambda: ends.run(_ask(GetRequestNormal(TARGET, None))),
            "set": lambda: ends.run(_ask(SetRequestNormal(TARGET, None, VALUE))),
        },
        rounds=7,
    )
    return [
        Line("general block transfer of 64 KiB, meter to client", times["get"]),
        Line("  client to meter", times["set"]),
    ]
