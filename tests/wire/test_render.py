import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nameplate.errors import BATCH_NOT_FOUND, INVALID_NAMES_LISTED, SIGNATURE_NONCE_USED
from nameplate.wire.render import Envelope, Format, write_xml

AWKWARD = "~*+% 中文 灯 <&>\"' ]]> \r\n\t é 😀"
names = st.sampled_from(["Data", "Name", "Status", "ApplyId", "invalidDetailList"])
in_xml = st.characters(
    exclude_categories=["Cs"], exclude_characters=[chr(code) for code in range(32)] + ["\ufffe", "\uffff"]
)
leaves = st.one_of(st.text(alphabet=in_xml), st.integers(-(2**53), 2**53), st.booleans())
answers = st.recursive(
    st.dictionaries(names, leaves, max_size=3),
    lambda inner: st.dictionaries(names, st.one_of(inner, leaves, st.lists(leaves, max_size=3)), max_size=3),
    max_leaves=20,
)


def read_xml(element: ET.Element) -> Any:
    """Read an element back: its text, or its children by name, repeated ones as a list."""
    if not len(element):
        return element.text or ""
    fields: dict[str, Any] = {}
    for child in element:
        fields.setdefault(child.tag, []).append(read_xml(child))
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def as_text(value: Any) -> Any:
    """What an answer is once XML has forgotten types, and lists of one or none."""
    if isinstance(value, dict):
        fields = {name: as_text(item) for name, item in value.items() if item != []}
        return fields or ""
    if isinstance(value, list):
        return as_text(value[0]) if len(value) == 1 else [as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(answer=answers)
@example(answer={"Data": {"Name": [AWKWARD, "", "x"]}, "Status": ""})
def test_json_is_read_back(answer: dict[str, Any]) -> None:
    response = Envelope(Format.JSON, "QueryX", "ID", "h").success(answer)
    assert json.loads(response.body) == {"RequestId": "ID", "Success": True, **answer}
    assert response.content_type == "application/json;charset=utf-8"


@given(answer=answers)
@example(answer={"Data": {"Name": [AWKWARD, "", "x"]}, "Status": ""})
def test_xml_is_read_back(answer: dict[str, Any]) -> None:
    root = ET.fromstring(write_xml("QueryXResponse", answer))  # noqa: S314 (our own text)
    assert root.tag == "QueryXResponse"
    assert read_xml(root) == as_text(answer)


@given(text=st.text())
def test_any_text_makes_well_formed_xml(text: str) -> None:
    root = ET.fromstring(write_xml("A", {"Name": text}))  # noqa: S314 (our own text)
    assert len(root[0].text or "") == len(text)


def test_chinese_is_written_raw_in_json() -> None:
    assert "灯" in Envelope(Format.JSON, "A", "ID", "h").success({"Nickname": "灯"}).body.decode()


def test_lists_nest_as_the_vendor_nests_them() -> None:
    answer = {"Data": {"ValidList": {"Name": ["x", "y"]}, "InvalidList": {"Name": []}}}
    assert write_xml("R", answer).decode() == (
        "<?xml version='1.0' encoding='UTF-8'?><R><Data><ValidList><Name>x</Name><Name>y</Name></ValidList>"
        "<InvalidList></InvalidList></Data></R>"
    )


def test_an_operations_refusal_is_http_200_under_its_own_root() -> None:
    response = Envelope(Format.XML, "QueryX", "ID", "h").refusal(BATCH_NOT_FOUND())
    root = ET.fromstring(response.body)  # noqa: S314 (our own text)
    assert response.status == 200
    assert root.tag == "QueryXResponse"
    assert [child.tag for child in root] == ["RequestId", "Success", "Code", "ErrorMessage"]


def test_an_operations_refusal_may_carry_data() -> None:
    refused = INVALID_NAMES_LISTED(message="m", data={"InvalidDeviceNameList": {"InvalidDeviceName": ["ab"]}})
    answer = json.loads(Envelope(Format.JSON, "A", "ID", "h").refusal(refused).body)
    assert answer["Data"] == {"InvalidDeviceNameList": {"InvalidDeviceName": ["ab"]}}


@pytest.mark.parametrize("form", Format)
def test_the_gateways_refusal_names_its_host_and_where_to_read_more(form: Format) -> None:
    response = Envelope(form, "QueryX", "ID", "h:1").refusal(SIGNATURE_NONCE_USED())
    assert response.status == 400
    if form is Format.JSON:
        fields = json.loads(response.body)
    else:
        root = ET.fromstring(response.body)  # noqa: S314 (our own text)
        assert root.tag == "Error"
        fields = {child.tag: child.text for child in root}
    assert list(fields) == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert fields["HostId"] == "h:1"
    assert fields["Recommend"] == "http://h:1/errors?Keyword=SignatureNonceUsed"
