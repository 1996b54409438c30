"""The house rules that a tool of its own does not check."""

import ast
from pathlib import Path

import pytest

from nameplate.coverage import coverage_page, uncovered
from nameplate.errors import catalogue
from nameplate.reference import errors_page, operations_page, settings_page
from nameplate.settings import PREFIX, Settings
from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "src").rglob("*.py"))
DOCS = ROOT / "docs"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_has_at_most_60_lines(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "migrations" not in path.parts:
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_the_readme_has_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_has_at_most_30_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30


def test_the_reference_pages_are_fresh() -> None:
    assert (DOCS / "operations.md").read_text() == operations_page()
    assert (DOCS / "errors.md").read_text() == errors_page()
    assert (DOCS / "settings.md").read_text() == settings_page()
    assert (DOCS / "coverage.md").read_text() == coverage_page()


def test_everything_is_documented() -> None:
    for action, operation in OPERATIONS.items():
        assert f"## {action}\n" in operations_page()
        assert operation.documentation
    for refusal in catalogue():
        assert f"`{refusal.code}`" in errors_page()
    for name, field in Settings.model_fields.items():
        assert f"`{PREFIX}{name.upper()}`" in settings_page()
        assert field.description


def test_every_action_of_the_vendors_is_once_on_the_coverage_page() -> None:
    rows = [line for line in coverage_page().splitlines() if line.startswith("| [")]
    covered = [line.partition("]")[0].removeprefix("| [") for line in rows]
    others = [action for _, actions in uncovered() for action in actions]
    assert sorted(covered) == sorted(OPERATIONS)
    assert sorted(covered + others) == sorted(VENDOR_ACTIONS)
    assert all(actions for _, actions in uncovered())


def test_every_refusal_is_raised_somewhere() -> None:
    code = "\n".join(path.read_text() for path in MODULES if path.name != "errors.py")
    names = [
        node.targets[0].id
        for node in ast.parse((ROOT / "src/nameplate/errors.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call)
    ]
    assert len(names) == len(catalogue())
    uses = ("{}(", ", {})", "IfEmpty({})")
    assert [name for name in names if not any(use.format(name) in code for use in uses)] == []
