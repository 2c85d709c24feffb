"""Wi-SUN diagnostic (class 96): interfaces and neighbours of a Wi-SUN node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, integer, octet_string, raw_data, trigger


class WiSUNDiagnostic(InterfaceClass[S], class_id=96, version=0, name="Wi-SUN diagnostic", verified=False):
    """Tables of the node (Blue Book ed. 16).

    From one public source, which does not give the layout of the tables' elements (kept as `Data`), nor whether the
    method is optional.
    """

    sysdescr = attribute(2, octet_string(), "description of the system")
    ifnumber = attribute(3, integer, "number of interfaces")
    iftable = attribute(4, array(raw_data), "the interfaces", default=())
    neighbour_table_information = attribute(5, array(raw_data), "the neighbours", default=())
    transmission_information = attribute(6, array(raw_data), "what was sent", default=())

    reset = method(1, trigger, "clears the tables", optional=None, sn_offset=0x30)
