"""Status mapping (class 63): a status word whose bits are explained by a table."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    array,
    bit_string,
    choice,
    double_long_unsigned,
    long64_unsigned,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
    utf8_string,
    visible_string,
)


class MappingTable(NamedTuple):
    """Which entries of which reference table the bits are: the first of a run of entries, or one entry for each bit."""

    ref_table_id: int
    ref_table_mapping: int | tuple[int, ...]


class StatusMapping(InterfaceClass[S], class_id=63, version=0):
    """A status word and what its bits mean (Blue Book ed. 9, 4.3.9)."""

    status_word = attribute(
        2,
        choice(
            bit_string(),
            double_long_unsigned,
            octet_string(),
            visible_string,
            utf8_string,
            unsigned,
            long_unsigned,
            long64_unsigned,
        ),
        "the status",
    )
    mapping_table = attribute(
        3,
        structure(MappingTable, ref_table_id=unsigned, ref_table_mapping=choice(long_unsigned, array(long_unsigned))),
        "what the bits mean",
        static=True,
    )
