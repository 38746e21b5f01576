"""Probing beside a gateway, round after round, in a thread of its own."""

import threading
import time
from types import TracebackType

import structlog

from sisf.errors import SisfError
from sisf.probe.build import create_agent
from sisf.probe.coverage import cover
from sisf.probe.target import GatewayTarget
from sisf.settings import ProbeSettings
from sisf.store import Store

_log = structlog.get_logger("sisf.probe")
_PAUSE = 5.0
"""Seconds between rounds at least, and after a failure."""


class ProbeService:
    """Probes while the `with` block runs: the first round at once, then one every `probe.every_minutes`."""

    def __init__(self, settings: ProbeSettings, store: Store, url: str, key: str) -> None:
        self._settings = settings
        self._store = store
        self._url = url
        self._key = key
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sisf-probe", daemon=True)

    def __enter__(self) -> "ProbeService":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.is_set():
            started = time.monotonic()
            self._round()
            left = self._settings.every_minutes * 60 - (time.monotonic() - started)
            self._ended.wait(max(_PAUSE, left))

    def _round(self) -> None:
        target = GatewayTarget(self._url, api_key=self._key, model=self._settings.model)
        try:
            agent = create_agent(self._settings, target, self._store, ended=self._ended)
            found = cover(agent.probe(self._settings.budget))
            _log.info(
                "probed",
                probes=found.total.probed,
                breached=found.total.breached,
                mended=found.total.mended,
                undecided=found.total.undecided,
            )
        except SisfError as error:
            _log.warning("probe_failed", error=str(error)[:300])
        except Exception as error:  # noqa: BLE001 - probing must never take the gateway with it
            _log.error("probe_failed", error=f"{type(error).__name__}: {error}"[:300])
        finally:
            target.close()
