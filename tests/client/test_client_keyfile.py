"""Key files: what they say of each meter, every mistake in one sentence, and no secret shown anywhere."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from cosem.client import DeviceKeys, KeyFile
from cosem.errors import ConfigError
from cosem.security.keys import Keys

EK, AK = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
GOOD = f"""
[default]
password = "geheim-1"
[meter1]
system_title = "43534D0000000001"
client_system_title = "43534d0000000010"
hls_secret = "hex:00ff10"
suite = 0
global_unicast_encryption_key = "{EK}"
authentication_key = "{AK}"
[meter2]
password = "geheim-2"
verify = false
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYS", "PASSWORD", "HLS_SECRET", "GLOBAL_UNICAST_ENCRYPTION_KEY", "AUTHENTICATION_KEY"):
        monkeypatch.delenv(f"COSEM_{name}", raising=False)


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "keys.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_section_stands_over_the_defaults(tmp_path: Path) -> None:
    file = KeyFile.load(_write(tmp_path, GOOD))
    first, second, default = file.device("meter1"), file.device("meter2"), file.device()
    assert first == DeviceKeys(
        "meter1",
        Keys(bytes.fromhex(EK), bytes.fromhex(AK)),
        system_title=b"CSM\x00\x00\x00\x00\x01",
        client_system_title=b"CSM\x00\x00\x00\x00\x10",
        password=b"geheim-1",
        hls_secret=b"\x00\xff\x10",
    )
    assert (second.password, second.verify) == (b"geheim-2", False)
    assert (default.name, default.password, default.keys) == ("default", b"geheim-1", Keys())
    assert file.names == ("meter1", "meter2")
    assert [item.name for item in file.all()] == ["meter1", "meter2"]


def test_defaults_with_a_key_are_tried_too(tmp_path: Path) -> None:
    file = KeyFile.load(_write(tmp_path, f'[default]\nglobal_unicast_encryption_key = "{EK}"\n[a]\n'))
    assert [item.name for item in file.all()] == ["a", "default"]


def test_the_environment_fills_in_what_no_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSEM_PASSWORD", "geheim-3")
    monkeypatch.setenv("COSEM_AUTHENTICATION_KEY", AK)
    alone = KeyFile.find().device()
    assert (alone.password, alone.keys.authentication_key) == (b"geheim-3", bytes.fromhex(AK))
    monkeypatch.setenv("COSEM_KEYS", str(_write(tmp_path, GOOD)))
    found = KeyFile.find()
    assert found.device("meter2").password == b"geheim-2"
    assert found.device("meter2").keys.authentication_key == bytes.fromhex(AK)
    assert repr(KeyFile({}, "the environment")) == "<KeyFile the environment: empty>"


def test_a_mistake_in_the_environment_names_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSEM_AUTHENTICATION_KEY", "geheim")
    with pytest.raises(ConfigError, match=r"the environment.*authentication_key.*hex digits"):
        KeyFile.find().device()


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    file = KeyFile.load(_write(tmp_path, GOOD))
    shown = repr(file) + repr(file.device("meter1")) + repr(file.device("meter2")) + str(file.all())
    for secret in ("geheim", EK, AK, "00ff10", repr(bytes.fromhex(EK)), repr(bytes.fromhex(AK))):
        assert secret not in shown
    assert "meter1" in repr(file)


MISTAKES = [
    ('[meter1]\npasword = "geheim"', "'pasword' is no setting"),
    ("[meter1]\npassword = 1234567", "password is written as text"),
    ('[meter1]\npassword = "hex:geheim"', "behind hex:"),
    ('[meter1]\nauthentication_key = "geheim"', "something else than hex digits"),
    ('[meter1]\nauthentication_key = "6765"', "has 2 octets, not 16"),
    (f'[meter1]\nauthentication_key = "{EK}{AK}"', "has 32 octets, not 16"),
    (f'[meter1]\nsuite = 2\nauthentication_key = "{EK}"', "has 16 octets, not 32"),
    ("[meter1]\nauthentication_key = 5", "hex digits in quotes"),
    ('[meter1]\nsystem_title = "43534D"', "system_title has 3 octets, not 8"),
    ("[meter1]\nsuite = 3", "suite is 0, 1 or 2"),
    ("[meter1]\nsuite = true", "suite is 0, 1 or 2"),
    ('[meter1]\nverify = "no"', "verify is true or false"),
    ('[meter1]\nmbus_key = "6765"', "mbus_key has 2 octets, not 16"),
    ('[meter1]\nmbus_id = "123"', "eight digits in quotes"),
    ("[meter1]\nmbus_id = 12345678", "eight digits in quotes"),
    ('[meter1]\nsigning_key = "geheim"', "signing_key is not in this version yet"),
    ('password = "geheim"', "'password' stands outside of a section"),
    ('[meter1]\npassword = "geheim', "is no TOML"),
    ('[meter1]\npassword = geheim"', "is no TOML"),
    ('[meter1]\npassword = "a"\npassword = "geheim"', "is no TOML"),
    (b'[meter1]\npassword = "geheim\xff"', "is no TOML"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_is_named_and_no_secret_is(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        KeyFile.load(path).device("meter1")
    said = str(caught.value)
    whole = "".join(traceback.format_exception(caught.value))
    assert words in said
    assert str(path) in said
    assert "\n" not in said
    for secret in ("geheim", EK, "1234567"):
        assert secret not in said
        # A traceback quotes the lines of this program, never those of the file.
        assert secret not in whole


def test_a_file_that_is_not_there_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no key file"):
        KeyFile.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyFile.load(tmp_path)


def test_a_section_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    file = KeyFile.load(_write(tmp_path, GOOD))
    with pytest.raises(ConfigError, match=r"has no section \[meter3\]; it has: meter1, meter2"):
        file.device("meter3")
    with pytest.raises(ConfigError, match="it has: none"):
        KeyFile({}).device("meter1")
