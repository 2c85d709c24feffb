"""What a conversation may ask for.

A conversation is a generator: what a user does (associate, read a profile, release) written as straight code that
yields steps and never touches octets. The machine of an association carries out `Call`, `Calls`, `Post`, `Listen`,
`Sleep`, `OpenLink` and `CloseLink`; the driver around it carries out `Save`, `Dial` and `Hangup`. The answer of a
step comes back as the value of the yield; a failure is raised there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from cosem.apdu.base import Service
from cosem.link.conversing import Dial as Dial
from cosem.link.conversing import Hangup as Hangup
from cosem.link.conversing import Save as Save
from cosem.link.conversing import Sleep as Sleep

T = TypeVar("T")

BREAK_ON_ERROR, SELF_DESCRIPTIVE = 0x20000000, 0x10000000
"""Of an ACCESS: leave the rest undone once something fails; repeat the specifications in the response."""


class Call(NamedTuple):
    """Send one confirmed service and wait for its answer, block transfer included.

    Answers with the response service, reassembled (a block transfer ends as the normal or with-list response).
    `sink` is called with the raw content of every block of a response as it arrives, so that nothing that was
    received is lost when the link dies half-way. `timeout` in seconds; None takes the association's setting.
    `options` are bits of the long invoke-id of an ACCESS: `BREAK_ON_ERROR`, `SELF_DESCRIPTIVE`.
    """

    service: Service
    timeout: float | None = None
    sink: Callable[[bytes], None] | None = None
    options: int = 0


class Calls(NamedTuple):
    """Send several confirmed services, at most `window` under way at once (each under its own invoke-id).

    Answers with a list in the order asked; an element is the response service or the exception it ended in.
    """

    services: Sequence[Service]
    window: int = 1
    timeout: float | None = None


class Post(NamedTuple):
    """Send one unconfirmed service; answers with None as soon as it is queued."""

    service: Service


class Listen(NamedTuple):
    """Wait for the next unsolicited service of the peer (a notification); None on time-out."""

    timeout: float | None = None


class OpenLink(NamedTuple):
    """Connect the link layer (SNRM for HDLC, nothing for the wrapper); answers when it is up."""

    timeout: float | None = None


class CloseLink(NamedTuple):
    """Disconnect the link layer; answers when it is down."""

    timeout: float | None = None


Step = Call | Calls | Post | Listen | Sleep | Save | Dial | Hangup | OpenLink | CloseLink
Conversation = Generator[Step, Any, T]
