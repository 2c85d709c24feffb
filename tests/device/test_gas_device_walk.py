"""A gas device, a manager with all locks open who writes anything, faults and a clock that jumps: it goes on."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosem.codec.axdr import Data, Tag
from cosem.device.gas.locks import Level
from cosem.device.gas.sensors import Fault
from cosem.results import ActionResult, DataAccessResult
from support.gas_devices import converter, recomputed, unlock
from support.wild import Wild

WAITS = (0, 1, 59, 300, 900, 3600, 7201, 86_400)
INTEGERS = {
    Tag.UNSIGNED: (0, 255),
    Tag.LONG_UNSIGNED: (0, 65_535),
    Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    Tag.INTEGER: (-128, 127),
    Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
}


def value(source: random.Random, current: Data | None, wild: Wild, kind: Any) -> Data:
    """Something of the type that is there now: near it, at its limits, anywhere; or anything at all."""
    if current is not None and current.tag in INTEGERS and source.random() < 0.9:
        low, high = INTEGERS[current.tag]
        near = current.value + source.choice((-1, 0, 1))
        picked = source.choice((low, high, 0, 1, 60, 300, 900, 3600, 10_000, near, source.randint(low, high)))
        return Data(current.tag, min(max(picked, low), high))
    if current is not None and current.tag is Tag.OCTET_STRING and source.random() < 0.8:
        return Data(Tag.OCTET_STRING, source.randbytes(source.choice((0, 1, 4, len(current.value), 40))))
    if current is not None and current.tag is Tag.VISIBLE_STRING:
        words = ("sgerg88", "fixed", "aga8-gross1", "aga8-gross2", "nx19", "aga8-detail", "gerg2008", "", "\x7f")
        return Data(Tag.VISIBLE_STRING, source.choice(words))
    return wild.value(kind)


def adds_up(device: Any) -> None:
    device.process.settle()
    counters = device.converter.counters
    lost = getattr(device.flow, "lost", 0)
    assert counters.metering.absolute + device.flow.pending + lost == device.pipe.index
    for period in device.periods.periods.values():
        assert all(device.periods.running(period.name, counter) >= 0 for counter in period.begun)
    assert len(device.records.certification.rows) <= device.records.certification.capacity


@example(13_681, "encoder")
@given(st.integers(0, 2**32), st.sampled_from(["pulse", "encoder"]))
@settings(max_examples=10, deadline=None)
def test_whatever_a_manager_writes_the_device_goes_on_and_adds_up(seed: int, kind: str) -> None:
    source = random.Random(seed)
    device = converter(input=kind, cycle=900)
    table = device.logical.associations[1]
    writable = [entry for entry in table.attributes.values() if entry.access & 2 and entry.obj.class_id != 64]
    methods = [entry for entry in table.methods.values() if entry.obj.class_id not in (15, 64)]
    classes = sorted({entry.obj.class_id for entry in writable})
    for _ in range(30):
        if source.random() < 0.6:
            unlock(device, Level.CALIBRATION)
        else:
            device.locks.close(Level.CALIBRATION)
        wild = Wild(source, list(device.logical.objects), classes, device.clock.now)
        if source.random() < 0.7:
            entry: Any = source.choice(writable)
            current = entry.obj.store.data(entry.attribute.id)
            given_value = value(source, current, wild, entry.attribute.type)
            result: Any = device.device.put(entry.obj, entry.attribute, given_value)
            assert isinstance(result, DataAccessResult)
        else:
            method: Any = source.choice(methods)
            answer = device.device.perform(method.obj, method.method, wild.value(method.method.parameter))
            assert isinstance(answer[0], ActionResult)
        match source.randrange(8):
            case 0:
                device.pressure.break_down(source.choice(list(Fault)))
            case 1:
                device.pressure.repair()
            case 2:
                device.power_cut()
                device.advance(device.now + source.choice(WAITS))
                device.power_back()
        # A cycle of a second makes a day long.
        device.advance(device.now + (source.choice(WAITS) if device.process.cycle >= 60 else 60))
        adds_up(device)
    assert recomputed(device).equal
