"""What the default meter has besides measuring, as a client finds it: tables, arbitrator, auto connect, port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cosem.classes.c061_register_table import TableCellDefinition
from cosem.classes.c068_arbitrator import ActionRequest
from cosem.classes.c124_communication_port_protection import ProtectionStatus
from cosem.client.meter import Meter
from cosem.codec.compact import read_compact
from cosem.device.tables import STATUS_BITS
from cosem.errors import AccessError
from cosem.obis import Obis
from cosem.times import CosemDateTime
from support.served import READING, served

BITS = {words: 1 << number for number, words in enumerate(STATUS_BITS)}
CONTACT, READY = BITS["the supply is disconnected"], BITS["the disconnector is ready for reconnection"]
ARBITRATOR, STATUS = "0-0:96.3.20.255", "0-0:96.5.0.255"
JUNE = datetime(2026, 6, 18, tzinfo=UTC)
ENERGIES = tuple(f"1-0:1.8.{rate}.255" for rate in range(3))


def held(meter: Meter, class_id: int, name: str) -> Any:
    obj = meter[name]
    assert obj.class_id == class_id
    return obj


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_the_status_word_follows_the_arbitrator(referencing: str) -> None:
    with served(days=0.05, referencing=referencing) as world, world.connect() as meter:
        arbitrator = held(meter, 68, ARBITRATOR)
        status = held(meter, 63, STATUS)
        before = status.status_word
        assert not before & CONTACT
        arbitrator.request_action(ActionRequest(0, "01"))
        arbitrator.request_action(ActionRequest(1, "10"))
        assert arbitrator.last_outcome == 1, "the grid outweighs the supplier"
        assert status.status_word ^ before == CONTACT
        arbitrator.request_action(ActionRequest(1, "00"))
        assert arbitrator.last_outcome == 2, "what the supplier asked for is left"
        assert status.status_word == before
        with pytest.raises(AccessError, match="denied"):
            arbitrator.request_action(ActionRequest(2, "10"))


def test_a_register_table_has_the_energies_of_the_moment_it_was_captured() -> None:
    with served(end=JUNE, days=1.5) as world, world.connect() as meter:
        table = held(meter, 61, "1-0:98.10.0.255")
        assert table.table_cell_values == ()
        table.capture()
        found = table.table_cell_values
        assert found == tuple(meter.quantity(name).value for name in ENERGIES)
        assert min(found) > 0
        with pytest.raises(AccessError):
            table.table_cell_definition = TableCellDefinition(15, Obis.parse("0-0:40.0.1.255"), (1,), 7)


def test_the_end_of_a_billing_period_fills_the_register_table() -> None:
    with served(end=datetime(2026, 6, 1, 12, tzinfo=UTC), days=2) as world, world.connect(**READING) as meter:
        cells = held(meter, 61, "1-0:98.10.0.255").table_cell_values
        assert cells[0] > 0
        row = world.meter.equipment.billing.profile.rows[-1]
        assert cells == tuple(int.from_bytes(cell[1:], "big") for cell in row.cells[1:4])


def test_compact_data_is_captured_when_it_is_read_and_says_its_types() -> None:
    with served(end=JUNE, days=1) as world, world.connect(**READING) as meter:
        compact = held(meter, 62, "0-0:66.0.0.255")
        buffer = compact.compact_buffer
        octets = compact.template_description + bytes([len(buffer)]) + buffer
        (row,) = read_compact(octets, 0, len(octets), 0)[0].values
        template, clock, imported, exported, _ = (cell.value for cell in row.value)
        assert template == compact.template_id
        assert CosemDateTime.from_octets(clock) == meter.clock()
        assert imported == meter.quantity("1-0:1.8.0.255").value
        assert exported == meter.quantity("1-0:2.8.0.255").value


def test_auto_connect_and_auto_answer_are_there_to_be_set() -> None:
    with served(days=0.05) as world, world.connect() as meter:
        connecting, answering = held(meter, 29, "0-0:2.1.0.255"), held(meter, 28, "0-0:2.2.0.255")
        with pytest.raises(AccessError):
            connecting.connect()
        connecting.destination_list = (b"127.0.0.1:4060",)
        connecting.mode = 104
        connecting.connect()
        assert answering.status == 1
        answering.number_of_calls = 3
        assert world.meter.equipment.answering.object.number_of_calls == 3


def test_the_port_counts_failures_and_a_manager_resets_them() -> None:
    with served(days=0.05) as world, world.connect() as meter:
        port = held(meter, 124, "0-0:44.2.0.255")
        world.meter.equipment.port.failed = world.meter.equipment.port.cumulative = 7
        assert (port.failed_attempts, port.cumulative_failed_attempts) == (7, 7)
        assert port.protection_status == ProtectionStatus.UNLOCKED
        port.reset()
        assert (port.failed_attempts, port.cumulative_failed_attempts) == (0, 7)
