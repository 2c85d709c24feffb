"""Who may do what, route by route: every form of the pages with every role, and for who sees a group of devices only.

Forms are sent without a key: whoever may is told what is missing.
"""

from __future__ import annotations

import shutil
import uuid

import httpx
import pytest

from cosem.headend.access import Role
from cosem.headend.commands import CommandState, NewCommand
from cosem.headend.web.accounts import add_account
from cosem.headend.web.frame import PageSettings
from cosem.simulator.neighbourhood.control import ControlClient
from support.site import NOW, PASSWORD, Site, add_campaigns, quick_hash

NARROWED = {role: f"narrowed {role}" for role in Role if role is not Role.HOUSEHOLD}
EVERYBODY = {*Role, *NARROWED.values()}
ACTS = {Role.OPERATOR, Role.ADMINISTRATOR}
CONFIRMS = {Role.SECOND_PERSON, Role.ADMINISTRATOR}
ADMINISTRATOR = {Role.ADMINISTRATOR}


def both(roles: set[Role]) -> set[str]:
    """Return the roles, and who has them for some devices."""
    return roles | {NARROWED[role] for role in roles if role in NARROWED}


FORMS = {
    "/alarms/acknowledge": both(ACTS | CONFIRMS),
    "/campaigns": ACTS,
    "/campaigns/{number}/confirm": CONFIRMS,
    "/campaigns/{number}/pause": ACTS,
    "/campaigns/{number}/resume": ACTS,
    "/campaigns/{number}/abort": ACTS,
    "/commands/{bundle}/confirm": both(CONFIRMS),
    "/commands/{bundle}/take-back": both(ACTS),
    "/commands/{bundle}/decide": both(ACTS),
    "/device/{number}/traces/ask": both(ACTS),
    "/device/{number}/traces/{trace}": both(ACTS),
    "/device/{number}/read": both(ACTS | CONFIRMS),
    "/device/{number}/disconnect": both(ACTS),
    "/device/{number}/clock": both(ACTS),
    "/explain": EVERYBODY,
    "/firmware/upload": ADMINISTRATOR,
    "/firmware/{number}/withdraw": ADMINISTRATOR,
    "/home/{number}/button": both(ACTS) | {Role.HOUSEHOLD},
    "/home/{number}/read": both(ACTS | CONFIRMS),
    "/neighbourhood/speed": ACTS,
    "/neighbourhood/touch": both(ACTS),
    "/plans": ACTS,
    "/plans/{number}": ACTS,
    "/plans/{number}/active": ACTS,
    "/plans/{number}/remove": ACTS,
    "/plans/{number}/run": ACTS,
    "/settings/password": EVERYBODY,
    "/settings/tokens": ADMINISTRATOR,
    "/settings/tokens/revoke": ADMINISTRATOR,
    "/settings/users": ADMINISTRATOR,
    "/settings/users/{number}/shut": ADMINISTRATOR,
    "/sign-in": EVERYBODY,
    "/sign-out": EVERYBODY,
    "/theme": EVERYBODY,
}
OF_DEVICES = {path for path in FORMS if path.startswith(("/device/", "/home/", "/commands/"))}


class Forms:
    """A site, and somebody of every role who is signed in."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.people: dict[str, httpx.AsyncClient] = {}

    async def send(self, who: str, path: str, *, device: str = "2", **more: str) -> httpx.Response:
        """Send a form of `device`, or of the command that was asked for at it."""
        numbered = path.startswith(("/device/", "/home/"))
        path = path.replace("{number}", device if numbered else "1")
        path = path.replace("{bundle}", f"bundle {device}").replace("{trace}", "1")
        given = {"id": f"bundle {device}.0", "device": device, "unit": "E-001", "touch": "button", **more}
        return await self.people[who].post(path, data=given)


@pytest.fixture
async def forms(tmp_path, lived):
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    site = Site(tmp_path, pages=PageSettings(play=ControlClient("127.0.0.1", 9)))
    forms = Forms(site)
    with site.headend.engine.begin() as connection:
        for role, name in NARROWED.items():
            add_account(connection, name, quick_hash(), role, "setup", NOW, group="flat")
    await add_campaigns(site.headend)
    for number in (1, 2):
        wanted = [NewCommand("disconnect", {})]
        await site.headend.commands.request(f"meter {number}", wanted, "anna", identity=f"bundle {number}")
    for name in EVERYBODY:
        forms.people[name] = httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://headend")
        answer = await forms.people[name].post("/sign-in", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303
    yield forms
    for client in forms.people.values():
        await client.aclose()
    site.close()


def unsafe(routes) -> set[str]:
    """Return the paths of all forms."""
    found = set()
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            found |= unsafe(router.routes)
        elif getattr(route, "methods", None) and route.methods - {"GET", "HEAD"}:
            found.add(route.path)
    return found


async def test_every_form_refuses_whoever_may_not(forms):
    for path, allowed in FORMS.items():
        for who in sorted(EVERYBODY):
            answer = await forms.send(who, path)
            refused = answer.status_code in (403, 404) and "no such trace" not in answer.text
            assert refused is (who not in allowed), (path, who, answer.status_code)


async def test_every_form_of_the_pages_is_in_the_table(forms):
    named = {"/device/{number}/{name}", "/campaigns/{number}/{name}"}
    acts = {path for path in FORMS if path.startswith("/campaigns/{")} | {
        f"/device/{{number}}/{name}" for name in ("read", "disconnect", "clock")
    }
    assert unsafe(forms.site.app.routes) == (set(FORMS) - acts) | named


async def test_whoever_is_narrowed_does_nothing_to_devices_of_others(forms):
    for path in sorted(OF_DEVICES):
        for who in sorted({*NARROWED.values(), Role.HOUSEHOLD}):
            answer = await forms.send(who, path, device="1", key=uuid.uuid4().hex)
            assert answer.status_code in (403, 404), (path, who)
    assert [row.state for row in forms.site.headend.commands.bundle("bundle 1")] == [CommandState.UNCONFIRMED]
