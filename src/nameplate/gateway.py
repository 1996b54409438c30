"""The path of every signed call, on one page: read, authenticate, find, bind, perform, render."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from nameplate import operations
from nameplate.authentication import authenticate
from nameplate.call import Call, Registry
from nameplate.domain.secrets import WrongMasterKeyError
from nameplate.errors import (
    ACTION_NOT_COVERED,
    ACTION_NOT_FOUND,
    CONTENT_TYPE_NOT_VALID,
    INSTANCE_NOT_FOUND,
    INTERNAL_ERROR,
    INVALID_FORMAT,
    INVALID_VERSION,
    METHOD_NOT_SUPPORTED,
    MISSING_PARAMETER,
    REQUEST_TOO_LARGE,
    ROLE_DENIED,
    SERVICE_UNAVAILABLE,
    THROTTLED,
)
from nameplate.observation import Observation
from nameplate.refusal import RefusedError
from nameplate.store.database import ConflictError, retried
from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS, Operation, text_lists
from nameplate.wire.params import Parameters, canonical, decode
from nameplate.wire.render import Envelope, Format, Response
from nameplate.wire.request import Request
from nameplate.wire.signature import read_acs3, read_v1

__all__ = ["Gateway", "operations"]

_VERSION: Final = "2018-01-20"
_METHODS: Final = ("GET", "POST")
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_PARAMETERS: Final = 100_000
_FORMATS: Final = {"JSON": Format.JSON, "XML": Format.XML}
_SMALL: Final = 16_384
_ACTION: Final = re.compile(rb"(?:^|&)Action=([A-Za-z0-9]{1,64})")
_FORMAT: Final = re.compile(rb"(?:^|&)Format=([A-Za-z]+)")

_LISTS: Final = text_lists()

_Made = TypeVar("_Made")

_log = logging.getLogger(__name__)

Later = Callable[[], Response]
"""The rest of a call that takes too long for the event loop: to be called in a thread."""


class Gateway:
    """Takes calls off the wire, performs them and answers.

    Synchronous; called from many threads. Nothing is raised: whatever goes wrong is an answer too.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.is_embedded = registry.store.database.is_embedded

    def answer(self, request: Request) -> Response:
        """Answer one call, in a thread."""
        begun = self._answer(request, is_alone=True)
        return begun if isinstance(begun, Response) else begun()

    def begin(self, request: Request) -> Response | Later:
        """Answer one call as far as the event loop may; `commit` must follow before the answer is sent."""
        return self._answer(request, is_alone=False)

    def commit(self) -> None:
        """Remember the nonces of all calls that were begun. Raises if that fails: they must not be answered then."""
        self._registry.store.nonces.commit()

    def _answer(self, request: Request, *, is_alone: bool) -> Response | Later:
        seen = Observation()
        try:
            texts = _read(request)
            parameters = decode(*texts, lists=_LISTS)
        except RefusedError as refused:
            return self._refuse(request, refused, seen)
        form = Format.JSON if request.is_acs3 else _FORMATS.get(parameters.get("Format", "XML").upper(), Format.XML)
        seen.action = _common(request, parameters, "Action")
        envelope = Envelope(form, seen.action, seen.request_id, request.host)
        answer = _guard(envelope, lambda: self._perform(request, texts, parameters, envelope, seen, is_alone=is_alone))
        return seen.end(answer) if isinstance(answer, Response) else lambda: seen.end(answer())

    def refuse(self, request: Request, refused: RefusedError) -> Response:
        """Answer a request that cannot be read to its end, in the format that it seems to ask for."""
        return self._refuse(request, refused, Observation())

    def _refuse(self, request: Request, refused: RefusedError, seen: Observation) -> Response:
        return seen.end(Envelope(_guess_format(request), "", seen.request_id, request.host).refusal(refused))

    def is_inline(self, request: Request) -> bool:
        """Whether a request is small and for a cheap keyed read, so that the event loop may begin it itself.

        None is whose read crosses a network: the event loop would wait for it.
        """
        if not self.is_embedded or request.size > _SMALL:
            return False
        action = request.headers.get("x-acs-action", "") if request.is_acs3 else _peek(_ACTION, request)
        operation = OPERATIONS.get(action)
        return operation is not None and operation.inline

    def _perform(
        self,
        request: Request,
        texts: tuple[bytes, bytes],
        parameters: Parameters,
        envelope: Envelope,
        seen: Observation,
        *,
        is_alone: bool,
    ) -> Response | Later:
        _check_presence(request, parameters)
        claim = read_acs3(request, texts[0]) if request.is_acs3 else read_v1(request.method, texts, parameters)
        key = authenticate(self._registry, claim)
        seen.access_key_id = key.id
        if is_alone:
            self.commit()
        origin = self._registry.public_url or f"http://{request.host}"
        call = Call(self._registry, envelope.action, key.account_id, key.role, origin)
        operation = _find(call, _common(request, parameters, "Version"))
        _check_rate(call, parameters)
        _check_instance(call, parameters.get("IotInstanceId"))
        bound = operation.bind(parameters, texts)
        answer = retried(lambda: operation.function(call, **bound))
        if callable(answer):
            return lambda: _guard(envelope, lambda: _succeed(envelope, call, answer()))
        return _succeed(envelope, call, answer)


def _guard(envelope: Envelope, make: Callable[[], _Made]) -> _Made | Response:
    """Return what `make` makes, or the refusal that it raises."""
    try:
        return make()
    except RefusedError as refused:
        if refused.reason:
            _log.warning("Call %s failed: %s", envelope.request_id, refused.reason)
        return envelope.refusal(refused)
    except WrongMasterKeyError:
        _log.error(
            "Call %s failed: the master key has been rotated. Start again with the new one.", envelope.request_id
        )
        return envelope.refusal(SERVICE_UNAVAILABLE())
    except ConflictError:
        return envelope.refusal(SERVICE_UNAVAILABLE())
    except Exception:  # noqa: BLE001 (the edge: no call may end without an answer)
        _log.exception("Call %s failed.", envelope.request_id)
        return envelope.refusal(INTERNAL_ERROR())


def _succeed(envelope: Envelope, call: Call, fields: Mapping[str, Any]) -> Response:
    response = envelope.success(fields)
    if call.warnings:
        response.headers["x-nameplate-warning"] = "; ".join(call.warnings)
    return response


def _read(request: Request) -> tuple[bytes, bytes]:
    """Return the canonical query and form body."""
    if request.method not in _METHODS:
        raise METHOD_NOT_SUPPORTED(method=request.method)
    content_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if request.body and content_type != _FORM:
        raise CONTENT_TYPE_NOT_VALID()
    if request.query.count(b"&") + request.body.count(b"&") > _MOST_PARAMETERS:
        raise REQUEST_TOO_LARGE(limit=f"{_MOST_PARAMETERS} parameters")
    return canonical(request.query), canonical(request.body)


def _common(request: Request, parameters: Mapping[str, str], name: str) -> str:
    """Return the call's Action or Version: a header of ACS3, a parameter of v1."""
    return request.headers.get(f"x-acs-{name.lower()}", "") if request.is_acs3 else parameters.get(name, "")


def _check_presence(request: Request, parameters: Mapping[str, str]) -> None:
    for name in ("Action", "Version"):
        if not _common(request, parameters, name):
            where = f"x-acs-{name.lower()}" if request.is_acs3 else name
            raise MISSING_PARAMETER(name=name, where=where, hint="")
    if not request.is_acs3 and parameters.get("Format", "XML").upper() not in _FORMATS:
        raise INVALID_FORMAT()


def _find(call: Call, version: str) -> Operation:
    """Return the operation that a call asks for.

    Raises a refusal if there is none, or none for this role.
    """
    if version != _VERSION:
        raise INVALID_VERSION()
    operation = OPERATIONS.get(call.action)
    if operation is None and call.action in VENDOR_ACTIONS:
        raise ACTION_NOT_COVERED(action=call.action, where=f"{call.origin}/coverage")
    if operation is None:
        raise ACTION_NOT_FOUND(action=call.action[:64])
    if not call.role.may(operation.role):
        raise ROLE_DENIED(role=call.role, action=call.action, needed=operation.role)
    return operation


def _check_rate(call: Call, parameters: Mapping[str, str]) -> None:
    rates = call.registry.rates
    rate = None if rates is None else rates.exceeded(call.account_id, call.action, parameters, call.now())
    if rate is not None:
        raise THROTTLED(action=call.action, rate=rate)


def _check_instance(call: Call, instance_id: str | None) -> None:
    """Refuse a call for another instance; a call that names none is for this one."""
    own = call.registry.instance_id
    if not instance_id or instance_id == own:
        return
    if own is None:
        raise INSTANCE_NOT_FOUND(problem="none is configured here; leave it out, or start with NAMEPLATE_INSTANCE_ID")
    raise INSTANCE_NOT_FOUND(problem="this installation has another one")


def _guess_format(request: Request) -> Format:
    if request.is_acs3:
        return Format.JSON
    asked = _peek(_FORMAT, request).upper()
    if not asked and "json" in request.headers.get("accept", ""):
        return Format.JSON
    return _FORMATS.get(asked, Format.XML)


def _peek(pattern: re.Pattern[bytes], request: Request) -> str:
    found = pattern.search(request.query) or pattern.search(request.body)
    return found[1].decode() if found else ""
