"""The catalogue of firmware: what there is, adding to it, and taking out of use."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile

from cosem.client.firmware import MAX_IMAGE
from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.firmware import LONGEST_IDENTIFIER, Image, NewImage
from cosem.headend.web.asking import Question, ask
from cosem.headend.web.forms import WHOLE, Filled, choices, sentence
from cosem.headend.web.frame import (
    Frame,
    Framed,
    Gone,
    Networked,
    Visitor,
    back,
    checked,
    fields,
    first_time,
    key_of,
    managing,
)

router = APIRouter(include_in_schema=False)
Keeper = Annotated[Visitor, managing(Act.INVENTORY)]
PIECE: Final = 1 << 18


@router.get("/firmware")
def catalogue(frame: Framed, who: Networked, request: Request) -> Response:
    """Show the images."""
    return _page(frame, request, who, Filled({}))


def _page(frame: Frame, request: Request, who: Visitor, filled: Filled, status: int = 200) -> Response:
    with frame.headend.engine.connect() as connection:
        types = choices(connection).types
    return frame.page(
        request, "firmware.html", who, status,
        images=frame.headend.firmware.all(), filled=filled, wrong=filled.wrong, types=types,
        longest=LONGEST_IDENTIFIER, largest=MAX_IMAGE >> 20,
    )  # fmt: skip


@router.post("/firmware/upload")
async def upload(frame: Framed, who: Keeper, request: Request) -> Response:
    """Put an image into the catalogue."""
    async with request.form(max_files=1, max_fields=200) as form:
        filled, key = Filled.of(checked(form)), key_of(form)
        file = form.get("file")
        identifier, version = (filled.text(name, LONGEST_IDENTIFIER) for name in ("identifier", "version"))
        digest = filled.text("sha256", 80, needed=False).replace(" ", "").lower()
        if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
            filled.refuse("sha256", "64 hex digits.")
        if not isinstance(file, UploadFile) or not file.filename:
            filled.refuse("file", "Choose the file of the image.")
            file = None
        types, hardware, versions = (filled.lines(name, 1000) for name in ("types", "hardware", "from_versions"))
        if filled.wrong or file is None:
            return _page(frame, request, who, filled, 400)
        try:
            with first_time(frame, who, key, request.url.path) as fresh:
                if not fresh:
                    return back("/firmware", "That image was added already.")
                item = NewImage(identifier, version, types, hardware, versions)
                image = await _add(frame, who, item, file, digest)
        except ConfigError as error:
            words = str(error)
            field = "sha256" if "SHA-256" in words else "identifier" if "already" in words else "file"
            filled.refuse(field if "identifier and version" not in words else WHOLE, sentence(words))
            return _page(frame, request, who, filled, 400)
    return back("/firmware", f"{image.identifier} is in the catalogue: {image.octets} octets, {image.digest[:16]}…")


async def _add(frame: Frame, who: Visitor, item: NewImage, file: UploadFile, digest: str) -> Image:
    """Take the file in. Where no digest was said, that of what arrived counts."""
    taken = frame.headend.firmware.upload()
    try:
        while piece := await file.read(PIECE):
            taken.write(piece)
        return await asyncio.to_thread(frame.headend.firmware.add, item, taken, digest or taken.digest, who.person.name)
    finally:
        taken.drop()


def _image(frame: Frame, number: int) -> Image:
    image = next((image for image in frame.headend.firmware.all() if image.id == number), None)
    if image is None:
        raise Gone("there is no such image")
    return image


@router.get("/firmware/{number}/ask/withdraw")
def ask_withdraw(frame: Framed, who: Keeper, request: Request, number: int) -> Response:
    """Ask whether an image is to be withdrawn."""
    image = _image(frame, number)
    facts = (("Image", image.identifier), ("Version", image.version))
    says = "It goes to no further device, also in campaigns that are under way. Devices that have it keep it."
    to = f"/firmware/{number}/withdraw"
    question = Question("Withdraw this image", "Withdraw", says, to, "/firmware", facts, grave=True)
    return ask(frame, request, who, question)


@router.post("/firmware/{number}/withdraw")
async def withdraw(frame: Framed, who: Keeper, request: Request, number: int) -> Response:
    """Let an image go to no further device."""
    form = await fields(request)
    image = _image(frame, number)
    with first_time(frame, who, key_of(form), request.url.path) as fresh:
        if not fresh:
            return back("/firmware", "That image was withdrawn already.")
        frame.headend.firmware.withdraw(image.identifier, who.person.name)
    return back("/firmware", f"{image.identifier} is withdrawn.")
