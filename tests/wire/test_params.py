from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nameplate.refusal import RefusedError
from nameplate.wire.params import Parameters, canonical, decode
from nameplate.wire.signature import Scheme, read_v1
from tests.support.signer import encode, sign_v1

AWKWARD = "~ * + % space 中文 灯 é \x00 \t\n & = # / ? : @ ! ' ( ) , ; $ [ ] { } | \\ ^ ` < > \" 😀"
texts = st.one_of(st.text(), st.text(alphabet=AWKWARD))
names = st.text(alphabet="ABCabc019.", min_size=1, max_size=20)
parameter_sets = st.dictionaries(names, texts, max_size=12)


def as_form(parameters: dict[str, str]) -> str:
    return urlencode(parameters)


def as_rfc_3986(parameters: dict[str, str]) -> str:
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in parameters.items())


def as_javascript(parameters: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='-_.~!*' + chr(39) + '()')}" for name, value in parameters.items())


def in_lower_case(parameters: dict[str, str]) -> str:
    def lower(text: str) -> str:
        parts = quote_plus(text).split("%")
        return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])

    return "&".join(f"{lower(name)}={lower(value)}" for name, value in parameters.items())


def all_escaped(parameters: dict[str, str]) -> str:
    return "&".join(
        f"{name}={''.join(f'%{byte:02X}' for byte in value.encode())}" for name, value in parameters.items()
    )


SPELLINGS = [as_form, as_rfc_3986, as_javascript, in_lower_case, all_escaped]


@pytest.mark.parametrize("spell", SPELLINGS, ids=lambda spell: spell.__name__)
@given(parameters=parameter_sets)
@example(parameters={"A": AWKWARD, "B": "", "C.1": "~*+% ", "C.10": "中文", "C.2": "="})
def test_parameters_come_back_however_they_were_encoded(
    spell: Callable[[dict[str, str]], str], parameters: dict[str, str]
) -> None:
    text = canonical(spell(parameters).encode())
    assert decode(text) == parameters
    assert text.decode() == as_rfc_3986(parameters)


@given(query=parameter_sets, form=parameter_sets)
def test_query_and_form_are_merged(query: dict[str, str], form: dict[str, str]) -> None:
    form = {name: value for name, value in form.items() if name not in query}
    assert decode(canonical(as_form(query).encode()), canonical(as_form(form).encode())) == query | form


@pytest.mark.parametrize("spell", SPELLINGS, ids=lambda spell: spell.__name__)
@given(parameters=parameter_sets, secret=st.text(alphabet="abc019", min_size=1))
def test_a_signature_made_the_straightforward_way_verifies(
    spell: Callable[[dict[str, str]], str], parameters: dict[str, str], secret: str
) -> None:
    common = {
        "AccessKeyId": "id",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "n",
        "Timestamp": "2024-05-20T12:00:00Z",
        "SignatureType": "",
    }
    call = parameters | common
    call["Signature"] = sign_v1("POST", call, secret)
    body = canonical(spell(call).encode())
    claim = read_v1("POST", (b"", body), decode(body))
    assert claim.scheme is Scheme.V1
    claim.verify(secret.encode())


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"A=1&A=2", "InvalidA", "A"),
        (b"DeviceName.2=%ff", "InvalidDeviceName", "DeviceName.2"),
        (b"DeviceName.2=%zz", "InvalidDeviceName", "DeviceName.2"),
        (b"DeviceName.2=a%", "InvalidDeviceName", "DeviceName.2"),
        (b"DeviceName.2=a%4", "InvalidDeviceName", "DeviceName.2"),
        (b"%ff=1", "InvalidParameter", "%FF"),
    ],
)
def test_what_cannot_be_read_is_refused_and_placed(text: bytes, code: str, place: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(canonical(text))
    assert (refused.value.status, refused.value.code) == (400, code)
    assert place in refused.value.message


@pytest.mark.parametrize("pairs", [1, 40])
def test_few_escapes_and_many_are_decoded_once(pairs: int) -> None:
    text = "&".join(f"%2541.{number}=%25%2541%3A%E6%B3%B5" for number in range(pairs))
    assert decode(text.encode()) == {f"%41.{number}": "%%41:泵" for number in range(pairs)}


@given(text=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with suppress(RefusedError):
        parameters = decode(canonical(text))
        assert decode(canonical(as_form(parameters).encode())) == parameters


@pytest.mark.parametrize("text", [b"", b"&", b"&&A=1&&", b"A=1&", b"A", b"=", b"A=b=c"])
def test_stray_separators_are_read_as_forms_are(text: bytes) -> None:
    expected = {b"": {}, b"&": {}, b"A": {"A": ""}, b"=": {"": ""}, b"A=b=c": {"A": "b=c"}}.get(text, {"A": "1"})
    assert decode(canonical(text)) == expected


SIMILAR = [*(f"DeviceName.{number}" for number in range(5)), "DeviceName.01", "DeviceName.1.x", "DeviceName", "A"]


def whole(parameters: Parameters) -> dict[str, str]:
    """Return every parameter by its name, those of lists too."""
    listed = [(prefix, row) for prefix, values in parameters.lists.items() for row in enumerate(values, start=1)]
    return {**parameters, **{f"{prefix}{number}": value for prefix, (number, value) in listed}}


@given(names=st.lists(st.sampled_from([*SIMILAR, "XDeviceName.1"]), max_size=8), split=st.integers(0, 8))
def test_a_list_says_the_same_whole_and_name_by_name(names: list[str], split: int) -> None:
    pairs = [f"{name}=value-{row}" for row, name in enumerate(names)]
    texts = ["&".join(pairs[:split]).encode(), "&".join(pairs[split:]).encode()]
    if len(set(names)) < len(names):
        for lists in ([], ["DeviceName."]):
            with pytest.raises(RefusedError, match="more than once"):
                decode(*texts, lists=lists)
    else:
        assert whole(decode(*texts, lists=["DeviceName."])) == decode(*texts)


@pytest.mark.parametrize("count", [1, 10, 10_000, 10_001])
def test_a_list_in_order_is_taken_whole(count: int) -> None:
    values = [f"sn:{number}" for number in range(count)]
    listed = {f"DeviceName.{number}": value for number, value in enumerate(values, start=1)}
    text = canonical(as_form({"Action": "A", **listed, "Format": "JSON"}).encode())
    found = decode(text, lists=["DeviceName."])
    assert found.lists == {"DeviceName.": values}
    assert found == {"Action": "A", "Format": "JSON"}
