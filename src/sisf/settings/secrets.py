"""What must not be shown of the settings."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, SecretStr

_IN_URL = re.compile(r"(\w+://[^:/@\s]*:)[^@\s]+@")
_NAMES_A_SECRET = re.compile(r"(?i)pass|key|token|secret|sig")
"""Names of what a query holds that is nobody else's to see."""
_MASK = "***"


def masked(text: str, settings: BaseModel) -> str:
    """The text without any secret of the settings, and without the password of any address in it."""
    for secret in sorted({found for found in _secrets(settings) if found}, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return _IN_URL.sub(rf"\1{_MASK}@", text)


def shown(address: str) -> str:
    """An address as messages name it: without the user, password, query and fragment that it may hold."""
    return re.split(r"[?#]", re.sub(r"//[^/?#]*@", "//", address), maxsplit=1)[0]


def _secrets(section: BaseModel) -> Iterator[str]:
    """Secret values, and passwords in addresses, as written and decoded."""
    for name in type(section).model_fields:
        found = getattr(section, name)
        for value in found.values() if isinstance(found, dict) else [found]:
            if isinstance(value, BaseModel):
                yield from _secrets(value)
            elif isinstance(value, SecretStr):
                yield value.get_secret_value()
            elif isinstance(value, str) and "://" in value:
                yield from _passwords(value)


def _passwords(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    queried = [value for key, value in parse_qsl(parts.query) if _NAMES_A_SECRET.search(key)]
    for password in (parts.password or "", *queried):
        yield from (password, unquote(password))
