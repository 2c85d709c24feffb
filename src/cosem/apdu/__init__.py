"""The APDUs of DLMS/COSEM: one file per service family, one table from tag to class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.apdu.access import (
        AccessRequest,
        AccessResponse,
        AccessResult,
        AccessSpecification,
    )
    from cosem.apdu.acse import (
        Aare,
        Aarq,
        Rlre,
        Rlrq,
    )
    from cosem.apdu.action import (
        ActionRequestNextPblock,
        ActionRequestNormal,
        ActionRequestWithFirstPblock,
        ActionRequestWithList,
        ActionRequestWithListAndFirstPblock,
        ActionRequestWithPblock,
        ActionResponseNextPblock,
        ActionResponseNormal,
        ActionResponseWithList,
        ActionResponseWithOptionalData,
        ActionResponseWithPblock,
    )
    from cosem.apdu.base import (
        AttributeDescriptor,
        MethodDescriptor,
        Parsed,
        SelectiveAccess,
        Service,
    )
    from cosem.apdu.ciphered import (
        Ciphered,
        GeneralDed,
        GeneralGlo,
        ciphered_tag,
        is_dedicated,
        plain_tag,
    )
    from cosem.apdu.dispatch import (
        parse,
    )
    from cosem.apdu.errors import (
        ConfirmedServiceError,
        ExceptionResponse,
    )
    from cosem.apdu.fields import (
        Apdu,
        DataBlock,
    )
    from cosem.apdu.general import (
        AgreedKey,
        GeneralBlockTransfer,
        GeneralCiphering,
        GeneralSigning,
        IdentifiedKey,
        WrappedKey,
    )
    from cosem.apdu.get import (
        GetRequestNext,
        GetRequestNormal,
        GetRequestWithList,
        GetResponseNormal,
        GetResponseWithDatablock,
        GetResponseWithList,
    )
    from cosem.apdu.initiate import (
        InitiateRequest,
        InitiateResponse,
    )
    from cosem.apdu.notify import (
        DataNotification,
        DataNotificationConfirm,
        EventNotification,
    )
    from cosem.apdu.read_write import (
        BlockNumber,
        BlockNumberAccess,
        DataBlockResult,
        InformationReport,
        ParameterizedAccess,
        ReadDataBlockAccess,
        ReadRequest,
        ReadResponse,
        UnconfirmedWriteRequest,
        VariableName,
        WriteDataBlockAccess,
        WriteRequest,
        WriteResponse,
    )
    from cosem.apdu.set import (
        SetRequestNormal,
        SetRequestWithDatablock,
        SetRequestWithFirstDatablock,
        SetRequestWithList,
        SetRequestWithListAndFirstDatablock,
        SetResponseDatablock,
        SetResponseLastDatablock,
        SetResponseLastDatablockWithList,
        SetResponseNormal,
        SetResponseWithList,
    )
    from cosem.apdu.table import (
        Protection,
        Row,
        Sender,
        State,
        row_of,
    )

_FAMILIES = {
    "access": "AccessRequest AccessResponse AccessResult AccessSpecification",
    "acse": "Aare Aarq Rlre Rlrq",
    "action": (
        "ActionRequestNextPblock "
        "ActionRequestNormal "
        "ActionRequestWithFirstPblock "
        "ActionRequestWithList "
        "ActionRequestWithListAndFirstPblock "
        "ActionRequestWithPblock "
        "ActionResponseNextPblock "
        "ActionResponseNormal "
        "ActionResponseWithList "
        "ActionResponseWithOptionalData "
        "ActionResponseWithPblock "
    ),
    "base": "AttributeDescriptor MethodDescriptor Parsed SelectiveAccess Service",
    "ciphered": "Ciphered GeneralDed GeneralGlo ciphered_tag is_dedicated plain_tag",
    "dispatch": "parse",
    "errors": "ConfirmedServiceError ExceptionResponse",
    "fields": "Apdu DataBlock",
    "general": "AgreedKey GeneralBlockTransfer GeneralCiphering GeneralSigning IdentifiedKey WrappedKey",
    "get": (
        "GetRequestNext "
        "GetRequestNormal "
        "GetRequestWithList "
        "GetResponseNormal "
        "GetResponseWithDatablock "
        "GetResponseWithList "
    ),
    "initiate": "InitiateRequest InitiateResponse",
    "notify": "DataNotification DataNotificationConfirm EventNotification",
    "read_write": (
        "BlockNumber "
        "BlockNumberAccess "
        "DataBlockResult "
        "InformationReport "
        "ParameterizedAccess "
        "ReadDataBlockAccess "
        "ReadRequest "
        "ReadResponse "
        "UnconfirmedWriteRequest "
        "VariableName "
        "WriteDataBlockAccess "
        "WriteRequest "
        "WriteResponse "
    ),
    "set": (
        "SetRequestNormal "
        "SetRequestWithDatablock "
        "SetRequestWithFirstDatablock "
        "SetRequestWithList "
        "SetRequestWithListAndFirstDatablock "
        "SetResponseDatablock "
        "SetResponseLastDatablock "
        "SetResponseLastDatablockWithList "
        "SetResponseNormal "
        "SetResponseWithList "
    ),
    "table": "Protection Row Sender State row_of",
}

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.apdu.{family}" for family, names in _FAMILIES.items() for name in names.split()}
)

__all__ = [
    "Aare",
    "Aarq",
    "AccessRequest",
    "AccessResponse",
    "AccessResult",
    "AccessSpecification",
    "ActionRequestNextPblock",
    "ActionRequestNormal",
    "ActionRequestWithFirstPblock",
    "ActionRequestWithList",
    "ActionRequestWithListAndFirstPblock",
    "ActionRequestWithPblock",
    "ActionResponseNextPblock",
    "ActionResponseNormal",
    "ActionResponseWithList",
    "ActionResponseWithOptionalData",
    "ActionResponseWithPblock",
    "AgreedKey",
    "Apdu",
    "AttributeDescriptor",
    "BlockNumber",
    "BlockNumberAccess",
    "Ciphered",
    "ConfirmedServiceError",
    "DataBlock",
    "DataBlockResult",
    "DataNotification",
    "DataNotificationConfirm",
    "EventNotification",
    "ExceptionResponse",
    "GeneralBlockTransfer",
    "GeneralCiphering",
    "GeneralDed",
    "GeneralGlo",
    "GeneralSigning",
    "GetRequestNext",
    "GetRequestNormal",
    "GetRequestWithList",
    "GetResponseNormal",
    "GetResponseWithDatablock",
    "GetResponseWithList",
    "IdentifiedKey",
    "InformationReport",
    "InitiateRequest",
    "InitiateResponse",
    "MethodDescriptor",
    "ParameterizedAccess",
    "Parsed",
    "Protection",
    "ReadDataBlockAccess",
    "ReadRequest",
    "ReadResponse",
    "Rlre",
    "Rlrq",
    "Row",
    "SelectiveAccess",
    "Sender",
    "Service",
    "SetRequestNormal",
    "SetRequestWithDatablock",
    "SetRequestWithFirstDatablock",
    "SetRequestWithList",
    "SetRequestWithListAndFirstDatablock",
    "SetResponseDatablock",
    "SetResponseLastDatablock",
    "SetResponseLastDatablockWithList",
    "SetResponseNormal",
    "SetResponseWithList",
    "State",
    "UnconfirmedWriteRequest",
    "VariableName",
    "WrappedKey",
    "WriteDataBlockAccess",
    "WriteRequest",
    "WriteResponse",
    "ciphered_tag",
    "is_dedicated",
    "parse",
    "plain_tag",
    "row_of",
]
