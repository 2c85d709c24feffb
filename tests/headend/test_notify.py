"""What happens is told: at least once, in order, once for a storm; by webhook, e-mail and MQTT to real servers."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from cosem.errors import ConfigError
from cosem.headend.audit import entries
from cosem.headend.database import open_database
from cosem.headend.happenings import Happened, keep
from cosem.headend.inventory import Inventory
from cosem.headend.notify import Notifier, Rule
from cosem.headend.permits import Limits
from cosem.headend.schema import device, notify_rule, outbox
from cosem.headend.senders import Mail, Message, Mqtt, NotSent, Webhook, signature
from cosem.headend.vault import Vault
from support.broker import broker, listening
from support.certificates import own_certificate
from support.offices import hasten, prepare

NOW = 1_793_500_000
MESSAGE = Message(7, "meter 1", {"what": "alarm", "kind": "cover removed", "fraud": True}, NOW)


class Book:
    """A sender that writes down what it is told, and fails when it is told to."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.fail: dict[str, int] = {}

    def check(self, target, secrets) -> None:
        pass

    async def send(self, message, target, secrets) -> None:
        if self.fail.get(message.subject, 0):
            self.fail[message.subject] -= 1
            raise NotSent("nobody there")
        self.told.append(message)


class Desk:
    def __init__(self, folder, devices: int = 4) -> None:
        prepare(folder)
        self.engine = open_database(folder / "headend.db")
        hasten(self.engine)
        self.now = NOW
        self.book = Book()
        with self.engine.begin() as connection:
            inventory = Inventory(connection)
            for name in ("north", "south"):
                inventory.set_segment(name, Limits(10, 10))
            common = {"kind": "electricity", "created": NOW, "changed": NOW}
            rows = [
                {**common, "name": f"meter {number}", "segment": 2 if number == devices else 1}
                for number in range(1, devices + 1)
            ]
            connection.execute(insert(device), rows)
        self.start()

    def start(self) -> None:
        senders = {"book": self.book, "webhook": Webhook(lambda: self.now)}
        self.notifier = Notifier(
            self.engine, Vault(bytes(32)), senders, clock=lambda: self.now, random=lambda: 1.0, tries=4
        )

    def happen(self, *happened: Happened) -> None:
        with self.engine.begin() as connection:
            fresh, opened = keep(connection, happened, self.now)
            self.notifier.within(connection, fresh, opened, self.now)

    async def tell(self) -> list[str]:
        while await self.notifier.once():
            pass
        return [message.words() for message in self.book.told]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.notifier.save(Rule("all", "book", {}), "anna")
    yield desk
    desk.engine.dispose()


def cover(number: int, at: int = NOW) -> Happened:
    return Happened(number, at, "alarm", "cover removed", alarming=True)


def gasp(number: int, at: int = NOW) -> Happened:
    return Happened(number, at, "push", "last gasp", alarming=True)


async def test_an_alarm_is_told_once_and_one_that_comes_again_is_not(desk):
    desk.happen(cover(1), Happened(2, NOW, "standard", "clock set"))
    desk.happen(cover(1, NOW + 5))
    assert await desk.tell() == ["fraud: cover removed at meter 1"]
    assert desk.book.told[0].content["segment"] == "north"
    assert desk.notifier.waiting() == []


async def test_last_gasps_of_a_segment_within_a_minute_are_one_message_with_the_count(desk):
    desk.happen(gasp(1), gasp(2), gasp(1, NOW + 1))
    desk.now += 30
    desk.happen(gasp(3), gasp(4), gasp(2, NOW + 30))
    assert await desk.tell() == [], "the minute is not over"
    desk.start()  # what is gathered survives a restart
    desk.now = NOW + 60
    assert await desk.tell() == ["last gasp of 3 devices in segment north"]
    assert desk.book.told[0].content["names"] == ["meter 1", "meter 2", "meter 3"]
    desk.now = NOW + 90
    assert (await desk.tell())[1:] == ["last gasp of 1 device in segment south"]
    desk.happen(gasp(1, NOW + 95))
    desk.now += 60
    assert (await desk.tell())[2:] == ["last gasp of 1 device in segment north"]


async def test_a_large_storm_is_one_message(tmp_path):
    desk = Desk(tmp_path, devices=501)
    desk.notifier.save(Rule("all", "book", {}), "anna")
    desk.happen(*(gasp(number) for number in range(1, 501)))
    desk.now += 60
    assert await desk.tell() == ["last gasp of 500 devices in segment north"]
    desk.engine.dispose()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule("r", "book", {}, kinds=("cover removed",)), ["meter 1"]),
        (Rule("r", "book", {}, fraud=False), ["meter 2"]),
        (Rule("r", "book", {}, segments=("south",)), ["meter 4"]),
        (Rule("r", "book", {}, gather=()), ["meter 1", "meter 2", "meter 4", "meter 3"]),
        (Rule("r", "book", {}), ["meter 1", "meter 2", "meter 4"]),
    ],
)
async def test_a_rule_tells_what_it_matches(tmp_path, rule, told):
    desk = Desk(tmp_path)
    desk.notifier.save(rule, "anna")
    low = Happened(2, NOW, "alarm", "battery low", alarming=True)
    desk.happen(cover(1), low, Happened(4, NOW, "alarm", "magnet", alarming=True), gasp(3))
    await desk.tell()
    assert [message.subject for message in desk.book.told] == told
    desk.engine.dispose()


async def test_who_cannot_be_told_is_told_later_in_order_and_holds_nobody_else_up(desk):
    desk.book.fail = {"meter 1": 2}
    desk.happen(cover(1), cover(2))
    desk.happen(Happened(1, NOW, "alarm", "magnet", alarming=True))
    assert await desk.tell() == ["fraud: cover removed at meter 2"]
    (first, second) = desk.notifier.waiting()
    assert (first["tries"], first["problem"], second["tries"]) == (1, "nobody there", 0)
    desk.now += 5
    await desk.tell()
    assert len(desk.book.told) == 1, "the pause doubles"
    desk.now += 5
    await desk.tell()
    desk.now += 5
    assert (await desk.tell())[1:] == ["fraud: cover removed at meter 1", "fraud: magnet at meter 1"]


async def test_a_message_is_given_up_after_many_tries_and_the_next_goes_on(desk):
    desk.book.fail = {"meter 1": 4}
    desk.happen(cover(1))
    desk.happen(Happened(1, NOW, "alarm", "magnet", alarming=True))
    for _ in range(5):
        await desk.tell()
        desk.now += 100
    assert [message.words() for message in desk.book.told] == ["fraud: magnet at meter 1"]
    (dead,) = desk.notifier.waiting(dead=True)
    assert (dead["tries"], dead["problem"]) == (4, "nobody there")
    assert desk.notifier.clean(desk.now + 31 * 86_400) == 2


async def test_what_is_not_told_yet_survives_a_crash_and_what_was_rolled_back_is_not_told(desk):
    desk.happen(cover(1))
    with desk.engine.connect() as connection:
        fresh, opened = keep(connection, [cover(2)], NOW)
        desk.notifier.within(connection, fresh, opened, NOW)
        connection.rollback()
    desk.start()
    assert await desk.tell() == ["fraud: cover removed at meter 1"]


async def test_woken_it_tells_at_once(desk):
    running = asyncio.create_task(desk.notifier.run(every=60))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(desk.happen, cover(1))
    desk.notifier.wake()
    async with asyncio.timeout(5):
        while not desk.book.told:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_a_rule_that_is_gone_tells_nothing_more(desk):
    desk.happen(cover(1))
    desk.notifier.remove("all", "ben")
    assert await desk.tell() == []
    assert desk.notifier.waiting(dead=True)[0]["problem"] == "its rule is gone"
    with pytest.raises(ConfigError, match="no notification"):
        desk.notifier.remove("all", "ben")
    with desk.engine.connect() as connection:
        assert [entry.what for entry in entries(connection)] == ["remove notification", "set notification"]


def test_secrets_of_a_target_are_sealed_and_shown_nowhere(desk):
    rule = Rule("hook", "webhook", {"url": "https://example.org/x"})
    desk.notifier.save(rule, "anna", {"secret": "do not tell"})
    desk.notifier.save(rule, "anna")
    with desk.engine.connect() as connection:
        row = connection.execute(notify_rule.select().where(notify_rule.c.name == "hook")).one()
        known = desk.notifier._known(connection, secrets=True)[-1]
        assert "do not tell" not in str(entries(connection))
    assert b"do not tell" not in row.sealed
    assert known.secrets == {"secret": "do not tell"}, "what is not given again stays"
    assert "do not tell" not in repr(known) + str(desk.notifier.rules())


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("outbox"))
    desk.notifier.save(Rule("all", "book", {}), "anna")
    yield desk
    desk.engine.dispose()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=12),
    st.dictionaries(st.sampled_from(["meter 1", "meter 2", "meter 3"]), st.integers(0, 3)),
)
def test_whatever_fails_each_subject_is_told_everything_in_order(shared, put, fail):
    desk = shared
    desk.book.told, desk.book.fail, desk.now = [], dict(fail), NOW
    with desk.engine.begin() as connection:
        connection.execute(delete(outbox))
        for position, (number, _) in enumerate(put):
            desk.notifier.put(connection, "all", f"meter {number}", {"what": position}, NOW)

    async def run() -> None:
        while desk.notifier.waiting():
            await desk.tell()
            desk.now += 4000

    asyncio.run(run())
    for number in (1, 2, 3):
        told = [message.content["what"] for message in desk.book.told if message.subject == f"meter {number}"]
        assert told == [position for position, (each, _) in enumerate(put) if each == number]


# --- webhook --------------------------------------------------------------------------------------------------------


class Web:
    """An HTTP server that answers what it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.requests.append((self.path, dict(self.headers), body))
                self.send_response(web.answers.pop(0) if web.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *arguments) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?a=1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.close()


async def test_a_webhook_is_signed_and_tried_again_until_it_is_taken(desk, web):
    desk.notifier.remove("all", "anna")
    desk.notifier.save(Rule("hook", "webhook", {"url": web.url}), "anna", {"secret": "s3cret"})
    web.answers = [500, 302]
    desk.happen(cover(1))
    for _ in range(3):
        await desk.tell()
        desk.now += 20
    assert len(web.requests) == 3
    path, headers, body = web.requests[-1]
    assert path == "/hook?a=1"
    assert headers["X-Cosem-Signature"] == signature("s3cret", headers["X-Cosem-Timestamp"], body)
    assert headers["X-Cosem-Signature"] != signature("other", headers["X-Cosem-Timestamp"], body)
    assert json.loads(body)["kind"] == "cover removed"
    assert {request[1]["X-Cosem-Delivery"] for request in web.requests} == {str(json.loads(body)["id"])}
    assert desk.notifier.waiting() == []


async def test_a_server_that_is_not_there_is_a_failure_and_no_crash():
    with pytest.raises(NotSent, match="Refused"):
        await Webhook(lambda: NOW).send(MESSAGE, {"url": "http://127.0.0.1:9/"}, {})


@pytest.mark.parametrize(
    ("sender", "target", "secrets", "why"),
    [
        (Webhook(lambda: 0), {"url": "file:///etc/passwd"}, {}, "http"),
        (Webhook(lambda: 0), {"url": "https://me:pass@example.org/"}, {}, "without a password"),
        (Webhook(lambda: 0), {"url": "http://x/\r\nHost: y"}, {}, "http"),
        (Webhook(lambda: 0), {"url": "http://x:99999/"}, {}, "no address"),
        (Webhook(lambda: 0), {"url": "http://x/", "method": "PUT"}, {}, "nothing of this target"),
        (Webhook(lambda: 0), {"url": "http://x/"}, {"password": "x"}, "no secret"),
        (Mail(), {"host": "x", "from": "a@b", "to": []}, {}, "1 to"),
        (Mail(), {"host": "x", "from": "a@b", "to": ["c@d\r\nBcc: e@f"]}, {}, "name@host"),
        (Mail(), {"host": "x y", "from": "a@b", "to": ["c@d"]}, {}, "host of a server"),
        (Mail(), {"host": "x", "port": 0, "from": "a@b", "to": ["c@d"]}, {}, "port"),
        (Mail(), {"host": "x", "from": "a@b", "to": ["c@d"], "wire": "none", "user": "a"}, {}, "open wire"),
        (Mail(), {"host": "x", "from": "a@b", "to": ["c@d"], "wire": "ssl3"}, {}, "wire is one of"),
        (Mqtt(), {"host": "x", "topic": "a/#"}, {}, "topic"),
        (Mqtt(), {"host": 5}, {}, "host of a server"),
    ],
)
def test_a_target_that_cannot_be_one_is_refused(sender, target, secrets, why):
    with pytest.raises(ConfigError, match=why):
        sender.check(target, secrets)


# --- e-mail ---------------------------------------------------------------------------------------------------------


class Post:
    """A mail server that keeps what it is given; it offers STARTTLS where it has a certificate."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.mails: list[str] = []
        self.encrypted: list[bool] = []
        self.logins: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = False
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.upper()
            if verb.startswith("EHLO"):
                offers = "STARTTLS" if self.context and not encrypted else "AUTH PLAIN"
                writer.write(f"250-here\r\n250 {offers}\r\n".encode())
            elif verb == "STARTTLS" and self.context:
                writer.write(b"220 go on\r\n")
                await writer.drain()
                await writer.start_tls(self.context)
                encrypted = True
            elif verb.startswith("AUTH PLAIN"):
                self.logins.append(base64.b64decode(line.split()[-1]).decode())
                writer.write(b"235 welcome\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                self.encrypted.append(encrypted)
                writer.write(b"250 kept\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 well\r\n")
            await writer.drain()
        writer.close()


async def test_a_mail_goes_encrypted_and_only_where_that_is_offered(tmp_path, monkeypatch):
    own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    post = Post(context)
    server = await asyncio.start_server(post.talk, "localhost", 0)
    target = {
        "host": "localhost",
        "port": server.sockets[0].getsockname()[1],
        "from": "headend@example.org",
        "to": ["duty@example.org"],
        "user": "headend",
    }
    async with server:
        with pytest.raises(NotSent, match="certificate"):
            await Mail().send(MESSAGE, target, {"password": "s3cret"})
        assert post.mails == post.logins == [], "a server nobody vouches for gets neither mail nor password"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        hostile = Message(8, "meter 1\r\nBcc: all@example.org", MESSAGE.content, NOW)
        await Mail().send(hostile, target, {"password": "s3cret"})
        post.context = None
        with pytest.raises(NotSent, match="STARTTLS"):
            await Mail().send(MESSAGE, target, {"password": "s3cret"})
        open_ = {name: value for name, value in target.items() if name != "user"} | {"wire": "none"}
        await Mail().send(MESSAGE, open_, {})
    assert post.encrypted == [True, False]
    assert post.logins == ["\0headend\0s3cret"]
    head, _, body = post.mails[0].partition("\r\n\r\n")
    assert "To: duty@example.org" in head
    assert not [line for line in head.splitlines() if line.startswith("Bcc:")]
    assert "Message-ID: <cosem-8-" in head
    assert "kind: cover removed" in body


# --- MQTT -----------------------------------------------------------------------------------------------------------


async def test_a_broker_gets_a_message_under_the_topic_of_its_subject(tmp_path):
    with broker(tmp_path) as port:
        async with listening(port, "cosem/alarms/#") as heard:
            odd = Message(9, "meter/1 +#", MESSAGE.content, NOW)
            await Mqtt().send(odd, {"host": "127.0.0.1", "port": port}, {})
            await heard.until(lambda: heard.last)
        ((topic, payload, _),) = heard.all
        assert (topic, json.loads(payload)["id"]) == ("cosem/alarms/meter_1 __", 9)
    with pytest.raises(NotSent):
        await Mqtt().send(MESSAGE, {"host": "127.0.0.1", "port": port}, {})
