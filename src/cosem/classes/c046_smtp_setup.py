"""SMTP setup (class 46): the server that mail is sent through."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, octet_string


class SMTPSetup(InterfaceClass[S], class_id=46, version=0, name="SMTP setup"):
    """Server, user and sender of mail (Blue Book ed. 9, 4.8.6)."""

    server_port = attribute(2, long_unsigned, "port of the server", static=True, default=25)
    user_name = attribute(3, octet_string(), "user at the server", static=True)
    login_password = attribute(4, octet_string(), "password of the user", static=True)
    server_address = attribute(5, octet_string(), "address of the server", static=True)
    sender_address = attribute(6, octet_string(), "address of the sender", static=True)
