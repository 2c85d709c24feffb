"""Behaviour of a token gateway (class 115): a token is looked at in steps, and each says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cosem.classes.c115_token_gateway import TokenDelivery, TokenGateway, TokenStatus, TokenStatusCode
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.errors import DecodeError, SecurityError
from cosem.obis import Obis, obis
from cosem.results import ActionResult
from cosem.security.tokens import Token, TokenDecoder
from cosem.times import CosemDateTime

FORMAT_OK, AUTHENTICATION_OK, VALIDATION_OK, EXECUTION_OK = (
    TokenStatusCode.TOKEN_FORMAT_RESULT_OK,
    TokenStatusCode.AUTHENTICATION_RESULT_OK,
    TokenStatusCode.VALIDATION_RESULT_OK,
    TokenStatusCode.TOKEN_EXECUTION_RESULT_OK,
)
FORMAT_FAILURE, AUTHENTICATION_FAILURE, VALIDATION_FAILURE, EXECUTION_FAILURE = (
    TokenStatusCode.TOKEN_FORMAT_FAILURE,
    TokenStatusCode.AUTHENTICATION_FAILURE,
    TokenStatusCode.VALIDATION_FAILURE,
    TokenStatusCode.TOKEN_EXECUTION_FAILURE,
)
RECEIVED: Final = TokenStatusCode.TOKEN_RECEIVED_NOT_YET_PROCESSED
ENDS: Final = (EXECUTION_OK, FORMAT_FAILURE, AUTHENTICATION_FAILURE, VALIDATION_FAILURE, EXECUTION_FAILURE)
"""What a token can end as; only then the next one is taken."""
TRANSITIONS: Final[Mapping[TokenStatusCode, tuple[TokenStatusCode, ...]]] = {
    RECEIVED: (FORMAT_OK, FORMAT_FAILURE),
    FORMAT_OK: (AUTHENTICATION_OK, AUTHENTICATION_FAILURE),
    AUTHENTICATION_OK: (VALIDATION_OK, VALIDATION_FAILURE),
    VALIDATION_OK: (EXECUTION_OK, EXECUTION_FAILURE),
    **dict.fromkeys(ENDS, (RECEIVED,)),
}
"""What follows on what."""
MAX_TOKEN: Final = 64
"""Octets of a token: more than any form of one has; bounds what a client can make a meter hold."""
REMEMBERED: Final = 50
"""Numbers of used tokens that are kept. A token older than all of them counts as used."""
_DELIVERY: Final = {
    Origin.REMOTE: TokenDelivery.REMOTE,
    Origin.LOCAL: TokenDelivery.LOCAL,
    Origin.MANUAL: TokenDelivery.MANUAL,
}


class TokenGatewayBehaviour:
    """One token gateway. `execute` does what a token says and raises `Refused` where it cannot: then it is not used.

    `enter` succeeds whatever becomes of the token, which token_status tells. Before the first one that is "execution
    ok" of no token at all: the class has no code for it. `moved` hears of each step.
    """

    def __init__(self, host: Host, name: str | Obis, decoder: TokenDecoder, execute: Callable[[Token], None]) -> None:
        self.host = host
        self.decoder = decoder
        self.status = EXECUTION_OK
        self.used: list[int] = []
        self.moved: list[Callable[[TokenStatusCode], None]] = []
        self._execute = execute
        self.object = host.add(
            TokenGateway(
                obis(name),
                token_time=CosemDateTime(),
                token_delivery_method=TokenDelivery.REMOTE,
                token_status=TokenStatus(EXECUTION_OK),
            )
        )
        host.handle(self.object, 1, self.enter)

    def press(self, token: bytes) -> TokenStatusCode:
        """Take a token at the keypad and return what became of it."""
        with self.host.acting(Origin.MANUAL):
            self.enter(token)
        return self.status

    def enter(self, token: bytes) -> None:
        """Take a token. Raises `Refused` for what is longer than any."""
        if len(token) > MAX_TOKEN:
            raise Refused(ActionResult.OTHER_REASON)
        store: Any = self.object.store
        store.values[2] = Data(Tag.OCTET_STRING, token)
        store.values[3] = Data(Tag.OCTET_STRING, self.host.clock.local_octets())
        store.values[4] = TokenGateway.attributes[4].type.to_data(())
        store.values[5] = Data(Tag.ENUM, int(_DELIVERY[self.host.origin]))
        self._move(RECEIVED)
        self._process(token)
        if self.status is not EXECUTION_OK:
            self.host.note(Cause.TOKEN_REFUSED, status=int(self.status))

    def _process(self, token: bytes) -> None:
        try:
            found = self.decoder.decode(token)
        except DecodeError:
            self._move(FORMAT_FAILURE)
            return
        except SecurityError:
            self._move(FORMAT_OK)
            self._move(AUTHENTICATION_FAILURE)
            return
        self._move(FORMAT_OK)
        self._move(AUTHENTICATION_OK)
        store: Any = self.object.store
        store.values[4] = TokenGateway.attributes[4].type.to_data((found.description.encode(),))
        if self._was_used(found.number) or found.amount <= 0:
            self._move(VALIDATION_FAILURE)
            return
        self._move(VALIDATION_OK)
        try:
            self._execute(found)
        except Refused:
            self._move(EXECUTION_FAILURE)
            return
        self.used = sorted([*self.used, found.number])[-REMEMBERED:]
        self._move(EXECUTION_OK)

    def _was_used(self, number: int) -> bool:
        return number in self.used or (len(self.used) == REMEMBERED and number < self.used[0])

    def _move(self, status: TokenStatusCode) -> None:
        """Go on to another status. Raises `ValueError` where none leads there."""
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"{status.name} does not follow {self.status.name}")
        self.status = status
        store: Any = self.object.store
        store.values[6] = TokenGateway.attributes[6].type.to_data(TokenStatus(status))
        for told in self.moved:
            told(status)
