"""Hypothesis strategies for every service class, with the invoke-id its family takes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cosem import apdu
from cosem.apdu.ciphered import CIPHERED_NAMES
from cosem.apdu.fields import ACTION_RESULTS, DATA_ACCESS_RESULTS
from cosem.codec import axdr
from cosem.obis import Obis
from cosem.results import ExceptionServiceError, ExceptionStateError


def make(cls: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return `cls` made of exactly these fields, in order."""
    return st.tuples(*fields).map(lambda values: cls(*values))


octet = st.integers(0, 255)
number = st.integers(0, 2**32 - 1)
text = st.binary(max_size=40)
names = st.binary(min_size=6, max_size=6).map(Obis)
attributes = make(apdu.AttributeDescriptor, st.integers(0, 65535), names, st.integers(-128, 127))
methods = make(apdu.MethodDescriptor, st.integers(0, 65535), names, st.integers(-128, 127))
values = st.recursive(
    st.one_of(
        st.just(axdr.null()),
        st.integers(0, 2**32 - 1).map(axdr.double_long_unsigned),
        st.binary(max_size=300).map(axdr.octet_string),
        st.booleans().map(axdr.boolean),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: axdr.structure(*items)),
        st.lists(inner, max_size=4).map(lambda items: axdr.array(*items)),
    ),
    max_leaves=8,
)
data = values.map(axdr.encode)
selections = st.one_of(st.none(), make(apdu.SelectiveAccess, octet, data))
attribute_lists = st.lists(st.tuples(attributes, selections), max_size=4).map(tuple)
method_lists = st.lists(methods, max_size=4).map(tuple)
data_lists = st.lists(data, max_size=4).map(tuple)
blocks = make(apdu.DataBlock, st.booleans(), number, st.binary(max_size=200))
access_results = octet.map(DATA_ACCESS_RESULTS.__getitem__)
action_results = octet.map(ACTION_RESULTS.__getitem__)
result_lists = st.lists(access_results, max_size=4).map(tuple)
date_times = st.binary(min_size=12, max_size=12)
short_codes = st.integers(0, 255)


def _outcomes(cls: Any) -> st.SearchStrategy[Any]:
    return st.one_of(
        make(cls, action_results),
        make(cls, action_results, data),
        make(cls, action_results, st.none(), access_results),
    )


_authentication: dict[str, st.SearchStrategy[Any]] = {
    "mechanism": st.one_of(st.none(), st.integers(0, 127), st.just(bytes.fromhex("2a030406"))),
    "implementation_information": st.one_of(st.none(), text),
    "protocol_version": st.one_of(st.none(), st.sampled_from([b"\x07\x80", b"\x02\x84"])),
}
_titles = st.one_of(st.none(), st.binary(min_size=8, max_size=8), st.binary(max_size=150))
_ids = st.one_of(st.none(), number)
_requirements = st.one_of(st.none(), st.just(b"\x07\x80"))
initiates = st.one_of(
    make(
        apdu.InitiateRequest,
        st.integers(0, 0xFFFFFF),
        st.integers(0, 65535),
        st.one_of(st.none(), st.binary(min_size=16, max_size=16)),
        st.booleans(),
        st.one_of(st.none(), st.integers(-128, 127)),
        octet,
    ),
    make(
        apdu.InitiateResponse,
        st.integers(0, 0xFFFFFF),
        st.integers(0, 65535),
        st.integers(0, 65535),
        st.one_of(st.none(), st.integers(-128, 127)),
        octet,
    ),
    make(apdu.ConfirmedServiceError, st.integers(1, 19), st.integers(0, 10), octet),
)
contents = st.binary(min_size=17, max_size=200)
ciphered = make(apdu.Ciphered, st.sampled_from(sorted(CIPHERED_NAMES)), contents)
_ciphered_initiates = make(apdu.Ciphered, st.sampled_from([0x21, 0x28, 0x2E, 0x41, 0x48, 0x4E]), contents)
_user_information = st.one_of(st.none(), st.one_of(initiates, _ciphered_initiates).map(lambda pdu: pdu.encode()))
_contexts = st.one_of(st.integers(0, 127), st.just(bytes.fromhex("2a030405")))


@st.composite
def _association(draw: st.DrawFn, cls: Any, **fields: st.SearchStrategy[Any]) -> Any:
    values = {name: draw(strategy) for name, strategy in {**_authentication, **fields}.items()}
    if draw(st.booleans()):
        values["auth_value"] = draw(st.one_of(st.binary(min_size=8, max_size=8), st.binary(max_size=200)))
        values["auth_choice"] = draw(st.sampled_from([0x80, 0x81, 0xA2, 0xA3]))
    return cls(draw(_contexts), user_information=draw(_user_information), **values)


aarqs = _association(
    apdu.Aarq,
    sender_acse_requirements=_requirements,
    calling_ap_title=_titles,
    calling_ae_qualifier=_titles,
    calling_ap_invocation_id=_ids,
    calling_ae_invocation_id=_ids,
    called_ap_title=_titles,
    called_ae_qualifier=_titles,
    called_ap_invocation_id=_ids,
    called_ae_invocation_id=_ids,
)
aares = _association(
    apdu.Aare,
    result=st.integers(0, 1000),
    diagnostic_source=st.sampled_from(["user", "provider"]),
    diagnostic=number,
    responder_acse_requirements=_requirements,
    responding_ap_title=_titles,
    responding_ae_qualifier=_titles,
    responding_ap_invocation_id=_ids,
    responding_ae_invocation_id=_ids,
)
usual_aares = st.builds(
    lambda context, result, diagnostic, title, auth, user: apdu.Aare(
        context,
        result,
        "user",
        diagnostic,
        user,
        None if auth is None else 5,
        auth,
        responder_acse_requirements=None if auth is None else b"\x07\x80",
        responding_ap_title=title,
    ),
    st.integers(0, 127),
    st.integers(0, 255),
    st.integers(0, 127),
    st.one_of(st.none(), st.binary(min_size=8, max_size=8)),
    st.one_of(st.none(), st.binary(max_size=130)),
    _user_information,
)

_short = st.integers(0, 65535)
_names = make(apdu.VariableName, _short)
specifications = st.lists(
    st.one_of(
        _names,
        make(apdu.ParameterizedAccess, _short, octet, data),
        make(apdu.BlockNumberAccess, _short),
        make(apdu.ReadDataBlockAccess, st.booleans(), _short, text),
        make(apdu.WriteDataBlockAccess, st.booleans(), _short),
    ),
    min_size=1,
    max_size=4,
).map(tuple)
_block_numbers = make(apdu.BlockNumber, _short)
_read_results = st.one_of(data, access_results, make(apdu.DataBlockResult, st.booleans(), _short, text), _block_numbers)
_write_results = st.one_of(access_results, _block_numbers)
_short_names: list[st.SearchStrategy[Any]] = [
    make(apdu.ReadRequest, specifications),
    make(apdu.WriteRequest, specifications, data_lists),
    make(apdu.UnconfirmedWriteRequest, specifications, data_lists),
    make(apdu.InformationReport, st.one_of(st.none(), text), specifications, data_lists),
    make(apdu.ReadResponse, st.lists(_read_results, max_size=4).map(tuple)),
    make(apdu.WriteResponse, st.lists(_write_results, max_size=4).map(tuple)),
]
_accesses = st.lists(
    st.one_of(
        make(apdu.AccessSpecification, st.sampled_from([1, 2]), attributes),
        make(apdu.AccessSpecification, st.just(3), methods),
        make(apdu.AccessSpecification, st.sampled_from([4, 5]), attributes, make(apdu.SelectiveAccess, octet, data)),
    ),
    max_size=4,
).map(tuple)
_access_outcomes = st.one_of(
    make(apdu.AccessResult, st.sampled_from([1, 2]), access_results),
    make(apdu.AccessResult, st.just(3), action_results),
)
_no_or_date_time = st.one_of(st.just(b""), date_times)
_with_long_invoke: list[st.SearchStrategy[Any]] = [
    make(apdu.DataNotification, _no_or_date_time, data),
    make(apdu.DataNotificationConfirm, _no_or_date_time),
    make(apdu.AccessRequest, _accesses, data_lists, _no_or_date_time),
    make(
        apdu.AccessResponse,
        data_lists,
        st.lists(_access_outcomes, max_size=4).map(tuple),
        st.one_of(st.none(), _accesses),
        _no_or_date_time,
    ),
]
_general: list[st.SearchStrategy[Any]] = [
    make(
        apdu.GeneralBlockTransfer,
        st.booleans(),
        st.booleans(),
        st.integers(0, 63),
        _short,
        _short,
        st.binary(max_size=200),
    ),
    make(
        apdu.GeneralCiphering,
        *[text] * 5,
        st.one_of(
            st.none(),
            make(apdu.IdentifiedKey, octet),
            make(apdu.WrappedKey, octet, text),
            make(apdu.AgreedKey, text, text),
        ),
        contents,
    ),
    make(apdu.GeneralSigning, *[text] * 7),
]

_none = st.none()
_with_invoke: list[st.SearchStrategy[Any]] = [
    make(apdu.GetRequestNormal, attributes, selections),
    make(apdu.GetRequestNext, number),
    make(apdu.GetRequestWithList, attribute_lists),
    make(apdu.GetResponseNormal, data),
    make(apdu.GetResponseNormal, _none, access_results),
    make(apdu.GetResponseWithDatablock, st.booleans(), number, st.binary(max_size=200)),
    make(apdu.GetResponseWithDatablock, st.booleans(), number, _none, access_results),
    make(apdu.GetResponseWithList, st.lists(st.one_of(data, access_results), max_size=4).map(tuple)),
    make(apdu.SetRequestNormal, attributes, selections, data),
    make(apdu.SetRequestWithFirstDatablock, attributes, selections, blocks),
    make(apdu.SetRequestWithDatablock, blocks),
    make(apdu.SetRequestWithList, attribute_lists, data_lists),
    make(apdu.SetRequestWithListAndFirstDatablock, attribute_lists, blocks),
    make(apdu.SetResponseNormal, access_results),
    make(apdu.SetResponseDatablock, number),
    make(apdu.SetResponseLastDatablock, access_results, number),
    make(apdu.SetResponseLastDatablockWithList, result_lists, number),
    make(apdu.SetResponseWithList, result_lists),
    make(apdu.ActionRequestNormal, methods, st.one_of(_none, data)),
    make(apdu.ActionRequestNextPblock, number),
    make(apdu.ActionRequestWithList, method_lists, data_lists),
    make(apdu.ActionRequestWithFirstPblock, methods, blocks),
    make(apdu.ActionRequestWithListAndFirstPblock, method_lists, blocks),
    make(apdu.ActionRequestWithPblock, blocks),
    _outcomes(apdu.ActionResponseNormal),
    make(apdu.ActionResponseWithPblock, blocks),
    make(apdu.ActionResponseWithList, st.lists(_outcomes(apdu.ActionResponseWithOptionalData), max_size=4).map(tuple)),
    make(apdu.ActionResponseNextPblock, number),
]
_without_invoke: list[st.SearchStrategy[Any]] = [
    make(apdu.EventNotification, st.one_of(_none, date_times), attributes, data),
    make(
        apdu.ExceptionResponse,
        st.sampled_from(ExceptionStateError),
        octet.filter(lambda code: code != ExceptionServiceError.INVOCATION_COUNTER_ERROR),
    ),
    make(apdu.ExceptionResponse, st.sampled_from(ExceptionStateError), st.just(6), number),
    initiates,
    aarqs,
    aares,
    usual_aares,
    make(apdu.Rlrq, st.one_of(_none, st.integers(0, 2**31)), _user_information),
    make(apdu.Rlre, st.one_of(_none, st.integers(0, 2**31)), _user_information),
    ciphered,
    make(apdu.GeneralGlo, text, contents),
    make(apdu.GeneralDed, text, contents),
]
pairs: st.SearchStrategy[tuple[int | None, Any]] = st.one_of(
    *[st.tuples(octet, strategy) for strategy in _with_invoke],
    *[st.tuples(_none, strategy) for strategy in _without_invoke],
    *[st.tuples(_none, strategy) for strategy in _short_names + _general],
    *[st.tuples(number, strategy) for strategy in _with_long_invoke],
)
"""Any service with the invoke-id it needs (None where its family has none)."""
