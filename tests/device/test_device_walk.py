"""A whole meter, a hostile manager, tampering, power cuts, a clock that jumps: whatever comes, it goes on and agrees
with itself."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosem.device.disconnector import CONNECTED, MODES
from cosem.device.meter import ElectricityMeter
from cosem.device.profile import ProfileBuffer
from cosem.errors import CosemError
from cosem.link.base import Address
from cosem.results import ActionResult, DataAccessResult
from cosem.simulator.inputs import INPUTS, Parameter
from support.full import Manager, Net, full_meter
from support.wild import Wild

RESULTS: Final = {int(result) for kind in (DataAccessResult, ActionResult) for result in kind}
WAITS: Final = (0, 1, 5, 59, 60, 61, 300, 900, 3600, 7200, 86_400, 3 * 86_400)
COUNTED: Final = (1, 2, 5, 6, 7, 8)


class World:
    """The meter, its manager, and what has to hold."""

    def __init__(self, mode: int) -> None:
        self.net = Net()
        self.meter: ElectricityMeter = full_meter(self.net, control_mode=mode, disconnector_version=1)
        self.client = Manager(self.meter)
        table = self.meter.logical.associations[1]
        # Once a policy asks for protection this client is out, which ends the walk.
        entries = [*table.attributes.values(), *table.methods.values()]
        self.members = [
            entry for entry in entries if entry.access & 2 or hasattr(entry, "method") if entry.obj.class_id != 64
        ]
        self.classes = sorted({entry.obj.class_id for entry in entries})
        self.energy = self.registers()

    def registers(self) -> list[int]:
        metering = self.meter.metering
        return [metering.watt_hours(channel) for channel in COUNTED] + list(metering.tariff_energy.values())

    def client_does(self, source: random.Random) -> None:
        """Write or call something, mostly with a value of its type."""
        if self.meter.device.down:
            return
        if not self.meter.device.sessions:
            self.client = Manager(self.meter)
        class_id = source.choice(self.classes)
        members = [entry for entry in self.members if entry.obj.class_id == class_id]
        if not members:
            return
        entry: Any = source.choice(members)
        wild = Wild(source, list(self.meter.logical.objects), self.classes, self.meter.clock.now)
        if hasattr(entry, "method"):
            result = self.client.call(entry.obj, entry.method.id, wild.value(entry.method.parameter))
        else:
            result = self.client.set(entry.obj, entry.attribute.id, wild.value(entry.attribute.type))
        assert result in RESULTS

    def happens(self, source: random.Random) -> None:
        """Let something happen to the meter."""
        name = source.choice(list(INPUTS))
        given_values = {
            key: self.parameter(source, key, parameter)
            for key, parameter in INPUTS[name].parameters.items()
            if parameter.needed or source.randint(0, 1)
        }
        INPUTS[name].do(self.meter, **given_values)

    def parameter(self, source: random.Random, key: str, parameter: Parameter) -> Any:
        if parameter.kind is int:
            return min(source.choice((parameter.least, parameter.least + 1, 230, 2300)), parameter.most)
        if parameter.kind is bool:
            return bool(source.randint(0, 1))
        if parameter.kind is datetime:
            return datetime(2026, 6, 1, 12) + timedelta(hours=source.choice((0, -1, 1, 24, -2000, 7000)))
        wanted = 9 if key == "table" else 70
        return str(source.choice([obj.obis for obj in self.meter.logical.objects.values() if obj.class_id == wanted]))

    def passes(self, source: random.Random) -> None:
        """Let time pass; afterwards nothing is overdue."""
        before = self.meter.now
        wait = source.choice(WAITS)
        self.meter.advance(before + wait)
        schedule = self.meter.device.schedule
        assert self.meter.now == before + wait
        acting = schedule.behaviours if schedule.powered else schedule._unpowered
        assert all(time is None or time > self.meter.now for time in (item.next_time() for item in acting))

    def looks(self, source: random.Random) -> None:
        """Read everything there is of one class."""
        if self.meter.device.down:
            return
        if not self.meter.device.sessions:
            self.client = Manager(self.meter)
        class_id = source.choice(self.classes)
        for obj in list(self.meter.logical.objects.values()):
            if obj.class_id == class_id and class_id not in (1, 3):
                for number in obj.attributes:
                    self.client.get(obj, number)
        assert self.meter.equipment.customer.display.texts

    def holds(self) -> None:
        """See that the meter agrees with itself."""
        registers = self.registers()
        assert all(now >= before for before, now in zip(self.energy, registers, strict=True)), "a register went back"
        self.energy = registers
        for item in self.meter.equipment.disconnectors.values():
            assert item.state in (0, 1, 2)
            assert item.mode in MODES
            assert item._stuck or item.closed == (item.state == CONNECTED)
        limiter: Any = self.meter.equipment.limiter.object
        threshold = limiter.threshold_emergency if limiter.emergency_profile_active else limiter.threshold_normal
        assert limiter.threshold_active == threshold
        image = self.meter.equipment.image
        assert (image.status == 5 and not image.enabled) or 0 <= image.status <= 7
        assert image._first == len(image._received) or not image._received[image._first]
        for buffer in self.meter.device.schedule.behaviours:
            if isinstance(buffer, ProfileBuffer):
                assert len(buffer.rows) <= buffer.capacity
                assert not buffer._in_order or all(a.time <= b.time for a, b in pairwise(buffer.rows))
        for log in self.meter.equipment.events.logs.values():
            assert len(log.buffer.rows) <= log.buffer.capacity
        assert self.meter.equipment.tariffs.calendar._active.consistent


STEPS: Final = {
    "client": World.client_does,
    "input": World.happens,
    "time": World.passes,
    "look": World.looks,
}


@given(
    mode=st.sampled_from(sorted(MODES)),
    steps=st.lists(
        st.tuples(st.sampled_from(["client", "client", "input", "time", "look"]), st.integers(0, 2**32)), max_size=80
    ),
)
@settings(max_examples=25, deadline=None)
@example(mode=5, steps=[(kind, number) for number in range(60) for kind in ("client", "input", "client", "time")])
def test_whatever_comes_a_meter_goes_on_and_agrees_with_itself(mode: int, steps: list[tuple[str, int]]) -> None:
    world = World(mode)
    for kind, seed in steps:
        STEPS[kind](world, random.Random(seed))
        world.holds()
    # It still answers, and lives on.
    meter = world.meter
    meter.equipment.power.restore()
    for phase in (1, 2, 3):
        meter.equipment.mains.voltage(phase, None)
    meter.advance(meter.now + 3600)
    world.holds()
    try:
        value = Manager(meter).get(meter.clock.object, 3)
    except CosemError:
        # A port that is locked, by failures or for good, is what a client may ask for.
        assert any(closed(Address(1, 1)) for closed in meter.device.closed_to)
    else:
        assert not isinstance(value, int)
