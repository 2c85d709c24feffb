"""``cosem headend campaigns`` and ``firmware``: over real sockets, from the catalogue to what became of each device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cosem.cli.app import run
from cosem.device.image import ImageOptions
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, DEMO_KEYS, demo_signing_key
from support.served import Served, key_file, make_meter, served

QUICK = ImageOptions(block_size=128, verify_duration=0, activation_duration=0)
Cosem = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosem(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosem:
    monkeypatch.setenv("COSEM_HEADEND", str(tmp_path / "office"))
    for name in ("COSEM_HEADEND_KEY", "COSEM_HEADEND_TOKEN", "COSEM_KEYS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(["headend", *arguments])
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def said(answer: tuple[int, str, str]) -> str:
    status, out, err = answer
    assert status == 0, out + err
    return out


@pytest.fixture
def street(cosem: Cosem, tmp_path: Path) -> Iterator[list[Served]]:
    """Three meters of one type, in use; the third one is away."""
    end = datetime.now(UTC).replace(microsecond=0)
    said(cosem("init"))
    said(cosem("devices", "type", "e570"))
    keys = str(key_file(tmp_path))
    with ExitStack() as stack:
        made = {"end": end, "days": 0.05, "image_key": DEMO_IMAGE_KEY, "image": QUICK}
        found = [stack.enter_context(served(make_meter(seed=seed, **made))) for seed in (1, 2)]
        urls = [*(item.url() for item in found), "tcp://127.0.0.1:9?client=1&auth=high-gmac&security=both&timeout=0.2"]
        for number, url in enumerate(urls, 1):
            said(cosem("devices", "add", f"m{number}", "--type", "e570", "--url", url, "--keys", keys, "--in-use"))
        yield found


def test_a_campaign_is_looked_at_first_begun_and_accounts_for_every_device(cosem: Cosem, street: list[Served]) -> None:
    made = json.loads(
        said(
            cosem(
                "campaigns", "create", "commands", "works", "message", "text=Works on Monday", "--type", "e570",
                "--stage", "2", "--stage", "100%", "--abort-share", "1", "--seconds", "2", "--paused", "--json",
            )
        )
    )  # fmt: skip
    assert (made["state"], made["account"], made["stages"]) == ("paused", {"waiting": 3}, [2, 1.0])
    out = said(cosem("campaigns", "show", "works"))
    assert "stage 2" in out
    status, out, _ = cosem("campaigns", "resume", "works", "--wait", "--json")
    done = json.loads(out)
    assert status == 1, "one of them is away"
    assert (done["state"], done["account"]) == ("done", {"done": 2, "failed": 1})
    (failed,) = done["failed"]
    assert failed["device"] == "m3"
    assert "unreachable" in failed["detail"] or "expired" in failed["detail"], failed
    assert [sum(part.values()) for part in done["by_stage"]] == [2, 1]
    shown = json.loads(said(cosem("campaigns", "show", "works", "--json")))
    assert {item["device"]: item["state"] for item in shown["devices"]} == {"m1": "done", "m2": "done", "m3": "failed"}
    for meter in street:
        with meter.connect() as client:
            assert client.messages().port == "Works on Monday"
    (listed,) = json.loads(said(cosem("campaigns", "list", "--json")))
    assert listed["name"] == "works"
    status, _, err = cosem("campaigns", "resume", "works")
    assert status == 2
    assert "done" in err


def test_a_gate_holds_a_person_lets_it_go_on_and_another_ends_it(cosem: Cosem, street: list[Served]) -> None:
    arguments = ("--device", "m1", "--device", "m2", "--stage", "1", "--stage", "2", "--gate")
    created = cosem(
        "campaigns", "create", "commands", "limits", "limit", "threshold=5000", *arguments, "--wait", "--json"
    )
    row = json.loads(said(created))
    assert (row["state"], row["account"]) == ("held", {"done": 1, "waiting": 1})
    said(cosem("campaigns", "resume", "limits"))
    assert json.loads(said(cosem("campaigns", "pause", "limits", "--json")))["state"] == "paused"
    row = json.loads(said(cosem("campaigns", "abort", "limits", "--why", "the wrong street", "--json")))
    assert (row["state"], row["detail"]) == ("aborted", "the wrong street")
    # Whoever carries out the work next takes the devices back whose turn has not come.
    said(cosem("campaigns", "create", "commands", "later", "clock", "--device", "m1", "--wait"))
    assert json.loads(said(cosem("campaigns", "show", "limits", "--json")))["account"] == {"done": 1, "cancelled": 1}
    limits = []
    for meter in street:
        with meter.connect() as client:
            limits.append(str(client.limit().normal))
    assert limits.count("5000 W") == 1, "the other one's turn had not come"


def test_an_image_of_the_catalogue_goes_to_those_it_is_for(cosem: Cosem, street: list[Served], tmp_path: Path) -> None:
    image = make_image([ImagePart(THIS_DEVICE, 0, b"metrology 2", bytes(500))], demo_signing_key())
    file = tmp_path / "fw2.bin"
    file.write_bytes(image)
    status, _, err = cosem("firmware", "add", "FW 2", str(file), "--version", "metrology 2", "--sha256", "0" * 64)
    assert status == 2
    assert "SHA-256" in err
    added = json.loads(
        said(cosem("firmware", "add", "FW 2", str(file), "--version", "metrology 2", "--type", "e570", "--json"))
    )
    assert added["sha256"] == hashlib.sha256(image).hexdigest()
    assert "FW 2" in said(cosem("firmware", "list"))
    said(cosem("campaigns", "create", "firmware", "f", "FW 2", "--device", "m1", "--wait"))
    (entry,) = json.loads(said(cosem("firmware", "history", "m1", "--json")))
    assert (entry["state"], entry["after"]) == ("done", "metrology 2")
    said(cosem("firmware", "withdraw", "FW 2"))
    status, _, err = cosem("campaigns", "create", "firmware", "again", "FW 2", "--device", "m2")
    assert status == 2
    assert "withdrawn" in err


def test_keys_change_by_a_campaign_and_are_never_shown(cosem: Cosem, street: list[Served]) -> None:
    arguments = (
        "campaigns",
        "create",
        "keys",
        "new keys",
        "--device",
        "m2",
        "--purpose",
        "unicast",
        "--json",
        "--wait",
    )
    status, out, err = cosem(*arguments)
    row = json.loads(out)
    # The key file of these meters has no master key: nothing can be wrapped.
    assert (status, row["account"]) == (1, {"failed": 1})
    assert "no master key" in row["failed"][0]["detail"]
    assert str(DEMO_KEYS.global_unicast_encryption_key.hex()) not in out + err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("create", "commands", "x", "message", "text=a", "--stage", "many"), "is no stage"),
        (("create", "commands", "x"), "name a kind of command"),
        (("create", "commands", "x", "dance"), "no kind of command"),
        (("create", "commands", "x", "clock", "--device", "nobody"), "no device in use is selected"),
        (("create", "firmware", "x", "FW 9"), "no image 'FW 9'"),
        (("show", "x"), "no campaign 'x'"),
        (("confirm", "x"), "token"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(cosem: Cosem, arguments: tuple[str, ...], why: str) -> None:
    said(cosem("init"))
    status, _, err = cosem("campaigns", *arguments)
    assert status == 2
    assert why in err
    assert "Traceback" not in err


def test_a_second_person_confirms_by_a_token(
    cosem: Cosem, street: list[Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "office" / "headend.toml"
    settings.write_text(settings.read_text().replace("two_persons = []", 'two_persons = ["disconnect"]'))
    token = said(cosem("token", "issue", "berta", "--role", "second person")).strip()
    row = json.loads(said(cosem("campaigns", "create", "commands", "off", "disconnect", "--device", "m1", "--json")))
    assert row["state"] == "unconfirmed"
    monkeypatch.setenv("COSEM_HEADEND_TOKEN", token)
    status, _, err = cosem("campaigns", "abort", "off")
    assert status == 2
    assert "may not command" in err
    row = json.loads(said(cosem("campaigns", "confirm", "off", "--wait", "--json")))
    assert (row["state"], row["confirmed_by"], row["account"]) == ("done", "berta", {"done": 1})
