"""Settings: the own password, users and tokens."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from cosem.headend.access import Role
from cosem.headend.schema import token as token_table
from support.site import PASSWORD


async def test_passwords_change_with_the_old_one_and_end_other_sessions(site):
    async with site.visiting(Role.VIEWER) as here, site.visiting(Role.VIEWER) as there:
        await here.post("/settings/password", data={"old": "wrong", "password": "another password"})
        assert (await there.get("/devices")).status_code == 200
        answer = await here.post("/settings/password", data={"old": PASSWORD, "password": "short"})
        assert answer.status_code == 400
        await here.post("/settings/password", data={"old": PASSWORD, "password": "another password"})
        assert (await here.get("/devices")).status_code == 200
        assert (await there.get("/devices")).status_code == 303


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"days": "9O"}, "whole number of days"),
        ({"days": "0"}, "whole number of days"),
        ({"days": "-1"}, "whole number of days"),
        ({"name": " "}, "printable"),
        ({"name": "\u202eadmin"}, "printable"),
    ],
)
async def test_a_token_without_a_name_or_with_days_that_are_none_is_not_issued(site, given, why):
    async with site.visiting() as client:
        answer = await client.post("/settings/tokens", data={"name": "script", "role": "viewer", **given})
        assert answer.status_code == 400
        assert why in answer.text
        assert "cosem_" not in answer.text
    with site.headend.engine.connect() as connection:
        assert connection.execute(select(token_table)).all() == []


async def test_a_token_is_shown_once_and_the_last_administrator_stays(site):
    async with site.visiting() as client:
        answer = await client.post("/settings/tokens", data={"name": "script", "role": "viewer", "days": "30"})
        token = re.search(r'class="token">(cosem_[^<]+)<', answer.text)[1]
        assert (await client.get("/api/devices", headers={"Authorization": f"Bearer {token}"})).status_code == 200
        assert token not in (await client.get("/settings")).text
        await client.post("/settings/tokens/revoke", data={"name": "script"})
        assert (await client.get("/api/devices", headers={"Authorization": f"Bearer {token}"})).status_code == 401
        page = (await client.get("/settings")).text
        number = re.search(
            r'users/(\d+)/shut"><input type="hidden" name="shut" value="1"><button aria-label="Shut out administrator"',
            page,
        )
        answer = await client.post(f"/settings/users/{number[1]}/shut", data={"shut": "1"})
        assert answer.status_code == 400
        assert "last administrator" in answer.text
