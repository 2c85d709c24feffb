"""What peers do and leave undone: whether they notice wrong secrets and changed octets, and their known faults as
they are. A peer that never checks a tag proves nothing about ours; these tests say which ones do."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from interop import world
from interop.test_clients import LOAD_PROFILE, PEERS, SERIAL, make_peer
from interop.world import CASES, TRANSPORTS, Case, served

BY_NAME = {case.name: case for case in CASES}
CIPHERED = BY_NAME["high-gmac + both, general-glo"]
"""Every peer has the first: what is asked of all is asked of that."""

pytestmark = pytest.mark.row("Their clients, what they notice")
transports = pytest.mark.parametrize("transport", TRANSPORTS)
peers = pytest.mark.parametrize("peer", PEERS)


def refused(peer: str, case: Case, transport: str) -> None:
    """Associate, and expect the peer to learn that it may not."""
    with served(case, transport) as place:
        client = make_peer(peer, place)
        try:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - a peer's own errors have no common kind
                client.open()
            assert not isinstance(caught.value, (TimeoutError, ConnectionError, AssertionError)), client.wire.trace()
            association = place.meter.logical.associations[case.client]
            assert all(session.status != 2 for session in place.meter.device.sessions), association
        finally:
            client.wire.disconnect()


def module_of(peer: str) -> Any:
    pytest.importorskip(PEERS[peer], reason=f"{peer} is not installed")
    return importlib.import_module(f"interop.peer_{PEERS[peer].removesuffix('_dlms')}")


@transports
@peers
@pytest.mark.parametrize("case", [BY_NAME["low"]], ids=str)
def test_wrong_password(peer: str, transport: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of(peer), "PASSWORD", b"87654321")
    refused(peer, case, transport)


@transports
@peers
@pytest.mark.parametrize("case", [CIPHERED], ids=str)
def test_wrong_key(peer: str, transport: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of(peer), "EK", bytes(16))
    refused(peer, case, transport)


@transports
@peers
@pytest.mark.parametrize("case", [CIPHERED], ids=str)
def test_wrong_authentication_key(peer: str, transport: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of(peer), "AK", bytes(16))
    refused(peer, case, transport)


def last_octet_of_apdu(transport: str) -> Callable[[bytes], bytes]:
    """Return what changes the last octet of an APDU, the end of its tag, and leaves the frame around it in order."""

    def wrapper(octets: bytes) -> bytes:
        return octets[:-1] + bytes((octets[-1] ^ 1,))

    def hdlc(octets: bytes) -> bytes:
        from binascii import crc_hqx

        reverse = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
        body = octets[1:-4] + bytes((octets[-4] ^ 1,))
        check = int(f"{crc_hqx(body.translate(reverse), 0xFFFF):016b}"[::-1], 2) ^ 0xFFFF
        return b"\x7e" + body + check.to_bytes(2, "little") + b"\x7e"

    return hdlc if transport == "hdlc" else wrapper


NO_TAG = "it checks no tag where there is encryption too; our tests check them for it"
NO_COUNTER = "it takes any invocation counter, old ones too"


@pytest.fixture
def known_faults(request: pytest.FixtureRequest) -> None:
    """Expect of a peer what is known to be its fault."""
    column = request.node.originalname
    if request.node.callspec.params["peer"] == "gurux-dlms":
        reason = {"test_changed_tag": NO_TAG, "test_replay": NO_COUNTER}[column]
        request.node.add_marker(pytest.mark.xfail(reason=reason, raises=pytest.fail.Exception))


@pytest.mark.usefixtures("known_faults")
@transports
@peers
@pytest.mark.parametrize("case", [CIPHERED], ids=str)
def test_changed_tag(peer: str, transport: str, case: Case) -> None:
    """An answer whose tag is wrong is not taken."""
    with served(case, transport) as place:
        client = make_peer(peer, place, as_it_is=peer == "gurux-dlms")
        try:
            client.open()
            client.wire.tamper = last_octet_of_apdu(transport)
            with pytest.raises(Exception) as caught:  # noqa: PT011 - a peer's own errors have no common kind
                client.read(1, SERIAL)
            assert not isinstance(caught.value, (TimeoutError, ConnectionError)), client.wire.trace()
        finally:
            client.wire.disconnect()


@pytest.mark.usefixtures("known_faults")
@transports
@peers
@pytest.mark.parametrize("case", [CIPHERED], ids=str)
def test_replay(peer: str, transport: str, case: Case) -> None:
    """An answer that was there before is not taken again: its invocation counter is old."""
    if transport == "hdlc":
        world.not_possible("HDLC's own sequence numbers stand before it")
    with served(case, transport) as place:
        client = make_peer(peer, place)
        try:
            client.open()
            client.read(1, SERIAL)
            old = client.wire.log[-1][1]
            client.wire.tamper = lambda octets: old
            with pytest.raises(Exception) as caught:  # noqa: PT011 - a peer's own errors have no common kind
                client.read(1, SERIAL)
            assert not isinstance(caught.value, (TimeoutError, ConnectionError)), client.wire.trace()
        finally:
            client.wire.disconnect()


@transports
@pytest.mark.parametrize("peer", ["gurux-dlms"])
@pytest.mark.parametrize("case", [BY_NAME["high-gmac + both"]], ids=str)
def test_protected_release(peer: str, transport: str, case: Case) -> None:
    """A release that carries a ciphered initiate request is answered with a ciphered initiate response."""
    with served(case, transport) as place:
        client = make_peer(peer, place)
        try:
            client.open()
            client.client.useProtectedRelease = True
            client.release()
            client.close()
            assert list(place.meter.device.sessions) == []
        finally:
            client.wire.disconnect()
            print(client.wire.trace())


# --- faults of a peer as it is, each of which our tests above work around --------------------------------------------

NONCE = "its HLS-GMAC proof and the APDU around it have the same counter: a nonce used twice, which our meter refuses"
FLAG = "it waits without end for a frame whose check sequence ends in 7Eh"


@transports
@pytest.mark.parametrize("peer", ["dlms-cosem"])
@pytest.mark.parametrize("case", [CIPHERED], ids=str)
@pytest.mark.xfail(reason=NONCE)
def test_fresh_nonces(peer: str, transport: str, case: Case) -> None:
    with served(case, transport) as place:
        client = make_peer(peer, place, as_it_is=True)
        try:
            client.open()
        finally:
            client.wire.disconnect()


@pytest.mark.parametrize("transport", ["hdlc"])
@pytest.mark.parametrize("peer", ["dlms-cosem"])
@pytest.mark.parametrize("case", [BY_NAME["none"]], ids=str)
@pytest.mark.xfail(reason=FLAG, raises=TimeoutError)
def test_flag_in_frame(peer: str, transport: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundred frames: one in 256 ends so."""
    monkeypatch.setattr(world, "PATIENCE", 0.5)
    with served(case, transport) as place:
        client = make_peer(peer, place, max_pdu_size=320, as_it_is=True)
        try:
            client.open()
            client.whole_profile(LOAD_PROFILE)
        finally:
            client.wire.disconnect()
