"""SISF: a safety gateway for language models that learns from its own failures at run time."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sisf.guard import Guard as Guard

__version__ = "0.1.0"
__all__ = ["Guard", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Guard` when it is first asked for, so that `import sisf` stays light."""
    if name == "Guard":
        from sisf.guard import Guard

        return Guard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
