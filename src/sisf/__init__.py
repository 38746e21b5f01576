"""SISF: a safety gateway for language models that learns from its own failures at run time."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sisf.guard import Guard as Guard

__version__ = "0.1.0"
__all__ = ["Guard", "__version__"]

# No telemetry, also not that of libraries: ONNX Runtime reports its use to its maker, and keeps the id of the machine
# below the home folder, unless it is told not to before it is imported (docs/adr/0901).
for _name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_name, "1")


def __getattr__(name: str) -> Any:
    """Import `Guard` when it is first asked for, so that `import sisf` stays light."""
    if name == "Guard":
        from sisf.guard import Guard

        return Guard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
