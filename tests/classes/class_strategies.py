"""Hypothesis strategies: any `Data` of a declared type."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from cosem.classes.access import ObjectListElementType
from cosem.classes.c015_association_ln import ObjectNameType
from cosem.classes.types import (
    SIMPLE,
    AnyType,
    ArrayType,
    BitStringType,
    ChoiceType,
    EnumType,
    FloatType,
    IntegerType,
    LenientType,
    MappedType,
    MomentType,
    OctetStringType,
    RawType,
    RowsType,
    StructureType,
)
from cosem.codec.axdr import CompactArray, Data, Tag, TypeDescription
from cosem.errors import EncodeError


def datas(kind):
    """Return a strategy of `Data` that `kind` takes."""
    if isinstance(kind, IntegerType):
        return st.integers(kind.low, kind.high).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, OctetStringType):
        size = {"min_size": kind.length or 0, "max_size": kind.length if kind.length is not None else 20}
        return st.binary(**size).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, BitStringType):
        size = {"min_size": kind.length or 0, "max_size": kind.length if kind.length is not None else 20}
        return st.text("01", **size).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, FloatType):
        width = 32 if kind.tag is Tag.FLOAT32 else 64
        return st.floats(width=width, allow_nan=False).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, MomentType):
        return st.binary(min_size=kind.size, max_size=kind.size).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, EnumType):
        return st.integers(0, 255).map(lambda value: Data(kind.tag, value))
    if isinstance(kind, MappedType):
        return datas(kind.inner).filter(lambda data: _writable(kind, data))
    if isinstance(kind, LenientType):
        return datas(kind.declared)
    if isinstance(kind, ArrayType):
        return st.lists(datas(kind.item), max_size=3).map(lambda items: Data(Tag.ARRAY, tuple(items)))
    if isinstance(kind, StructureType):
        return st.tuples(*(datas(field) for field in kind.fields.values())).map(
            lambda items: Data(Tag.STRUCTURE, tuple(items))
        )
    if isinstance(kind, ChoiceType):
        return st.one_of(*(datas(alternative) for alternative in kind.alternatives))
    if isinstance(kind, ObjectListElementType):
        return st.one_of(datas(kind.full), datas(kind.short))
    if isinstance(kind, ObjectNameType):
        shapes = [datas(kind.shape)]
        if kind.octets:
            arcs = st.tuples(*[st.integers(0, 127)] * 6).map(lambda low: Data(Tag.OCTET_STRING, bytes(low)))
            published = st.integers(0, 7).map(
                lambda n: Data(Tag.OCTET_STRING, bytes.fromhex("608574050801") + bytes([n]))
            )
            shapes += [arcs, published]
        return st.one_of(shapes)
    if isinstance(kind, (AnyType, RawType)):
        return anything()
    if isinstance(kind, RowsType):
        row = st.lists(anything(), max_size=3).map(lambda items: Data(Tag.STRUCTURE, tuple(items)))
        return st.lists(row, max_size=3).map(lambda rows: Data(Tag.ARRAY, tuple(rows)))
    simple = {
        Tag.NULL_DATA: st.none(),
        Tag.BOOLEAN: st.booleans(),
        Tag.VISIBLE_STRING: st.text(st.characters(max_codepoint=255), max_size=10),
        Tag.UTF8_STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        Tag.COMPACT_ARRAY: st.lists(st.integers(-(1 << 15), (1 << 15) - 1), max_size=4).map(
            lambda samples: CompactArray(TypeDescription(Tag.LONG), struct.pack(f">{len(samples)}h", *samples))
        ),
    }
    return simple[kind.tag].map(lambda value: Data(kind.tag, value))


def anything():
    """Return a strategy of any `Data`, nested a little."""
    leaves = st.one_of(*(datas(kind) for kind in SIMPLE.values()))
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda tag, items: Data(tag, tuple(items)),
            st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]),
            st.lists(inner, max_size=3),
        ),
        max_leaves=6,
    )


def _writable(kind, data):
    try:
        kind.to_data(kind.from_data(data))
    except EncodeError:  # a mode that this version reads but does not write
        return False
    return True
