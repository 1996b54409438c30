"""Batches that come from files against a small model: planned, applied, cancelled, corrected, in any order."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from nameplate.call import Registry
from nameplate.domain.file_batch import Application, Policy
from nameplate.imports import file_batches, uploads
from nameplate.refusal import RefusedError
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.imports.model import Batch, Model, Row
from tests.support.account import Account
from tests.support.file_batches import Importer, table

NAMES = [f"name-{letter}" for letter in "abcdef"]
NICKNAMES = ["", "Nick_1", "Nick_2"]
rows = st.lists(st.tuples(st.sampled_from([*NAMES, "no"]), st.sampled_from(NICKNAMES)), min_size=1, max_size=5)
applications = st.builds(Application, st.sampled_from(Policy), st.booleans())


class FileBatches(RuleBasedStateMachine):
    """Drives the real nouns, store, reader and worker beside the model."""

    sent = Bundle("sent")

    registry: ClassVar[Registry]
    settings_: ClassVar[Settings]
    account: ClassVar[Account]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @initialize()
    def create_product(self) -> None:
        self.importer = Importer(self.registry, self.settings_, self.account, f"p_{uuid4().hex[:20]}")

    @rule(target=sent, content=rows, application=st.none() | applications)
    def send(self, content: list[Row], application: Application | None) -> int:
        batch = self.importer.announce(application=application)
        self.importer.send(batch, table(content, ("DeviceName", "Nickname")))
        self.model.batches[batch] = Batch(content, application=application)
        return batch

    @rule()
    def read(self) -> None:
        self.importer.read()
        self.model.read()

    @rule()
    def work(self) -> None:
        self.importer.work()
        self.model.work()

    @rule(batch=sent, application=applications)
    def apply(self, batch: int, application: Application) -> None:
        expected = self.model.apply(self.model.batches[batch], application)
        self.told(expected, lambda: file_batches.apply(self.importer.call, batch, application))

    @rule(batch=sent)
    def cancel(self, batch: int) -> None:
        expected = self.model.cancel(self.model.batches[batch])
        self.told(expected, lambda: file_batches.cancel(self.importer.call, batch))

    @rule(batch=sent)
    def retry(self, batch: int) -> None:
        expected = self.model.reopen(self.model.batches[batch], None)
        self.told(expected, lambda: file_batches.retry(self.importer.call, batch))

    @rule(batch=sent, data=st.data())
    def correct(self, batch: int, data: st.DataObject) -> None:
        modelled = self.model.batches[batch]
        chosen = data.draw(st.lists(st.sampled_from(modelled.failed_lines or [2]), unique=True, min_size=1))
        free = [name for name in NAMES if name not in {line.name for line in modelled.lines}]
        fixes = {
            line: data.draw(st.tuples(st.sampled_from([*free, "no"]), st.sampled_from(NICKNAMES))) for line in chosen
        }
        if not modelled.failed_lines:
            return
        expected = self.model.reopen(modelled, fixes)
        self.told(expected, lambda: uploads.correct(self.importer.call, batch, "corrections.csv"))
        if expected is None:
            content = [(str(line), *row) for line, row in fixes.items()]
            self.importer.send(batch, table(content, ("Line", "DeviceName", "Nickname")), corrections=True)
            self.importer.read()
            self.model.read()

    @rule(name=st.sampled_from(NAMES))
    def register_or_delete_one(self, name: str) -> None:
        if name in self.model.devices:
            self.account.call("DeleteDevice", product_key=self.importer.product, device_name=name)
            del self.model.devices[name]
        else:
            self.importer.register(name)
            self.model.devices[name] = ""

    def told(self, expected: str | None, ask: object) -> None:
        assert callable(ask)
        if expected is None:
            ask()
        else:
            with pytest.raises(RefusedError, match=expected):
                ask()

    @invariant()
    def every_batch_stands_where_the_model_says(self) -> None:
        for number, expected in self.model.batches.items():
            found = self.importer.progress(number)
            assert found.state == expected.state
            if expected.state in ("CHECK", "CREATE"):
                continue
            assert found.total == len(expected.lines)
            assert found.failed == expected.failed
            assert (found.created, found.updated) == (expected.count("created"), expected.count("updated"))
            if not expected.is_cancelled:
                statuses = ("illegal", "unchanged", "conflict")
                assert [found.illegal, found.unchanged, found.conflicts] == [expected.count(one) for one in statuses]
                assert {one.line for one in self.importer.findings(number)} == set(expected.failed_lines)

    @invariant()
    def exactly_those_devices_exist(self) -> None:
        store = self.registry.store
        found = store.products.find(self.importer.product)
        assert found is not None
        devices = [store.devices.find_name(found.id, name) for name in NAMES]
        assert {one.name: one.nickname or "" for one in devices if one is not None} == self.model.devices


class TestFileBatches(FileBatches.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the class at run time
    settings = settings(max_examples=60, stateful_step_count=30)
    stack = ExitStack()

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.stack.enter_context(tempfile.TemporaryDirectory())
        FileBatches.settings_ = Settings(data_dir=Path(directory))
        FileBatches.registry = cls.stack.enter_context(open_registry(FileBatches.settings_))
        FileBatches.account = Account(FileBatches.registry)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.stack.close()
