"""The reference pages of the interface classes say what the declarations say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cosem.classes
from cosem.classes import describe, lookup, versions_of

DOCS = Path(__file__).parents[2] / "docs"
FILES = [int(path.name[1:].partition("_")[0]) for path in Path(cosem.classes.__file__).parent.glob("c[0-9]*.py")]


@pytest.fixture(scope="module")
def made():
    """The pages of today, by a process of its own: the tests of this one declare classes that are nobody's."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from make_classes import pages; print(json.dumps(pages()))"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code, str(DOCS)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_committed_pages_are_the_declarations_of_today(made):
    """If this fails, a declaration was changed: run `make docs` and commit what it wrote."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "classes").glob("*.md")}
    assert sorted(committed) == sorted(made)
    assert [name for name in made if committed[name] != made[name]] == []


def test_there_is_a_page_for_every_class_and_the_index_leads_to_all_of_them(made):
    assert len(made) == len(FILES) + 1
    assert all(f"]({name})" in made["README.md"] for name in made if name != "README.md")


def test_a_page_has_every_member_field_code_and_bit_of_every_version(made):
    for class_id in FILES:
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
