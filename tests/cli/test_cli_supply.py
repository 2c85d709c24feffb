"""``cosem disconnect``, ``cosem reconnect`` and ``cosem limit``, and ``cosem message`` to those it concerns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cosem.cli.app import run
from cosem.cli.output import report_error
from cosem.errors import ExceptionResponseReceived
from support.served import key_file, served

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosem(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "counters.json"))
    monkeypatch.setenv("COSEM_KEYS", str(key_file(tmp_path)))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_disconnect_and_reconnect_say_how_the_supply_stands(cosem: Run) -> None:
    with served(days=0.05) as world:
        url = world.url()
        assert cosem("disconnect", url) == (0, "disconnected, control mode 4\n", "")
        assert cosem("reconnect", url) == (0, "connected, control mode 4\n", "")
        status, out, _ = cosem("disconnect", url, "--json")
        assert (status, json.loads(out)) == (
            0,
            {
                "control_state": 0,
                "state": "disconnected",
                "output_state": False,
                "control_mode": 4,
                "done": True,
            },
        )


def test_where_somebody_has_to_press_the_button(cosem: Run) -> None:
    with served(days=0.05, control_mode=5) as world:
        url = world.url()
        cosem("disconnect", url)
        said = "somebody has to press the button at the meter; a payment meter wants credit first\n"
        assert cosem("reconnect", url) == (0, "ready for reconnection, control mode 5\n", said)


def test_what_the_control_mode_does_not_allow_ends_with_1(cosem: Run) -> None:
    with served(days=0.05, control_mode=0) as world:
        status, out, err = cosem("disconnect", world.url())
        assert (status, out) == (1, "connected, control mode 0\n")
        assert "does not allow" in err
        status, out, err = cosem("disconnect", world.url(), "--json")
        assert (status, json.loads(out)["done"], err) == (1, False, "")


def test_a_contact_that_does_not_follow_is_told(cosem: Run) -> None:
    with served(days=0.05) as world:
        world.meter.disconnector.jam(True)
        assert cosem("disconnect", world.url()) == (
            0,
            "disconnected, control mode 4\n",
            "the contact is still closed\n",
        )


def test_another_disconnector_by_name(cosem: Run) -> None:
    with served(days=0.05, switches={"0-1:24.4.0": 4}) as world:
        assert cosem("disconnect", world.url(), "0-1:24.4.0")[0] == 0
        assert cosem("reconnect", world.url(), "0-1:24.4.0") == (0, "connected, control mode 4\n", "")
        status, _, err = cosem("disconnect", world.url(), "0-2:24.4.0")
        assert (status, "object-undefined" in err) == (1, True)


def test_the_limiter_is_shown_and_set(cosem: Run) -> None:
    with served(days=0.05, limit=9000) as world:
        url = world.url()
        status, out, _ = cosem("limit", url)
        assert status == 0
        assert dict(line.split("\t") for line in out.splitlines()) == {
            "limiter": "value",
            "watched": "1-0:1.7.0.255:2",
            "active threshold": "9000 W",
            "normal threshold": "9000 W",
            "emergency threshold": "9000 W",
            "over it until an action": "60 s",
            "under it until an action": "300 s",
            "emergency": "not active",
            "profiles that may be active": "none",
        }
        emergency = ("--emergency", "500", "--profile", "7", "--begin", "2026-11-01T01:00:00+01:00", "--for", "3600")
        status, out, _ = cosem("limit", url, "8000", "--over", "30", "--groups", "1, 7", *emergency, "--json")
        assert status == 0
        assert json.loads(out) == {
            "monitored": "1-0:1.7.0.255:2",
            "unit": "W",
            "threshold_active": "500",
            "threshold_normal": "8000",
            "threshold_emergency": "500",
            "min_over": 30,
            "min_under": 300,
            "emergency": {
                "active": True,
                "profile": 7,
                "begin": "2026-11-01T01:00:00+01:00",
                "seconds": 3600,
                "groups": [1, 7],
            },
        }
        assert "emergency profile\tprofile 7 from 2026-11-01T01:00:00+01:00 for 3600 s" in cosem("limit", url)[1]
        out = cosem("limit", url, "--no-emergency", "--groups", "")[1]
        assert "emergency\tnot active\n" in out
        assert "active threshold\t8000 W\n" in out
        assert "emergency profile\t" not in out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("much",), 2, "'much' is no threshold"),
        (("nan",), 2, "'nan' is no threshold"),
        (("--groups", "1;2"), 2, "'1;2' are no emergency profiles"),
        (("--groups", "70000"), 2, "write numbers from 0 to 65535"),
        (("--profile", "7"), 2, "an emergency needs --profile, --begin and --for"),
        (("--no-emergency", "--profile", "7"), 2, "goes without"),
        (("--profile", "7", "--begin", "noon", "--for", "60"), 2, "'noon' is no time"),
        (("0.5",), 1, "no whole number of 1 W"),
        (("1", "--limiter", "0-0:17.0.9"), 1, "object-undefined"),
    ],
)
def test_limits_that_are_none(cosem: Run, arguments: tuple[str, ...], status: int, words: str) -> None:
    with served(days=0.01) as world:
        ended, out, err = cosem("limit", world.url(), *arguments)
        assert (ended, out) == (status, "")
        assert words in err


def test_a_message_to_the_customer_is_sent_and_shown(cosem: Run) -> None:
    with served(days=0.05) as world:
        url = world.url()
        assert cosem("message", url, "abc", "--code", "7") == (0, "message\ttext\nlocal port\tabc\ndisplay\t7\n", "")
        status, out, _ = cosem("message", url, "--json")
        assert (status, json.loads(out)) == (0, {"port": "abc", "display": "7"})
        status, out, _ = cosem("message", url, "pay", "--display", "--json")
        assert json.loads(out) == {"port": "abc", "display": "pay"}
        status, out, err = cosem("message", url, "x", "--display", "--code", "1")
        assert (status, out) == (2, "")
        assert "instead of a text" in err


def test_an_emergency_that_does_not_begin_is_told(cosem: Run) -> None:
    with served(days=0.05) as world:
        past = ("--profile", "7", "--begin", "2020-01-01T00:00:00", "--for", "60")
        status, out, err = cosem("limit", world.url(), *past)
        assert (status, "emergency\tnot active" in out, "--groups 7" in err) == (0, True, True)
        assert "is over already" in cosem("limit", world.url(), *past, "--groups", "7")[2]
        assert cosem("limit", world.url(), "--no-emergency")[2] == ""


def test_what_to_do_about_a_result_is_said_to_people(cosem: Run) -> None:
    with served(days=0.05) as world:
        status, _, err = cosem("disconnect", world.url(client="16"))
        assert (status, "object-undefined (4). This client sees no such object" in err) == (1, True)
        status, out, _ = cosem("disconnect", world.url(), "1-0:1.8.0", "--json")
        assert "object-class-inconsistent" in json.loads(out)["error"]["what"]


def test_who_shares_a_title_with_others_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(ExceptionResponseReceived(1, 6, 49401), as_json=False) == 1
    err = capsys.readouterr().err
    assert "(the smallest counter it accepts is 49401). Somebody else speaks to it" in err
    report_error(ExceptionResponseReceived(1, 1), as_json=False)
    err = capsys.readouterr().err
    assert "Somebody" not in err
    assert "a meter that it cannot reach" in err
    report_error(ExceptionResponseReceived(1, 2), as_json=False)
    assert "reach" not in capsys.readouterr().err
