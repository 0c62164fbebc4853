"""Keys and addresses that nothing can be posted with are refused before anything is sent, and no secret is said."""

import pytest

from streamlake.engine.errors import UsageError
from streamlake.engine.operations.post import post

AWAY = "http://127.0.0.1:1/ingest/orders"


@pytest.mark.parametrize("key", ["", "two\nlines", "with space", "ключ", "nul\0"])
def test_a_key_that_can_be_no_header_is_refused_and_not_said(key: str) -> None:
    with pytest.raises(UsageError, match="the API key is empty or has") as raised:
        post([[b"1"]], AWAY, key=key)
    assert not key or key not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://a/b", "http://", "http://a:99999/b", "http://[::1/b", "http://a:0/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address to post to"):
        post([[b"1"]], url)


def test_a_password_in_the_address_is_refused_and_not_said() -> None:
    with pytest.raises(UsageError, match="must not hold a name or a password") as raised:
        post([[b"1"]], "http://me:secret@127.0.0.1/ingest/orders")
    assert "secret" not in str(raised.value)
