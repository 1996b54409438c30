"""A server that is killed again and again, its clients' ledger, and the independent checker."""

import pytest

# Only test files are rewritten unasked, and a bare AssertionError would not say what was lost.
pytest.register_assert_rewrite("tests.support.crash.site", "tests.support.crash.disk", "tests.support.crash.ledger")
