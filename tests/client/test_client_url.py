"""Meter URLs: what they mean, and that every mistake is named in one sentence."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.client import MeterUrl
from cosem.errors import ConfigError
from cosem.link.line import LineSettings


def test_nothing_but_a_host_is_the_public_client_over_the_wrapper() -> None:
    url = MeterUrl.parse("tcp://meter.example")
    assert url == MeterUrl("wrapper", "meter.example", 4059)
    assert (url.client, url.server, url.mechanism, url.security, url.ciphering) == (16, 1, 0, 0, "glo")


def test_every_parameter_has_its_place() -> None:
    url = MeterUrl.parse(
        "hdlc+tcp://[::1]:4060/?client=0x01&server=1000&physical=17&auth=high-gmac&security=both"
        "&ciphering=ded&device=meter1&counter=0-0:43.1.1&timeout=2.5&referencing=sn"
    )
    assert url == MeterUrl(
        "hdlc", "::1", 4060, 1, 1000, 17, 5, 0x30, "ded", "meter1", "0-0:43.1.1.255", 2.5, referencing="sn"
    )


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
    ("tcp://meter?window=2", "window belongs to HDLC"),
    ("hdlc+tcp://meter?window=8", "not between 1 and 7"),
    ("hdlc+tcp://meter?information=0", "not between 1 and 2030"),
    ("tcp://meter?auth=medium", "auth=medium is none of none, low"),
    ("tcp://meter?auth=high-ecdsa", "not in this version yet"),
    ("tcp://meter?security=much", "security=much is none of"),
    ("tcp://meter?ciphering=own", "ciphering=own is none of"),
    ("udp://meter?referencing=sn", "short names over udp"),
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


# --- serial ports ------------------------------------------------------------------------------------------------


def test_a_serial_port_has_a_path_and_a_line() -> None:
    url = MeterUrl.parse("hdlc+serial:///dev/ttyUSB0?baud=19200&parity=even&stopbits=2&echo=off&client=1&physical=17")
    assert (url.framing, url.transport, url.client, url.physical) == ("hdlc", "serial", 1, 17)
    assert url.serial is not None
    assert (url.serial.path, url.serial.echo, url.serial.mode_e) == ("/dev/ttyUSB0", "off", None)
    assert url.serial.line == LineSettings(19200, 8, "E", 2)
    windows = MeterUrl.parse("hdlc+serial:///COM12").serial
    assert windows is not None
    assert (windows.path, windows.line) == ("COM12", LineSettings(9600, 8, "N", 1))


def test_an_optical_port_has_the_settings_of_mode_e() -> None:
    port = MeterUrl.parse("optical:///dev/ttyUSB0").serial
    assert port is not None
    assert port.mode_e is not None
    assert port.line == LineSettings(300, 7, "E", 1)
    assert (port.mode_e.wake_up, port.mode_e.insist, port.mode_e.max_baud) == (False, False, None)
    text = "optical:///dev/ttyUSB0?baud=9600&max_baud=4800&address=12345678&wakeup=yes&insist=yes&parity=software"
    port = MeterUrl.parse(text).serial
    assert port is not None
    assert port.mode_e is not None
    assert port.line == LineSettings(9600, 8, "N", 1)
    assert (port.mode_e.wake_up, port.mode_e.insist, port.mode_e.max_baud) == (True, True, 4800)
    assert port.mode_e.address == "12345678"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optical://dev/ttyUSB0", "followed by the path of a port: optical:///dev/ttyUSB0"),
        ("hdlc+serial:///", "followed by the path of a port"),
        ("hdlc+serial:///dev/x?baud=fast", "baud=fast is no number"),
        ("hdlc+serial:///dev/x?baud=0", "1 to 4000000 Bd, not 0"),
        ("hdlc+serial:///dev/x?databits=7", "HDLC needs 8 data bits"),
        ("hdlc+serial:///dev/x?stopbits=3", "no character format"),
        ("hdlc+serial:///dev/x?parity=mark", "none of none, even, odd"),
        ("hdlc+serial:///dev/x?max_baud=300", "'max_baud' is no parameter"),
        ("optical:///dev/x?max_baud=100", "max_baud is at least 300"),
        ("optical:///dev/x?address=a/b", "device address of an opening"),
        ("optical:///dev/x?echo=maybe", "none of auto, on, off"),
        ("optical:///dev/x?password=1", "secrets come from the key file"),
        ("optical:///dev/x?echo=on&echo=off", "stands twice"),
    ],
)
def test_mistakes_in_the_url_of_a_port_are_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        MeterUrl.parse(text)
