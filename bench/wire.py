"""CPU time to verify and read one call with 10,000 names, from its raw bytes to a list."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final
from urllib.parse import urlencode

from bench.calls import ROWS, sequential
from bench.figure import Figure
from bench.plan import Plan
from bench.straightforward import names_of_acs3, names_of_v1
from nameplate.gateway import operations
from nameplate.wire.operation import OPERATIONS, text_lists
from nameplate.wire.params import canonical, decode
from nameplate.wire.request import Request
from nameplate.wire.signature import read_acs3, read_v1
from tests.support.signer import Client, encode, numbered, sign_acs3, sign_v1

__all__ = ["measure", "operations"]

_GROUP: Final = "wire"
_ACTION: Final = "BatchCheckDeviceNames"
_KEY_ID: Final = "measured"
_SECRET: Final = "secret-of-the-measured-key"  # noqa: S105 (of nothing but this measurement)
_LISTS: Final = text_lists()
_BASELINE: Final = "parse_qsl and quote"


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    request: Request
    names: list[str]
    baseline: Callable[[Request, str], list[str]]
    target: float | None


def measure(plan: Plan) -> list[Figure]:
    """Measure every kind of call, ours and the baseline's in turn."""
    cases = _cases()
    for case in cases:
        assert _ours(case.request) == case.names
        assert case.baseline(case.request, _SECRET) == case.names
    repeats = plan.size(9, 3)
    ours: dict[str, list[float]] = {case.name: [] for case in cases}
    baselines: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in plan.each_round(_GROUP):
        for case in cases:
            mine, theirs = _in_turn(case, repeats)
            ours[case.name].append(mine)
            baselines[case.name].append(theirs)
    note = (
        f"CPU time to verify and read one call with {ROWS:,} names, from raw bytes to a list; {repeats} a round. "
        "Baseline: parse_qsl, each item encoded with quote, sorted, joined, the HMAC, then names looked up one by one."
    )
    return [
        Figure(
            group=_GROUP,
            name=case.name,
            unit="ms",
            values=ours[case.name],
            baseline=_BASELINE,
            baselines=baselines[case.name],
            target=case.target,
            note=note,
        )
        for case in cases
    ]


def _in_turn(case: _Case, repeats: int) -> tuple[float, float]:
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(_cpu_ms(lambda: _ours(case.request)))
        theirs.append(_cpu_ms(lambda: case.baseline(case.request, _SECRET)))
    return median(mine), median(theirs)


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _ours(request: Request) -> list[str]:
    """Do what the gateway does up to the operation, without the database."""
    texts = canonical(request.query), canonical(request.body)
    parameters = decode(*texts, lists=_LISTS)
    claim = read_acs3(request, texts[0]) if request.is_acs3 else read_v1(request.method, texts, parameters)
    claim.verify(_SECRET.encode())
    arguments = OPERATIONS[_ACTION].bind(parameters, texts)
    rows = arguments.get("device_name_list")
    if isinstance(rows, list):
        return [text for row in rows for text in row]
    names = arguments["device_name"]
    assert isinstance(names, list)
    return names


def _cases() -> list[_Case]:
    plain = sequential(0)
    awkward = [f"sn:{number:08}@site" for number in range(ROWS)]
    nicknames = [f"三号车间水泵{number:05}" for number in range(ROWS)]
    rows = [text for pair in zip(plain, nicknames, strict=True) for text in pair]
    listed = {
        **{f"DeviceNameList.{number}.DeviceName": name for number, name in enumerate(plain, start=1)},
        **{f"DeviceNameList.{number}.DeviceNickname": name for number, name in enumerate(nicknames, start=1)},
    }
    names = numbered("DeviceName", plain)
    return [
        _Case("v1, names in the body", _v1(names), plain, names_of_v1, 4),
        _Case("ACS3, names in the query", _acs3(query=names, form={}), plain, names_of_acs3, 6),
        _Case("ACS3, names in the body", _acs3(query={}, form=names), plain, names_of_acs3, None),
        _Case("v1, names with : and @", _v1(numbered("DeviceName", awkward)), awkward, names_of_v1, None),
        _Case("v1, names with Chinese nicknames", _v1(listed), rows, names_of_v1, None),
    ]


def _v1(parameters: dict[str, str]) -> Request:
    signed = Client(0, _KEY_ID, _SECRET).parameters(_ACTION, {"ProductKey": "a1b2c3d4e5f", **parameters})
    signed["Signature"] = sign_v1("POST", signed, _SECRET)
    body = urlencode(signed).encode()
    headers = {"host": "127.0.0.1", "content-type": "application/x-www-form-urlencoded"}
    return Request("POST", b"", headers, body)


def _acs3(query: dict[str, str], form: dict[str, str]) -> Request:
    query = {"ProductKey": "a1b2c3d4e5f", **query}
    body = urlencode(form).encode()
    headers = {
        "host": "127.0.0.1",
        "x-acs-action": _ACTION,
        "x-acs-version": "2018-01-20",
        "x-acs-date": "2025-01-01T00:00:00Z",
        "x-acs-signature-nonce": "00000000-0000-0000-0000-000000000000",
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    signature = sign_acs3("POST", query, headers, body, _SECRET)
    names = ";".join(sorted(headers))
    headers["authorization"] = f"ACS3-HMAC-SHA256 Credential={_KEY_ID},SignedHeaders={names},Signature={signature}"
    encoded = "&".join(f"{encode(name)}={encode(value)}" for name, value in query.items())
    return Request("POST", encoded.encode(), headers, body)
