"""What every page stands in: who looks at it, what the template is given, and the headers around it."""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Protocol
from urllib.parse import quote, unquote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import delete, insert
from starlette.datastructures import FormData

from cosem import __version__
from cosem.errors import ConfigError, CosemError
from cosem.headend.access import Act, Person
from cosem.headend.engine import Headend
from cosem.headend.schema import idempotency
from cosem.headend.web import text
from cosem.headend.web.accounts import Passwords, seen, session_of
from cosem.headend.web.customer_state import Homes
from cosem.headend.web.live import Live, State
from cosem.headend.web.overview import Overviews
from cosem.headend.web.playing import Playing

HERE: Final = Path(__file__).parent
COOKIE: Final = "cosem_session"
NOTICE: Final = "cosem_notice"
THEMES: Final = ("auto", "light", "dark")
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types pages"
)
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
MAX_FIELDS: Final = 1200
EXPLAINED_AT_ONCE: Final = 2
"""What is pasted is explained beside the pages of others, and keeps them from being slow."""
_KEY: Final = re.compile("[0-9a-f]{32}")
_HALF: Final = re.compile("[\ud800-\udfff]")


class SignInNeeded(CosemError):
    """Nobody is signed in here, or not any more."""


class Gone(ConfigError):
    """There is no such page."""


class Play(Protocol):
    """A neighbourhood that pages can touch: `cosem.simulator.neighbourhood.control.ControlClient`."""

    async def call(self, do: str, **given: Any) -> Any:
        """Return the answer to a request. Raises `ConfigError` for what is refused, and where nobody is there."""

    async def act(self, where: str, words: str, **given: Any) -> str:
        """Do something to a unit or a feeder; return what came of it."""

    def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens there."""


@dataclass(frozen=True, slots=True)
class PageSettings:
    """`zone` is what times are shown in, `target` the share of devices that a night should read, `title` the name.

    `wall` gives UTC seconds for the sessions of people where the head-end's clock is none to live by; `play` is the
    neighbourhood behind a demonstration, and `guests` who may enter it at a click: names, words, and the password.

    Households are told what their `rates` are called, and what they spent where there are `prices`: of a kilowatt-hour
    by rates, or of all at 0.
    """

    title: str = "cosem head-end"
    zone: str = "Europe/Berlin"
    target: float = 0.995
    wall: Callable[[], float] | None = None
    play: Play | None = None
    guests: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    rates: Mapping[int, str] = field(default_factory=dict)
    prices: Mapping[int, Decimal] = field(default_factory=dict)
    currency: str = "€"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page."""

    account: int
    person: Person
    cookie: str

    def can(self, act: str) -> bool:
        """Whether this role may do `act`."""
        return self.person.can(Act(act))

    @property
    def household(self) -> bool:
        """Whether this is a household, or somebody as narrow: own devices are seen, and nothing of the network."""
        return self.person.narrowed


class Frame:
    """What the pages of one head-end share."""

    def __init__(self, headend: Headend, settings: PageSettings) -> None:
        self.headend = headend
        self.settings = settings
        self.passwords = Passwords()
        self.zone = ZoneInfo(settings.zone)
        self.overviews = Overviews(headend.clock, self.zone)
        self.playing = None if settings.play is None else Playing(settings.play, headend.engine, headend.clock)
        """What asks the neighbourhood behind a demonstration."""
        self.stations: dict[int, tuple[int, str]] = {}
        """The plots of gas stations, by device, each made of the values up to a time."""
        self.homes = Homes()
        """What is kept for the pages of households."""
        self.environment = self._environment()
        self.live = Live(self._nothing)
        self.explaining = asyncio.Semaphore(EXPLAINED_AT_ONCE)

    @staticmethod
    def _nothing(topic: str) -> State:
        return {}

    @property
    def now(self) -> int:
        """The time of the head-end's clock."""
        return int(self.headend.clock())

    @property
    def wall(self) -> int:
        """The time by which people's sessions end, whatever the head-end's clock does."""
        return self.now if self.settings.wall is None else int(self.settings.wall())

    @cached_property
    def assets(self) -> dict[str, tuple[str, bytes]]:
        """The files that browsers keep: by name the address with their digest, and their octets."""
        found = {}
        for path in sorted((HERE / "static").iterdir()):
            octets = path.read_bytes()
            found[path.name] = (f"/static/{hashlib.sha256(octets).hexdigest()[:12]}/{path.name}", octets)
        return found

    def _environment(self) -> Environment:
        made = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.filters.update(
            {
                "shown": text.shown,
                "pill": text.pill,
                "number": text.number,
                "share": text.share,
                "channel_words": text.channel_words,
                "age": text.age,
                "size": text.size,
                **text.times(self.zone),
            }
        )
        made.globals.update(
            {
                "asset": lambda name: self.assets[name][0],
                "title": self.settings.title,
                "version": __version__,
                "new_key": lambda: uuid.uuid4().hex,
                "share": text.share,
                "url": address,
                "in_unit": text.in_unit,
                "can": lambda who, act: who is not None and who.can(act),
                "two_persons": self.headend.settings.two_persons,
                "playing": self.playing is not None,
            }
        )
        made.globals["bits"] = made.get_template("bits.html").module
        return made

    def warm(self) -> None:
        """Make what the first pages want, before anybody asks for it."""
        with self.headend.engine.connect() as connection:
            self.overviews.get(connection)
        for name in self.environment.list_templates():
            self.environment.get_template(name)

    def fragment(self, template: str, **given: Any) -> str:
        """Return a piece of a page."""
        return self.environment.get_template(template).render(given)

    def page(
        self, request: Request, template: str, visitor: Visitor | None, status: int = 200, **given: Any
    ) -> HTMLResponse:
        """Return a page; with `?part=1` its main block only, for what the script puts in place."""
        theme = request.cookies.get("theme", "auto")
        context = {
            "who": visitor,
            "theme": theme if theme in THEMES else "auto",
            "path": request.url.path,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "live": None,
            "notice": unquote(request.cookies.get(NOTICE, "")),
            **given,
        }
        if request.query_params.get("part") == "1":
            found = self.environment.get_template(template)
            return HTMLResponse("".join(found.blocks["part"](found.new_context(context))), status)
        answer = HTMLResponse(self.fragment(template, **context), status)
        if context["notice"]:
            answer.delete_cookie(NOTICE, samesite="strict", httponly=True)
        return answer


def address(path: str, **query: Any) -> str:
    """Return a local address; what is empty or None is left out of the query."""
    given = {name: value for name, value in query.items() if value not in (None, "", False)}
    return quote(path) + (f"?{urlencode(given)}" if given else "")


def frame_of(request: Request) -> Frame:
    """Return what the pages share."""
    found: Frame = request.app.state.frame
    return found


def visiting(request: Request) -> Visitor:
    """Return who is signed in. Raises `SignInNeeded`."""
    frame = frame_of(request)
    cookie = request.cookies.get(COOKIE)
    if cookie:
        with frame.headend.engine.connect() as connection:
            found = session_of(connection, cookie, frame.wall)
        if found is not None:
            number, person, note = found
            if note:
                with frame.headend.engine.begin() as connection:
                    seen(connection, cookie, frame.wall)
            return Visitor(number, person, cookie)
    raise SignInNeeded("sign in first")


Framed = Annotated[Frame, Depends(frame_of)]
Signed = Annotated[Visitor, Depends(visiting)]


def able(act: Act) -> Any:
    """Return a dependency that gives who looks, and refuses who may not do `act`."""

    def check(who: Signed) -> Visitor:
        who.person.may(act)
        return who

    return Depends(check)


def network(who: Signed) -> Visitor:
    """Return who looks; a household has nothing to do with what is about the network."""
    if who.household:
        raise Gone("this page is not for households")
    return who


Networked = Annotated[Visitor, Depends(network)]


def managing(act: Act) -> Any:
    """Return a dependency that gives who looks, and refuses who may not do `act` to all devices."""

    def check(who: Signed) -> Visitor:
        who.person.may(act)
        return network(who)

    return Depends(check)


async def fields(request: Request) -> Any:
    """Return the fields of a form. Raises `ConfigError` as `checked` does."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        return checked(form)


def checked(form: FormData) -> FormData:
    """Return a form that can be stored and shown. Raises `ConfigError`: what says its own charset may say anything."""
    for name, value in form.multi_items():
        if _HALF.search(name) or (isinstance(value, str) and _HALF.search(value)):
            raise ConfigError("a text in the form has half of a surrogate pair")
    return form


def word(form: Any, name: str, longest: int = 500) -> str:
    """Return a field of a form. Raises `ConfigError` where it is too long."""
    value = str(form.get(name, ""))
    if len(value) > longest:
        raise ConfigError(f"{name} has at most {longest} signs")
    return value


def key_of(form: Any) -> str:
    """Return the key that makes sending a form twice be sending it once. Raises `ConfigError` without one."""
    key = word(form, "key")
    if not _KEY.fullmatch(key):
        raise ConfigError("this form has no key: load the page again")
    return key


@contextmanager
def first_time(frame: Frame, who: Visitor, key: str, path: str) -> Iterator[bool]:
    """Say whether a form's key comes for the first time; forget it again where the act fails."""
    values = {"key": f"page {key}", "who": who.person.name}
    with frame.headend.engine.begin() as connection:
        row = {**values, "digest": path, "status": 303, "body": "", "at": frame.now}
        fresh = connection.execute(insert(idempotency).prefix_with("OR IGNORE"), row).rowcount == 1
    try:
        yield fresh
    except BaseException:
        if fresh:
            with frame.headend.engine.begin() as connection:
                connection.execute(delete(idempotency).filter_by(**values))
        raise


def back(path: str, did: str = "", **query: Any) -> Response:
    """Send the browser on with GET; `did` says there what was done.

    It travels in a cookie: words in an address could be anybody's.
    """
    answer = RedirectResponse(address(path, **query), 303)
    if did:
        answer.set_cookie(NOTICE, quote(did[:300]), max_age=30, httponly=True, samesite="strict")
    return answer


def own_path(given: str) -> str:
    """Return an address of this site, or the first page: nobody is sent elsewhere."""
    if re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}", given) or given == "/":
        return given
    return "/"
