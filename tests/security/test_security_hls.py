"""High level security: published proofs, both ends against each other, and mirrors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, HlsFailed, InvocationCounterError, KeyMissing, SecurityError
from cosem.security import hls as module
from cosem.security.context import SecurityContext
from cosem.security.counters import ReceivingCounter, SendingCounter
from cosem.security.hls import WEAK, HlsIdentity, Mechanism, gmac, require_mechanism
from cosem.security.keys import Keys

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "security_examples.json").read_text(encoding="utf-8"))
EK, AK = (bytes.fromhex(EXAMPLES["keys"][name]) for name in ("ek", "ak"))
KEYS = Keys(EK, AK)
CLIENT, SERVER = b"CLI\0\0\0\0\1", b"SRV\0\0\0\0\2"
SECRET = b"only-for-these-tests"
CHALLENGES = st.binary(min_size=8, max_size=64)
SHARED = Path(__file__).parents[3] / "shared" / "vectors"


def vectors(file: str) -> list[Any]:
    path = SHARED / file
    if not path.exists():
        return []
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [pytest.param(case, id=case["id"]) for case in cases if case["kind"] == "hls"]


def ends(
    mechanism: int, ctos: bytes, stoc: bytes, *, client_keys: Keys = KEYS, client_secret: bytes = SECRET
) -> tuple[HlsIdentity, HlsIdentity]:
    def end(own: bytes, peer: bytes, own_title: bytes, peer_title: bytes, keys: Keys, secret: bytes) -> HlsIdentity:
        return HlsIdentity(
            mechanism,
            own_challenge=own,
            peer_challenge=peer,
            own_title=own_title,
            peer_title=peer_title,
            secret=secret,
            context=SecurityContext(keys, own_title, peer_title, sending=SendingCounter(1, 100)),
            manufacturer=lambda challenge, key: bytes(a ^ key[i % len(key)] for i, a in enumerate(challenge)),
        )

    return (
        end(ctos, stoc, CLIENT, SERVER, client_keys, client_secret),
        end(stoc, ctos, SERVER, CLIENT, KEYS, SECRET),
    )


def check_example(example: dict[str, Any]) -> None:
    proof = bytes.fromhex(example["proof"])
    if example["mechanism"] == Mechanism.HLS_GMAC:
        title, challenge = bytes.fromhex(example["title"]), bytes.fromhex(example["challenge"])
        counter = example["counter"]
        prover = SecurityContext(KEYS, title, SERVER, sending=SendingCounter(counter, counter + 1))
        assert HlsIdentity(5, own_challenge=b"c" * 8, peer_challenge=challenge, context=prover).proof() == proof
        verifier = SecurityContext(KEYS, SERVER, title)
        identity = HlsIdentity(5, own_challenge=challenge, peer_challenge=b"c" * 8, context=verifier)
        identity.check(proof)
        assert verifier.receiving().last == counter
        with pytest.raises(InvocationCounterError):
            identity.check(proof)
        return
    names = ("ctos", "stoc", "secret", "client_title", "server_title")
    ctos, stoc, secret, client, server = (bytes.fromhex(example[name]) for name in names)
    mine = HlsIdentity(
        example["mechanism"],
        own_challenge=ctos,
        peer_challenge=stoc,
        own_title=client,
        peer_title=server,
        secret=secret,
    )
    assert mine.proof() == proof
    theirs = HlsIdentity(
        example["mechanism"],
        own_challenge=stoc,
        peer_challenge=ctos,
        own_title=server,
        peer_title=client,
        secret=secret,
    )
    theirs.check(proof)


@pytest.mark.parametrize("example", EXAMPLES["hls"], ids=lambda example: str(example["mechanism"]))
def test_published_proofs(example: dict[str, Any]) -> None:
    check_example(example)


@pytest.mark.parametrize("case", vectors("dlms.jsonl"))
def test_shared_vectors(case: dict[str, Any]) -> None:
    expected, keys = case["expected"], case.get("keys", {})
    if keys:
        assert (keys["ek"], keys["ak"]) == (EK.hex(), AK.hex())
    check_example(
        {
            **expected,
            "proof": expected["reply"],
            "title": keys.get("system_title"),
            "counter": keys.get("invocation_counter"),
        }
    )


@pytest.mark.parametrize("case", vectors("dlms_bad.jsonl"))
def test_shared_refusals(case: dict[str, Any]) -> None:
    context = SecurityContext(KEYS, SERVER, bytes.fromhex(case["keys"]["system_title"]))
    challenge = bytes.fromhex(case["keys"]["challenge"])
    identity = HlsIdentity(5, own_challenge=challenge, peer_challenge=b"c" * 8, context=context)
    with pytest.raises(HlsFailed):
        identity.check(bytes.fromhex(case["hex"]))
    assert (context.receiving().last, context.failures) == (None, 1)


@given(mechanism=st.sampled_from([2, 3, 4, 5, 6]), ctos=CHALLENGES, stoc=CHALLENGES)
def test_both_ends_convince_each_other(mechanism: int, ctos: bytes, stoc: bytes) -> None:
    client, server = ends(mechanism, ctos, stoc)
    if ctos == stoc:
        with pytest.raises(HlsFailed, match="own challenge"):
            client.check_challenge()
        return
    client.check_challenge()
    server.check_challenge()
    server.check(client.proof())
    client.check(server.proof())


@given(mechanism=st.sampled_from([2, 3, 4, 5, 6]), data=st.data(), proof_of_client=st.booleans())
def test_any_altered_bit_is_refused(mechanism: int, data: st.DataObject, proof_of_client: bool) -> None:
    client, server = ends(mechanism, b"c" * 8, b"s" * 16)
    prover, verifier = (client, server) if proof_of_client else (server, client)
    good = prover.proof()
    bad = bytearray(good)
    bit = data.draw(st.integers(0, len(bad) * 8 - 1), label="bit")
    bad[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecurityError):
        verifier.check(bytes(bad))
    verifier.check(good)


@given(mechanism=st.sampled_from([2, 3, 4, 5, 6]), proof=st.binary(max_size=40))
def test_any_octets_are_refused(mechanism: int, proof: bytes) -> None:
    _, server = ends(mechanism, b"c" * 8, b"s" * 16)
    with pytest.raises(SecurityError):
        server.check(proof)


@pytest.mark.parametrize("mechanism", [2, 3, 4, 5, 6])
def test_a_mirror_is_refused(mechanism: int) -> None:
    client, server = ends(mechanism, b"c" * 8, b"s" * 8)
    with pytest.raises(HlsFailed, match="own proof"):
        client.check(client.proof())
    # A client that sends the server's own challenge back as its challenge gets no further than that.
    _, server = ends(mechanism, b"s" * 8, b"s" * 8)
    with pytest.raises(HlsFailed, match="own challenge"):
        server.check_challenge()


@pytest.mark.parametrize("size", [0, 7, 65])
def test_challenges_of_other_lengths(size: int) -> None:
    client, _ = ends(5, b"c" * 8, bytes(size))
    with pytest.raises(HlsFailed, match="8 to 64"):
        client.check_challenge()


@pytest.mark.parametrize("mechanism", [2, 3, 4, 5, 6])
def test_another_secret_or_key(mechanism: int) -> None:
    client, server = ends(mechanism, b"c" * 8, b"s" * 8, client_keys=Keys(EK, bytes(16)), client_secret=b"another")
    with pytest.raises(HlsFailed):
        server.check(client.proof())


def test_the_proof_of_mechanism_6_is_bound_to_titles_and_direction() -> None:
    client, _ = ends(6, b"c" * 8, b"s" * 8)
    proof = client.proof()
    verifier = {"own_challenge": b"s" * 8, "peer_challenge": b"c" * 8, "secret": SECRET}
    for own, peer in ((CLIENT, SERVER), (SERVER, SERVER), (b"", b"")):
        with pytest.raises(HlsFailed):
            HlsIdentity(6, own_title=own, peer_title=peer, **verifier).check(proof)  # type: ignore[arg-type]


def test_a_failed_gmac_proof_changes_the_failure_count_alone() -> None:
    client, server = ends(5, b"c" * 8, b"s" * 8)
    good = client.proof()
    context = server._with_context()
    for bad in (good[:-1], good + b"\0", b"\x30" + good[1:], b"\x11" + good[1:], good[:-1] + bytes((good[-1] ^ 1,))):
        with pytest.raises(HlsFailed):
            server.check(bad)
    assert (context.failures, context.receiving().last) == (5, None)
    server.check(good)
    assert context.receiving().last == 1
    other = HlsIdentity(5, own_challenge=b"t" * 8, peer_challenge=b"c" * 8, context=context)
    context.receiving().last = 500
    with pytest.raises(InvocationCounterError):
        other.check(client.proof())


def test_proof_and_apdu_share_one_counter() -> None:
    client, server = ends(5, b"c" * 8, b"s" * 8)
    own, theirs = client._with_context(), server._with_context()
    proof = client.proof()
    content = own.protect(proof, 0x30)
    inside, opened = theirs.open(content, bytes, request=True)
    assert (int.from_bytes(proof[1:5], "big"), opened.counter) == (1, 2)
    server.check(inside)
    assert theirs.receiving().last == 2


def test_what_is_missing_is_named() -> None:
    bare: dict[str, Any] = {"own_challenge": b"c" * 8, "peer_challenge": b"s" * 8}
    with pytest.raises(KeyMissing, match="secret"):
        HlsIdentity(6, **bare).proof()
    with pytest.raises(KeyMissing, match="GMAC"):
        HlsIdentity(5, **bare).proof()
    with pytest.raises(KeyMissing, match="GMAC"):
        HlsIdentity(5, **bare).check(bytes(17))
    with pytest.raises(ConfigError, match="manufacturer"):
        HlsIdentity(2, secret=SECRET, **bare).proof()
    for unknown in (0, 1, 7, 99):
        with pytest.raises(ConfigError, match=f"mechanism {unknown}"):
            HlsIdentity(unknown, secret=SECRET, **bare).proof()
    for keys in (Keys(EK), Keys(None, AK)):
        with pytest.raises(KeyMissing, match="authentication key"):
            gmac(SecurityContext(keys, CLIENT), CLIENT, 0x10, 1, b"s" * 8)
    with pytest.raises(KeyMissing, match="system titles"):
        gmac(SecurityContext(KEYS, CLIENT), b"", 0x10, 1, b"s" * 8)


def test_weak_mechanisms_need_naming() -> None:
    assert {int(mechanism) for mechanism in WEAK} == {3, 4}
    for weak in (3, 4):
        for allowed in (None, frozenset(), frozenset({7 - weak})):
            with pytest.raises(ConfigError, match="unless it is named"):
                require_mechanism(weak, allowed)
        assert require_mechanism(weak, frozenset({weak})) == weak
    for fine in (0, 1, 2, 5, 6):
        assert require_mechanism(fine) == fine
    for unknown in (-1, 7, 8):
        with pytest.raises(ConfigError, match="not supported"):
            require_mechanism(unknown, frozenset({unknown}))


def test_secrets_are_never_shown() -> None:
    for mechanism in (2, 3, 4, 5, 6):
        client, server = ends(mechanism, b"c" * 8, b"s" * 8)
        texts = [repr(client), str(client)]
        with pytest.raises(SecurityError) as error:
            server.check(bytes(17))
        texts += [str(error.value), repr(error.value)]
        for text in texts:
            assert SECRET.decode() not in text
            assert EK.hex() not in text
    assert repr(client) == "<HlsIdentity mechanism 6>"
    assert set(module.__all__) <= set(dir(module))


def test_a_server_that_restarted_refuses_yesterdays_proof() -> None:
    client, _ = ends(5, b"c" * 8, b"s" * 8)
    proof = client.proof()
    context = SecurityContext(KEYS, SERVER, CLIENT, receiving=ReceivingCounter(1))
    with pytest.raises(InvocationCounterError):
        HlsIdentity(5, own_challenge=b"s" * 8, peer_challenge=b"c" * 8, context=context).check(proof)
