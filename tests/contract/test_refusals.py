"""Every refusal is raised by a test; of the vendor's codes, each is raised or there is a reason why it cannot be."""

import ast
import json
import re
from pathlib import Path

import pytest

from nameplate import errors
from nameplate.coverage import coverage_page
from nameplate.refusal import BUSINESS as BUSINESS_STATUS
from nameplate.refusal import Refusal
from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS
from tests.support.examples import EXAMPLES
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.wire import expect

VENDOR_CODES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("vendor_codes.json").read_text())
"""The codes of the vendor's documentation (page 87387 and older ones), with a reason if Nameplate never gives one."""

REASONS = {code: reason for codes in VENDOR_CODES.values() for code, reason in codes.items()}
OWN = {"iot.prod.DeleteProductFailed": "The vendor documents no code for deleting a product that is in use."}
UNRAISED = {
    "InternalError": "It would be a fault of our own that no test knows of.",
    "RequestTimeout": "A body may take longer than tests do.",
}
"""The gateway's codes that no test raises."""

CATALOGUE = {name: value for name, value in vars(errors).items() if isinstance(value, Refusal)}
OF_FILES = {name: refusal for name, refusal in CATALOGUE.items() if refusal.code.startswith("nameplate.")}
BUSINESS = {
    name: refusal for name, refusal in CATALOGUE.items() if refusal.status == BUSINESS_STATUS and name not in OF_FILES
}
GATEWAY = {name: refusal for name, refusal in CATALOGUE.items() if refusal.status != BUSINESS_STATUS}
REFUSED = [(example.answer["Code"], example.answer["ErrorMessage"]) for example in EXAMPLES if example.is_refused]
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("name", BUSINESS)
def test_every_refusal_of_an_operation_has_an_example(name: str) -> None:
    refusal = BUSINESS[name]
    message = re.sub(r"\\\{\w+\\\}", ".+", re.escape(refusal.message))
    assert any(code == refusal.code and re.fullmatch(message, said) for code, said in REFUSED)


@pytest.mark.parametrize("code", REASONS)
def test_a_code_of_the_vendors_has_an_example_or_a_reason(code: str) -> None:
    is_raised = code in {raised for raised, _ in REFUSED}
    assert is_raised is not bool(REASONS[code])
    assert is_raised is (code in {refusal.code for refusal in BUSINESS.values()})


def test_operations_refuse_in_the_vendors_words() -> None:
    assert {refusal.code for refusal in BUSINESS.values()} - set(REASONS) == set(OWN)


@pytest.mark.parametrize("name", OF_FILES)
def test_every_refusal_of_a_file_is_in_another_test(name: str) -> None:
    told = OF_FILES[name].code.removeprefix("nameplate.")
    texts = {text.replace("\\", "") for path in TESTS.rglob("test_*.py") for text in _texts(path)}
    assert any(told in text or told.partition(".")[2] in text for text in texts)


def test_every_refusal_of_the_gateway_is_in_another_test() -> None:
    literals = {text for path in TESTS.rglob("test_*.py") if path != Path(__file__) for text in _texts(path)}
    here = {"Throttling.User"}
    codes = {refusal.code.partition("{")[0] for refusal in GATEWAY.values()}
    assert {code for code in codes if code not in literals} - here == set(UNRAISED)


def _texts(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_action_that_is_not_covered_is_refused_with_a_link(server: Server, root: Client) -> None:
    for action in VENDOR_ACTIONS.difference(OPERATIONS):
        refusal = expect(root.v1(action), 404, "InvalidAction.NotFound")
        assert refusal["Message"] == (
            f"Nameplate does not cover the action {action}. What it covers, and how: "
            f"http://127.0.0.1:{server.port}/coverage"
        )


def test_the_link_leads_to_the_coverage_page(root: Client) -> None:
    answer = root.raw("GET", "/coverage")
    assert (answer.status, answer.text) == (200, coverage_page())


def test_more_calls_than_the_vendor_allows_are_refused_with_quotas(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    url = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    running = Server(tmp_path / "data", quotas="vendor", **url).start()
    refused = (answer for answer in (running.root.v1("UpdateProduct") for _ in range(10_000)) if answer.code[0] == "T")
    message = expect(next(refused), 400, "Throttling.User")["Message"]
    assert message == "Request was denied due to user flow control: UpdateProduct may be called 10 times per second."
    assert running.stop() == 0
