"""Habits of real meters that depart from the standard, each with its name.

They are understood on receipt where their tolerance is on, and never sent. `docs/tolerances.md` says which meters need
which.
"""

from __future__ import annotations

from typing import NamedTuple


class Tolerances(NamedTuple):
    """What a reader puts up with: all of it, unless the description of the device says otherwise.

    HDLC: `llc_absent`: APDUs without the LLC header. `llc_of_other_side`: with the header of the other direction.
    `long_information`: information fields longer than agreed. `reject_frames`: REJ, which this profile does not have,
    taken as RR. `push_to_no_station`: I frames outside a connection, addressed to the no-station or all-station
    client, taken as pushes.

    Wrapper: `wrapper_noise`: a listener passes over octets that are no header, up to one with an APDU behind it.

    M-Bus: `mbus_length_overflow`: a frame of 256 to 258 octets says 0 to 2 for its length, which no frame can have.

    APDUs: `tagged_date_time`: the date-time of a notification has the tag of an octet-string (09) in front.
    `short_conformance_tag`: the tag of the conformance block is 5F alone, without 1F.

    Data: `untyped_descriptors`: a row of a push begins with class, logical name and attribute as nine bare octets.
    """

    llc_absent: bool = True
    llc_of_other_side: bool = True
    long_information: bool = True
    reject_frames: bool = True
    push_to_no_station: bool = True
    wrapper_noise: bool = True
    mbus_length_overflow: bool = True
    tagged_date_time: bool = True
    short_conformance_tag: bool = True
    untyped_descriptors: bool = True

    @classmethod
    def strict(cls) -> Tolerances:
        """Return tolerances that put up with nothing."""
        return cls(*(False,) * len(cls._fields))


TOLERANT = Tolerances()
"""What a client and a listener put up with unless their description of the meter says otherwise."""
SERVER_TOLERANCES = TOLERANT._replace(long_information=False, push_to_no_station=False, wrapper_noise=False)
"""What a server puts up with: clients are held to what was agreed."""
STRICT = Tolerances.strict()
