"""``cosem credit`` and ``cosem token``, and a scenario of a payment meter told as a story."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cosem.cli.app import run
from cosem.simulator.meter import demo_payment
from support.served import Served, key_file, served

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


def empty(world: Served) -> None:
    world.meter.advance(world.meter.now + 3 * 86_400)


def test_credit_shows_tops_up_and_selects(cosem: Run) -> None:
    with served(days=0.05, control_mode=5, payment=demo_payment(5000)) as world:
        url = world.url()
        status, out, err = cosem("credit", url)
        assert (status, err) == (0, "")
        assert "available\t5.000 EUR\n" in out
        assert "token credit 0-0:19.10.0.255\t5.000 EUR, in use\n" in out
        empty(world)
        status, out, _ = cosem("credit", url, "--select-emergency", "--json")
        found = json.loads(out)
        assert (status, found["in_use"], found["credits"][1]["status"]) == (0, "0-0:19.10.1.255", "in use")
        _, token, _ = cosem("token", "20", "--number", "1")
        status, out, err = cosem("credit", url, "--token", token.strip(), "--json")
        found = json.loads(out)
        assert (status, found["token"]["accepted"], found["in_use"]) == (0, True, "0-0:19.10.0.255")
        status, out, err = cosem("credit", url, "--token", token.strip())
        assert (status, err) == (
            1,
            "token: validation failure (it was used before, or is older than those that were)\n",
        )
        assert out.startswith("what\tvalue\naccount 0-0:19.0.0.255\tactive")
        assert cosem("credit", url, "--select-emergency")[0] == 1


def test_a_meter_that_is_no_payment_meter(cosem: Run) -> None:
    with served(days=0.05) as world:
        status, out, err = cosem("credit", world.url())
        assert (status, out) == (1, "")
        assert "object-undefined" in err


def test_a_token_is_for_its_meter_under_its_key(cosem: Run, tmp_path: Path) -> None:
    key = tmp_path / "token.key"
    key.write_text("00112233445566778899aabbccddeeff\n")
    _, plain, _ = cosem("token", "1.5", "--number", "9", "--json")
    assert json.loads(plain)["amount"] == 1500
    _, other_meter, _ = cosem("token", "1.5", "--number", "9", "--meter", "43534D0100000002", "--json")
    _, other_key, _ = cosem("token", "1.5", "--number", "9", "--token-key", str(key), "--json")
    assert len({json.loads(out)["token"] for out in (plain, other_meter, other_key)}) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ten",), "no amount"),
        (("1e99999999",), "no amount"),
        (("0.0001",), "decimals"),
        (("0",), "1 to"),
        (("-1",), "No such option"),
        (("1", "--meter", "12"), "system title"),
    ],
)
def test_what_no_token_is_made_of(cosem: Run, arguments: tuple[str, ...], words: str) -> None:
    status, out, err = cosem("token", *arguments, "--number", "1")
    assert (status, out) == (2, "")
    assert words in err


def test_a_key_file_that_holds_none(cosem: Run, tmp_path: Path) -> None:
    key = tmp_path / "token.key"
    key.write_text("secret")
    status, _, err = cosem("token", "1", "--number", "1", "--token-key", str(key))
    assert status == 2
    assert "no token key" in err
    assert "secret" not in err


@pytest.mark.parametrize("arguments", [("--prepayment", "-1"), ("--prepayment", "much"), ("--token-key", "x")])
def test_simulate_says_what_is_wrong_before_it_listens(cosem: Run, arguments: tuple[str, ...]) -> None:
    status, _, err = cosem("simulate", "meter", "--port", "0", "--days", "0", *arguments)
    assert status == 2
    assert "prepayment" in err or "no amount" in err


STORY = """
start = 2026-03-10T12:00:00
days = 3
[meter]
prepayment = 4000
control_mode = 5
[[happens]]
in = "1m"
do = "select emergency credit"
[[happens]]
in = "2d 8h"
do = "select emergency credit"
[[happens]]
in = "2d 9h"
do = "top up"
amount = 10000
number = 1
[[happens]]
after = "1m"
do = "top up"
amount = 10000
number = 1
[[happens]]
after = "1m"
do = "token"
digits = "1234"
[[happens]]
after = "1m"
do = "power cut"
[[happens]]
after = "1m"
do = "token"
digits = "1234"
"""


def test_the_story_tells_how_credit_comes_and_goes(cosem: Run, tmp_path: Path) -> None:
    file = tmp_path / "paid.toml"
    file.write_text(STORY)
    status, out, _ = cosem("simulate", "story", str(file), "--days", "0.1")
    assert status == 0
    told = [line.split("\t", 1)[1] for line in out.splitlines()[1:]]
    for line in (
        "done\tselect emergency credit: nothing, no credit is offered",
        "object\tcredit 0-0:19.10.0.255: in use -> consumed",
        "object\tcredit 0-0:19.10.1.255: selectable -> selected or invoked",
        "done\ttop up (amount 10000, number 1): token execution result ok",
        "done\ttop up (amount 10000, number 1): validation failure",
        "done\ttoken (digits 1234): token format failure",
        "done\ttoken (digits 1234): nothing, there is no power",
    ):
        assert line in told
    assert any(line.startswith("happened\tcredit exhausted, credit") for line in told)
    assert any(line.startswith("happened\temergency credit selected, credit 4.") for line in told)
    assert told.index("happened\tlocal disconnection") < told.index("happened\tlocal connection")


def test_what_is_paid_at_a_meter_that_is_no_payment_meter(cosem: Run, tmp_path: Path) -> None:
    file = tmp_path / "unpaid.toml"
    file.write_text(STORY.replace("prepayment = 4000", ""))
    status, out, _ = cosem("simulate", "story", str(file), "--days", "0.1")
    assert status == 0
    assert out.count("nothing, it is no payment meter") == 6
