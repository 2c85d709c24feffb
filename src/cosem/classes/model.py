"""How an interface class is declared, and where declared classes are found.

A class is declared once, as a subclass of `InterfaceClass`; a later version is a subclass of the version before it.
The same declaration serves as client proxy and as device object: only the `Store` behind the instance differs.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar, cast, overload

from cosem.classes.types import DataType, TypeMismatch, raw_data
from cosem.classes.types import logical_name as logical_name_type
from cosem.codec.axdr import Data
from cosem.errors import ConfigError, CosemError, EncodeError
from cosem.obis import Obis, obis

V = TypeVar("V")
P = TypeVar("P")
R = TypeVar("R")

DERIVED: Final = -1
"""`sn_offset` of an attribute that follows the rule 8 * (id - 1)."""


class DeclarationError(CosemError):
    """A class is declared wrongly: numbers repeated or missing, declared twice, or not on the version before."""


class Selection(NamedTuple):
    """Selective access: the selector's number and its parameters."""

    selector: int
    parameters: Data


class Selector(Generic[V]):
    """One selector of an attribute: its number, name and the type of its parameters. Calling it makes a `Selection`."""

    __slots__ = ("description", "id", "name", "type")

    def __init__(self, id: int, name: str, type: DataType[V], description: str = "") -> None:
        self.id = id
        self.name = name
        self.type = type
        self.description = description

    def __call__(self, parameters: V | Data) -> Selection:
        """Return the selection with `parameters`."""
        return Selection(self.id, self.type.to_data(parameters))


class Store(Protocol):
    """Where the values of an object are: in memory, or in a meter far away."""

    def read(self, obj: InterfaceClass[Any], attribute: Attribute[Any], selection: Selection | None = None) -> Any:
        """Return the value of `attribute`."""

    def write(self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any) -> None:
        """Write `value`: a Python value of the attribute's type, or `Data`."""

    def invoke(self, obj: InterfaceClass[Any], method: Method[Any, Any], parameter: Any) -> Any:
        """Invoke `method` and return its return value."""


class AsyncStore(Protocol):
    """What a `Store` answers, as awaitables. An assignment cannot be awaited: there `write` raises `ConfigError`."""

    def read(
        self, obj: InterfaceClass[Any], attribute: Attribute[Any], selection: Selection | None = None
    ) -> Awaitable[Any]:
        """Return an awaitable of the value of `attribute`."""

    def write(self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any) -> Awaitable[None]:
        """Refuse: nobody would await it."""

    def invoke(self, obj: InterfaceClass[Any], method: Method[Any, Any], parameter: Any) -> Awaitable[Any]:
        """Return an awaitable of the method's return value."""


if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultedTypeVar

    S = DefaultedTypeVar("S", bound=Store | AsyncStore, default=Store, covariant=True)
else:
    S = TypeVar("S", covariant=True)
"""The store of an object, in the type of every declared class: it alone decides whether an attribute is a value or an
awaitable. So ``Register[AsyncStore]`` and ``Register[Store]``, which is plain ``Register``, share one declaration."""


class Attribute(Generic[V]):
    """One attribute: on the class the declaration, on an instance the value behind its store.

    `static` is None where the instance decides. `sn_offset` counts octets from the base name, None where unknown.
    `default` is what a new local object holds, where the standard names it or the Python value can be told.
    """

    __slots__ = ("class_id", "default", "description", "id", "name", "selectors", "sn_offset", "static", "type")

    def __init__(
        self,
        id: int,
        type: DataType[V],
        description: str = "",
        *,
        static: bool | None = False,
        default: V | Data | None = None,
        selectors: tuple[Selector[Any], ...] = (),
        sn_offset: int | None = DERIVED,
        class_id: int = 0,
        name: str = "",
    ) -> None:
        self.id = id
        self.type = type
        self.description = description
        self.static = static
        self.default = default
        self.selectors: Mapping[int, Selector[Any]] = {selector.id: selector for selector in selectors}
        self.sn_offset = 8 * (id - 1) if sn_offset == DERIVED else sn_offset
        self.class_id = class_id
        self.name = name

    def to_data(self, obis: Obis, value: V | Data, like: Data | None = None) -> Data:
        """Return a value of the object `obis` as `Data`; as `DataType.to_data`, with both names in what is raised."""
        try:
            return self.type.to_data(value, like)
        except (EncodeError, TypeMismatch) as error:
            raise error.within(self.name).within(str(obis)) from None

    @classmethod
    def undeclared(cls, class_id: int, id: int) -> Attribute[Data]:
        """Return an attribute that no declaration knows: its value is kept as `Data`."""
        return Attribute(id, raw_data, static=None, class_id=class_id, name=str(id), sn_offset=None)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    @overload
    def __get__(self, obj: None, owner: type) -> Attribute[V]: ...
    @overload
    def __get__(self, obj: InterfaceClass[Store], owner: type) -> V: ...
    @overload
    def __get__(self, obj: InterfaceClass[AsyncStore], owner: type) -> Awaitable[V]: ...
    def __get__(self, obj: InterfaceClass[Any] | None, owner: type) -> Attribute[V] | V | Awaitable[V]:
        if obj is None:
            return self
        return cast("V", obj.store.read(obj, self))

    def __set__(self, obj: InterfaceClass[Store], value: V | Data) -> None:
        obj.store.write(obj, self, value)

    def __repr__(self) -> str:
        return f"<attribute {self.class_id}/{self.id} {self.name}: {self.type.notation}>"


class Method(Generic[P, R]):
    """One method: on the class the declaration, on an instance a callable. `returns` is None without return value.

    `default` is the parameter of a call without one. `reserved` numbers are kept by the standard and do nothing.
    """

    __slots__ = (
        "class_id", "default", "description", "id", "name", "optional", "parameter", "reserved", "returns", "sn_offset",
    )  # fmt: skip

    def __init__(
        self,
        id: int,
        parameter: DataType[P],
        returns: DataType[R] | None,
        description: str,
        *,
        default: P | None,
        optional: bool | None,
        sn_offset: int | None,
        reserved: bool = False,
    ) -> None:
        self.id = id
        self.parameter = parameter
        self.returns = returns
        self.description = description
        self.default = default
        self.optional = optional
        self.sn_offset = sn_offset
        self.reserved = reserved
        self.class_id = 0
        self.name = ""

    def to_data(self, obis: Obis, parameter: P | Data) -> Data:
        """Return a parameter for the object `obis` as `Data`; as `Attribute.to_data`."""
        try:
            return self.parameter.to_data(parameter)
        except (EncodeError, TypeMismatch) as error:
            raise error.within(f"{self.name}()").within(str(obis)) from None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    @overload
    def __get__(self, obj: None, owner: type) -> Method[P, R]: ...
    @overload
    def __get__(self, obj: InterfaceClass[Store], owner: type) -> BoundMethod[P, R]: ...
    @overload
    def __get__(self, obj: InterfaceClass[AsyncStore], owner: type) -> BoundMethod[P, Awaitable[R]]: ...
    def __get__(self, obj: InterfaceClass[Any] | None, owner: type) -> Method[P, R] | BoundMethod[P, Any]:
        return self if obj is None else BoundMethod(obj, self)

    def __repr__(self) -> str:
        return f"<method {self.class_id}/{self.id} {self.name}({self.parameter.notation})>"


class BoundMethod(Generic[P, R]):
    """A method of one object, to be called with its parameter, or without where the declaration has a default."""

    __slots__ = ("method", "obj")

    def __init__(self, obj: InterfaceClass[Any], method: Method[P, Any]) -> None:
        self.obj = obj
        self.method = method

    def __call__(self, parameter: P | Data | None = None) -> R:
        """Invoke the method and return its return value."""
        value = self.method.default if parameter is None else parameter
        return cast("R", self.obj.store.invoke(self.obj, self.method, value))


attribute = Attribute


@overload
def method(
    id: int,
    parameter: DataType[P],
    description: str = "",
    *,
    default: P | None = None,
    optional: bool | None = True,
    sn_offset: int | None = None,
) -> Method[P, None]: ...
@overload
def method(
    id: int,
    parameter: DataType[P],
    description: str = "",
    *,
    returns: DataType[R],
    default: P | None = None,
    optional: bool | None = True,
    sn_offset: int | None = None,
) -> Method[P, R]: ...
def method(
    id: int,
    parameter: DataType[Any],
    description: str = "",
    *,
    returns: DataType[Any] | None = None,
    default: Any = None,
    optional: bool | None = True,
    sn_offset: int | None = None,
) -> Method[Any, Any]:
    """Declare a method; see `Method`. A parameter ``integer(0)`` has the default 0."""
    if default is None and parameter.notation == "integer(0)":
        default = 0
    return Method(id, parameter, returns, description, default=default, optional=optional, sn_offset=sn_offset)


def reserved(id: int) -> Method[Any, None]:
    """Declare a method number that the standard keeps from an earlier version: it must not be used."""
    return Method(
        id, raw_data, None, "reserved from previous version", default=None, optional=True, sn_offset=None, reserved=True
    )


class _Withdrawn:
    """Stands where an earlier version had an attribute or method that this version gave another name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, obj: object, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__} has no {self.name} any more")


class InterfaceClass(Generic[S]):
    """An object of an interface class: a logical name (`obis`) and a `store` that holds or fetches its values.

    Without a store it becomes a local object that holds `values` (by attribute name) and the declared defaults.

    Declared by subclassing with ``class_id`` and ``version`` (and ``name``, the standard's name, where it differs from
    the Python name in words). On the class: `class_id`, `class_version`, `class_name`, `attributes` and `methods` by
    number. Raises `DeclarationError` at import where the numbers are wrong.
    """

    __slots__ = ("obis", "store")

    class_id: int
    class_version: int
    class_name: ClassVar[str] = ""
    attributes: ClassVar[Mapping[int, Attribute[Any]]] = MappingProxyType({})
    methods: ClassVar[Mapping[int, Method[Any, Any]]] = MappingProxyType({})
    verified: ClassVar[bool] = True

    logical_name = attribute(1, logical_name_type, "which object this is", static=True)

    def __init__(self, obis_code: Obis | str | bytes, store: S | None = None, **values: Any) -> None:
        self.obis = obis(obis_code)
        if store is None:
            from cosem.classes.store import LocalStore

            store = cast("S", LocalStore.holding(type(self), self.obis, values))
        self.store = store

    if not TYPE_CHECKING:

        def __class_getitem__(cls, store: object) -> type[InterfaceClass]:
            """Return the class itself: what stands in brackets is for type checkers, and 140 classes pay for it."""
            return cls

    def __init_subclass__(
        cls, *, class_id: int | None = None, version: int | None = None, name: str = "", verified: bool = True
    ) -> None:
        super().__init_subclass__()
        if class_id is None or version is None:
            if any(isinstance(item, (Attribute, Method)) for item in vars(cls).values()):
                raise DeclarationError(f"{cls.__name__} declares attributes without a class_id and version")
            return
        before = next((base for base in cls.__mro__[1:] if getattr(base, "class_id", None) == class_id), None)
        inherited = cls.__mro__[1] if before is None else before
        if before is None:
            first: Attribute[Obis] = attribute(1, logical_name_type, "which object this is", static=True)
            first.__set_name__(cls, "logical_name")
            cls.logical_name = first
            cls.class_name = name or _words(cls.__name__)
        elif name:
            cls.class_name = name
        cls.attributes = _numbered(
            cls, inherited, Attribute, {1: cls.__dict__["logical_name"]} if before is None else {}
        )
        cls.methods = _numbered(cls, inherited, Method, {})
        cls.class_id = class_id
        cls.class_version = version
        cls.verified = verified
        for number in cls.attributes:
            cls.attributes[number].class_id = class_id
        for number in cls.methods:
            cls.methods[number].class_id = class_id
        _register(cls)

    def __repr__(self) -> str:
        return f"<{self.class_name} {self.obis}>"


class Unknown(InterfaceClass[S]):
    """An object of a class or version that nothing declares: its attributes are read and kept as `Data`.

    Attributes are reached with `Attribute.undeclared` through the store.
    """

    __slots__ = ("class_id", "class_version")

    class_name = "Unknown"
    attributes = {1: InterfaceClass.logical_name}

    def __init__(
        self, obis_code: Obis | str | bytes, store: S | None = None, *, class_id: int, class_version: int
    ) -> None:
        self.class_id = class_id
        self.class_version = class_version
        super().__init__(obis_code, store)


_RESERVED_NAMES: Final = frozenset(dir(InterfaceClass)) - {"logical_name"}
_declared: Final[dict[int, dict[int, type[InterfaceClass]]]] = {}
_files: Final[dict[int, str]] = {}


def _words(name: str) -> str:
    """Return ``DisconnectControl`` as ``Disconnect control`` and ``AssociationLNV0`` as ``Association LN``."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", re.sub(r"V\d+$", "", name))
    return " ".join(part if index == 0 or part.isupper() else part.lower() for index, part in enumerate(parts))


D = TypeVar("D", Attribute[Any], Method[Any, Any])


def _numbered(
    cls: type[InterfaceClass[Any]], before: type[InterfaceClass[Any]], kind: type[D], given: Mapping[int, D]
) -> Mapping[int, D]:
    """Return what `cls` declares and inherits of `kind`, by number; refuse repeated and missing numbers."""
    inherited: Mapping[int, D] = before.attributes if kind is Attribute else before.methods  # type: ignore[assignment]
    own: dict[int, D] = dict(given)
    for name, item in vars(cls).items():
        if not isinstance(item, kind) or given.get(item.id) is item:
            continue
        if name in _RESERVED_NAMES:
            raise DeclarationError(f"{cls.__name__}: {name} is a name of the model itself, choose another")
        if item.id in own:
            raise DeclarationError(f"{cls.__name__}: {kind.__name__.lower()} {item.id} is declared twice")
        own[item.id] = item
    for number, item in own.items():
        earlier = inherited.get(number)
        if earlier is not None and earlier.name != item.name and earlier.name not in vars(cls):
            setattr(cls, earlier.name, _Withdrawn(earlier.name))
    merged = {**inherited, **own}
    missing = set(range(1, len(merged) + 1)) - set(merged)
    if missing:
        raise DeclarationError(f"{cls.__name__}: {kind.__name__.lower()} {min(missing)} is missing")
    return MappingProxyType(dict(sorted(merged.items())))


def _register(cls: type[InterfaceClass[Any]]) -> None:
    versions = _declared.setdefault(cls.class_id, {})
    if cls.class_version in versions:
        raise DeclarationError(f"class {cls.class_id} version {cls.class_version} is declared twice")
    earlier = [version for version in versions if version < cls.class_version]
    if earlier and not issubclass(cls, versions[max(earlier)]):
        raise DeclarationError(
            f"{cls.__name__} is no subclass of {versions[max(earlier)].__name__}, the version before"
        )
    versions[cls.class_version] = cls


def _index() -> Mapping[int, str]:
    """Return the file of each class id, found by its name ``c###_words.py``."""
    if not _files:
        from pkgutil import iter_modules

        import cosem.classes

        for module in iter_modules(cosem.classes.__path__):
            if match := re.fullmatch(r"c(\d{3,5})_(\w+)", module.name):
                _files[int(match[1])] = module.name
    return _files


def versions_of(class_id: int) -> Mapping[int, type[InterfaceClass]]:
    """Return the declared versions of one class, importing its file; empty where nothing declares it."""
    if class_id not in _declared and (file := _index().get(class_id)):
        import_module(f"cosem.classes.{file}")
    return MappingProxyType(dict(sorted(_declared.get(class_id, {}).items())))


def lookup(class_id: int, version: int | None = None) -> type[InterfaceClass] | None:
    """Return the declared class, or None. Without `version`: the newest one that is verified, else the newest."""
    versions = versions_of(class_id)
    if version is not None or not versions:
        return versions.get(version) if version is not None else None
    verified = [number for number, cls in versions.items() if cls.verified]
    return versions[max(verified or versions)]


def bind(class_id: int, version: int, obis_code: Obis | str | bytes, store: S | None = None) -> InterfaceClass[S]:
    """Return an object of that class over `store`, an `Unknown` where nothing declares the class or version."""
    cls = cast("type[InterfaceClass[S]] | None", lookup(class_id, version))
    if cls is None:
        return Unknown(obis_code, store, class_id=class_id, class_version=version)
    return cls(obis_code, store)


def known() -> Mapping[int, str]:
    """Return class ids and the words of their file names, without importing any of them."""
    named = {class_id: file.partition("_")[2].replace("_", " ") for class_id, file in _index().items()}
    for class_id, versions in _declared.items():
        named.setdefault(class_id, next(iter(versions.values())).class_name.lower())
    return MappingProxyType(dict(sorted(named.items())))


def find(name: str, version: int | None = None) -> type[InterfaceClass]:
    """Return the class of that name, or of the only name that contains it; case and spaces do not matter.

    `version` as in `lookup`. Raises `ConfigError` where there is none or more than one.
    """
    wanted = re.sub(r"[^a-z0-9]", "", name.lower())
    named = {class_id: words.replace(" ", "") for class_id, words in known().items()}
    ids = [class_id for class_id, words in named.items() if words == wanted]
    ids = ids or [class_id for class_id, words in named.items() if wanted and wanted in words]
    if len(ids) == 1:
        if (found := lookup(ids[0], version)) is not None:
            return found
        raise ConfigError(f"no version {version} of class {ids[0]} {known()[ids[0]]} is declared")
    if not ids:
        raise ConfigError(f"no interface class is called {name!r}")
    several = ", ".join(f"{class_id} {known()[class_id]}" for class_id in ids)
    raise ConfigError(f"{name!r} names more than one interface class: {several}")
