"""Reads that are compiled when they are first needed."""

import gc

from nameplate.call import Registry
from nameplate.store.database import PreparedRead


def test_every_read_compiles(registry: Registry) -> None:
    engine = registry.store.database.engine
    reads = [one for one in gc.get_objects() if isinstance(one, PreparedRead) and one.engine is engine]
    assert len(reads) > 50
    for read in reads:
        assert read.compiled.sql
