"""``cosem image`` and ``cosem key`` against a served meter: what they print, keep and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosem.cli.app import run
from cosem.client.keyfile import KeyFile
from cosem.device.image import ImageOptions
from cosem.simulator.meter import DEMO_IMAGE_KEY, DEMO_KEYS
from support.served import KEY_FILE, MANAGEMENT, Served, served

Cosem = Callable[..., tuple[int, str, str]]
NEW_KEY = bytes(range(0x60, 0x70)).hex()


@pytest.fixture
def world() -> Iterator[Served]:
    quick = ImageOptions(block_size=128, verify_duration=0, activation_duration=0)
    with served(days=0.01, image_key=DEMO_IMAGE_KEY, image=quick) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    assert DEMO_KEYS.master_key is not None
    path = tmp_path / "keys.toml"
    path.write_text(
        KEY_FILE + f'master_key = "{DEMO_KEYS.master_key.hex()}"\n\n[next]\nauthentication_key = "{NEW_KEY}"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def cosem(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosem:
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "counters.json"))
    monkeypatch.setenv("COSEM_KEYS", str(keys))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def image(cosem: Cosem, tmp_path: Path) -> Path:
    (tmp_path / "firmware.bin").write_bytes(bytes(range(256)) * 4)
    status, out, err = cosem("image", "make", "new.img", "--part", "metrology:V 2.0:firmware.bin")
    assert (status, "example key" in err) == (0, True)
    assert out == "new.img: 1111 octets, 1 part\n"
    return tmp_path / "new.img"


def test_an_image_is_shown(cosem: Cosem, image: Path) -> None:
    assert cosem("image", "show", str(image))[1] == "signed by ed25519\n1-0:0.2.0\tV 2.0\t1024 octets\n"
    document = json.loads(cosem("image", "show", str(image), "--json")[1])
    assert document == {
        "signature": "ed25519",
        "parts": [{"for": "1-0:0.2.0", "identifier": "V 2.0", "octets": 1024}],
    }


def test_an_image_is_sent_and_activated(cosem: Cosem, world: Served, image: Path) -> None:
    url = world.url(**MANAGEMENT)
    status, out, err = cosem("image", url, str(image), "--identifier", "hex:4657")
    assert (status, err) == (0, "")
    assert out == "verification successful: 1111 octets in 9 blocks, 9 sent\n"
    assert world.meter.equipment.image.identifier == b"FW"
    status, out, err = cosem("image", "--activate", "--json", url, str(image))
    assert json.loads(out) == {
        "status": "activation successful",
        "octets": 1111,
        "blocks": 9,
        "sent": 0,
        "resumed_at": None,
    }
    assert world.meter.equipment.image.firmware[0][0] == b"V 2.0"


def test_a_person_sees_how_far_it_is(cosem: Cosem, world: Served, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosem.cli.image._person_looks", lambda: True)
    status, out, err = cosem("image", world.url(**MANAGEMENT), str(image), "--activate")
    assert (status, out.startswith("activation successful")) == (0, True)
    assert "100%" in err


def test_an_image_that_the_meter_refuses_ends_in_one_sentence(cosem: Cosem, world: Served, image: Path) -> None:
    octets = image.read_bytes()
    image.write_bytes(octets[:-1] + bytes((octets[-1] ^ 1,)))
    status, out, err = cosem("image", world.url(**MANAGEMENT), str(image), "--activate")
    assert (status, out) == (1, "")
    assert "does not take the image for genuine" in err
    assert cosem("image", world.url(**MANAGEMENT), str(image), "--identifier", "hex:xx")[0] == 2


def test_images_of_several_parts_signed_by_a_key_of_ones_own(cosem: Cosem, image: Path, tmp_path: Path) -> None:
    status, public, _ = cosem("image", "new-key", "sign.pem")
    assert (status, len(public.strip())) == (0, 64)
    assert (tmp_path / "sign.pem").stat().st_mode & 0o077 == 0
    assert cosem("image", "new-key", "sign.pem")[0] == 2, "no key is written over"
    parts = ["--part", "application:A:firmware.bin", "--part", "mbus2:G:firmware.bin", "--part", "3:X:firmware.bin"]
    status, _, err = cosem("image", "make", "more.img", "--sign", "sign.pem", *parts)
    assert (status, err) == (0, "")
    shown = cosem("image", "show", "more.img")[1].splitlines()[1:]
    assert [line.split("\t")[0] for line in shown] == ["1-1:0.2.0", "mbus2", "1-3:0.2.0"]
    for wrong in ("application", "nowhere:A:firmware.bin", "mbus9:A:firmware.bin", "mbus:A:firmware.bin"):
        assert cosem("image", "make", "none.img", "--part", wrong)[0] == 2
    assert cosem("image", "show", "firmware.bin")[0] == 1
    assert not (tmp_path / "none.img").exists()


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_of_a_section_is_sent(cosem: Cosem, world: Served) -> None:
    status, out, err = cosem("key", world.url(**MANAGEMENT), "--new", "next")
    assert (status, out) == (0, "changed: authentication_key\n")
    assert "[next]" in err
    held = world.meter.logical.associations[1].spec.keys
    assert (held.authentication_key or b"").hex() == NEW_KEY
    assert NEW_KEY not in out + err
    assert cosem("get", world.url(**MANAGEMENT), "1-0:1.8.0")[0] == 1, "the old keys are no good any more"
    assert cosem("get", world.url(**MANAGEMENT, device="next"), "1-0:1.8.0")[0] == 0


def test_new_keys_are_made_and_written_down_before_they_are_sent(cosem: Cosem, world: Served, keys: Path) -> None:
    status, out, _ = cosem("key", world.url(**MANAGEMENT), "--make", "--new", "made", "--json")
    assert (status, json.loads(out)) == (
        0,
        {"changed": ["global_unicast_encryption_key", "authentication_key"], "section": "made"},
    )
    made = KeyFile.load(keys).section("made").keys
    held = world.meter.logical.associations[1].spec.keys
    assert (made.global_unicast_encryption_key, made.authentication_key) == (
        held.global_unicast_encryption_key,
        held.authentication_key,
    )
    assert cosem("get", world.url(**MANAGEMENT, device="made"), "1-0:1.8.0")[0] == 0
    assert cosem("key", world.url(**MANAGEMENT), "--make", "--new", "made")[0] == 2, "no section is written twice"
    assert cosem("key", world.url(**MANAGEMENT), "--make", "--new", "a]b")[0] == 2
    assert cosem("key", world.url(**MANAGEMENT), "--make")[0] == 2
    assert cosem("key", world.url(**MANAGEMENT), "--make", "--secret", "--new", "x")[0] == 2


def test_keys_come_from_the_environment(cosem: Cosem, world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, err = cosem("key", world.url(**MANAGEMENT))
    assert (status, "nothing is new" in err) == (2, True)
    monkeypatch.setenv("COSEM_NEW_GLOBAL_UNICAST_ENCRYPTION_KEY", NEW_KEY)
    status, out, _ = cosem("key", world.url(**MANAGEMENT))
    assert (status, out) == (0, "changed: global_unicast_encryption_key\n")


def test_a_secret_is_changed(cosem: Cosem, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(days=0.01, mechanism=1, policy=0, secret=b"12345678") as world:
        url = world.url(client="1", auth="low")
        assert cosem("key", url, "--secret", "--new", "next")[0] == 2, "that section has none"
        monkeypatch.setenv("COSEM_NEW_PASSWORD", "87654321")
        status, out, err = cosem("key", url, "--secret")
        assert (status, out) == (0, "changed: password\n")
        assert "87654321" not in out + err
        assert cosem("get", url, "1-0:1.8.0")[0] == 1


def test_no_keys_are_made_that_could_not_be_sent(cosem: Cosem, keys: Path) -> None:
    without = "\n".join(line for line in keys.read_text().splitlines() if not line.startswith("master_key"))
    keys.write_text(without)
    status, _, err = cosem("key", "tcp://192.0.2.1?client=1", "--new", "other", "--make")
    assert (status, "master_key is needed" in err) == (2, True)
    assert keys.read_text() == without
