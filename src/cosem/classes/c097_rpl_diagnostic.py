"""RPL diagnostic (class 97): the routing of a Wi-SUN node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import boolean, enum_code, long, octet_string, trigger, unsigned


class RPLDiagnostic(InterfaceClass[S], class_id=97, version=0, name="RPL diagnostic", verified=False):
    """Where the node is in its DODAG (Blue Book ed. 16; RFC 6550).

    From one public source, which does not give the codes of mode_of_operation, nor whether the method is optional.
    """

    rpl_instance_id = attribute(2, unsigned, "RPL instance")
    dodag_version_number = attribute(3, unsigned, "version of the DODAG")
    dodag_rank = attribute(4, long, "rank of the node")
    grounded = attribute(5, boolean, "whether the DODAG is grounded")
    mode_of_operation = attribute(6, enum_code, "mode of operation")
    dodag_prf = attribute(7, unsigned, "preference of the DODAG")
    dodag_dtsn = attribute(8, unsigned, "destination advertisement trigger sequence number")
    dodag_id = attribute(9, octet_string(), "identifier of the DODAG")

    reset = method(1, trigger, "clears the values", optional=None, sn_offset=0x48)
