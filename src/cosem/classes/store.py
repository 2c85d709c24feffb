"""Objects in memory: `Data` per attribute number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cosem.classes.model import Attribute, InterfaceClass, Method, Selection
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, ConfigError, EncodeError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult


class LocalStore:
    """Holds an object's attributes as `Data`, so that every choice keeps its concrete type and a GET is one look-up.

    `values` maps attribute number to `Data`. `computed` holds functions for attributes that are made when read (a
    clock's time, a profile's buffer); `handlers` what the methods do. Whoever gives the object behaviour fills both.
    `numbers` has the bare number of a computed attribute too, for those who look at it all the time.
    """

    __slots__ = ("computed", "handlers", "numbers", "values")

    def __init__(self, values: Mapping[int, Data] | None = None) -> None:
        self.values: dict[int, Data] = dict(values or {})
        self.computed: dict[int, Callable[[Selection | None], Data]] = {}
        self.numbers: dict[int, Callable[[], int]] = {}
        self.handlers: dict[int, Callable[[Any], Any]] = {}

    @classmethod
    def holding(cls, kind: type[InterfaceClass[Any]], obis: Obis, values: Mapping[str, Any]) -> LocalStore:
        """Return a store for an object of `kind` with `values` by attribute name, and the declared defaults."""
        store = cls({1: Data(Tag.OCTET_STRING, bytes(obis))})
        given = dict(values)
        for number, attribute in kind.attributes.items():
            value = given.pop(attribute.name, attribute.default)
            if value is not None:
                store.values[number] = attribute.type.to_data(value)
        if given:
            raise ConfigError(f"{kind.class_name} has no attribute {next(iter(given))}")
        return store

    def data(self, number: int, selection: Selection | None = None) -> Data | None:
        """Return the `Data` of an attribute, None where it has none."""
        found = self.values.get(number)
        if found is None and (compute := self.computed.get(number)) is not None:
            return compute(selection)
        return found

    def read(self, obj: InterfaceClass[Any], attribute: Attribute[Any], selection: Selection | None = None) -> Any:
        """Return the value; raise `AccessError` where there is none."""
        data = self.data(attribute.id, selection)
        if data is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{obj!r} {attribute.name}")
        return attribute.type.from_data(data)

    def write(self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any) -> None:
        """Take a Python value or `Data`; raise `TypeMismatch` or `EncodeError` and keep the old value otherwise."""
        self.values[attribute.id] = attribute.to_data(obj.obis, value, self.values.get(attribute.id))

    def invoke(self, obj: InterfaceClass[Any], method: Method[Any, Any], parameter: Any) -> Any:
        """Call what was set as handler of `method`; raise `AccessError` where nothing was."""
        handler = self.handlers.get(method.id)
        if handler is None:
            raise AccessError(ActionResult.OBJECT_UNDEFINED, f"{obj!r} {method.name}")
        if isinstance(parameter, Data):
            parameter = method.parameter.from_data(parameter)
        elif parameter is None:
            raise EncodeError(f"{method.name} needs a parameter: {method.parameter.notation}")
        return handler(parameter)

    def invoke_data(self, obj: InterfaceClass[Any], method: Method[Any, Any], parameter: Data | None) -> Data | None:
        """Call the handler with `Data` as it came, return the return value as `Data`, None where there is none.

        Methods without a parameter of their own take null-data and no data too. Raises `TypeMismatch` for another type.
        """
        if parameter is None or (parameter.tag is Tag.NULL_DATA and method.default is not None):
            answer = self.invoke(obj, method, method.default)
        else:
            method.parameter.check(parameter)
            answer = self.invoke(obj, method, parameter)
        return None if method.returns is None or answer is None else method.returns.to_data(answer)
