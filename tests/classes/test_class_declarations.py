"""Every declaration holds the facts; wrong declarations are refused; classes are found by number and name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from cosem.classes import Register, Unknown, bind, describe, find, known, lookup, versions_of
from cosem.classes.c015_association_ln import AssociationLNV0, AssociationLNV1
from cosem.classes.model import Attribute, DeclarationError, InterfaceClass, attribute, method
from cosem.classes.types import boolean, trigger, unsigned
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError


def test_a_version_is_a_subclass_of_the_version_before_it():
    for class_id in known():
        versions = list(versions_of(class_id).values())
        for earlier, later in pairwise(versions):
            assert issubclass(later, earlier)


def test_a_renamed_attribute_goes_by_its_new_name_only():
    assert AssociationLNV1.attributes[7].name == "LLS_secret"
    assert lookup(15, 2).attributes[7].name == "secret"
    with pytest.raises(AttributeError, match="LLS_secret"):
        _ = lookup(15, 2).LLS_secret


def test_every_attribute_knows_its_class():
    for class_id in known():
        for cls in versions_of(class_id).values():
            assert {a.class_id for a in cls.attributes.values()} == {class_id}
            assert cls.__name__ in repr(cls)


def declare(*, class_id=40000, version=0, base=InterfaceClass, **members):
    return type("Declared", (base,), {"__slots__": (), "__doc__": "x", **members}, class_id=class_id, version=version)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a": attribute(2, unsigned), "b": attribute(2, unsigned)}, "attribute 2 is declared twice"),
        ({"a": attribute(3, unsigned)}, "attribute 2 is missing"),
        ({"a": attribute(1, unsigned)}, "attribute 1 is declared twice"),
        ({"m": method(2, trigger)}, "method 1 is missing"),
        ({"m": method(1, trigger), "n": method(1, trigger)}, "method 1 is declared twice"),
        ({"store": attribute(2, unsigned)}, "name of the model"),
    ],
)
def test_wrong_numbers_are_refused_at_import(members, words):
    with pytest.raises(DeclarationError, match=words):
        declare(**members)
    assert lookup(40000) is None


def test_a_class_declared_twice_is_refused():
    versions_of(3)
    with pytest.raises(DeclarationError, match="class 3 version 0 is declared twice"):
        declare(class_id=3, version=0)


def test_a_version_that_is_no_subclass_of_the_one_before_is_refused():
    versions_of(3)
    with pytest.raises(DeclarationError, match="no subclass of Register"):
        declare(class_id=3, version=9)


def test_attributes_outside_a_class_are_refused():
    with pytest.raises(DeclarationError, match="without a class_id"):
        type("Shape", (InterfaceClass,), {"a": attribute(2, unsigned)})


def test_a_class_declared_elsewhere_is_found_like_the_others():
    cls = declare(class_id=40001, flag=attribute(2, boolean), poke=method(1, trigger))
    assert lookup(40001) is cls
    assert lookup(40001, 0) is cls
    assert known()[40001] == "declared"


def test_lookup_prefers_the_newest_verified_version():
    assert lookup(15).class_version == 3
    assert lookup(70).class_version == 0
    assert lookup(70, 1).class_version == 1
    assert lookup(3, 7) is None
    assert lookup(9999) is None


@pytest.mark.parametrize("name", ["Register", "register", "disconnect control", "DisconnectControl", "extended"])
def test_classes_are_found_by_name(name):
    assert re.sub(r"\W", "", name).lower() in find(name).__name__.lower()


@pytest.mark.parametrize("class_id", known())
def test_every_class_is_found_by_the_name_the_standard_gives_it(class_id):
    cls = lookup(class_id)
    assert find(cls.class_name) is cls
    assert find(known()[class_id]) is cls


def test_a_version_is_found_by_name_too():
    assert find("association ln", 0) is AssociationLNV0


@pytest.mark.parametrize("name", ["toaster", "", "   "])
def test_a_name_of_no_class_is_answered_in_one_sentence(name):
    with pytest.raises(ConfigError, match="no interface class is called"):
        find(name)


def test_a_name_of_several_classes_lists_them():
    with pytest.raises(ConfigError, match="12 association sn, 15 association ln, 17 sap assignment"):
        find("ass")


def test_unknown_classes_are_kept_as_unknown():
    obj = bind(9999, 4, "0-0:1.2.3")
    assert isinstance(obj, Unknown)
    assert (obj.class_id, obj.class_version) == (9999, 4)
    assert obj.logical_name == obj.obis
    seventh = Attribute.undeclared(9999, 7)
    obj.store.write(obj, seventh, Data(Tag.UNSIGNED, 5))
    assert obj.store.read(obj, seventh) == Data(Tag.UNSIGNED, 5)


def test_a_version_nobody_declared_is_unknown_not_another_version():
    assert isinstance(bind(3, 200, "1-0:1.8.0"), Unknown)
    assert isinstance(bind(3, 0, "1-0:1.8.0"), Register)


def test_listing_the_classes_loads_none_of_them():
    code = (
        "import re, sys, cosem; from cosem.classes import known; names = known(); "
        r"loaded = [m for m in sys.modules if re.match(r'cosem\.classes\.c\d', m)]; print(len(names), loaded)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1)[1].strip() == "[]"
    assert int(done.stdout.split()[0]) >= 9


def test_descriptions_are_json_with_the_promised_keys():
    for class_id in known():
        for cls in versions_of(class_id).values():
            described = json.loads(json.dumps(describe(cls)))
            assert {"class_id", "version", "name", "attributes", "methods"} <= set(described)
            assert described["class_id"] == class_id
            for item in described["attributes"]:
                assert {"id", "name", "type"} <= set(item)
            for item in described["methods"]:
                assert {"id", "name"} <= set(item)
