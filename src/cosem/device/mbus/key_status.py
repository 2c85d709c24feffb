"""What is known of the key of a M-Bus device: encryption_key_status of class 72, version 1, as a table.

Names are the standard's; the transitions are recalled, and where nothing is recalled they are chosen so: a device that
is given up or has its key removed has none (0); a key that is set or transferred while one is in use begins anew at 1
or 2, because the one in use is no longer the one that is meant; a telegram that opens proves the key of this side
only, so in state 2, where this side still has the former key, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from cosem.classes.c072_mbus_client import EncryptionKeyStatus as Status


class KeyEvent(Enum):
    """What can happen to the key."""

    SET = "set_encryption_key with a key"
    REMOVED = "set_encryption_key without a key"
    TRANSFERRED = "transfer_key"
    OPENED = "a telegram opened with the key"
    ENDED = "the device was installed or given up"


NONE = Status.NO_ENCRYPTION_KEY
IS_SET = Status.ENCRYPTION_KEY_SET
TRANSFERRED = Status.ENCRYPTION_KEY_TRANSFERRED
BOTH = Status.ENCRYPTION_KEY_SET_AND_TRANSFERRED
IN_USE = Status.ENCRYPTION_KEY_IN_USE

_ROWS: Final = {
    NONE: (IS_SET, NONE, TRANSFERRED, NONE, NONE),
    IS_SET: (IS_SET, NONE, BOTH, IN_USE, NONE),
    TRANSFERRED: (BOTH, NONE, TRANSFERRED, TRANSFERRED, NONE),
    BOTH: (BOTH, NONE, BOTH, IN_USE, NONE),
    IN_USE: (IS_SET, NONE, TRANSFERRED, IN_USE, NONE),
}
KEY_STATUS: Final[Mapping[tuple[Status, KeyEvent], Status]] = {
    (status, event): after for status, row in _ROWS.items() for event, after in zip(KeyEvent, row, strict=True)
}
"""(encryption_key_status, what happens) -> encryption_key_status."""
