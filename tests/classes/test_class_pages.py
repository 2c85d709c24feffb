"""The reference pages of the interface classes say what the declarations say."""

import importlib.util
from pathlib import Path

import pytest

from cosem.classes import describe, known, lookup, versions_of
from cosem.classes.description import flag_words
from cosem.times import ClockStatus

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_classes", DOCS / "make_classes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_the_committed_pages_are_the_declarations_of_today(made):
    """If this fails, a declaration was changed: run `make docs` and commit what it wrote."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "classes").glob("*.md")}
    assert sorted(committed) == sorted(made)
    assert [name for name in made if committed[name] != made[name]] == []


def test_there_is_a_page_for_every_class_and_the_index_leads_to_all_of_them(made):
    assert len(made) == len(known()) + 1
    assert all(f"]({name})" in made["README.md"] for name in made if name != "README.md")


def test_a_page_has_every_member_field_code_and_bit_of_every_version(made):
    for class_id in known():
        (page,) = [text for name, text in made.items() if name.startswith(f"{class_id:03d}_")]
        for cls in versions_of(class_id).values():
            described = describe(cls)
            assert f"## Version {cls.class_version}\n" in page
            for member in (*described["attributes"], *described["methods"]):
                assert f"| {member['id']} | `{member['name']}` |" in page
            for named in described["types"]:
                assert all(f"| `{field['name']}` |" in page for field in named.get("fields", ()))
                for number, words in (named.get("codes") or named.get("bits") or {}).items():
                    assert f"| {number} | {words} |" in page


def test_what_is_not_verified_is_said(made):
    assert "**Not verified:** this version as a whole" in made["070_disconnect_control.md"]
    assert "Not verified" not in made["003_register.md"]


def test_types_that_attributes_refer_to_are_described():
    described = describe(lookup(8))
    assert described["attributes"][3]["short_type"] == "unsigned ClockStatus"
    named = {item["name"]: item for item in described["types"]}
    assert named["unsigned ClockStatus"]["bits"]["7"] == "daylight saving"
    assert named["enum ClockBase"]["codes"]["4"] == "GPS"
    assert named["PresetTime"]["fields"][0]["name"] == "preset_time"


def test_bits_are_told_in_words_and_none_is_dropped():
    assert flag_words(ClockStatus.INVALID | ClockStatus.DAYLIGHT_SAVING) == "invalid, daylight saving"
    assert flag_words(ClockStatus(0)) == "none"
    assert flag_words(ClockStatus(0x90)) == "daylight saving, bit 4"
