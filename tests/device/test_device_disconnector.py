"""The disconnector: every mode, state and command, the contact behind it, and several of them (behaviours 1, 0.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes import lookup
from cosem.codec import axdr
from cosem.device.causes import Cause
from cosem.device.disconnector import CONNECTED, DISCONNECTED, READY, Command, Disconnector
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.device.meter import ElectricityMeter
from cosem.device.scripts import DISCONNECTION, ScriptTables, calling
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from support.meters import bare_host, build, causes_of, utc

NAME, TABLE = Obis.parse("0-0:96.3.10.255"), Obis.parse(DISCONNECTION)
NOON = utc(2026, 6, 1, 12)

DIAGRAM = {
    # letter: command, from, to, event of the companion standard
    "a": ("REMOTE_RECONNECT", 0, 1, Cause.REMOTE_CONNECTION),
    "b": ("REMOTE_DISCONNECT", 1, 0, Cause.REMOTE_DISCONNECTION),
    "c": ("REMOTE_DISCONNECT", 2, 0, Cause.REMOTE_DISCONNECTION),
    "d": ("REMOTE_RECONNECT", 0, 2, Cause.DISCONNECTOR_READY),
    "e": ("MANUAL_RECONNECT", 2, 1, Cause.MANUAL_CONNECTION),
    "f": ("MANUAL_DISCONNECT", 1, 2, Cause.MANUAL_DISCONNECTION),
    "g": ("LOCAL_DISCONNECT", 1, 2, Cause.LOCAL_DISCONNECTION),
    "h": ("LOCAL_RECONNECT", 2, 1, Cause.LOCAL_CONNECTION),
    "i": ("REMOTE_RECONNECT", 2, 1, Cause.REMOTE_CONNECTION),
}
ALLOWED = {
    # columns of the table of modes: remote, manual, local disconnection; remote, manual, local reconnection
    0: ("", "", "", "", "", ""),
    1: ("bc", "f", "g", "d", "e", ""),
    2: ("bc", "f", "g", "a", "e", ""),
    3: ("bc", "", "g", "d", "e", ""),
    4: ("bc", "", "g", "a", "e", ""),
    5: ("bc", "f", "g", "d", "e", "h"),
    6: ("bc", "", "g", "d", "e", "h"),
    7: ("bc", "", "g", "ai", "e", "h"),
}


def made(mode: int = 4, **options: object) -> Disconnector:
    """Return a disconnector with the usual scripts; version 1 where the mode asks for it."""
    host = bare_host()
    disconnector = Disconnector(host, NAME, mode=mode, version=mode == 7, **options)  # type: ignore[arg-type]
    scripts = ScriptTables(host)
    scripts.add(TABLE, 1, calling(70, NAME, 1))
    scripts.add(TABLE, 2, calling(70, NAME, 2))
    return disconnector


def remote(disconnector: Disconnector, *methods: int) -> list[ActionResult]:
    return [disconnector.host.invoke(70, NAME, method, axdr.integer(0)) for method in methods]


def local(disconnector: Disconnector, script: int) -> ActionResult:
    with disconnector.host.acting(Origin.LOCAL):
        return disconnector.host.invoke(9, TABLE, 1, axdr.long_unsigned(script))


TRIGGERS: dict[Command, Callable[[Disconnector], object]] = {
    Command.REMOTE_DISCONNECT: lambda it: remote(it, 1),
    Command.REMOTE_RECONNECT: lambda it: remote(it, 2),
    Command.MANUAL_DISCONNECT: lambda it: it.press(False),
    Command.MANUAL_RECONNECT: lambda it: it.press(True),
    Command.LOCAL_DISCONNECT: lambda it: local(it, 1),
    Command.LOCAL_RECONNECT: lambda it: local(it, 2),
}
"""Every command as it comes from outside."""


def after(mode: int, state: int, command: Command) -> tuple[int, Cause | None]:
    """Return where the published tables lead."""
    for letter in "".join(ALLOWED[mode]):
        name, before, following, cause = DIAGRAM[letter]
        if (name, before) == (command.name, state):
            return following, cause
    return state, None


# --- section 1.5 -----------------------------------------------------------------------------------------------------


def test_mode_1_remote_disconnect_then_ready_then_the_button() -> None:
    it = made(mode=1)
    rows = causes_of(it.host)
    states = []
    for act in (TRIGGERS[Command.REMOTE_DISCONNECT], TRIGGERS[Command.REMOTE_RECONNECT], lambda it: it.press()):
        act(it)
        states.append((it.object.control_state, it.object.output_state))
    assert states == [(DISCONNECTED, False), (READY, False), (CONNECTED, True)]
    assert rows == [Cause.REMOTE_DISCONNECTION, Cause.DISCONNECTOR_READY, Cause.MANUAL_CONNECTION]


def test_mode_2_remote_reconnect_connects_without_state_2_in_between() -> None:
    it = made(mode=2)
    remote(it, 1)
    rows = causes_of(it.host)
    remote(it, 2)
    assert it.object.control_state == CONNECTED
    assert rows == [Cause.REMOTE_CONNECTION]


def test_mode_3_knows_no_button_off_and_mode_1_does() -> None:
    for mode, state, noted in ((3, CONNECTED, []), (1, READY, [Cause.MANUAL_DISCONNECTION])):
        it = made(mode=mode)
        rows = causes_of(it.host)
        it.press(False)
        assert (it.object.control_state, rows) == (state, noted)


def test_mode_4_after_a_limiter_trip_remote_disconnect_has_to_come_before_remote_reconnect() -> None:
    it = made(mode=4)
    rows = causes_of(it.host)
    local(it, 1)
    assert it.state == READY
    assert remote(it, 2) == [ActionResult.SUCCESS]
    assert it.state == READY
    remote(it, 1)
    assert it.state == DISCONNECTED
    remote(it, 2)
    assert it.state == CONNECTED
    assert rows == [Cause.LOCAL_DISCONNECTION, Cause.REMOTE_DISCONNECTION, Cause.REMOTE_CONNECTION]


def test_mode_5_reconnects_when_under_the_limit_and_mode_1_does_not() -> None:
    for mode, state, noted in ((5, CONNECTED, [Cause.LOCAL_CONNECTION]), (1, READY, [])):
        it = made(mode=mode)
        local(it, 1)
        rows = causes_of(it.host)
        local(it, 2)
        assert (it.state, rows) == (state, noted)


def test_mode_5_after_remote_disconnection_no_local_reconnection() -> None:
    it = made(mode=5)
    remote(it, 1)
    rows = causes_of(it.host)
    assert local(it, 2) is ActionResult.SUCCESS
    assert (it.state, rows) == (DISCONNECTED, [])


@pytest.mark.parametrize("command", list(Command))
def test_mode_0_stays_connected_whatever_comes(command: Command) -> None:
    it = made(mode=0)
    rows = causes_of(it.host)
    TRIGGERS[command](it)
    assert (it.object.control_state, it.object.output_state, rows) == (CONNECTED, True, [])


def test_a_stuck_contact_fails_after_the_timeout() -> None:
    it = made(mode=4, timeout=5)
    rows = causes_of(it.host)
    it.jam(True)
    remote(it, 1)
    assert (it.object.control_state, it.object.output_state) == (DISCONNECTED, True)
    it.host.device.advance(it.host.now + 4)
    assert rows == [Cause.REMOTE_DISCONNECTION]
    it.host.device.advance(it.host.now + 1)
    assert rows == [Cause.REMOTE_DISCONNECTION, Cause.DISCONNECTION_FAILED]
    it.host.device.advance(it.host.now + 3600)
    assert it.object.output_state
    assert len(rows) == 2
    it.jam(False)
    assert not it.object.output_state


@given(
    mode=st.sampled_from(sorted(ALLOWED)),
    commands=st.lists(st.sampled_from(list(Command)), max_size=30),
)
def test_no_sequence_of_commands_leads_out_of_the_table(mode: int, commands: list[Command]) -> None:
    it = made(mode=mode)
    rows = causes_of(it.host)
    state, noted = CONNECTED, []
    for command in commands:
        TRIGGERS[command](it)
        state, cause = after(mode, state, command)
        noted += [] if cause is None else [cause]
        assert it.object.control_state == state
        assert it.object.output_state is (state == CONNECTED)
    assert rows == noted


@pytest.mark.parametrize("mode", sorted(ALLOWED))
@pytest.mark.parametrize("state", [DISCONNECTED, CONNECTED, READY])
@pytest.mark.parametrize("command", list(Command))
def test_every_mode_state_and_command_moves_as_the_table_says(mode: int, state: int, command: Command) -> None:
    it = made(mode=mode)
    it.state, it.closed = state, state == CONNECTED
    rows, contacts = causes_of(it.host), []
    it.moved.append(contacts.append)
    TRIGGERS[command](it)
    following, cause = after(mode, state, command)
    assert it.state == following
    assert rows == ([] if cause is None else [cause])
    assert contacts == ([] if (following == CONNECTED) == (state == CONNECTED) else [following == CONNECTED])


# --- rules of section 1.3 ---------------------------------------------------------------------------------------------


def test_behaviour_a_command_without_transition_answers_success() -> None:
    it = made(mode=4)
    assert remote(it, 2, 1, 1) == [ActionResult.SUCCESS] * 3
    assert made(mode=0).host.invoke(70, NAME, 1, axdr.integer(0)) is ActionResult.SUCCESS


@pytest.mark.parametrize("result", [ActionResult.OTHER_REASON, ActionResult.READ_WRITE_DENIED])
def test_behaviour_what_the_mode_never_allows_answers_as_the_option_says(result: ActionResult) -> None:
    it = made(mode=0, refused=result)
    assert remote(it, 1, 2) == [result, result]
    it.press()
    it = made(mode=4, refused=result)
    local(it, 1)
    # A script that fails says no more than that; the mode has the remote command, if not from here.
    assert local(it, 2) is ActionResult.OTHER_REASON
    assert remote(it, 2) == [ActionResult.SUCCESS]


@pytest.mark.parametrize(("version", "last"), [(0, 6), (1, 7)])
def test_control_modes_by_version(version: int, last: int) -> None:
    it = Disconnector(bare_host(), NAME, mode=4, version=version)
    for mode in range(9):
        right = mode <= last
        expected = DataAccessResult.SUCCESS if right else DataAccessResult.OTHER_REASON
        assert it.host.write(70, NAME, 4, axdr.enum(mode)) is expected
        assert (it.object.control_mode == mode) is right
    with pytest.raises(ConfigError):
        Disconnector(bare_host(), NAME, mode=last + 1, version=version)
    assert type(it.object) is lookup(70, version)


@pytest.mark.parametrize("closes", [True, False])
def test_behaviour_mode_0_closes_the_contact_where_the_option_says_so(closes: bool) -> None:
    it = made(mode=4, mode0_closes=closes)
    remote(it, 1)
    rows = causes_of(it.host)
    assert it.host.write(70, NAME, 4, axdr.enum(2)) is DataAccessResult.SUCCESS
    assert it.state == DISCONNECTED
    assert it.host.write(70, NAME, 4, axdr.enum(0)) is DataAccessResult.SUCCESS
    assert (it.state == CONNECTED, it.object.output_state, rows) == (closes, closes, [])


def test_what_the_disconnector_finds_out_is_not_written() -> None:
    it = made()
    assert it.host.write(70, NAME, 2, axdr.boolean(False)) is DataAccessResult.READ_WRITE_DENIED
    assert it.host.write(70, NAME, 3, axdr.enum(0)) is DataAccessResult.READ_WRITE_DENIED


def test_the_contact_moves_after_its_delay() -> None:
    it = made(mode=4, delay=3, timeout=5)
    rows = causes_of(it.host)
    remote(it, 1)
    seen = []
    for _ in range(4):
        seen.append((it.object.control_state, it.object.output_state))
        it.host.device.advance(it.host.now + 1)
    assert seen == [(DISCONNECTED, True)] * 3 + [(DISCONNECTED, False)]
    it.host.device.advance(it.host.now + 60)
    assert rows == [Cause.REMOTE_DISCONNECTION]


def test_a_command_while_the_contact_moves_is_the_one_that_counts() -> None:
    it = made(mode=4, delay=3)
    contacts: list[bool] = []
    it.moved.append(contacts.append)
    remote(it, 1, 2)
    it.host.device.advance(it.host.now + 60)
    assert (it.state, it.object.output_state, contacts) == (CONNECTED, True, [])


def test_power_that_returns_drives_the_contact_without_a_row() -> None:
    it = made(mode=4)
    remote(it, 1)
    it.closed = True  # somebody hit the meter
    rows = causes_of(it.host)
    it.host.note(Cause.POWER_DOWN)
    it.host.note(Cause.POWER_UP)
    assert (it.object.control_state, it.object.output_state) == (DISCONNECTED, False)
    assert rows == [Cause.POWER_DOWN, Cause.POWER_UP]


def test_behaviour_a_voltage_behind_the_open_contact_keeps_it_open() -> None:
    it = made(mode=5)
    local(it, 1)
    rows = causes_of(it.host)
    it.back_voltage = True
    it.press()
    assert local(it, 2) is ActionResult.OTHER_REASON
    assert (it.state, it.object.output_state, rows) == (READY, False, [Cause.DISCONNECTION_FAILED] * 2)
    it = made(mode=4)
    remote(it, 1)
    it.back_voltage = True
    assert remote(it, 2) == [ActionResult.TEMPORARY_FAILURE]
    it.back_voltage = False
    assert remote(it, 2) == [ActionResult.SUCCESS]
    assert it.state == CONNECTED


def test_a_parameter_of_another_type_moves_nothing() -> None:
    it = made()
    assert it.host.invoke(70, NAME, 1, axdr.visible_string("now")) is ActionResult.TYPE_UNMATCHED
    assert it.state == CONNECTED


def test_a_command_that_is_refused_raises_for_the_device_itself() -> None:
    with pytest.raises(Refused):
        made(mode=0, refused=ActionResult.OTHER_REASON).command(Command.LOCAL_DISCONNECT)


# --- in the meter -----------------------------------------------------------------------------------------------------


@pytest.fixture
def meter() -> ElectricityMeter:
    return build(NOON, NOON + 600, switches={"0-1:24.4.0": 4, "0-0:96.3.11": 2, "0-0:96.3.12": 2}, control_mode=4)


def state(host: Host, name: str) -> int:
    data = host.read(70, Obis.parse(name), 3)
    assert data is not None
    return int(data.value)


def test_each_of_several_disconnectors_has_scripts_of_its_own(meter: ElectricityMeter) -> None:
    names = ["0-0:96.3.10", "0-1:24.4.0", "0-0:96.3.11", "0-0:96.3.12"]
    scripts = [("0-0:10.0.106", 1), ("0-1:10.0.106", 1), ("0-0:10.0.103", 1), ("0-0:10.0.103", 3)]
    rows = causes_of(meter.host)
    for index, (table, script) in enumerate(scripts):
        assert meter.host.invoke(9, Obis.parse(table), 1, axdr.long_unsigned(script)) is ActionResult.SUCCESS
        assert [state(meter.host, name) for name in names] == [0] * (index + 1) + [1] * (3 - index)
    # Valves and relays are not the supply: its control log has nothing of them.
    assert rows == [Cause.REMOTE_DISCONNECTION]
    for table, script in scripts:
        meter.host.invoke(9, Obis.parse(table), 1, axdr.long_unsigned(script + 1))
    assert [state(meter.host, name) for name in names] == [1] * 4


def test_the_premises_draw_again_when_the_contact_closes() -> None:
    meter = build(NOON, NOON + 600, relay_delay=2)
    meter.disconnector.object.remote_disconnect()
    assert meter.metering.connected
    meter.advance(NOON + 602)
    assert not meter.metering.connected
    meter.disconnector.object.remote_reconnect()
    meter.advance(NOON + 604)
    assert meter.metering.connected
