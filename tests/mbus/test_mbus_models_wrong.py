"""Models that are wrong: whatever a TOML file says, it is a model or one sentence that names the place."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.mbus.model import Models, models, parse_model

ROOM = files("cosem.mbus") / "models"
TEXTS = {name: (ROOM / f"{name}.toml").read_text(encoding="utf-8") for name in ("gas-wired", "heat-radio", "lgb-g350")}
HEAD = 'name = "own"\ntitle = "Own"\nrecognised = ["ZZZ-7F-03"]\n'
VALUES = ("5", "3.5", "true", '"x"', "[]", "[[]]", "[5]", '["x"]', "{}", "{ x = 1 }", '{ "1" = [{}] }', "1e400", "-1")


def read(text: str) -> bool:
    said = "own.toml"
    try:
        parse_model(text, said)
    except ConfigError as error:
        said = str(error)
    assert said.startswith("own.toml")
    return said == "own.toml"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.lists(st.tuples(st.floats(0, 1), st.text(max_size=3)), max_size=4))
def test_altered_text(name: str, edits: list[tuple[float, str]]) -> None:
    text = TEXTS[name]
    for share, put in edits:
        at = int(share * len(text))
        text = text[:at] + put + text[at + 1 :]
    read(text)


@pytest.mark.parametrize("value", VALUES)
def test_values_of_other_kinds(value: str) -> None:
    for key in ("fields", "flags", "status", "words", "orders", "valve", "wired", "radio", "simulated", "telegrams"):
        read(f"{HEAD}{key} = {value}\n")
    for section, key in (("wired", "sends"), ("wired", "applications"), ("radio", "sends"), ("radio", "period")):
        assert not read(f"{HEAD}[{section}]\n{key} = {value}\n")
    for line in ("name", "title", "recognised"):
        wrong = "\n".join(f"{line} = {value}" if old.startswith(line) else old for old in HEAD.splitlines())
        assert read(f"{wrong}\n") == (value == '"x"' and line != "recognised")
    assert not read(HEAD + f'[words.valve]\n"{"9" * 5000}" = "x"\n')


def test_own_models_stand_before_those_of_the_package() -> None:
    own = parse_model(HEAD.replace("7F-03", "10-03").replace('"own"', '"gas-wired"'))
    both = Models([own]).before(models())
    assert both.named("gas-wired") is own
    assert both.of(own.address("12345678")) is own
    assert len(both) == len(models())
    other: Any = parse_model(HEAD)
    assert len(Models([other]).before(models())) == len(models()) + 1
