"""Metrics of several processes as those of one: whichever is asked asks the others."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

_SECONDS = 1.0
_SAMPLE = re.compile(r"(\S+?(?:\{.*\})?) (\S+)$")
_OF_EACH = ("sisf_requests_in_flight", "process_")
"""Gauges that say something of one process, so that all together say it of the gateway; others say the same in all."""


class Siblings:
    """The processes of one gateway; they listen at sockets of their own in a folder that nobody else may enter."""

    def __init__(self, folder: Path, index: int) -> None:
        self._folder = folder
        self._own = folder / f"{index}.metrics"
        self._listening: asyncio.Server | None = None
        """Kept, because it ends when nobody holds it any more."""

    async def listen(self, render: Callable[[], bytes]) -> None:
        """Tell the others, when they ask, what this process has counted."""

        async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                writer.write(await asyncio.to_thread(render))
                await writer.drain()
            writer.close()

        self._own.unlink(missing_ok=True)
        self._listening = await asyncio.start_unix_server(tell, self._own)

    async def with_others(self, own: bytes) -> bytes:
        """What all have counted; a process that does not answer is left out."""
        others = [path for path in self._folder.glob("*.metrics") if path != self._own]
        told = await asyncio.gather(*(_ask(path) for path in others))
        return await asyncio.to_thread(added_up, own, [text for text in told if text])


async def _ask(path: Path) -> bytes:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read(-1)
            finally:
                writer.close()
    return b""


def added_up(own: bytes, others: Iterable[bytes]) -> bytes:
    """Prometheus text in which counters and histograms are those of all; of other gauges the own value stands."""
    lines = own.decode().splitlines()
    sums: dict[str, float] = {}
    for text in others:
        gauge = False
        for line in text.decode().splitlines():
            if line.startswith("# TYPE "):
                gauge = _stays(line)
            elif not gauge and (found := _SAMPLE.match(line)) and not line.startswith("#"):
                sums[found[1]] = sums.get(found[1], 0.0) + float(found[2])
    made: list[str] = []
    names: dict[str, int] = {}
    """Where the samples of a metric end, for those that only others have."""
    gauge, name = False, ""
    for line in lines:
        if line.startswith("# TYPE "):
            gauge, name = _stays(line), line.split()[2]
        found = None if line.startswith("#") or gauge else _SAMPLE.match(line)
        made.append(f"{found[1]} {float(found[2]) + sums.pop(found[1], 0.0)!r}" if found else line)
        names[name] = len(made)
    for sample, value in sorted(sums.items(), reverse=True):
        base = re.sub(r"_(?:bucket|sum|count|created|total)$", "", sample.partition("{")[0])
        place = names.get(base, names.get(f"{base}_total", len(made)))
        made.insert(place, f"{sample} {value!r}")
        names = {key: end + (end >= place) for key, end in names.items()}
    return ("\n".join(made) + "\n").encode()


def _stays(line: str) -> bool:
    """Whether the metric of a `# TYPE` line is a gauge that is not added up."""
    _, _, name, kind = line.split()
    return kind == "gauge" and (not name.startswith(_OF_EACH) or name.endswith(("start_time_seconds", "_created")))
