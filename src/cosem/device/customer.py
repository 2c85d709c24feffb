"""What a meter tells the people who live with it: messages, a display that cycles, and the customer port.

The port pushes under a security setup of its own, with keys that the head-end's do not open; its P1 form is in clear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c040_push_setup import MessageType, SendDestinationAndMethod, TransportService
from cosem.classes.protection import RestrictedColumns
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.agenda import Agenda
from cosem.device.associations import AssociationSpec, only
from cosem.device.disconnector import CONNECTED, DISCONNECTED, READY
from cosem.device.host import Host
from cosem.device.p1_port import P1Port, Shown, show
from cosem.device.push import Pusher
from cosem.device.scripts import PUSHING, ScriptTables, calling
from cosem.device.security import SecuritySetupBehaviour
from cosem.device.single_action import SingleActionBehaviour
from cosem.device.way_out import Delivery, Network
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.security.keys import Keys

PORT_MESSAGE, DISPLAY_MESSAGE = Obis.parse("0-0:96.13.0"), Obis.parse("0-0:96.13.1")
LONGEST_MESSAGE: Final = 1024
"""Octets of a message: what a P1 telegram takes."""
PAGE: Final = 10
"""Seconds that one text of the display is shown."""
CUSTOMER_CLIENT: Final = 103
"""Client SAP of what listens at the customer port (IDIS: consumer information)."""
SECURITY_SETUP, PUSH_SETUP = Obis.parse("0-0:43.0.1"), Obis.parse("0-6:25.9.0")
SCHEDULE: Final = Obis.parse("0-6:15.0.4")
_TITLE: Final = b"CSM\x00HOME"
"""System title of the client at the port: it is not the meter's, so that the two never share a nonce."""
_INSTANCE: Final = 5
_PROTECTED: Final = 3
"""Authenticated and encrypted."""
PUSHED: Final = (
    (1, "0-0:42.0.0", 2),
    (40, "0-6:25.9.0", 1),
    (8, "0-0:1.0.0", 2),
    (3, "1-0:1.7.0", 2),
    (3, "1-0:2.7.0", 2),
    (3, "1-0:1.8.0", 2),
    (3, "1-0:1.8.1", 2),
    (3, "1-0:1.8.2", 2),
    (3, "1-0:2.8.0", 2),
    (1, "0-0:96.14.0", 2),
    (71, "0-0:17.0.0", 3),
    (70, "0-0:96.3.10", 3),
    (4, "1-0:1.6.0", 2),
    (4, "1-0:1.6.0", 5),
    (1, "0-0:96.13.0", 2),
)
"""What is pushed to the house: power, registers, tariff, limit, supply state, maximum demand with its time, message."""
PUSHED_OF_PAYMENT: Final = ((111, "0-0:19.0.0", 4), (111, "0-0:19.0.0", 5), (113, "0-0:19.20.0", 5))
"""What is pushed to the house besides by a payment meter: how the credit stands, how much there is, and the prices."""


def pushed_of_channel(channel: int) -> list[tuple[int, str, int]]:
    """Return what is pushed to the house of a device on the M-Bus: what and who it is, its value, its valve."""
    return [
        (72, f"0-{channel}:24.1.0", 9),
        (1, f"0-{channel}:96.1.0", 2),
        (4, f"0-{channel}:24.2.1", 2),
        (4, f"0-{channel}:24.2.1", 3),
        (4, f"0-{channel}:24.2.1", 5),
        (70, f"0-{channel}:24.4.0", 3),
    ]


_PAGES: Final = tuple(
    Shown(Obis.parse(code), class_id, form)
    for code, class_id, form in (
        ("1-0:1.8.1", 3, "energy"),
        ("1-0:1.8.2", 3, "energy"),
        ("1-0:2.8.1", 3, "energy"),
        ("1-0:2.8.2", 3, "energy"),
        ("0-0:96.14.0", 1, "tariff"),
        ("1-0:1.7.0", 3, "power"),
        ("0-0:17.0.0", 71, "limit"),
    )
)
SUPPLY_TEXTS: Final = {
    DISCONNECTED: "disconnected",
    CONNECTED: "connected",
    READY: "press the button to reconnect",
}
"""How the display shows the supply: ready for reconnection tells what to do."""


class Message:
    """A message of the utility: a SET replaces the whole text or code, an empty one takes it away."""

    def __init__(self, host: Host, name: Obis) -> None:
        self.host = host
        self.since = host.now
        self.object = host.add(DataObject(name, value=axdr.octet_string(b"")))
        host.writers(self.object, {2: self._write})

    @property
    def text(self) -> str:
        """Return the text, or the digits of a code; nothing where there is none."""
        store: Any = self.object.store
        return bytes(store.values[2].value).decode("utf-8", "replace")

    def _write(self, value: Data) -> DataAccessResult:
        # It is an octet-string: another type than the present one's has been refused before.
        if len(value.value) > LONGEST_MESSAGE:
            return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[2] = value
        self.since = self.host.now
        return DataAccessResult.SUCCESS


class Display:
    """Texts that take turns, each for `PAGE` seconds. A message comes at once, and then after every other text.

    `message_time`: seconds after which a message is shown no more; None until it is replaced. No standard says it.
    `more` makes texts that come after the others.
    """

    def __init__(self, host: Host, message: Message, *, message_time: int | None = None) -> None:
        self.host = host
        self.message = message
        self.message_time = message_time
        self.more: list[Callable[[], list[str]]] = []

    @property
    def texts(self) -> list[str]:
        """Return the texts of the list as they are now, without the message."""
        lines = [show(self.host, item) for item in _PAGES]
        texts = [
            f"{str(line.code).split(':')[1].removesuffix('.255')} {' '.join(line.values).replace('*', ' ')}"
            for line in lines
            if line is not None
        ]
        local = self.host.clock.local(self.host.clock.now)
        state = self.host.read(70, Obis.parse("0-0:96.3.10"), 3)
        supply = [] if state is None else [SUPPLY_TEXTS[state.value]]
        more = [text for make in self.more for text in make()]
        return [f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}", *texts, *supply, *more]

    @property
    def text(self) -> str:
        """Return what the display shows at this moment."""
        since = self.message.since
        shown, texts = self.host.now - since, self.texts
        turn = shown // PAGE
        if self.message.text and (self.message_time is None or shown < self.message_time):
            return texts[turn // 2 % len(texts)] if turn % 2 else self.message.text
        return texts[turn % len(texts)]


class CustomerPush:
    """The port's DataNotifications: a push setup with its schedule, and the security setup that has its keys.

    The schedule (0-6:15.0.4) never comes until it is set. New keys come wrapped under the master key, by the management
    client. `network` is who carries what is pushed. `more` is pushed besides `PUSHED`.
    """

    def __init__(
        self,
        host: Host,
        agenda: Agenda,
        scripts: ScriptTables,
        keys: Keys,
        title: bytes,
        *,
        script: int,
        setup_version: int = 1,
        security_version: int = 0,
        more: Sequence[tuple[int, str, int]] = (),
    ) -> None:
        self.host = host
        self.keys = keys
        self.pushed = (*PUSHED, *more)
        self.network: Network | None = None
        self.security = SecuritySetupBehaviour(
            host, str(SECURITY_SETUP), title, _PROTECTED, keys.master_key, security_version
        )
        objects = [RestrictedColumns(class_id, Obis.parse(name), number) for class_id, name, number in self.pushed]
        self.setup = Pusher(
            host, PUSH_SETUP, objects, self._deliver, title="customer", version=setup_version, client=CUSTOMER_CLIENT
        )
        pushing = scripts.add(PUSHING, script, calling(self.setup.object.class_id, PUSH_SETUP, 1))
        self.schedule = SingleActionBehaviour(host, agenda, scripts, str(SCHEDULE), pushing)

    def send_to(self, service: TransportService, destination: bytes) -> None:
        """Set where the port pushes to."""
        method = SendDestinationAndMethod(service, destination, MessageType.A_XDR_ENCODED_XDLMS_APDU)
        self.setup.object.send_destination_and_method = method

    def associate(self, referencing: str) -> None:
        """Add the association of who listens: it may read what is pushed, and nothing else."""
        spec = AssociationSpec(
            CUSTOMER_CLIENT,
            _INSTANCE,
            only({name for _, name, _ in self.pushed}),
            policy=_PROTECTED,
            keys=self.keys,
            security_setup=SECURITY_SETUP,
            pre_established=True,
            client_system_title=_TITLE,
            referencing=referencing,
        )
        self.security.associations.append(self.host.logical.associate(spec))

    def _deliver(self, delivery: Delivery) -> None:
        if self.network is None:
            delivery.done(False)
        else:
            self.network(delivery)


class Customer:
    """Messages, display and ports of one meter. `push` is there once there are keys for it."""

    def __init__(self, host: Host, identification: str, *, message_time: int | None = None) -> None:
        self.message = Message(host, PORT_MESSAGE)
        self.display = Display(host, Message(host, DISPLAY_MESSAGE), message_time=message_time)
        self.p1 = P1Port(host, identification)
        self.push: CustomerPush | None = None


def identified(manufacturer: bytes, serial: str) -> str:
    """Return the identification of telegrams: three letters, 5 (the speed), and what is printable of the number."""
    letters = "".join(chr(octet) if chr(octet).isascii() and chr(octet).isalpha() else "X" for octet in manufacturer)
    return letters + "5\\" + "".join(char for char in serial if char.isascii() and char.isalnum())
