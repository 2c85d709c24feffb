"""IEC 62055-41 attributes (class 116): what a payment meter of the STS knows of itself."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    array,
    double_long_unsigned,
    long64_unsigned,
    structure,
    unsigned,
    visible_string,
)


class MeterPAN(NamedTuple):
    """Primary account number of the meter: IIN, DRN and check digit."""

    issuer_identification_number: int
    decoder_reference_number: int
    pan_check_digit: int


class IEC6205541Attributes(InterfaceClass[S], class_id=116, version=0, name="IEC 62055-41 attributes"):
    """Attributes of the standard transfer specification, as IEC 62055-41 has them (Blue Book ed. 13)."""

    meter_pan = attribute(
        2,
        structure(
            MeterPAN,
            issuer_identification_number=double_long_unsigned,
            decoder_reference_number=long64_unsigned,
            pan_check_digit=unsigned,
        ),
        "primary account number",
        static=True,
    )
    commodity = attribute(3, visible_string, "what is sold", static=True)
    token_carrier_types = attribute(4, array(unsigned), "token carrier types (TCT)", static=True, default=())
    encryption_algorithm = attribute(5, unsigned, "encryption algorithm (EA)", static=True)
    supply_group_code = attribute(6, double_long_unsigned, "supply group code (SGC)")
    tariff_index = attribute(7, unsigned, "tariff index (TI)")
    key_revision_number = attribute(8, unsigned, "key revision number (KRN)")
    key_type = attribute(9, unsigned, "key type (KT)")
    key_expiry_number = attribute(10, unsigned, "key expiry number (KEN)")
    no_of_kct_supported = attribute(11, unsigned, "how many key change tokens a change may have", static=True)
    sts_certificate_no = attribute(12, visible_string, "number of the STS certificate", static=True)
