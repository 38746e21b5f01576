"""Which settings a gateway that runs keeps until it is started again."""

from collections.abc import Iterator, Mapping
from typing import Any

from sisf.settings.model import Settings

LASTING = (
    "listen.host", "listen.port", "listen.processes", "listen.read_timeout", "listen.proxy_protocol", "admin", "store",
    "privacy", "embedder", "synthesis", "lifecycle", "loop", "probe", "inspection", "tracing", "webhooks", "log_level",
    "adjudication.judge", "adjudication.llm", "adjudication.guard", "adjudication.moderation",
    "adjudication.strictness", "adjudication.members", "adjudication.quorum", "adjudication.fallback",
    "adjudication.limits",
)  # fmt: skip
"""Settings and sections of which the parts are made once: listeners, the store, the judge, the loop."""


def waiting_for_a_restart(running: Settings, given: Settings) -> list[str]:
    """The settings that differ, by their dotted keys, and are as they were until the gateway is started again."""
    before, after = dict(_leaves(running.model_dump())), dict(_leaves(given.model_dump()))
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [key for key in changed if any(f"{key}.".startswith(f"{lasting}.") for lasting in LASTING)]


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
