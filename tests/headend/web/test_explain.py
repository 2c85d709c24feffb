"""Explain and traces as HTML: who sees them, what is pasted, what is refused, and where keys do not appear."""

from __future__ import annotations

import asyncio
import html
import logging
import re

import pytest

from cosem.headend.access import ALLOWED, Act, Role
from cosem.headend.audit import entries
from cosem.headend.vault import Purpose
from cosem.headend.web.explain_examples import EXAMPLES
from cosem.headend.web.explain_pages import MAX_TEXT
from cosem.headend.web.explain_view import MOST_PARTS, MOST_PLACES
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS
from support.site import HOSTILE, KEY, key_in

TITLE = b"CSM\x00\x00\x00\x00\x01"
PLAIN = bytes.fromhex("c401c1000600bc614e")
EK = DEMO_KEYS.global_unicast_encryption_key.hex()
AK = DEMO_KEYS.authentication_key.hex()


def sealed(plain: bytes = PLAIN, tag: int = 0xDB) -> bytes:
    content = protect(bytes.fromhex(EK), bytes.fromhex(AK), TITLE, counter=7, control=0x30, plain=plain)
    return bytes((tag, len(TITLE))) + TITLE + bytes((len(content),)) + content


async def paste(site, text: str, *, role: Role = Role.VIEWER, **more):
    async with site.visiting(role) as client:
        return await client.post("/explain", data={"text": text, **more})


def words(answer) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", answer.text)))


async def test_everybody_who_is_signed_in_and_nobody_else(shown):
    async with shown.visiting(None) as client:
        assert (await client.get("/explain")).headers["location"].startswith("/sign-in")
        assert (await client.post("/explain", data={"text": "c0"})).status_code == 303
    for role in Role:
        async with shown.visiting(role) as client:
            page = await client.get("/explain")
            assert page.status_code == 200
            assert 'href="/explain" aria-current="page"' in page.text
            answer = await client.post("/explain", data={"text": PLAIN.hex()})
            assert "double-long-unsigned 12345678" in answer.text


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_is_explained(shown, name):
    async with shown.visiting(Role.HOUSEHOLD) as client:
        answer = await client.get("/explain", params={"example": name})
    assert answer.status_code == 200
    assert ("stopped" in answer.text) is (name == "broken")
    assert "not opened" not in answer.text
    assert 'aria-current="true"' in answer.text
    assert 'class="o k-' in answer.text


async def test_octets_and_layers_have_the_same_numbers(shown):
    answer = await paste(shown, sealed().hex(), ek=EK, ak=AK)
    runs = re.findall(r'<span class="o k-(\w+)" data-n="(\d+)"[^>]*>([^<]*)</span>', answer.text)
    shown_octets = " ".join(text for _, _, text in runs).split()
    assert bytes.fromhex("".join(shown_octets)) == sealed() + PLAIN
    nodes = dict(re.findall(r'<a class="node" href="#o(\d+)" data-n="(\d+)">', answer.text))
    assert all(one == other for one, other in nodes.items())
    assert {number for _, number, _ in runs} <= set(nodes)
    # Each node's link leads to its first octets; it works without the script.
    firsts = re.findall(r'id="o(\d+)"', answer.text)
    assert len(firsts) == len(set(firsts))
    kinds = {kind for kind, _, _ in runs}
    assert {"service", "address", "security", "sealed", "check", "type", "value"} <= kinds
    for kind in kinds:
        assert f'<span class="swatch k-{kind}"></span> ' in answer.text
    assert " verified " in words(answer)


async def test_keys_open_and_are_in_no_answer_no_log_and_no_file(site, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    mine = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
    for given in ({"ek": EK, "ak": AK}, {"ek": mine, "ak": mine, "dk": mine, "mk": mine}, {"ek": EK}):
        answer = await paste(site, sealed().hex(), **given)
        assert answer.status_code == 200
        assert ("12345678" in answer.text) is (given["ek"] == EK)
        for key in {*given.values()}:
            assert key not in answer.text.lower()
            assert key not in caplog.text.lower()
        assert not any(name in answer.headers for name in ("set-cookie", "location"))
        assert answer.headers["cache-control"] == "no-store"
    assert "not verified" in answer.text
    with site.headend.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or mine.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ek": "zz" * 16}, "Encryption key: hex digits"),
        ({"ek": "a7" * 15}, "Encryption key: 15 octets, not 16"),
        ({"ak": "a7" * 17}, "Authentication key: 17 octets, not 16"),
        ({"ek": "a7" * 16, "ak": "a7" * 24}, "Authentication key: 24 octets"),
        ({"mk": "a7" * 10_000}, "M-Bus key: at most 200 signs"),
        ({"title": "a7" * 7}, "System title of the meter: 7 octets, not 8"),
        ({"client": HOSTILE}, "System title of the client: hex digits"),
        ({"kind": HOSTILE}, "one of the kinds"),
        ({"kind": "x" * 10_000}, "one of the kinds"),
        ({"country": "<b>"}, "two letters"),
        ({"country": "x" * 10_000}, "two letters"),
    ],
)
async def test_what_is_wrong_with_keys_is_said_without_them(shown, given, why):
    answer = await paste(shown, PLAIN.hex(), **given)
    assert answer.status_code == 400
    assert why in words(answer)
    assert PLAIN.hex() in answer.text
    for value in given.values():
        assert value not in answer.text
    assert "a7" * 7 not in answer.text


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (HOSTILE, 400),
        ("</textarea><script>alert(1)</script>", 400),
        ("> \u202e" + "7e" * 10, 400),
        ("/" + HOSTILE + "\r\n1-0:1.8.0(" + HOSTILE.encode("ascii", "replace").decode() + ")\r\n!", 200),
        ("</details><img src=x onerror=alert(1)> > c001", 400),
        ("<b>12:00</b> > c401c100", 400),
        ('[" onfocus="alert(1)] rx c401c10006', 200),
        ("ß" * 10_000, 400),
        ("090b" + b"<script>al".hex() + "00", 200),
        ("0a" + "19" + b"<script>alert(1)</script>".hex(), 200),
        ("0c" + "0b" + "\u202eevil<b>".encode().hex(), 200),
        ("\x00\x01\x02", 400),
        ("0" * MAX_TEXT + "0", 400),
        ("00" * 65_537, 400),
    ],
)
async def test_what_strangers_paste_stays_text(shown, text, status):
    answer = await paste(shown, text)
    assert answer.status_code == status
    assert "<script>" not in answer.text.replace("<script src=", "")
    assert "<img" not in answer.text
    assert "<b>12" not in answer.text
    assert re.search(r"<[a-z]+[^>]* on[a-z]+=", answer.text) is None
    body = answer.text.split('<div id="answer"')[-1] if status == 200 else words(answer).split("Explain")[-1]
    assert "\u202e" not in body


async def test_a_megabyte_and_more_is_refused(shown):
    answer = await paste(shown, "7e" * 500_000)
    assert answer.status_code == 400
    assert "too much at once" in words(answer)
    assert len(answer.text) < 20_000
    assert (await paste(shown, "7e" * 600_000)).status_code == 413


@pytest.mark.parametrize(
    "octets",
    [bytes(65_536), b"\x7e\xa0" * 32_768, b"\x01\x82\xff\xf0" + bytes(65_520), b"\0\1\0\1\0\1\0\0" * 8192],
    ids=["zeros", "flags", "a value of many", "empty frames"],
)
async def test_the_most_there_may_be_is_answered_soon_and_bounded(shown, octets):
    async with asyncio.timeout(30):
        answer = await paste(shown, octets.hex())
    assert answer.status_code == 200
    assert len(re.findall('class="node"', answer.text)) <= MOST_PLACES
    assert len(answer.text) < 4_000_000


async def test_of_very_many_messages_some_are_drawn(shown):
    answer = await paste(shown, "1 > c001c100\n" * (MOST_PARTS + 7))
    assert answer.text.count('<details class="card message"') == MOST_PARTS
    assert "7 more are not drawn" in answer.text


async def test_lines_of_a_log_between_octets_are_passed_over_and_counted(shown):
    answer = await paste(shown, f"hello\n0.1 > c001c100030100010800ff0200\n<i>x</i>\n0.2 < {PLAIN.hex()}")
    assert "2 lines without octets were passed over" in words(answer)
    assert "→ to the meter 0.1 get-request-normal" in words(answer)
    assert "← from the meter 0.2 get-response-normal: double-long-unsigned 12345678" in words(answer)


async def test_a_kind_that_is_said_is_taken(shown):
    assert "stopped" in (await paste(shown, PLAIN.hex(), kind="hdlc")).text
    answer = await paste(shown, "0c1427048502", kind="mbus-records")
    assert "28504.27 m³" in answer.text
    assert '<option value="mbus-records" selected>' in answer.text


async def test_a_post_of_another_site_is_refused(shown):
    async with shown.visiting(Role.VIEWER) as client:
        answer = await client.post("/explain", data={"text": "c0"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


# --- traces ---------------------------------------------------------------------------------------------------

SESSION = [
    (">", b"\x00\x01\x00\x01\x00\x01\x00\x0d" + bytes.fromhex("c001c100030100010800ff0200")),
    ("<", b"\x00\x01\x00\x01\x00\x01" + len(sealed()).to_bytes(2, "big") + sealed()),
]


async def trace_of(site, device: int = 2, session=SESSION) -> int:
    headend = site.headend
    with headend.engine.begin() as connection:
        headend.keys.put(connection, device, {Purpose.AUTHENTICATION: bytes.fromhex(AK)}, int(site.now))
        number = headend.traces.ask(connection, device, "operator")
    async with headend.traces.session(device, "command") as recording:
        for direction, octets in session:
            recording(direction, octets)
    return number


@pytest.mark.parametrize("role", Role)
async def test_traces_are_for_those_who_may_command(site, role):
    number = await trace_of(site)
    allowed = Act.COMMAND in ALLOWED[role]
    async with site.visiting(role) as client:
        page = await client.get("/device/2")
        assert ('id="h-traces"' in page.text) is allowed
        assert (f"/device/2/traces/{number}" in page.text) is allowed
        assert (await client.get(f"/device/2/traces/{number}")).status_code == (200 if allowed else 403)
        assert (await client.post(f"/device/2/traces/{number}")).status_code == (200 if allowed else 403)
        asked = await client.post("/device/2/traces/ask", data={"key": "a" * 32})
        assert asked.status_code == (303 if allowed else 403)
        if not allowed:
            assert (await client.get("/live", params={"topic": "traced:2"})).status_code == 403
    with site.headend.engine.connect() as connection:
        assert (len(site.headend.traces.of(connection, 2)) == 2) is allowed


async def test_a_trace_is_shut_until_it_is_opened_which_is_audited_each_time(site):
    number = await trace_of(site)
    async with site.visiting(Role.OPERATOR) as client:
        shut = await client.get(f"/device/2/traces/{number}")
        assert "12345678" not in shut.text
        assert "→ to the meter 0.000 s wrapper, get-request-normal: active energy import" in words(shut)
        assert "no key is there that opens it" in words(shut)
        assert opened_by(site) == []
        for _ in range(2):
            opened = await client.post(f"/device/2/traces/{number}")
            assert "double-long-unsigned 12345678" in opened.text
            assert " verified " in words(opened)
            for page in (shut, opened):
                assert EK not in page.text
                assert AK not in page.text
    assert opened_by(site) == [("operator", "meter 2", {"trace": number})] * 2


def opened_by(site) -> list:
    with site.headend.engine.connect() as connection:
        return [(e.who, e.subject, e.after) for e in entries(connection) if e.what == "open a trace with keys"]


async def test_keys_that_travel_in_a_session_are_not_shown(site):
    carried = sealed(b"\xc4\x01\xc1\x00\x09\x10" + KEY)
    session = [("<", b"\x00\x01\x00\x01\x00\x01" + len(carried).to_bytes(2, "big") + carried)]
    number = await trace_of(site, session=session)
    async with site.visiting(Role.ADMINISTRATOR) as client:
        opened = await client.post(f"/device/2/traces/{number}")
    assert "octet-string" not in opened.text
    assert "hidden" in opened.text
    assert opened.text.count("··") >= len(KEY)
    assert KEY.hex() not in opened.text.replace(" ", "")


async def test_traces_of_others_are_not_there(site):
    number = await trace_of(site)
    async with site.visiting(Role.OPERATOR) as client:
        for path in (
            f"/device/3/traces/{number}",
            "/device/2/traces/4711",
            f"/device/2/traces/{2**70}",
            "/device/2/traces/0",
        ):
            assert (await client.get(path)).status_code == 404
            assert (await client.post(path)).status_code == 404
        assert (await client.get("/device/2/traces/x")).status_code == 404
    assert opened_by(site) == []


async def test_reading_now_with_a_trace_asks_for_both_once(site):
    async with site.visiting(Role.OPERATOR) as client:
        ask = await client.get("/device/2/ask/read")
        assert 'name="trace"' in ask.text
        form = {"key": key_in(ask.text), "trace": "1"}
        for _ in range(2):
            assert (await client.post("/device/2/read", data=form)).status_code == 303
        page = await client.get("/device/2")
        assert "waits for the next session" in page.text
        assert page.text.count("waits for the next session") == 1
        assert (await client.post("/device/2/traces/ask", data={"back": "1"})).status_code == 303
        assert "waits for the next session" not in (await client.get("/device/2")).text
        assert (await client.post("/device/5/traces/ask", data={})).status_code == 400
    assert len(site.queue.submitted) == 1
    async with site.visiting(Role.SECOND_PERSON) as client:
        ask = await client.get("/device/2/ask/read")
        assert 'name="trace"' not in ask.text
        answer = await client.post("/device/2/read", data={"key": key_in(ask.text), "trace": "1"})
        assert answer.status_code == 403
    async with site.visiting(Role.OPERATOR) as client:
        # What hangs behind another device has no sessions of its own.
        gas = re.search(
            r'/device/(\d+)">gas 1', html.unescape((await client.get("/devices?text=gas")).text.replace("<bdi>", ""))
        )
        assert gas is not None
        assert 'id="h-traces"' not in (await client.get(f"/device/{gas[1]}")).text
        assert (await client.post(f"/device/{gas[1]}/traces/ask", data={"key": "b" * 32})).status_code == 400


async def test_what_a_failed_session_says_stays_text(site):
    headend = site.headend
    with headend.engine.begin() as connection:
        number = headend.traces.ask(connection, 2, HOSTILE)
    async with headend.traces.session(2, "plan") as recording:
        recording.ended = HOSTILE * 50
    async with site.visiting(Role.OPERATOR) as client:
        for path in ("/device/2", f"/device/2/traces/{number}"):
            text = (await client.get(path)).text
            assert "<script>alert" not in text
            assert "\u202e" not in text
        assert "No octet went over the line" in text
