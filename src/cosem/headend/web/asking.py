"""The question before an act: what is meant, what will happen, and that nothing is done without an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from cosem.headend.web.frame import Frame, Visitor

SECOND: Final = "A second person confirms this before anything is sent."


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `facts` name what is meant, `to` is where the answer goes, `cancel` where it was asked.

    `field` is the name of a text that is asked for with it, none where it is empty; `hint` stands out. A session
    that is `traceable` may leave a trace.
    """

    heading: str
    words: str
    says: str
    to: str
    cancel: str
    facts: tuple[tuple[str, str], ...]
    grave: bool = False
    hint: str = ""
    field: str = ""
    traceable: bool = False


def ask(frame: Frame, request: Request, who: Visitor, question: Question) -> Response:
    """Show a question: as a page, or as the dialog of one."""
    return frame.page(request, "ask.html", who, question=question)
