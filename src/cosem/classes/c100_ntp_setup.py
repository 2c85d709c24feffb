"""NTP setup (class 100): the time server of the device."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    boolean,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    structure,
    trigger,
)


class AuthenticationMethod(OpenEnum):
    """How the server proves who it is."""

    NO_SECURITY = 0
    SHARED_SECRETS = 1
    AUTO_KEY_IFF = 2


class AuthenticationKey(NamedTuple):
    """A symmetric key and its identifier."""

    key_id: int
    key: bytes

    def __repr__(self) -> str:
        return f"AuthenticationKey({self.key_id!r}, ...)"


authentication_key = structure(AuthenticationKey, key_id=double_long_unsigned, key=octet_string())


class NTPSetup(InterfaceClass[S], class_id=100, version=0, name="NTP setup"):
    """Address and keys of the NTP server (Blue Book ed. 13; RFC 5905)."""

    activated = attribute(2, boolean, "whether the time is had by NTP", static=True, default=False)
    server_address = attribute(3, octet_string(), "address or name of the server", static=True)
    server_port = attribute(4, long_unsigned, "UDP port of the server", static=True, default=123)
    authentication_method = attribute(5, enum(AuthenticationMethod), "how the server proves who it is", static=True)
    authentication_keys = attribute(6, array(authentication_key), "symmetric keys", static=True, default=())
    client_key = attribute(7, octet_string(), "key of the client, for auto key", static=True)

    synchronize = method(1, trigger, "sets the time now", optional=False, sn_offset=0x38)
    add_authentication_key = method(2, authentication_key, "adds or replaces a key", sn_offset=0x40)
    delete_authentication_key = method(3, double_long_unsigned, "forgets the key of that identifier", sn_offset=0x48)
