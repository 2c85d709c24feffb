"""The declared classes beside the table of facts: numbers, names, types, offsets, codes; every difference has a reason.

A line of ``class_facts.jsonl`` is one version of a class: attributes as [id, name, type, static, short name offset],
methods as [id, name, parameter, return value, optional, short name offset] (a name of null is a reserved number). In
types "?" stands for what the facts do not say, "simple" for the simple types of register values.
"""

from __future__ import annotations

import json
import keyword
import re
from collections import defaultdict
from pathlib import Path

import pytest

from cosem.classes import describe, lookup
from cosem.classes.types import simple

DATA = Path(__file__).parents[1] / "data"
FACTS = [json.loads(line) for line in (DATA / "class_facts.jsonl").read_text(encoding="utf-8").splitlines()]
DIFFERENCES = json.loads((DATA / "class_differences.json").read_text(encoding="utf-8"))
UNTOLD = ("?",)


def by_id(fact):
    return f"{fact['id']}-{fact['version']}"


def parsed(notation):
    """Return a type's notation as a tree: ("unsigned",), ("array", item), ("structure", (name, type), ...)."""
    text = notation.replace(simple.notation, "choice{simple}").replace("captured values, any type", "any: ?")
    tokens = re.findall(r"\?|[A-Za-z][\w-]*(?:\([a-z0-9-]+\))?|[\[\]{},:]", text)
    assert "".join(tokens) == text.replace(" ", ""), notation
    tree = _parse(tokens)
    assert not tokens, notation
    return tree


def _parse(tokens):
    head = tokens.pop(0)
    if tokens and tokens[0] in "[{":
        tokens.pop(0)
        items = []
        while True:
            if head == "structure":
                name = tokens.pop(0)
                told = tokens[0] == ":" and tokens.pop(0)
                items.append((name, _parse(tokens) if told else UNTOLD))
            else:
                items.append(_parse(tokens))
            if tokens.pop(0) != ",":
                return (head, *items)
    return (head,)


def agrees(fact, declared):
    """Say whether a declared type is what the facts say, as far as they say something."""
    if fact == UNTOLD:
        return True
    if fact[0] != declared[0] or len(fact) != len(declared):
        return False
    if fact[0] == "structure":
        pairs = zip(fact[1:], declared[1:], strict=True)
        return all(a[0] == b[0] and agrees(a[1], b[1]) for a, b in pairs)
    return all(agrees(a, b) for a, b in zip(fact[1:], declared[1:], strict=True))


def spelled(name):
    """Return a name as Python can spell it."""
    word = re.sub(r"\W", "_", name.replace("&", "_and_"))
    return f"{word}_" if keyword.iskeyword(word) else word


def differences(fact):
    """Return where the declaration is not what the facts say, as ``class/version attribute 2 type``."""
    cls = lookup(fact["id"], fact["version"])
    here = f"{fact['id']}/{fact['version']}"
    if cls is None:
        return {here}
    found = set()
    if cls.class_name != fact["name"]:
        found.add(f"{here} name")
    for kind, declared in (("attribute", cls.attributes), ("method", cls.methods)):
        told = {item[0]: item for item in fact[f"{kind}s"]}
        found |= {f"{here} {kind} {number}" for number in set(told) ^ set(declared)}
        for number in set(told) & set(declared):
            compare = _attribute if kind == "attribute" else _method
            found |= {f"{here} {kind} {number} {part}" for part in compare(told[number], declared[number])}
    selectors = {str(a.id): a.selectors for a in cls.attributes.values() if a.selectors}
    wanted = fact.get("selectors", {})
    for number in selectors.keys() | wanted.keys():
        ours = {str(key): parsed(item.type.notation) for key, item in selectors.get(number, {}).items()}
        theirs = {key: parsed(notation) for key, notation in wanted.get(number, {}).items()}
        if ours.keys() != theirs.keys() or not all(agrees(theirs[key], ours[key]) for key in theirs):
            found.add(f"{here} attribute {number} selectors")
    return found | {f"{here} codes {name}" for name in _codes(fact, cls)}


def _attribute(told, declared):
    _, name, notation, static, offset = told
    if declared.name != spelled(name):
        yield "name"
    if not agrees(parsed(notation), parsed(declared.type.notation)):
        yield "type"
    if declared.static is not static:
        yield "static"
    if declared.sn_offset != offset:
        yield "offset"


def _method(told, declared):
    _, name, parameter, returns, optional, offset = told
    if declared.reserved is not (name is None) or (name is not None and declared.name != spelled(name)):
        yield "name"
    if name is None:
        return
    if not agrees(parsed(parameter), parsed(declared.parameter.notation)):
        yield "type"
    if returns is None or declared.returns is None:
        if (returns is None) is not (declared.returns is None):
            yield "returns"
    elif not agrees(parsed(returns), parsed(declared.returns.notation)):
        yield "returns"
    if declared.optional is not optional:
        yield "optional"
    if declared.sn_offset != offset:
        yield "offset"


def _codes(fact, cls):
    """Return the names whose declared codes or bits lack some of the facts'."""
    found = defaultdict(set)
    described = describe(cls)
    for item in (*described["attributes"], *described["methods"]):
        for field, codes in (*item.get("enumerations", {}).items(), *item.get("bits", {}).items()):
            found[field.rpartition(".")[2] or item["name"]] |= {int(code) for code in codes}
    for name, codes in fact["codes"].items():
        if not found[name] >= set(codes):
            yield name


@pytest.mark.parametrize("fact", FACTS, ids=by_id)
def test_every_class_version_is_declared_as_the_facts_say(fact):
    here = f"{fact['id']}/{fact['version']}"
    reasons = {where for where in DIFFERENCES if where == here or where.startswith(f"{here} ")}
    assert differences(fact) == reasons


def test_every_difference_has_a_reason_and_belongs_to_a_fact():
    facts = {f"{fact['id']}/{fact['version']}" for fact in FACTS}
    for where, reason in DIFFERENCES.items():
        assert where.split(" ")[0] in facts, where
        assert len(reason) > 20, where


def test_the_facts_are_those_of_the_table():
    table = Path(__file__).parents[3] / "shared" / "reference" / "interface_classes.yaml"
    if not table.exists():
        pytest.skip("the fact table is not at hand")
    entries = re.findall(
        r"^- class_id: (\d+)\n  version: (\d+)$.*?^  confidence: (\w+)$",
        table.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    sure = {(int(number), int(version)) for number, version, confidence in entries if confidence != "low"}
    assert sure == {(fact["id"], fact["version"]) for fact in FACTS}
    unsure = {(int(number), int(version)) for number, version, confidence in entries if confidence == "low"}
    for number, version in unsure:
        cls = lookup(number, version)
        assert cls is not None
        assert not cls.verified


def test_the_simple_types_are_those_of_the_standard():
    assert [kind.notation for kind in simple.alternatives] == [
        "null-data", "boolean", "bit-string", "double-long", "double-long-unsigned", "octet-string", "visible-string",
        "utf8-string", "bcd", "integer", "long", "unsigned", "long-unsigned", "long64", "long64-unsigned", "enum",
        "float32", "float64", "date-time", "date", "time",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "declared", "same"),
    [
        ("unsigned", "unsigned", True),
        ("unsigned", "long-unsigned", False),
        ("octet-string(6)", "octet-string", False),
        ("array[?]", "array[enum]", True),
        ("array[?]", "enum", False),
        ("structure{a: enum, b}", "structure{a: enum, b: array[long]}", True),
        ("structure{a: enum, b}", "structure{a: enum, c: long}", False),
        ("structure{a: enum}", "structure{a: enum, b: long}", False),
        ("choice{null-data, enum}", "choice{enum, null-data}", False),
    ],
)
def test_types_are_compared_all_the_way_down(fact, declared, same):
    assert agrees(parsed(fact), parsed(declared)) is same
