"""What a meter consists of, read from itself: object list, access rights, and values where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

from cosem.apdu.initiate import VAA_NAME_SN
from cosem.association.steps import Step
from cosem.classes.access import Access, ObjectListElement
from cosem.classes.c015_association_ln import AssociationLN, read_object_list
from cosem.client.core import CURRENT_ASSOCIATION, Core
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, CosemError, DecodeError, RemoteProtocolError
from cosem.models.model import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel
from cosem.obis import Obis
from cosem.results import DataAccessResult

NAME_OBJECT: Final = (1, Obis.parse("0-0:42.0.0.255"), 2)
MOST_ROWS: Final = 100
"""Rows of a profile's buffer that are read unless more are asked for: a year of a load profile is 35,000."""
SECRETS: Final = frozenset(
    {
        (15, 5), (15, 7), (19, 7), (19, 8), (19, 9), (44, 5), (45, 3), (46, 4), (91, 5), (100, 6), (100, 7), (101, 10),
        (101, 11), (140, 8),
    }
)  # fmt: skip
"""Attributes whose values are passwords or keys, or hold one: a model is passed on, so they are never in one."""
_BUFFER, _ENTRIES_IN_USE = 2, 7
_OBJECT_LIST, _PARTNERS, _CONTEXT, _MECHANISM = 2, 3, 4, 6
_LISTS = {(12, _OBJECT_LIST), (12, 3), (15, _OBJECT_LIST)}
"""What a model says itself: object list and, of Association SN, access rights."""

_ANSWERS = (AccessError, DecodeError, RemoteProtocolError)
"""What a meter may answer to one attribute that says nothing of the next."""

Talk = Generator[Step, Any, Any]
Progress = Callable[[int, int], None]


def survey(
    core: Core, *, values: bool = False, rows: int | None = None, progress: Progress | None = None
) -> Generator[Step, Any, DeviceModel]:
    """Return the meter's model: objects and rights of this association, and of others whose lists it may read.

    `values` reads every readable attribute; what a meter refuses is kept by its result's name, buffers of more than
    `rows` rows (`MOST_ROWS` without) and secrets are left out and said to be. `progress` is called
    with objects done and objects in all.
    """
    settings = core.machine.settings
    yield from core.object_list()
    device = LogicalDeviceModel(settings.server_sap)
    own = AssociationModel(
        settings.client_sap,
        settings.mechanism,
        settings.protection >> 4,
        bool(settings.ciphered or settings.protection),
        referencing=settings.referencing,
    )
    device.associations.append(own)
    device.take_list(own.client, core.elements)
    for obj in device.objects:
        obj.base_name = core.base_names.get(obj.name)
    yield from _associations(core, device, own)
    name = yield from _one(core, *NAME_OBJECT)
    if isinstance(name, Data) and name.tag is Tag.OCTET_STRING and 1 <= len(name.value) <= 16:
        device.name = name.value
    readable = {(element.class_id, element.logical_name): element for element in reversed(core.elements)}
    done: dict[tuple[int, Obis], ObjectModel] = {}
    for index, obj in enumerate(device.objects if values else ()):
        if progress is not None:
            progress(index, len(device.objects))
        key = obj.class_id, obj.name
        if key in done:
            first = done[key]
            obj.values, obj.errors, obj.skipped = dict(first.values), dict(first.errors), dict(first.skipped)
        elif key in readable:
            done[key] = obj
            yield from _values(core, obj, readable[key], MOST_ROWS if rows is None else rows)
    if progress is not None:
        progress(len(device.objects), len(device.objects))
    return DeviceModel([device], system_title=_title(core))


def _title(core: Core) -> bytes:
    """Return the meter's system title, b"" where neither association nor settings told one."""
    context = core.machine.context
    title = (context.peer_title if context is not None else None) or core.machine.settings.meter_system_title
    return title if len(title) == 8 else b""


def _one(core: Core, class_id: int, name: Obis, attribute: int) -> Talk:
    """Read one attribute; what the meter answers instead of a value is returned as the error it is."""
    try:
        return (yield from core.get_data(class_id, name, attribute))
    except _ANSWERS as error:
        return error


# --- associations -------------------------------------------------------------------------------------------------


def _associations(core: Core, device: LogicalDeviceModel, own: AssociationModel) -> Talk:
    """Take in the associations whose objects this client may read; one of them is its own."""
    for name in dict.fromkeys(obj.name for obj in device.objects if obj.class_id == 15):
        if name == CURRENT_ASSOCIATION:
            continue
        found = []
        for number in (_PARTNERS, _CONTEXT, _MECHANISM):
            found.append((yield from _typed(core, name, number)))
        partners, context, mechanism = found
        if partners is None:
            continue
        if partners.client_SAP == own.client:
            own.object = name
            continue
        if partners.server_SAP != device.sap or not 0 <= partners.client_SAP <= 0x7F:
            continue
        if context is None or mechanism is None or any(partners.client_SAP == a.client for a in device.associations):
            continue
        data = yield from _one(core, 15, name, _OBJECT_LIST)
        if not isinstance(data, Data):
            continue
        try:
            elements = read_object_list(data)
        except CosemError:
            continue
        other = AssociationModel(
            partners.client_SAP,
            mechanism.mechanism_id_element,
            ciphered=context.context_id_element in (3, 4),
            object=name,
        )
        device.associations.append(other)
        device.take_list(other.client, elements)


def _typed(core: Core, name: Obis, number: int) -> Talk:
    """Read an attribute of an association object as its type has it, None where that fails."""
    data = yield from _one(core, 15, name, number)
    if not isinstance(data, Data):
        return None
    try:
        return AssociationLN.attributes[number].type.from_data(data)
    except CosemError:
        return None


# --- values -------------------------------------------------------------------------------------------------------


def _values(core: Core, obj: ObjectModel, element: ObjectListElement, rows: int) -> Talk:
    """Read what the rights let be read of one object."""
    rights = element.access_rights
    if rights is None:
        from cosem.classes.model import lookup

        declared = lookup(obj.class_id, obj.version)
        numbers = [1] if declared is None else list(declared.attributes)
    else:
        numbers = [right.attribute_id for right in rights.attribute_access if right.access & Access.READ]
        numbers = [number for number in numbers if number]  # 0 stands for all attributes, and is none
    wanted = []
    for number in numbers:
        if (obj.class_id, number) in SECRETS:
            obj.skipped[number] = "it may hold a secret"
        elif (obj.class_id, number) in _LISTS and (obj.class_id == 15 or obj.base_name == VAA_NAME_SN):
            obj.skipped[number] = "the objects and rights of this model"
        elif (obj.class_id, number) == (7, _BUFFER):
            reason = yield from _too_many(core, obj.name, rows)
            if reason:
                obj.skipped[number] = reason
            else:
                wanted.append(number)
        else:
            wanted.append(number)
    targets = [(obj.class_id, obj.name, number) for number in wanted]
    try:
        answers: list[Any] = yield from core.read_many(targets)
    except _ANSWERS:
        # One by one: what spoils a list costs only itself then.
        answers = []
        for target in targets:
            answers.append((yield from _one(core, *target)))
    for number, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, Data):
            obj.values[number] = answer
        elif isinstance(answer, AccessError):
            obj.errors[number] = DataAccessResult.words(int(answer.result))
        else:
            obj.errors[number] = f"no value: {answer}"


def _too_many(core: Core, name: Obis, rows: int) -> Generator[Step, Any, str]:
    """Return why a buffer is not read, "" where it is."""
    data = yield from _one(core, 7, name, _ENTRIES_IN_USE)
    if not isinstance(data, Data) or type(data.value) is not int:
        return "how many rows there are is not known"
    return f"{data.value} rows, more than {rows}" if data.value > rows else ""
