import os
from dataclasses import replace
from pathlib import Path

import pytest

from nameplate.cli.journal import Journal, Note, Stamp

SUBJECT = ("http://127.0.0.1:8420", "key-id", "a1B2c3D4e5F", "/home/somebody/serials.csv")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "serials.csv"
    path.write_text("DeviceName\npump-1\n")
    return path


def test_a_note_is_found_again_until_it_is_forgotten(file: Path, tmp_path: Path) -> None:
    note = Note.new(Stamp.of(file))
    Journal(tmp_path, SUBJECT).write(note)
    Journal(tmp_path, SUBJECT).write(replace(note, batch_id=42))
    found = Journal(tmp_path, SUBJECT).read()
    assert found is not None
    assert (found.key, found.batch_id, found.is_of(Stamp.of(file))) == (note.key, 42, True)
    Journal(tmp_path, SUBJECT).forget()
    assert Journal(tmp_path, SUBJECT).read() is None


@pytest.mark.parametrize("place", range(4))
def test_another_server_account_product_or_file_is_another_import(place: int, file: Path, tmp_path: Path) -> None:
    Journal(tmp_path, SUBJECT).write(Note.new(Stamp.of(file)))
    other = tuple("another" if number == place else part for number, part in enumerate(SUBJECT))
    assert Journal(tmp_path, other).read() is None


def test_a_changed_file_is_noticed(file: Path) -> None:
    note = Note.new(Stamp.of(file))
    os.utime(file, ns=(0, 0))
    assert not note.is_of(Stamp.of(file))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "x"}', '{"key": "x", "size": 1, "modified": 1, "more": 1}'])
def test_a_note_that_cannot_be_read_is_none(text: str, file: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "notes", SUBJECT)
    journal.write(Note.new(Stamp.of(file)))
    (path,) = (tmp_path / "notes").iterdir()
    path.write_text(text)
    assert journal.read() is None


def test_the_same_request_is_asked_for_with_the_same_key(file: Path) -> None:
    note = Note.new(Stamp.of(file))
    assert note.key_for({"a": 1, "b": 2}) == note.key_for({"b": 2, "a": 1})
    assert note.key_for({"a": 1}) != note.key_for({"a": 2})
