"""Keys of a real served meter are changed in two phases: killed at every step, both outcomes are found out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select

from cosem.client.core import ClientOptions
from cosem.errors import ConfigError, ConnectionLost, CosemError
from cosem.headend.audit import entries
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.keychanges import ChangeState, KeyChanges
from cosem.headend.permits import Limits
from cosem.headend.plans import DAY
from cosem.headend.schema import counter, device_key
from cosem.headend.session import Target, collect
from cosem.headend.vault import KeyState, Purpose, Vault
from cosem.simulator.meter import DEMO_KEYS
from support.offices import hasten, prepare
from support.served import END, MANAGEMENT, Proxy, make_meter, served

NOW = float(END.timestamp())
QUERY = MANAGEMENT | {"timeout": "0.3"}


class Killed(BaseException):
    """The process ended."""


class NoQueue:
    def __init__(self) -> None:
        self.submitted: list[str] = []

    def handle(self, kind, handler) -> None:
        pass

    async def submit(self, kind, identity, content, **options) -> None:
        self.submitted.append(identity)


class Office:
    """A head-end whose process can end at any step and begin anew on the same folder."""

    def __init__(self, folder, url: str, purposes=tuple(Purpose)) -> None:
        self.folder = folder
        self.now = NOW
        self.start()
        with self.headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.set_segment("street", Limits(5, 500))
            inventory.add(NewDevice("meter", Kind.ELECTRICITY, None, "street", url), int(NOW))
            inventory.move("meter", State.IN_USE, int(NOW))
            secrets = {item: getattr(DEMO_KEYS, item, None) for item in purposes}
            held = {item: key for item, key in secrets.items() if key is not None}
            self.headend.keys.put(connection, 1, held, int(NOW))

    def start(self) -> None:
        settings = HeadendSettings(self.folder, options=ClientOptions(retries=0, reconnects=0))
        self.queue = NoQueue()
        prepare(self.folder)
        self.headend = Headend(
            settings, self.queue, clock=lambda: self.now, random=lambda: 0.5, sealer=Vault(bytes(32))
        )
        hasten(self.headend.engine)
        self.changes = self.headend.key_changes
        self.changes._pause = 0.01

    def again(self) -> KeyChanges:
        self.headend.engine.dispose()
        self.start()
        return self.changes

    def keys(self, state: KeyState = KeyState.ACTIVE) -> dict[Purpose, bytes]:
        with self.headend.engine.connect() as connection:
            return self.headend.keys.secrets(connection, [1], state)[1]

    async def reached(self) -> bool:
        try:
            async with self.headend.meter(1) as meter:
                await meter.clock()
        except CosemError:
            return False
        return True

    def audit(self) -> list[str]:
        with self.headend.engine.connect() as connection:
            return [entry.what for entry in entries(connection)]


@pytest.fixture
def office(tmp_path):
    with served(make_meter(days=0.01, security_version=1)) as running:
        office = Office(tmp_path, running.url(**QUERY))
        office.running = running
        yield office
        office.headend.engine.dispose()


def of_the_meter(office):
    return office.running.meter.logical.associations[1].spec.keys


async def test_keys_are_changed_proved_and_made_the_active_ones(office):
    old = office.keys()
    change = await office.changes.request("meter", "anna")
    assert office.queue.submitted == [f"keys {change.id}"]
    change = await office.changes.carry_out(change.id)
    assert (change.state, change.detail) == (ChangeState.DONE, "")
    new = office.keys()
    assert new[Purpose.UNICAST] != old[Purpose.UNICAST]
    assert of_the_meter(office).global_unicast_encryption_key == new[Purpose.UNICAST]
    assert of_the_meter(office).authentication_key == new[Purpose.AUTHENTICATION]
    assert new[Purpose.MASTER] == old[Purpose.MASTER]
    assert await office.reached()
    assert office.audit() == ["keys changed", "ask for change of keys"]
    assert await office.changes.carry_out(change.id) == change, "what is over is not done again"


async def test_a_new_key_has_invocation_counters_of_its_own(office):
    assert await office.reached()
    change = await office.changes.request("meter", "anna")
    await office.changes.carry_out(change.id)
    assert await office.reached()
    with office.headend.engine.connect() as connection:
        rows = connection.execute(select(counter.c.name, counter.c.next)).all()
    assert len({name for name, _ in rows}) == 2
    assert of_the_meter(office)
    with office.headend.engine.connect() as connection:
        assert office.changes.due(connection, [1], counter_above=10**6) == []
        assert office.changes.due(connection, [1], counter_above=10) == [1]
        office.now += 31 * DAY
        assert office.changes.due(connection, [1], older_than=30 * DAY) == [1]
        assert office.changes.due(connection, [1], older_than=32 * DAY) == []


@pytest.mark.parametrize("step", ["kept", "proved"])
@pytest.mark.parametrize("purposes", [(Purpose.UNICAST, Purpose.AUTHENTICATION), tuple(Purpose)[:4]])
async def test_killed_at_a_step_both_outcomes_are_recovered(office, step, purposes):
    change = office.changes.prepare("meter", "anna", purposes)

    def kill(_change, at):
        if at == step:
            raise Killed

    office.changes.listeners.append(kill)
    with pytest.raises(Killed):
        await office.changes.carry_out(change.id)
    kept = office.keys(KeyState.NEW)
    assert set(kept) == set(purposes), "new keys are kept before anything is sent"
    changed = of_the_meter(office).global_unicast_encryption_key == kept[Purpose.UNICAST]
    assert changed is (step == "proved")
    recovered = await office.again().carry_out(change.id)
    assert recovered.state is ChangeState.DONE
    assert office.keys() == {**office.keys(), **kept}, "the keys that were kept are those it has, not others"
    assert of_the_meter(office).global_unicast_encryption_key == kept[Purpose.UNICAST]
    assert await office.reached()
    assert office.keys(KeyState.NEW) == {}


@pytest.mark.parametrize("reaches", [True, False])
async def test_killed_while_the_answer_is_under_way_both_outcomes_are_recovered(office, reaches, monkeypatch):
    """The process ends after the transfer left: it reached the meter, or it did not."""
    change = office.changes.prepare("meter", "anna")

    async def send(meter, new):
        if reaches:
            await KeyChanges._send(office.changes, meter, new)
        raise Killed

    monkeypatch.setattr(office.changes, "_send", send)
    with pytest.raises(Killed):
        await office.changes.carry_out(change.id)
    kept = office.keys(KeyState.NEW)
    assert (of_the_meter(office).global_unicast_encryption_key == kept[Purpose.UNICAST]) is reaches
    recovered = await office.again().carry_out(change.id)
    assert recovered.state is ChangeState.DONE
    assert ("found changed" in recovered.detail) is reaches
    assert office.keys()[Purpose.UNICAST] == kept[Purpose.UNICAST]
    assert await office.reached()


@pytest.mark.parametrize("purpose", [Purpose.MASTER, Purpose.BROADCAST])
@pytest.mark.parametrize("reaches", [True, False])
async def test_a_key_that_no_association_proves_is_recovered_by_a_transfer(office, purpose, reaches, monkeypatch):
    change = office.changes.prepare("meter", "anna", [purpose])

    async def send(meter, new):
        if reaches:
            await KeyChanges._send(office.changes, meter, new)
        raise Killed

    monkeypatch.setattr(office.changes, "_send", send)
    with pytest.raises(Killed):
        await office.changes.carry_out(change.id)
    kept = office.keys(KeyState.NEW)[purpose]
    assert (await office.again().carry_out(change.id)).state is ChangeState.DONE
    assert office.keys()[purpose] == getattr(of_the_meter(office), purpose.value) == kept


async def test_a_line_that_is_cut_before_or_behind_the_transfer_is_no_loss(office, tmp_path):
    """Answers are cut off for the whole session of the transfer; the next sessions find out."""
    passed = 0

    def forward(number: int, octets: bytes) -> bytes | None:
        nonlocal passed
        passed += 1
        # AARE, HLS answer, then the answer to the transfer itself.
        return None if passed == 3 else octets

    with Proxy(office.running.wrapper, forward) as proxy:
        url = office.running.url(**QUERY).replace(f":{office.running.wrapper[1]}", f":{proxy.address[1]}")
        with office.headend.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE device SET url = ?", (url,))
        change = await office.changes.request("meter", "anna")
        assert (await office.changes.carry_out(change.id)).state is ChangeState.DONE
        assert passed > 3
        assert await office.reached()


async def test_a_device_that_cannot_be_reached_keeps_both_until_it_can(office):
    with office.headend.engine.begin() as connection:
        good = connection.exec_driver_sql("SELECT url FROM device").scalar_one()
        connection.exec_driver_sql("UPDATE device SET url = ?", (good.replace("127.0.0.1:", "127.0.0.1:1"),))
    change = await office.changes.request("meter", "anna")
    change = await office.changes.carry_out(change.id)
    assert change.state is ChangeState.SENDING
    assert "neither" in change.detail
    assert set(office.keys(KeyState.NEW)) == {Purpose.UNICAST, Purpose.AUTHENTICATION}
    with pytest.raises(ConfigError, match="open already"):
        await office.changes.request("meter", "ben")
    with office.headend.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE device SET url = ?", (good,))
    assert await office.changes.sweep() == 1
    await office.changes.recover(change.id, "ben")
    assert office.queue.submitted[-1].startswith(f"keys {change.id} at ")
    assert (await office.changes.carry_out(change.id)).state is ChangeState.DONE
    assert await office.reached()
    with pytest.raises(ConfigError, match="nothing to recover"):
        await office.changes.recover(change.id, "ben")


async def test_a_refusal_gives_the_new_keys_up_and_the_old_ones_work(office):
    with office.headend.engine.begin() as connection:
        office.headend.keys.put(connection, 1, {Purpose.MASTER: bytes(16)}, int(NOW))
    change = await office.changes.request("meter", "anna")
    change = await office.changes.carry_out(change.id)
    assert change.state is ChangeState.FAILED
    assert "other-reason" in change.detail
    assert office.keys(KeyState.NEW) == {}
    assert await office.reached()
    assert office.audit()[0] == "keys not changed"


async def test_two_changes_at_once_are_one_after_the_other(office):
    change = office.changes.prepare("meter", "anna", identity="mine")
    assert office.changes.prepare("meter", "anna", identity="mine") == change
    with pytest.raises(ConfigError, match="something else"):
        office.changes.prepare("meter", "anna", [Purpose.MASTER], identity="mine")
    ends = await asyncio.gather(*(office.changes.carry_out("mine") for _ in range(3)))
    assert {end.state for end in ends} == {ChangeState.DONE}
    with office.headend.engine.connect() as connection:
        expired = select(device_key.c.purpose).where(device_key.c.state == KeyState.EXPIRED)
        assert sorted(connection.execute(expired).scalars()) == sorted([Purpose.UNICAST, Purpose.AUTHENTICATION])


@pytest.mark.parametrize(
    ("purposes", "why"),
    [
        ([], "keys are changed"),
        ([Purpose.MBUS], "hangs on no M-Bus"),
        ([Purpose.UNICAST, Purpose.PASSWORD], "keys are changed"),
        ([Purpose.HLS_SECRET], "has no hls_secret"),
    ],
)
def test_what_cannot_be_changed_is_refused_before_anything_is_written_down(office, purposes, why):
    with pytest.raises(ConfigError, match=why):
        office.changes.prepare("meter", "anna", purposes)
    assert office.changes.of() == []
    assert office.audit() == []


async def test_a_session_that_was_prepared_before_the_change_uses_the_new_keys(office):
    with office.headend.engine.begin() as connection:
        row = Inventory(connection).get("meter")
        secrets = office.headend.keys.secrets(connection, [1])[1]
    target = Target(1, "meter", row.url, office.headend.device_keys(row, secrets), lease=(0, 100))
    collected = lambda target: collect(target, office.headend.counters, clock=lambda: NOW)  # noqa: E731
    assert office.headend.collector.renew(target) is target
    change = await office.changes.request("meter", "anna")
    await office.changes.carry_out(change.id)
    assert (await collected(target)).reason is not None, "the old keys are shut out"
    renewed = office.headend.collector.renew(target)
    assert renewed.lease is None, "a block of the old key's counters is not used under the new one"
    assert (await collected(renewed)).reason is None


async def test_what_was_not_sent_is_taken_back_and_what_was_is_not(office):
    change = office.changes.prepare("meter", "anna")
    assert office.changes.take_back(change.id, "ben").state is ChangeState.FAILED
    assert (await office.changes.carry_out(change.id)).state is ChangeState.FAILED
    assert office.keys(KeyState.NEW) == {}
    done = office.changes.prepare("meter", "anna")
    await office.changes.carry_out(done.id)
    with pytest.raises(ConfigError, match="only what waits"):
        office.changes.take_back(done.id, "ben")


async def test_no_key_is_in_the_database_the_log_or_a_message(office, caplog):
    change = await office.changes.request("meter", "anna")
    change = await office.changes.carry_out(change.id)
    keys = {key for state in KeyState for key in office.keys(state).values()}
    office.headend.engine.dispose()
    octets = b"".join(path.read_bytes() for path in office.folder.glob("headend.db*"))
    for key in keys:
        assert key not in octets
        assert key.hex() not in octets.decode("latin-1")
        assert key.hex() not in caplog.text + repr(change)


async def test_a_lost_line_at_opening_is_tried_again(office):
    real, fail = office.changes._open, [ConnectionLost("no route"), ConnectionLost("no route")]

    @asynccontextmanager
    async def open_(number, **options):
        if fail:
            raise fail.pop()
        async with real(number, **options) as meter:
            yield meter

    office.changes._open = open_
    change = await office.changes.request("meter", "anna")
    assert (await office.changes.carry_out(change.id)).state is ChangeState.DONE
