"""Write a reference page per interface class into docs/classes, from the declarations: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosem.classes import describe, known, versions_of

HERE = Path(__file__).parent / "classes"
TICKS = {True: "static", False: "dynamic", None: "by instance"}
OPTIONAL = {True: "optional", False: "mandatory", None: ""}


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    made = {}
    rows = []
    for class_id, words in known().items():
        described = [describe(cls) for cls in versions_of(class_id).values()]
        name = f"{class_id:03d}_{words.replace(' ', '_')}.md"
        made[name] = page(described)
        versions = ", ".join(f"{d['version']}{'' if d['verified'] else ' (not verified)'}" for d in described)
        link = f"[{described[-1]['name']}]({name})"
        rows.append((str(class_id), link, versions, _first(described[0]["description"])))
    made["README.md"] = "\n".join(
        (
            "# Interface classes",
            "",
            "Every interface class that `cosem` declares, made from the declarations by `make docs`; `cosem class` "
            "shows the same in a terminal.",
            "Short names count from the object's base name *x*.",
            "",
            *table(("class", "name", "versions", "what it is"), rows),
            "",
        )
    )
    return made


def page(versions: list[dict[str, Any]]) -> str:
    """Return the page of a class, the newest version first."""
    newest = versions[-1]
    lines = [f"# {newest['name']} (class {newest['class_id']})", ""]
    if len(versions) > 1:
        lines += [f"Versions: {', '.join(str(d['version']) for d in reversed(versions))}.", ""]
    shown: dict[str, dict[str, Any]] = {}
    for described in reversed(versions):
        lines += [f"## Version {described['version']}", ""]
        lines += version_of(described)
        same = [named["name"] for named in described["types"] if shown.get(named["name"]) == named]
        for named in described["types"]:
            if named["name"] not in same:
                lines += type_of(named)
        if same:
            lines += [f"As above: {', '.join(map(code, same))}.", ""]
        shown |= {named["name"]: named for named in described["types"]}
    lines += ["[All classes](README.md)", ""]
    return "\n".join(lines)


def version_of(described: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one version."""
    if described["description"]:
        yield from (described["description"], "")
    if missing := not_verified(described):
        yield from (f"**Not verified:** {missing}.", "")
    yield from ("### Attributes", "")
    yield from table(
        ("", "name", "type", "", "short name", "what it is"),
        [
            (
                str(a["id"]),
                code(a["name"]),
                code(a["short_type"]),
                TICKS[a["static"]],
                offset(a["short_name_offset"]),
                a["description"],
            )
            for a in described["attributes"]
        ],
    )
    yield ""
    selectors = [(a["name"], selector) for a in described["attributes"] for selector in a.get("selectors", ())]
    if selectors:
        yield from ("### Selective access", "")
        yield from table(
            ("attribute", "selector", "name", "parameters", "what it selects"),
            [
                (code(name), str(s["id"]), code(s["name"]), code(s["short_type"]), s["description"])
                for name, s in selectors
            ],
        )
        yield ""
    if described["methods"]:
        yield from ("### Methods", "")
        yield from table(
            ("", "name", "parameter", "returns", "", "short name", "what it does"),
            [
                (
                    str(m["id"]),
                    code(m["name"]),
                    code(m["short_type"]),
                    code(m["short_returns"]),
                    "reserved" if m["reserved"] else OPTIONAL[m["optional"]],
                    offset(m["short_name_offset"]),
                    m["description"],
                )
                for m in described["methods"]
            ],
        )
        yield ""


def type_of(named: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a structure, enumeration or mask."""
    yield from (f"### {'structure ' if named['kind'] == 'structure' else ''}{named['name']}", "")
    if named["description"]:
        yield from (named["description"], "")
    if "fields" in named:
        yield from table(("field", "type"), [(code(f["name"]), code(f["type"])) for f in named["fields"]])
    else:
        kind = "codes" if "codes" in named else "bits"
        yield from table((kind[:-1], "meaning"), list(named[kind].items()))
    yield ""


def not_verified(described: dict[str, Any]) -> str:
    """Return what of a version rests on too little, besides what its description says."""
    parts = [] if described["verified"] else ["this version as a whole"]
    for kind in ("attribute", "method"):
        unknown = [m["name"] for m in described[f"{kind}s"] if m["short_name_offset"] is None and not m.get("reserved")]
        if unknown:
            plural = "s" if len(unknown) > 1 else ""
            parts.append(f"the short name{plural} of {', '.join(map(code, unknown))}")
    return "; ".join(parts)


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table in Markdown."""
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def code(text: str | None) -> str:
    """Return `text` as code, nothing where there is none."""
    return f"`{text}`" if text else ""


def offset(number: int | None) -> str:
    """Return a short name relative to the base name."""
    return "" if number is None else f"x + {number:02X}h"


def _first(text: str) -> str:
    """Return the first sentence without the clause behind it."""
    return text.split(" (Blue Book")[0].split(". ")[0].rstrip(".")


def main() -> int:
    """Write the pages and remove those of classes that are not there any more."""
    made = pages()
    HERE.mkdir(exist_ok=True)
    for path in HERE.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{len(made)} pages in {HERE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
