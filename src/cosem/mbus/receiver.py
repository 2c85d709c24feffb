"""A receiver of telegrams: one frame in, a telegram out when it is whole, fragments put together as they come."""

from __future__ import annotations

from collections import Counter

from cosem.errors import DecodeError, SecurityError
from cosem.mbus.afl import FragmentJoiner
from cosem.mbus.keys import KeyStore
from cosem.mbus.telegram import LinkKind, State, Telegram, decode, decode_joined
from cosem.mbus.wireless import Format


class TelegramReceiver:
    """Opens telegrams of many meters with one key store. `failures` counts what was refused, fragments included.

    `patience`: seconds after which the next fragment of a message no longer comes.
    """

    def __init__(self, keys: KeyStore | None = None, *, patience: float = 60.0, size: int = 16_384) -> None:
        self.keys = KeyStore() if keys is None else keys
        self.received = 0
        self._joiner = FragmentJoiner(patience=patience, size=size, failures=self.keys.failures)

    @property
    def failures(self) -> Counter[str]:
        """Return how many were refused by reason (`Reason` and what the fragments' joiner says)."""
        return self.keys.failures

    @property
    def waiting(self) -> int:
        """Return how many messages wait for fragments."""
        return self._joiner.waiting

    def receive(
        self,
        frame: bytes,
        now: float,
        *,
        link: LinkKind = "auto",
        form: Format | None = None,
        already_decrypted: bool = False,
    ) -> Telegram | None:
        """Take a frame and return the telegram that is whole with it, or None while fragments are missing.

        Raises `DecodeError` and `SecurityError`, counted; the next frame is not touched by it.
        """
        telegram = decode(frame, link=link, keys=self.keys, already_decrypted=already_decrypted, form=form)
        if telegram.state is State.FRAGMENT and telegram.afl is not None:
            sender = b"" if telegram.sender is None else telegram.sender.link
            joined = self._joiner.take(sender, telegram.afl, telegram.application, now)
            if joined is None:
                return None
            telegram = decode_joined(joined, telegram, keys=self.keys, already_decrypted=already_decrypted)
        self.received += 1
        return telegram

    def try_receive(
        self, frame: bytes, now: float, *, link: LinkKind = "auto", form: Format | None = None
    ) -> Telegram | None:
        """Take a frame; None too for one that is refused, which `failures` tells."""
        try:
            return self.receive(frame, now, link=link, form=form)
        except (DecodeError, SecurityError):
            return None

    def expire(self, now: float) -> None:
        """Give up messages whose next fragment did not come."""
        self._joiner.expire(now)
