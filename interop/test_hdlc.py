"""What only HDLC has: server addresses of one, two and four octets, long frames, windows."""

from __future__ import annotations

from typing import Any

import pytest

from cosem.link.hdlc.parameters import HdlcParameters
from interop import world
from interop.test_clients import LOAD_PROFILE, make_peer, rows_of, same_rows
from interop.world import Case, not_possible, served

NONE = Case("none")
PHYSICAL = 17

pytestmark = [
    pytest.mark.row("Their clients, HDLC of our meter"),
    pytest.mark.parametrize("peer", ["gurux-dlms", "dlms-cosem"]),
    pytest.mark.parametrize("transport", ["hdlc"]),
    pytest.mark.parametrize("case", [NONE], ids=str),
]


def read_whole(peer: str, transport: str, case: Case, limits: Any = None, **options: Any) -> Any:
    """Read the load profile in one large APDU of many segments."""
    with served(case, transport, limits=limits) as place:
        client = make_peer(peer, place, **options)
        try:
            client.open()
            same_rows(client.whole_profile(LOAD_PROFILE), rows_of(place, 1, 10_000))
            client.release()
            client.close()
        finally:
            client.wire.disconnect()
            print(client.wire.trace())
        return client


def test_one_octet_address(peer: str, transport: str, case: Case) -> None:
    client = read_whole(peer, transport, case)
    assert client.wire.log[0][1][3:5] == b"\x03\x03"


def test_two_octet_address(peer: str, transport: str, case: Case) -> None:
    client = read_whole(peer, transport, case, physical=PHYSICAL, address_size=2)
    assert client.wire.log[0][1][3:6] == b"\x02\x23\x03"


def test_four_octet_address(peer: str, transport: str, case: Case) -> None:
    client = read_whole(peer, transport, case, physical=PHYSICAL, address_size=4)
    assert client.wire.log[0][1][3:8] == b"\x00\x02\x00\x23\x03"


def test_long_frames(peer: str, transport: str, case: Case) -> None:
    """Frames of 1024 octets are agreed and used."""
    client = read_whole(peer, transport, case, limits=HdlcParameters(1024, 1024), max_info=1024)
    assert max(len(octets) for way, octets in client.wire.log if way == "<") > 512


@pytest.mark.parametrize("window", [2, 7])
def test_window(peer: str, transport: str, case: Case, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several frames come before one is acknowledged: fewer acknowledgements than segments."""
    monkeypatch.setattr(world, "PATIENCE", 0.5)
    if peer == "dlms-cosem":
        not_possible("its window is 1")
    try:
        client = read_whole(peer, transport, case, limits=HdlcParameters(128, 128, window, window), window=window)
    except (TimeoutError, UnboundLocalError):
        pytest.xfail("it loses count of frames, or raises, where a window is larger than 1")
    segments = sum(octets.count(b"\xa8\x89\x03\x03") for way, octets in client.wire.log if way == "<")
    acknowledgements = sum(1 for way, octets in client.wire.log if way == ">" and len(octets) == 9)
    assert acknowledgements < segments
