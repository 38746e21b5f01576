"""What was read once is not read again: in the other readings of a text, in the headers of the next request."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

_Reader = TypeVar("_Reader", bound=Callable[..., Any])

_SHORT = 256
_MANY, _FEW = 4_096, 16


def remembered(read: _Reader) -> _Reader:
    """Remember what `read` made of the last 4,096 short words and of the last 16 longer ones: memory stays bounded.

    The word comes first among the arguments of `read`.
    """
    many, few = lru_cache(_MANY)(read), lru_cache(_FEW)(read)

    @wraps(read)
    def recalled(word: str | bytes, *rest: Any) -> Any:
        return (many if len(word) <= _SHORT else few)(word, *rest)

    return cast(_Reader, recalled)
