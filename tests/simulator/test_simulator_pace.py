"""A device in virtual time that is asked for more than the machine can do, and answers in between."""

from __future__ import annotations

from cosem.simulator.pace import LONGEST, Pace


class Device:
    """Each stretch of its life costs real time."""

    def __init__(self, cost: float) -> None:
        self.now, self.real, self.cost, self.advanced = 1000, 0.0, cost, 0

    def advance(self, until: int) -> None:
        assert until >= self.now
        self.now = until
        self.advanced += 1
        self.real += self.cost


def test_where_the_machine_can_the_present_is_reached() -> None:
    device = Device(0.0)
    pace = Pace(device, 3600, lambda: device.real)
    for second in range(1, 100):
        device.real = float(second)
        assert pace.live()
        assert device.now == 1000 + second * 3600


def test_where_it_cannot_others_are_heard_and_the_rest_is_lived_later() -> None:
    device = Device(0.1)
    pace = Pace(device, 1e6, lambda: device.real)
    device.real = 10.0
    for _ in range(20):
        before = device.real
        assert not pace.live()
        assert device.real - before < LONGEST + 2 * device.cost
    device.cost = 0.0
    while not pace.live():
        pass
    assert device.now == 1000 + int(device.real * 1e6)


def test_no_time_passes_where_none_shall() -> None:
    device = Device(0.1)
    pace = Pace(device, 0, lambda: device.real)
    device.real = 100.0
    assert pace.live()
    assert device.now == 1000


def test_what_follows_in_the_same_second_is_not_left_for_the_next() -> None:
    device = Device(0.0)
    pace = Pace(device, 1, lambda: device.real)
    assert pace.live()
    assert pace.live()
    assert (device.now, device.advanced) == (1000, 2)
