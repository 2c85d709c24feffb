"""``cosem headend users``: who is added here signs in on the pages, and nobody's password is seen on the way."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cosem.cli.app import run
from cosem.headend.audit import entries
from cosem.headend.database import open_database
from cosem.headend.engine import Headend
from cosem.headend.folder import load_settings
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import account, web_session
from cosem.headend.vault import Vault
from cosem.headend.web.site import create_site
from cosem.headend.work import Elsewhere

Cosem = Callable[..., tuple[int, str, str]]
PASSWORD = "a morning in november"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "office"


@pytest.fixture
def cosem(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosem:
    monkeypatch.setenv("COSEM_HEADEND", str(folder))
    for name in ("COSEM_HEADEND_KEY", "COSEM_HEADEND_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(["headend", *arguments])
        return int(ended.value.code or 0), *capsys.readouterr()

    status, out, err = call("init", "--json")
    assert status == 0, out + err
    monkeypatch.setenv("TOKEN", json.loads(out)["token"])
    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


async def signs_in(folder: Path, name: str, password: str) -> int:
    """Sign in on the pages; return how many sessions there are then, 0 where it is refused."""
    headend = Headend(
        load_settings(folder), Elsewhere(), clock=lambda: 1e9, random=lambda: 0.5, sealer=Vault.find(folder)
    )
    transport = httpx.ASGITransport(create_site(headend))
    async with httpx.AsyncClient(transport=transport, base_url="http://headend") as client:
        answer = await client.post("/sign-in", data={"name": name, "password": password})
    with headend.engine.connect() as connection:
        count = len(connection.execute(select(web_session)).all())
    headend.engine.dispose()
    return count if answer.status_code == 303 else 0


def told(folder: Path) -> list[tuple[str, str]]:
    """Return what the audit log has of users, the newest first."""
    engine = open_database(folder / "headend.db")
    with engine.connect() as connection:
        found = [(item.what, item.subject) for item in entries(connection) if "token" not in item.what]
        text = str(entries(connection))
    engine.dispose()
    assert PASSWORD not in text
    assert "argon2" not in text
    return found


async def test_who_is_added_signs_in_and_who_is_removed_does_not(cosem: Cosem, folder: Path, file: Path) -> None:
    for name, role in (("anna", "administrator"), ("omar", "operator")):
        status, out, err = cosem("users", "add", name, "--role", role, "--password-file", str(file))
        assert (status, out) == (0, ""), err
        assert await signs_in(folder, name, PASSWORD)
    listed = json.loads(cosem("users", "list", "--json")[1])
    assert [(item["name"], item["role"], item["shut_out"]) for item in listed] == [
        ("anna", "administrator", False), ("omar", "operator", False),
    ]  # fmt: skip
    assert cosem("users", "list")[1].splitlines()[1] == "anna\tadministrator\t\tactive"
    assert cosem("users", "remove", "omar")[0] == 0
    assert not await signs_in(folder, "omar", PASSWORD)
    status, _, err = cosem("users", "remove", "anna")
    assert status == 2
    assert "last administrator" in err
    assert cosem("users", "remove", "omar")[0] == 2, "nobody of that name"
    assert told(folder)[-5:] == [
        ("remove user", "omar"), ("sign in", "omar"), ("add user", "omar"), ("sign in", "anna"), ("add user", "anna"),
    ]  # fmt: skip


async def test_a_password_that_is_made_is_shown_once_and_another_ends_sessions(cosem: Cosem, folder: Path) -> None:
    made = json.loads(cosem("users", "add", "anna", "--role", "administrator", "--generate", "--json")[1])["password"]
    assert await signs_in(folder, "anna", made) == 1
    assert await signs_in(folder, "anna", made) == 2
    _, out, _ = cosem("users", "password", "anna", "--generate")
    other = out.removeprefix("password, shown this once: ").strip()
    assert not await signs_in(folder, "anna", made)
    assert await signs_in(folder, "anna", other) == 1, "the two before ended"
    with (folder / "headend.db").open("rb") as database:
        assert other.encode() not in database.read()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("add", "anna", "--role", "administrator"), "already"),
        (("add", "a\tb", "--role", "viewer"), "printable"),
        (("add", "flat", "--role", "household"), "group"),
        (("add", "flat", "--role", "household", "--group", "none"), "no group"),
        (("add", "otto", "--role", "viewer", "--generate"), "not both"),
        (("password", "nobody"), "no user"),
    ],
)
def test_what_makes_no_sense_is_refused(cosem: Cosem, file: Path, wrong: tuple[str, ...], why: str) -> None:
    given = ("--password-file", str(file))
    assert cosem("users", "add", "anna", "--role", "administrator", *given)[0] == 0
    status, _, err = cosem("users", *wrong, *given)
    assert status == 2
    assert why in err


def test_a_password_comes_from_somewhere_and_is_long_enough(cosem: Cosem, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("short\n")
    status, _, err = cosem("users", "add", "anna", "--role", "viewer", "--password-file", str(short))
    assert (status, "10 to 200" in err) == (2, True)
    status, _, err = cosem("users", "add", "anna", "--role", "viewer")
    assert (status, "nobody is there to be asked" in err) == (2, True)


async def test_a_household_sees_its_group(cosem: Cosem, folder: Path, file: Path) -> None:
    engine = open_database(folder / "headend.db")
    with engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.add(NewDevice("meter 1", Kind.ELECTRICITY), 1)
        inventory.group("flat", ["meter 1"])
    status, _, err = cosem(
        "users", "add", "flat 3", "--role", "household", "--group", "flat", "--password-file", str(file)
    )
    assert status == 0, err
    with engine.connect() as connection:
        assert connection.execute(select(account.c.role, account.c.group)).all() == [("household", "flat")]
    engine.dispose()


def test_with_a_token_its_role_counts(cosem: Cosem, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = json.loads(cosem("token", "issue", "vera", "--role", "viewer", "--json")[1])["token"]
    monkeypatch.setenv("COSEM_HEADEND_TOKEN", token)
    status, _, err = cosem("users", "add", "me", "--role", "administrator", "--generate")
    assert (status, "may not access" in err) == (2, True)
    monkeypatch.setenv("COSEM_HEADEND_TOKEN", os.environ["TOKEN"])
    assert cosem("users", "add", "me", "--role", "administrator", "--generate")[0] == 0
    engine = open_database(folder / "headend.db")
    with engine.connect() as connection:
        assert entries(connection)[0].who == "administrator"
    engine.dispose()


async def test_a_password_that_is_asked_for_is_not_shown(cosem: Cosem, folder: Path) -> None:
    command = ["-m", "cosem", "headend", "users", "add", "anna", "--role", "administrator"]
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    for asked in (b"Password:", b"Once more:"):
        while asked not in seen:
            seen += os.read(terminal, 1000)
        os.write(terminal, PASSWORD.encode() + b"\n")
    try:
        while chunk := os.read(terminal, 1000):
            seen += chunk
    except OSError:
        pass  # the other end of a terminal that is closed says so
    assert process.wait(30) == 0, seen
    os.close(terminal)
    assert PASSWORD.encode() not in seen
    assert await signs_in(folder, "anna", PASSWORD)
