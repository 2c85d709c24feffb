"""What stands for a device behind the concentrator: a machine that speaks the wrapper and has APDUs carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cosem.apdu.errors import ExceptionResponse
from cosem.concentrator.carrier import Carried, Carrier
from cosem.errors import LocalProtocolError
from cosem.link.base import Address, ApduReceived
from cosem.link.wrapper import WrapperLink

NOT_REACHED: Final = ExceptionResponse(1, 1)
"""Operation not possible: what a client gets for an APDU that the network could not carry, or whose answer got lost.

It is no answer of the meter and not protected; a client that waits for a protected one learns only that it need not
wait any longer.
"""
MAX_WAITING: Final = 16
"""APDUs of one client that wait for one device; a client has as many invoke-ids."""


class Forwarder:
    """One device for one client: implements `cosem.link.base.Machine`.

    `settle` is called when something waits, where whoever drives the carrier would not come by otherwise; `told` when
    something came; `used` with every APDU of the client. With `tells_failures` false a client is left to its own
    time-out.
    """

    def __init__(
        self,
        carrier: Carrier,
        name: bytes,
        *,
        urgent: bool = True,
        tells_failures: bool = True,
        settle: Callable[[Forwarder], object] | None = None,
        told: Callable[[], object] | None = None,
        failed: Callable[[str], object] | None = None,
        used: Callable[[bytes], object] | None = None,
    ) -> None:
        self.name = name
        self._used = used
        self.waiting = 0
        self.cause = ""
        """Why the last APDU was not answered."""
        self._carrier = carrier
        self._link = WrapperLink(server=True)
        self._urgent = urgent
        self._tells_failures = tells_failures
        self._settle = settle
        self._told = told
        self._failed = failed
        self._addresses: set[Address] = set()
        self._gone = False

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets of the client."""
        for event in self._link.receive(octets, now):
            if isinstance(event, ApduReceived):
                self._carry(event.address, event.octets)
        if self.waiting and self._settle is not None:
            self._settle(self)

    def _carry(self, address: Address, apdu: bytes) -> None:
        self._addresses.add(address)
        if self._used is not None:
            self._used(self.name)
        if self.waiting >= MAX_WAITING:
            self._not_carried(address, "too many APDUs of one client")
            return
        if len(apdu) > self._carrier.max_apdu:
            self._not_carried(address, f"an APDU of {len(apdu)} octets, {self._carrier.max_apdu} fit")
            return
        self.waiting += 1

        def answered(answer: bytes) -> None:
            self.waiting -= 1
            self._answer(address, answer)

        def failed(cause: str) -> None:
            self.waiting -= 1
            self._not_carried(address, cause)

        self._carrier.carry(Carried(self.name, address, apdu, answered, failed, self._urgent))

    def _not_carried(self, address: Address, cause: str) -> None:
        self.cause = cause
        if self._gone:
            return
        if self._failed is not None:
            self._failed(cause)
        if self._tells_failures:
            self._answer(address, NOT_REACHED.encode())

    def _answer(self, address: Address, apdu: bytes) -> None:
        if self._gone:
            return
        try:
            self._link.send(address, apdu, self._carrier.now)
        except LocalProtocolError:
            return
        if self._told is not None:
            self._told()

    def take(self) -> bytes:
        """Return the octets for the client."""
        return self._link.take()

    def next_timer(self) -> float | None:
        """Return None: the carrier has the time-outs."""
        return None

    def handle_timer(self, now: float) -> None:
        """Do nothing."""

    def lost(self, now: float) -> None:
        """Learn that the client is gone."""
        self._gone = True
        for address in self._addresses:
            self._carrier.give_up(self.name, address)
        self._link.lost(now)
