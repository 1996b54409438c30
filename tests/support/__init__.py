"""What tests share."""

import pytest

# Only test files are rewritten unasked, and a bare AssertionError would not say which field of an answer differs.
pytest.register_assert_rewrite("tests.support.examples")
