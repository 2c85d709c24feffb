"""Arbitrator (class 68): decides which of several actors may have its action done."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import action_item
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, bit_string, long_unsigned, structure, trigger, unsigned


class ActionRequest(NamedTuple):
    """The actor, by number, and the actions that it asks for, the leftmost bit the first of `actions`."""

    request_actor: int
    request_action_list: str


class Arbitrator(InterfaceClass[S], class_id=68, version=0):
    """Actions, who may ask for them, and how much each actor weighs (Blue Book ed. 12.1, 4.5.12)."""

    actions = attribute(2, array(action_item), "the scripts that can be asked for", static=True, default=())
    permissions_table = attribute(
        3, array(bit_string()), "for each actor the actions that it may ask for", static=True, default=()
    )
    weightings_table = attribute(
        4, array(array(long_unsigned)), "for each actor the weight of each of its actions", static=True, default=()
    )
    most_recent_requests_table = attribute(
        5, array(bit_string()), "for each actor the actions that it asked for last", default=()
    )
    last_outcome = attribute(6, unsigned, "number of the action that won last")

    request_action = method(
        1,
        structure(ActionRequest, request_actor=unsigned, request_action_list=bit_string()),
        "asks for actions",
        optional=False,
        sn_offset=0x30,
    )
    reset = method(2, trigger, "forgets all requests", sn_offset=0x38)
