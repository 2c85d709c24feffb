"""Data (class 1): one value of any type."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import any_data


class Data(InterfaceClass[S], class_id=1, version=0):
    """Stores one value of any type (Blue Book ed. 9, 4.3.1)."""

    value = attribute(2, any_data, "any value; static or dynamic as the instance decides", static=None)
