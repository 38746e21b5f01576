"""`sisf doctor`: does everything that SISF needs work here?"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import typer

from sisf.cli.base import ConfigOption, JsonOption, console, emit, load_settings
from sisf.errors import counted, quoted

if TYPE_CHECKING:
    from sisf.settings import Settings

_PACKAGES = ("numpy", "onnxruntime", "tokenizers", "google-re2", "scikit-learn", "sqlalchemy", "starlette", "uvicorn")
_OLDEST = (3, 11)
_UPSTREAM_SECONDS = 10.0
_CLOCK_SECONDS = 300.0
"""By so much clocks may differ."""
_MENDED = "start it, or name another with upstream.url (`sisf model serve unaligned --port 8000` stands in for one)"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `ok`, `warning` or `problem`, and what to do about it."""

    check: str
    state: str
    detail: str


def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check Python, packages, embedder, store, port, every upstream and judge. Exit code 1 when something is broken."""
    findings = list(examine(load_settings(config)))
    broken = any(f.state == "problem" for f in findings)
    if json:
        emit({"ok": not broken, "findings": [asdict(f) for f in findings]})
    else:
        _show(findings)
    raise typer.Exit(1 if broken else 0)


def examine(settings: "Settings") -> Iterator[Finding]:
    """Every check in turn; one that fails does not stop the others."""
    from sisf.gateway.routing import configured
    from sisf.settings.secrets import masked

    upstreams = {
        "upstream" if name == "default" else f"upstream {name}": partial(_upstream, name=name)
        for name in configured(settings)
    }
    checks: dict[str, Callable[[Settings], tuple[str, str]]] = {
        "Python": _python,
        "packages": _packages,
        "embedder": _embedder,
        "store": _store,
        "port": _port,
        **(upstreams or {"upstream": _no_upstream}),
        "judge": _judge,
        "synthesiser": _synthesiser,
        "data sets": _data,
    }
    for name, check in checks.items():
        try:
            state, detail = check(settings)
        except Exception as error:  # noqa: BLE001 - a doctor reports what it finds
            state, detail = "problem", f"{type(error).__name__}: {error}"
        yield Finding(name, state, masked(" ".join(detail.split()), settings))


def _python(_: "Settings") -> tuple[str, str]:
    import platform
    import sys

    found = f"{platform.python_version()} on {platform.platform()}"
    return ("ok", found) if sys.version_info >= _OLDEST else ("problem", f"{found}; 3.11 or newer is needed")


def _packages(_: "Settings") -> tuple[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    import sisf

    found, missing = [f"sisf {sisf.__version__}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    return ("problem", f"missing: {', '.join(missing)}; run make setup") if missing else ("ok", ", ".join(found))


def _embedder(settings: "Settings") -> tuple[str, str]:
    import time

    from sisf.embedding import configured_embedder

    embedder = configured_embedder(settings.embedder)
    embedder.embed(["warm up"])
    started = time.perf_counter()
    embedder.embed(["How do I water a cactus in winter, and how often?"])
    spent = (time.perf_counter() - started) * 1000
    return "ok", f"{embedder.id}, {embedder.dimensions} dimensions, {spent:.1f} ms a prompt"


def _store(settings: "Settings") -> tuple[str, str]:
    from pathlib import Path

    from sisf.store import open_store

    url = settings.store.url
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        import tempfile

        # Folders that are not there yet are made when the gateway starts.
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        try:
            with tempfile.TemporaryFile(dir=folder):
                return "ok", f"{path} does not exist yet; its folder is writable"
        except OSError as error:
            return "problem", f"{path} does not exist, and {folder} cannot be written: {error.strerror}"
    store = open_store(url)
    try:
        rows = store.audit.verify()
        snapshot = store.policies.snapshot()
        dead = len(store.jobs.dead())
    finally:
        store.close()
    detail = (
        f"{store.url}: revision {snapshot.revision}, {counted(len(snapshot.active), 'active policy')}, "
        f"{counted(rows, 'audit row')} verified"
    )
    return (
        ("warning", f"{detail}; {counted(dead, 'exchange')} given up, see `sisf breach list`")
        if dead
        else ("ok", detail)
    )


def _port(settings: "Settings") -> tuple[str, str]:
    from sisf.errors import ConfigurationError
    from sisf.serving import bind

    listen = settings.listen
    try:
        bind(listen.host, listen.port).close()
    except ConfigurationError as error:
        running = _served_by(listen.host, listen.port)
        return ("ok", f"a gateway serves there: sisf {running}") if running else ("problem", str(error))
    return "ok", f"{listen.host}:{listen.port} is free"


def _served_by(host: str, port: int) -> str:
    """The version of the gateway that answers there; empty where none does."""
    import http.client
    import json

    connection = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=5)  # noqa: S104
    try:
        connection.request("GET", "/healthz")
        found = json.loads(connection.getresponse().read(10_000))
        return str(found["version"]) if found["status"] == "ok" else ""
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""
    finally:
        connection.close()


def _upstream(settings: "Settings", name: str) -> tuple[str, str]:
    """Ask for its models as the gateway would: with its key, certificates and time limits."""
    import asyncio

    from sisf.errors import HttpFailure
    from sisf.gateway.routing import configured
    from sisf.gateway.upstream import Upstream

    upstream = Upstream(configured(settings)[name], name)
    url = f"{upstream.settings.url.rstrip('/')}/models"

    async def ask() -> tuple[int, float]:
        try:
            async with await upstream.send("GET", "/models") as reply:
                return reply.status, _ahead_of(reply.date)
        finally:
            await upstream.close()

    try:
        status, ahead = asyncio.run(asyncio.wait_for(ask(), _UPSTREAM_SECONDS))
    except HttpFailure as error:
        return "problem", f"{error.why or f'{url}: {error.message}'}; {_MENDED}"
    except TimeoutError:
        return "problem", f"{url} did not answer within {_UPSTREAM_SECONDS:g} s; {_MENDED}"
    if abs(ahead) >= _CLOCK_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        return "warning", f"{url} answers {status}; this machine's clock is {abs(ahead):,.0f} s {way} its clock"
    if status == 200:
        return "ok", f"{url} answers"
    hints = {401: "; check its api_key", 403: "; check its api_key", 404: "; is the base URL whole? Most end in /v1"}
    return "warning", f"{url} answers {status}{hints.get(status, '')}"


def _no_upstream(_: "Settings") -> tuple[str, str]:
    return "warning", "upstream.url is not set; `sisf serve --upstream URL` needs one, `sisf demo` does not"


def _judge(settings: "Settings") -> tuple[str, str]:
    from sisf.adjudicator.factory import create_adjudicator

    judge = create_adjudicator(settings.adjudication)
    return "ok", f"{quoted(judge.name)}, {settings.adjudication.mode}, strictness {settings.adjudication.strictness}"


def _synthesiser(settings: "Settings") -> tuple[str, str]:
    synthesis = settings.synthesis
    return (
        "ok",
        f"{quoted(synthesis.synthesiser)}, {synthesis.autonomy}, reference: "
        f"{', '.join(('shipped', *synthesis.reference))}",
    )


def _data(_: "Settings") -> tuple[str, str]:
    from sisf.datasets import local_names

    names = local_names()
    return "ok", f"{len(names)} at hand: {', '.join(names)}" if names else "none at hand; the shipped samples are used"


def _show(findings: list[Finding]) -> None:
    from rich.table import Table

    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
    out = console()
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark, style = marks[finding.state]
        shown = mark if _has(out.encoding, mark) else finding.state
        table.add_row(shown, finding.check, finding.detail, style=style if finding.state != "ok" else None)
    out.print(table)


def _has(encoding: str, mark: str) -> bool:
    """Whether a terminal's encoding has a mark: all would be question marks else."""
    try:
        mark.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _ahead_of(date: str) -> float:
    """Seconds by which the clock of this machine is ahead of the time that an answer names; 0 where it names none."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date).astimezone(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
