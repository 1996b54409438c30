import json
from pathlib import Path
from typing import Any

import pytest

from nameplate.files.detection import detect
from nameplate.files.layout import Layout
from nameplate.files.reading import read
from nameplate.files.unreadable import UnreadableFileError
from tests.support.lists import collected

CORPUS = Path(__file__).parent / "corpus"
EXPECTED: dict[str, Any] = json.loads((CORPUS / "expected.json").read_text())


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if "error" in EXPECTED[name]))
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(name: str) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        _read(name)
    assert str(refused.value) == EXPECTED[name]["error"]


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if "error" not in EXPECTED[name]))
def test_an_awkward_file_is_read_row_for_row(name: str) -> None:
    layout, rows, findings = _read(name)
    assert layout.as_json() | EXPECTED[name]["layout"] == layout.as_json()
    assert rows == EXPECTED[name]["rows"]
    assert [[finding.line, finding.column, finding.problem] for finding in findings] == EXPECTED[name]["findings"]


def test_every_file_of_the_corpus_is_expected() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {*EXPECTED, "expected.json"}


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if "error" not in EXPECTED[name]))
def test_a_layout_survives_json(name: str) -> None:
    layout, rows, _ = _read(name)
    again = Layout.from_json(json.loads(json.dumps(layout.as_json())))
    assert again == layout
    assert collected(read(lambda: (CORPUS / name).open("rb"), again))[0] == rows


def _read(name: str) -> tuple[Layout, Any, Any]:
    path = CORPUS / name
    layout = detect(lambda: path.open("rb"), name, Layout())
    return layout, *collected(read(lambda: path.open("rb"), layout))
