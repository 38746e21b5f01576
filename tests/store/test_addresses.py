"""No message names what the address of a store holds of secrets."""

import pytest

from sisf.errors import ConfigurationError, StoreUnavailable
from sisf.store import open_store

SECRET = "SECRETPW123"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/sisf",
        f"postgresql://{SECRET}@127.0.0.1:1/sisf",
        f"postgresql://127.0.0.1:1/sisf?user=u&password={SECRET}",
        f"postgres://127.0.0.1:1/sisf?sslkey=x&sslpassword={SECRET}",
        f"postgresql://u:{SECRET}@/sisf?host=/nowhere",
        f"postgresql://u:p%40{SECRET}@127.0.0.1:1/sisf",
    ],
)
def test_an_unreachable_database_is_named_without_what_lets_people_in(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened") as caught:
        open_store(url)
    assert SECRET not in str(caught.value)
    assert "postgres" in str(caught.value)


@pytest.mark.parametrize(
    "url", [f"postgresql://u:p@{SECRET}@127.0.0.1:1/sisf", f"postgresql://u:{SECRET}@127.0.0.1:x/sisf"]
)
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url") as caught:
        open_store(url)
    assert SECRET not in str(caught.value)
