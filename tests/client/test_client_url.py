"""Meter URLs: what they mean, and that every mistake is named in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.client import MeterUrl
from cosem.errors import ConfigError


def test_nothing_but_a_host_is_the_public_client_over_the_wrapper() -> None:
    url = MeterUrl.parse("tcp://meter.example")
    assert url == MeterUrl("wrapper", "meter.example", 4059)
    assert (url.client, url.server, url.mechanism, url.security, url.ciphering) == (16, 1, 0, 0, "glo")


def test_every_parameter_has_its_place() -> None:
    url = MeterUrl.parse(
        "hdlc+tcp://[::1]:4060/?client=0x01&server=1000&physical=17&auth=high-gmac&security=both"
        "&ciphering=ded&device=meter1&counter=0-0:43.1.1&timeout=2.5&referencing=ln"
    )
    assert url == MeterUrl("hdlc", "::1", 4060, 1, 1000, 17, 5, 0x30, "ded", "meter1", "0-0:43.1.1.255", 2.5)


@pytest.mark.parametrize("text", ["counter=read", "counter="])
def test_the_counter_object_has_a_usual_place(text: str) -> None:
    assert MeterUrl.parse(f"tcp://meter?{text}").counter == "0-0:43.1.0.255"


@pytest.mark.parametrize(
    ("auth", "mechanism"),
    [("none", 0), ("low", 1), ("high", 2), ("high-md5", 3), ("high-sha1", 4), ("high-gmac", 5), ("high-sha256", 6)],
)
def test_authentication_is_written_in_words(auth: str, mechanism: int) -> None:
    assert MeterUrl.parse(f"tcp://meter?auth={auth}").mechanism == mechanism


@pytest.mark.parametrize(("security", "bits"), [("none", 0), ("auth", 0x10), ("enc", 0x20), ("both", 0x30)])
def test_security_is_the_control_of_requests(security: str, bits: int) -> None:
    assert MeterUrl.parse(f"tcp://meter?security={security}").security == bits


MISTAKES = [
    ("", "no meter URL"),
    ("meter:4059", "no meter URL"),
    ("tcp:meter", "no meter URL"),
    ("http://meter", "http:// is no scheme"),
    ("mbus+tcp://meter", "brings pushes only"),
    ("tcp://meter?gateway_network=1", "needs gateway_device"),
    ("tcp://meter?gateway_device=meter", "no address in hex digits"),
    ("tcp://meter?gateway_device=01&gateway_network=256", "not between 0 and 255"),
    ("tcp://meter?gateway_device=" + 256 * "00", "255 octets at the most"),
    ("hdlc+serial:///dev/ttyUSB0?baud=9600", "not in this version yet"),
    ("optical:///dev/ttyUSB0", "not in this version yet"),
    ("tcp://", "names no host"),
    ("tcp://:4059", "names no host"),
    ("tcp://meter:port", "port"),
    ("tcp://meter:70000", "port"),
    ("tcp://[::1", "host is not written"),
    ("tcp://user:geheim@meter", "no user or password"),
    ("tcp://meter/path", "no path"),
    ("tcp://meter#1", "nothing behind a #"),
    ("tcp://meter?client=x", "client=x is no number"),
    ("tcp://meter?client=-1", "not between 0 and 65535"),
    ("hdlc+tcp://meter?client=128", "not between 0 and 127"),
    ("tcp://meter?server=65536", "not between 0 and 65535"),
    ("hdlc+tcp://meter?server=16384", "not between 0 and 16383"),
    ("hdlc+tcp://meter?physical=99999", "not between 0 and 16383"),
    ("tcp://meter?physical=17", "physical is an HDLC address"),
    ("tcp://meter?auth=medium", "auth=medium is none of none, low"),
    ("tcp://meter?auth=high-ecdsa", "not in this version yet"),
    ("tcp://meter?security=much", "security=much is none of"),
    ("tcp://meter?ciphering=own", "ciphering=own is none of"),
    ("tcp://meter?referencing=sn", "short-name"),
    ("tcp://meter?referencing=x", "referencing=x is none of"),
    ("tcp://meter?timeout=soon", "no number of seconds"),
    ("tcp://meter?timeout=0", "not between 0 and 3600"),
    ("tcp://meter?timeout=nan", "not between 0 and 3600"),
    ("tcp://meter?client=1&client=2", "client stands twice"),
    ("tcp://meter?cleint=1", "'cleint' is no parameter"),
    ("tcp://meter?counter=somewhere", "no OBIS code"),
    ("tcp://meter?password=geheim", "secrets come from the key file"),
    ("tcp://meter?PASSWORD=geheim", "secrets come from the key file"),
    ("tcp://meter?authentication_key=00112233445566778899aabbccddeeff", "secrets come from the key file"),
    ("tcp://meter?hls_secret=geheim", "secrets come from the key file"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_a_mistake_is_named_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MeterUrl.parse(text)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert "geheim" not in said
    assert "00112233" not in said


@given(st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda tail: f"tcp://{tail}")))
def test_any_text_is_a_url_or_a_configuration_error(text: str) -> None:
    try:
        url = MeterUrl.parse(text)
    except ConfigError:
        return
    assert url.host
