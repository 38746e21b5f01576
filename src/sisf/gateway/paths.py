"""The paths that clients write: with or without `/v1`, with one slash too many, or one at the end."""

import re
from collections.abc import Collection

_SLASHES = re.compile(r"/{2,}")
VERSION = "/v1"


def canonical(path: str, known: Collection[str]) -> str:
    """The endpoint that `path` means, where it means one of `known`; else `path` as it is."""
    if path in known:
        return path
    tidy = _SLASHES.sub("/", path).rstrip("/")
    while tidy.startswith(f"{VERSION}{VERSION}/"):
        tidy = tidy.removeprefix(VERSION)
    return next((found for found in (tidy, VERSION + tidy) if found in known), path)
