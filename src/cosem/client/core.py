"""What a client does with a meter, once, as conversations that the synchronous and the asynchronous meter run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from cosem.apdu.action import ActionRequestNormal, ActionResponseNormal
from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess, Service
from cosem.apdu.get import GetRequestNormal, GetRequestWithList, GetResponseNormal, GetResponseWithList
from cosem.apdu.set import SetRequestNormal, SetResponseNormal
from cosem.association.conversations import Random, open_association, release, silence
from cosem.association.initiator import Initiator
from cosem.association.state import Client
from cosem.association.steps import Call, Calls, Dial, Hangup, Sleep, Step
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection, bind
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.conformance_block import Conformance
from cosem.errors import AccessError, ConnectionLost, CosemError, DecodeError, RemoteProtocolError, Timeout
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit

if TYPE_CHECKING:
    from cosem.classes.access import ObjectListElement

T = TypeVar("T")
Talk = Generator[Step, Any, T]

CURRENT_ASSOCIATION = Obis.parse("0-0:40.0.0.255")
NAME_OBJECT = Obis.parse("0-0:42.0.0.255")
CLOCK_OBJECT = Obis.parse("0-0:1.0.0.255")
LIST_SIZE = 16
"""Attributes asked for in one GET with list; meters' own limits begin at about 20."""
LIST_HEADROOM = 48
"""Octets of a GET with list around its attributes: the request's own five, and the widest protection there is."""
ATTRIBUTE_SIZE = 10
"""Octets of one attribute in a list: class, logical name, attribute, no selection."""
NO_MEETING = (
    "The connection ended before the meter answered: the framing may be another (tcp:// for the wrapper, hdlc+tcp:// "
    "for HDLC), or the meter takes no further connection"
)
TURN = 0.02
"""Seconds between looks at a connection that another conversation is dialling again."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How patient a client is, and where a meter's special objects are.

    `retries`: how often a GET that stays without an answer is repeated; a SET or ACTION never is, because it may have
    been carried out. `reconnects`: how often a lost connection is dialled again for a GET. `association` and `clock`
    are logical names. `window`: services side by side where lists are not agreed, and verbs side by side of an
    asynchronous meter; 1 is what every meter takes. `base_names` are short names that are known, so that the object
    list need not be read for them. `max_pdu_size`: the largest APDU asked for, and so what of a long
    answer is lost at most when a link dies half-way.
    """

    retries: int = 1
    reconnects: int = 1
    association: Obis = CURRENT_ASSOCIATION
    clock: Obis = CLOCK_OBJECT
    window: int = 1
    max_pdu_size: int = 8192
    base_names: Mapping[Obis, int] = field(default_factory=dict)


class Core:
    """One meter as conversations know it: its machine, and what was learnt about its objects."""

    selection_bit = Conformance.SELECTIVE_ACCESS
    """What has to be agreed for a selection."""

    def __init__(self, machine: Initiator, random: Random, options: ClientOptions | None = None) -> None:
        self.machine = machine
        self.options = options or ClientOptions()
        self._random = random
        self.objects: dict[Obis, ObjectListElement] | None = None
        self.elements: tuple[ObjectListElement, ...] = ()
        """The object list as it came: a meter may have two objects of one logical name, or list one twice."""
        self.base_names: dict[Obis, int] = {}
        """The short names of the object list, where there are any."""
        self.tags: dict[tuple[Obis, int], Data] = {}
        self.scalers: dict[Obis, ScalerUnit | None] = {}
        self.no_meeting = NO_MEETING
        """What to try next where the link never came to speak."""
        self._opened = False
        self._reopening = False

    # --- connecting ----------------------------------------------------------------------------------------

    def open(self) -> Talk[None]:
        """Dial, connect the link, associate. What was open before is given up."""
        if self.machine.state is not Client.DISCONNECTED:
            yield Hangup()
        yield Dial()
        try:
            yield from open_association(self.machine, self._random)
        except Timeout as error:
            yield Hangup()
            raise self.diagnosed(error) from None
        except ConnectionLost as error:
            yield Hangup()
            if self.machine.heard_apdu or not self.no_meeting:
                raise
            raise ConnectionLost(f"{error}. {self.no_meeting}") from None
        except CosemError:
            yield Hangup()
            raise
        self._opened = True

    def reopen(self) -> Talk[None]:
        """Open anew after a loss; of several conversations that lost the same connection, one dials."""
        while self._reopening:
            yield Sleep(TURN)
        if self.associated:
            return
        self._reopening = True
        try:
            yield from self.open()
        finally:
            self._reopening = False

    def close(self) -> Talk[None]:
        """Release, disconnect, hang up."""
        self._opened = False
        try:
            yield from release(self.machine)
        finally:
            yield Hangup()

    def diagnosed(self, error: Timeout) -> Timeout:
        """Return `error` with a diagnosis in words."""
        return error if error.diagnosis else Timeout(error.what, silence(self.machine))

    # --- single services -----------------------------------------------------------------------------------

    def ask(self, service: Service, parts: list[bytes] | None = None) -> Talk[Any]:
        """Send a GET; repeat it after a time-out and reconnect after a loss, as often as the options say.

        `parts` collects the blocks of a long answer; once there are any, what failed is not begun anew here: the
        caller has something to keep.
        """
        sink = None if parts is None else parts.append
        retries, reconnects = self.options.retries, self.options.reconnects
        while True:
            if self._is_lost:
                if reconnects <= 0:
                    raise ConnectionLost("the connection was lost")
                reconnects -= 1
                yield from self.reopen()
            try:
                return (yield Call(service, sink=sink))
            except Timeout as error:
                if retries <= 0 or parts:
                    raise self.diagnosed(error) from None
                retries -= 1
            except ConnectionLost:
                if reconnects <= 0 or parts:
                    raise

    def once(self, service: Service) -> Talk[Any]:
        """Send a SET or ACTION, once; a connection that is known to be lost before is opened anew."""
        if self._is_lost and self.options.reconnects > 0:
            yield from self.reopen()
        try:
            return (yield Call(service))
        except Timeout as error:
            raise self.diagnosed(error) from None

    def get_octets(
        self,
        class_id: int,
        name: Obis,
        attribute: int,
        selection: Selection | SelectiveAccess | None = None,
        parts: list[bytes] | None = None,
    ) -> Talk[bytes]:
        """Read one attribute as A-XDR octets; `parts` as in `ask`. Raises `AccessError` with the result's name."""
        target = AttributeDescriptor(class_id, name, attribute)
        response: GetResponseNormal = yield from self.ask(GetRequestNormal(target, selective(selection)), parts)
        if response.data is None:
            raise AccessError(response.result, f"{name}:{attribute}")
        return response.data

    def get_data(self, class_id: int, name: Obis, attribute: int, selection: Selection | None = None) -> Talk[Data]:
        """Read one attribute as `Data`."""
        octets = yield from self.get_octets(class_id, name, attribute, selection)
        return decoded(octets, f"{name}:{attribute}")

    def set_data(self, class_id: int, name: Obis, attribute: int, value: Data) -> Talk[None]:
        """Write one attribute. Raises `AccessError`."""
        target = AttributeDescriptor(class_id, name, attribute)
        response: SetResponseNormal = yield from self.once(SetRequestNormal(target, None, axdr.encode(value)))
        if response.result != DataAccessResult.SUCCESS:
            raise AccessError(response.result, f"{name}:{attribute}")

    def call_data(self, class_id: int, name: Obis, method: int, parameter: Data | None) -> Talk[Data | None]:
        """Invoke one method and return its return value. Raises `AccessError`."""
        octets = None if parameter is None else axdr.encode(parameter)
        request = ActionRequestNormal(MethodDescriptor(class_id, name, method), octets)
        response: ActionResponseNormal = yield from self.once(request)
        if response.result != 0:
            raise AccessError(response.result, f"{name}:{method}()")
        if response.data is None:
            if response.data_result:
                raise AccessError(response.data_result, f"{name}:{method}() was carried out, but its return value")
            return None
        return decoded(response.data, f"{name}:{method}()")

    # --- typed objects -------------------------------------------------------------------------------------

    def read(self, obj: InterfaceClass[Any], attribute: Attribute[T], selection: Selection | None = None) -> Talk[T]:
        """Read an attribute as its declaration types it."""
        data = yield from self.get_data(attribute.class_id, obj.obis, attribute.id, selection)
        self.tags[obj.obis, attribute.id] = data
        return self.typed(obj, attribute, data)

    def typed(self, obj: InterfaceClass[Any], attribute: Attribute[T], data: Data) -> T:
        """Return `data` as the attribute's type makes it; a meter that departs from it is told apart from an error."""
        try:
            return attribute.type.from_data(data)
        except CosemError as error:
            raise RemoteProtocolError(
                f"{obj.obis} {attribute.name}: the meter answers {data.tag.label}, "
                f"{attribute.type.notation} was expected ({error})"
            ) from None

    def write(self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any) -> Talk[None]:
        """Write an attribute; where the type leaves a choice, the one the meter has is kept."""
        like = self.tags.get((obj.obis, attribute.id))
        if like is None and len(attribute.type.tags) > 1 and not isinstance(value, Data):
            try:
                like = yield from self.get_data(attribute.class_id, obj.obis, attribute.id)
            except AccessError:
                like = None
        data = attribute.to_data(obj.obis, value, like)
        yield from self.set_data(attribute.class_id, obj.obis, attribute.id, data)

    def invoke(self, obj: InterfaceClass[Any], method: Method[Any, T], parameter: Any) -> Talk[T | None]:
        """Invoke a method; `parameter` is a Python value of its type, or `Data`."""
        value = parameter if isinstance(parameter, Data) else method.to_data(obj.obis, parameter)
        answer = yield from self.call_data(method.class_id, obj.obis, method.id, value)
        if answer is None or method.returns is None:
            return None
        try:
            return method.returns.from_data(answer)
        except CosemError as error:
            raise RemoteProtocolError(
                f"{obj.obis}: {method.name}() was carried out, but its return value is unusable ({error})"
            ) from None

    def read_many(self, targets: Sequence[tuple[int, Obis, int]]) -> Talk[list[Data | AccessError]]:
        """Read several attributes, with lists where they were agreed; an element that fails is its `AccessError`."""
        descriptors = [AttributeDescriptor(*target) for target in targets]
        answers: list[Data | AccessError] = []
        if self.machine.conformance & Conformance.MULTIPLE_REFERENCES and len(descriptors) > 1:
            limit = self.machine.peer_max_pdu_size or 0xFFFF
            size = max(1, min(LIST_SIZE, (limit - LIST_HEADROOM) // ATTRIBUTE_SIZE))
            for start in range(0, len(descriptors), size):
                part = descriptors[start : start + size]
                request = GetRequestWithList(tuple((target, None) for target in part))
                response: GetResponseWithList | GetResponseNormal = yield from self.ask(request)
                if isinstance(response, GetResponseNormal):
                    raise AccessError(response.result, "a list of attributes")
                if len(response.results) != len(part):
                    raise RemoteProtocolError(f"{len(response.results)} answers to {len(part)} attributes")
                answers += [
                    answer_of(f"{target.instance}:{target.attribute}", item)
                    for target, item in zip(part, response.results, strict=True)
                ]
            return answers
        services = [GetRequestNormal(target, None) for target in descriptors]
        responses = yield Calls(services, self.options.window)
        for target, service, single in zip(descriptors, services, responses, strict=True):
            if isinstance(single, (Timeout, ConnectionLost)):
                # One by one, with the patience a single GET has.
                single = yield from self.ask(service)
            if isinstance(single, BaseException):
                raise single
            where = f"{target.instance}:{target.attribute}"
            answers.append(answer_of(where, single.result if single.data is None else single.data))
        return answers

    # --- objects -------------------------------------------------------------------------------------------

    @property
    def selects(self) -> bool:
        """Whether selective access was agreed."""
        return bool(self.machine.conformance & self.selection_bit)

    def object_list(self) -> Talk[dict[Obis, ObjectListElement]]:
        """Return the objects of this association, read once."""
        if self.objects is None:
            from cosem.classes.c015_association_ln import read_object_list

            data = yield from self.get_data(15, self.options.association, 2)
            try:
                self.elements = read_object_list(data)
            except CosemError:
                raise RemoteProtocolError("the object list has a form that no version of class 15 knows") from None
            self.objects = {element.logical_name: element for element in self.elements}
        return self.objects

    def find(self, name: Obis) -> Talk[ObjectListElement]:
        """Return the entry of one object. Raises `AccessError` where the association does not see it."""
        objects = yield from self.object_list()
        element = objects.get(name)
        if element is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{name} is not in the object list")
        return element

    def bound(self, name: Obis, store: Any) -> Talk[InterfaceClass[Any]]:
        """Return an object by its logical name alone, of the class and version the meter says it has."""
        element = yield from self.find(name)
        return bind(element.class_id, element.version, name, store)

    def scaler_unit(self, class_id: int, name: Obis) -> Talk[ScalerUnit | None]:
        """Return scaler and unit of a register, read once; None where it has none to read."""
        if name not in self.scalers:
            attribute = {3: 3, 4: 3, 5: 4}.get(class_id)
            if attribute is None:
                self.scalers[name] = None
            else:
                from cosem.classes.common import scaler_unit
                from cosem.classes.datatype import TypeMismatch

                try:
                    data = yield from self.get_data(class_id, name, attribute)
                    self.scalers[name] = scaler_unit.from_data(data)
                except (AccessError, DecodeError, TypeMismatch):
                    self.scalers[name] = None
        return self.scalers[name]

    @property
    def associated(self) -> bool:
        """Whether requests can be sent."""
        return self.machine.state is Client.ASSOCIATED

    @property
    def _is_lost(self) -> bool:
        """Whether there was an association that nobody closed, and it is gone."""
        return self._opened and not self.associated


@overload
def selective(selection: Selection | SelectiveAccess) -> SelectiveAccess: ...
@overload
def selective(selection: None) -> None: ...
def selective(selection: Selection | SelectiveAccess | None) -> SelectiveAccess | None:
    """Return a selection as it is sent; one that is so already can be made once for many meters."""
    if selection is None or isinstance(selection, SelectiveAccess):
        return selection
    return SelectiveAccess(selection.selector, axdr.encode(selection.parameters))


def decoded(octets: bytes, what: str) -> Data:
    """Return octets as `Data`. Raises `DecodeError` that names `what` they are."""
    try:
        return axdr.decode(octets)
    except DecodeError as error:
        raise error.within(what) from None


def answer_of(where: str, item: Any) -> Data | AccessError:
    """Return an element of an answer to a list: its value, or what it failed with at `where`."""
    return decoded(item, where) if isinstance(item, bytes) else AccessError(item, where)
