"""Applications that are made of routes."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute


def routed(routes: Sequence[BaseRoute], **options: Any) -> Starlette:
    """A Starlette application that redirects nowhere by itself: where to, the request's own `Host` would say."""
    made = Starlette(routes=routes, **options)
    made.router.redirect_slashes = False
    return made
