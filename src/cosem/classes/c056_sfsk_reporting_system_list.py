"""S-FSK Reporting system list (class 56): stations that reported themselves to an initiator."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import array, octet_string


class SFSKReportingSystemList(InterfaceClass[S], class_id=56, version=0, name="S-FSK Reporting system list"):
    """System titles of the servers that made a discover report and are not registered yet (Blue Book ed. 9)."""

    reporting_system_list = attribute(2, array(octet_string()), "system titles", default=())
