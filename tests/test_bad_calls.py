"""What is wrong with a call as such: its encoding, its common parameters, its headers, and what it tries to inject."""

import xml.etree.ElementTree as ET
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.server import Server
from tests.support.signer import Answer, Client, numbered
from tests.support.wire import FORM, acs3, ask, expect, form, post, request, signed

COMMON = (
    "Action",
    "Version",
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "Timestamp",
)
ACS3_HEADERS = {
    "x-acs-action": "MissingAction",
    "x-acs-version": "MissingVersion",
    "x-acs-date": "MissingTimestamp",
    "x-acs-signature-nonce": "MissingSignatureNonce",
    "x-acs-content-sha256": "IncompleteSignature",
    "host": "IncompleteSignature",
}
HOSTILE = (
    "<script>alert(1)</script>",
    "]]><Code>x</Code><!--",
    '","Success":true,"x":"',
    "&lt;&amp;&#0;&xxe;",
    "pump\r\nWARNING: forged line in the log",
    "pump\0\1\b\x1b[31m",
    "{name}{0}%s%(x)s$x`id`",
    "../../etc/passwd",
    "水泵\u202e\ufeff\u2028\uffff😀",
)


def sent(client: Client, raw: bytes, **changes: str | None) -> Answer:
    """Send a signed form with unsigned bytes at its end: of what cannot be read, no signature is looked at."""
    headers, body = form(signed(client, "QueryProduct", changes), raw)
    return client.raw("POST", "/", body, headers)


# --- Encoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"%ff", b"%C3", b"%ED%A0%80", b"%C0%AF", b"%F5%80%80%80", b"\xff", b"\xc3("])
def test_text_that_is_not_utf_8(root: Client, value: bytes) -> None:
    assert expect(sent(root, b"&Word=" + value), 400, "InvalidWord")["Message"].endswith("It is not UTF-8.")
    assert expect(sent(root, b"&W" + value + b"=x"), 400, "InvalidW")["Message"].endswith("It is not UTF-8.")


@pytest.mark.parametrize("value", [b"%", b"%zz", b"%a", b"%%41", b"%4", b"-100%", b"%u6c34", b"% 41", b"%4\xc3\xa4"])
def test_an_escape_that_is_none(root: Client, value: bytes) -> None:
    for raw, code in ((b"&Word=" + value, "InvalidWord"), (b"&W" + value + b"=x", "InvalidW")):
        refusal = expect(sent(root, raw), 400, code)
        assert refusal["Message"].endswith("It holds a % that is not followed by two hexadecimal digits.")


@pytest.mark.parametrize("value", [b"%ff", b"%zz"])
def test_a_query_that_cannot_be_read(root: Client, value: bytes) -> None:
    answer = root.raw("GET", f"/?{urlencode(signed(root, 'QueryProduct', method='GET'))}&Word={value.decode()}")
    expect(answer, 400, "InvalidWord")


@pytest.mark.parametrize("name", ["<b>&\"'", "水", "\n\r\0", "%zz", "=x", "n" * 5_000])
def test_a_wrong_name_is_shown_safely_and_shortly(root: Client, name: str) -> None:
    twice = "&" + urlencode({name: "%ff"}) + "&" + urlencode({name: "x"})
    for asked in ("JSON", None):
        answer = sent(root, twice.encode(), Format=asked)
        code = "Invalid" + (name[:64].capitalize() if name.isascii() and name.isalnum() else "Parameter")
        expect(answer, 400, code)
        assert len(answer.text) < 1_000


@pytest.mark.parametrize("value", ["水泵", "a b", "a+b", "~*'()!", "\x01\x02", "\r\n\t", '"<>\\^`{|}', "é"])
def test_bytes_that_should_have_been_escaped_are_read_as_they_are(root: Client, value: str) -> None:
    parameters = signed(root, "QueryProduct", {"Word": value, "ProductKey": "a1b2c3d4e5f"})
    del parameters["Word"]
    raw = value.replace("+", "%2B").replace(" ", "+")
    headers, body = form(parameters, f"&Word={raw}".encode())
    expect(root.raw("POST", "/", body, headers), 200, "iot.prod.NotExistedProduct")


@pytest.mark.parametrize("raw", [b"&", b"&&&", b"&Word", b"&Word=&=", b"&=&Word="])
def test_separators_that_separate_nothing_are_no_parameters(root: Client, raw: bytes) -> None:
    words = {"Word": ""} if b"Word" in raw else {}
    words |= {"": ""} if raw.count(b"&=") else {}
    parameters = signed(root, "QueryProduct", {"ProductKey": "a1b2c3d4e5f", **words})
    headers, body = form({name: value for name, value in parameters.items() if name not in words}, raw)
    expect(root.raw("POST", "/", body, headers), 200, "iot.prod.NotExistedProduct")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/xml", "x", ""])
def test_a_body_of_another_type(root: Client, content_type: str) -> None:
    _, body = form(signed(root, "QueryProduct"))
    answer = root.raw("POST", "/", body, {"content-type": content_type})
    expect(answer, 400, "InvalidContentType")


@pytest.mark.parametrize("content_type", [None, FORM.upper(), f"{FORM};charset=utf-8", f" {FORM} ; x"])
def test_a_body_of_a_type_that_will_do(root: Client, content_type: str | None) -> None:
    _, body = form(signed(root, "QueryProduct"))
    headers = {} if content_type is None else {"content-type": content_type}
    expect(ask(root.port, request("POST", "/", headers, body)), 400, "MissingProductKey")


def test_the_type_of_no_body_is_not_looked_at(root: Client) -> None:
    target = f"/?{urlencode(signed(root, 'QueryProduct', method='GET'))}"
    expect(root.raw("GET", target, headers={"content-type": "application/json"}), 400, "MissingProductKey")


# --- Common parameters and headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("name", COMMON)
def test_a_common_parameter_that_is_missing(root: Client, name: str, value: str | None) -> None:
    parameters = {**signed(root, "QueryProduct"), name: value or ""}
    if value is None:
        del parameters[name]
    refusal = expect(root.send("POST", parameters), 400, f"Missing{name}")
    assert refusal["Message"] == f"{name} is mandatory for this action."


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("Version", "2022-01-01", 400, "InvalidVersion"),
        ("Version", "2018-01-20 ", 400, "InvalidVersion"),
        ("Format", "YAML", 400, "InvalidParameter.Format"),
        ("Format", "", 400, "InvalidParameter.Format"),
        ("Format", "JSON ", 400, "InvalidParameter.Format"),
        ("Action", "Nobody", 404, "InvalidAction.NotFound"),
        ("Action", "queryproduct", 404, "InvalidAction.NotFound"),
        ("Action", "QueryProduct\0", 404, "InvalidAction.NotFound"),
        ("Action", "__init__", 404, "InvalidAction.NotFound"),
        ("Action", "x" * 100_000, 404, "InvalidAction.NotFound"),
        ("AccessKeyId", "nobody", 404, "InvalidAccessKeyId.NotFound"),
        ("AccessKeyId", "' OR 1=1 --", 404, "InvalidAccessKeyId.NotFound"),
        ("AccessKeyId", "root-key-id\0", 404, "InvalidAccessKeyId.NotFound"),
        ("AccessKeyId", "ROOT-KEY-ID", 404, "InvalidAccessKeyId.NotFound"),
        ("AccessKeyId", "x" * 100_000, 404, "InvalidAccessKeyId.NotFound"),
        ("SignatureMethod", "HMAC-SHA256", 400, "InvalidSignatureMethod"),
        ("SignatureMethod", "NONE", 400, "InvalidSignatureMethod"),
        ("SignatureVersion", "2.0", 400, "InvalidSignatureVersion"),
        ("SignatureVersion", "1", 400, "InvalidSignatureVersion"),
    ],
)
def test_a_common_parameter_that_is_wrong(root: Client, name: str, value: str, status: int, code: str) -> None:
    expect(post(root, "QueryProduct", {name: value}), status, code)


@pytest.mark.parametrize(("asked", "is_json"), [("json", True), ("Json", True), ("xml", False), ("XML", False)])
def test_the_format_is_asked_for_in_any_case(root: Client, asked: str, *, is_json: bool) -> None:
    answer = root.v1("QueryProduct", Format=asked)
    expect(answer, 400, "MissingProductKey")
    assert answer.headers["content-type"].startswith("application/json" if is_json else "text/xml")


def test_a_refusal_is_xml_if_no_format_is_asked_for(root: Client) -> None:
    for answer in (root.v1("QueryProduct", Format=None), root.v1("Nobody", Format=None), root.raw("GET", "/")):
        assert answer.headers["content-type"] == "text/xml;charset=utf-8"
        document = ET.fromstring(answer.text)  # noqa: S314 (the server is our own)
        assert document.tag == "Error"
        assert [child.tag for child in document] == ["RequestId", "HostId", "Code", "Message", "Recommend"]


def test_a_business_refusal_is_xml_if_no_format_is_asked_for(root: Client) -> None:
    answer = root.v1("QueryProduct", Format=None, ProductKey="x")
    expect(answer, 200, "iot.prod.InvalidFormattedProductkey")
    assert ET.fromstring(answer.text).tag == "QueryProductResponse"  # noqa: S314 (our own server's)


def test_acs3_is_answered_in_json_whatever_else_is_asked_for(root: Client) -> None:
    for answer in (root.acs3("QueryProduct", query={"Format": "XML"}), root.acs3("Nobody", accept="text/xml")):
        assert answer.headers["content-type"] == "application/json;charset=utf-8"
    expect(root.acs3("QueryProduct", query={"Action": "CreateProduct", "Format": "XML"}), 400, "MissingProductKey")


@pytest.mark.parametrize(("name", "code"), ACS3_HEADERS.items())
def test_an_acs3_header_that_is_missing(root: Client, name: str, code: str) -> None:
    expect(acs3(root, "QueryProduct", {name: None}), 400, code)


@pytest.mark.parametrize(("name", "code"), list(ACS3_HEADERS.items())[:4])
def test_an_acs3_header_that_is_empty(root: Client, name: str, code: str) -> None:
    expect(acs3(root, "QueryProduct", {name: ""}), 400, code)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer root-key-secret",
        "Basic cm9vdDpyb290",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=a",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=",
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=x",
        "ACS3-HMAC-SHA256 SignedHeaders=host,Credential=a,Signature=x",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=x,More=y",
        "ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=x",
        "ACS3-RSA-SHA256 Credential=a,SignedHeaders=host,Signature=x",
        "acs3-hmac-sha256 Credential=a,SignedHeaders=host,Signature=x",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=x",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=;;;,Signature=x",
        "ACS3-HMAC-SHA256 " + "Credential=" * 1_000,
    ],
)
def test_an_authorization_that_does_not_conform(root: Client, authorization: str) -> None:
    headers = {"x-acs-action": "QueryProduct", "x-acs-version": "2018-01-20"}
    headers |= {"x-acs-date": "2024-05-20T12:00:00Z", "x-acs-signature-nonce": "n", "authorization": authorization}
    answer = root.raw("POST", "/", headers=headers)
    refusal = expect(answer, 400, "IncompleteSignature")
    assert "signature does not conform to standards. server string to sign is:" in refusal["Message"]


# --- Injection --------------------------------------------------------------------------------------------------------


def test_hostile_names_come_back_as_they_were_sent(root: Client, product: str) -> None:
    apply_id = batch.check(root, product, list(HOSTILE))
    assert batch.wait(root, product, apply_id)["Status"] == "CHECK_FAILED"
    asked = {"ProductKey": product, "ApplyId": str(apply_id)}
    found = root.call("QueryBatchRegisterDeviceStatus", **asked)
    assert found["Data"]["InvalidList"]["Name"] == list(HOSTILE)
    assert [row["DeviceName"] for row in found["Data"]["InvalidDetailList"]["invalidDetailList"]] == list(HOSTILE)
    document = ET.fromstring(post(root, "QueryBatchRegisterDeviceStatus", asked, Format="XML").text)  # noqa: S314 (our own server's)
    shown = [name.text for name in document.findall("./Data/InvalidList/Name")]
    assert shown == ["".join(character if _is_xml(character) else "\ufffd" for character in name) for name in HOSTILE]


def _is_xml(character: str) -> bool:
    return character in "\t\n\r" or (character >= " " and character != "\uffff")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_description_comes_back_as_it_was_sent(root: Client, text: str) -> None:
    made = root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0", Description=text)
    assert root.call("QueryProduct", ProductKey=made["ProductKey"])["Data"]["Description"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_action_is_only_text(root: Client, text: str) -> None:
    assert text in expect(root.v1(text), 404, "InvalidAction.NotFound")["Message"]
    expect(root.v1(text, Format="XML"), 404, "InvalidAction.NotFound")


def test_a_hostile_host_is_only_text(root: Client) -> None:
    host = "</HostId><Code>x</Code>\",'"
    for target in ("/", "/?Format=JSON"):
        answer = ask(root.port, request("GET", target, {"host": host}))
        assert expect(answer, 400, "MissingAction")["HostId"] == host


def test_nothing_that_callers_send_is_logged(server: Server, root: Client) -> None:
    mark = uuid4().hex
    hostile = f"x\r\nERROR: {mark}"
    answers = [
        root.v1(hostile),
        root.v1("QueryProduct", AccessKeyId=hostile),
        root.v1("QueryProduct", ProductKey=hostile),
        post(root, "BatchCheckDeviceNames", numbered("DeviceName", [hostile]), ProductKey="x"),
    ]
    assert {answer.status for answer in answers} == {200, 404}
    ask(root.port, request("GET", "/", {"x": f"\0{mark}"}))
    assert mark not in server.log
