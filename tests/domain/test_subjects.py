"""Subjects of certificates, as brokers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.domain.certificates import Subject
from nameplate.domain.subjects import read_subject

LIGHT = Subject("a1BwAGVabcd", "light1", "0123456789abcdefghij000100")


@pytest.mark.parametrize(
    "text",
    [
        "CN=light1,O=a1BwAGVabcd,serialNumber=0123456789abcdefghij000100",
        "serialNumber=0123456789abcdefghij000100,CN=light1,O=a1BwAGVabcd",
        "SERIALNUMBER=0123456789abcdefghij000100,CN=light1,O=a1BwAGVabcd",
        "O = a1BwAGVabcd, CN = light1, serialNumber = 0123456789abcdefghij000100",
        "/O=a1BwAGVabcd/CN=light1/serialNumber=0123456789abcdefghij000100",
        "organizationName=a1BwAGVabcd,commonName=light1,serialNumber=0123456789abcdefghij000100",
        "2.5.4.10=a1BwAGVabcd,2.5.4.3=light1,2.5.4.5=0123456789abcdefghij000100",
    ],
)
def test_every_brokers_way_of_writing_is_read(text: str) -> None:
    assert read_subject(text) == LIGHT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "light1",
        "CN=light1",
        "CN=light1,O=a1BwAGVabcd",
        "CN=light1,CN=light2,O=a1BwAGVabcd,serialNumber=0123456789abcdefghij000100",
        "CN=light1,O=a1BwAGVabcd,OU=x,serialNumber=0123456789abcdefghij000100",
        "CN=light1\\,O=a1BwAGVabcd,serialNumber=0123456789abcdefghij000100",
        "CN=light1,O=a1BwAGVabcd,serialNumber=" + "0" * 600,
    ],
)
def test_a_subject_that_this_registry_would_not_sign_is_nobodys(text: str) -> None:
    assert read_subject(text) is None


@given(st.text(alphabet="CNOserialNumber=,/+ \\x0"))
def test_nothing_breaks_the_reading(text: str) -> None:
    read_subject(text)
