"""Templates to pages. Every text shown is hostile: all of it is escaped, and what hides in it becomes visible."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sisf.console import charts
from sisf.console.actions import may_move
from sisf.console.roles import FOR_ONE_TENANT, Role, Who
from sisf.console.words import BECAME, DONE, STEP_WORDS, in_words
from sisf.errors import counted
from sisf.exchange import Fate
from sisf.store import Store
from sisf.text.shown import full_name, name_of, pieces

GONE_SECONDS = 15
_BREACH = re.compile(r"\bbreach ([0-9a-f]{24}([0-9a-f]{8}))\b")
SHOWN_CHARS = 20_000
"""Of one text on a page; the export has all of it."""


class Renderer:
    """Renders templates, each page with who is signed in and where enforcement is suspended."""

    def __init__(self, store: Store, tenant: str = "") -> None:
        self._store = store
        self._tenant = tenant
        self._templates = Environment(
            loader=PackageLoader("sisf.console"),
            autoescape=select_autoescape(default=True),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            time=_time,
            share=_share,
            ago=_ago,
            lasting=lasting,
            counted=counted,
            became=lambda fate: BECAME.get(fate, fate),
            done=lambda action: DONE.get(action, action),
            short=short,
            seen=seen,
            reason=reason,
            line=line,
        )
        self._templates.globals.update(
            in_words=in_words,
            chart=charts,
            Role=Role,
            FOR_ONE_TENANT=FOR_ONE_TENANT,
            Fate=Fate,
            steps=STEP_WORDS,
            may_move=may_move,
            marked=marked,
            GONE_SECONDS=GONE_SECONDS,
        )

    async def render(
        self, request: Request, template: str, collect: Callable[[], Mapping[str, Any]] = dict, status: int = 200
    ) -> HTMLResponse:
        """One page; `collect` runs in a thread."""
        who: Who | None = getattr(request.state, "who", None)

        def work() -> str:
            context = collect()
            known = who is not None and who.tenant == self._tenant
            suspended = self._store.oversight.suspensions() if known else ()
            return self._templates.get_template(template).render(
                context,
                who=who,
                path=request.url.path,
                done=request.query_params.get("done", ""),
                undo=request.query_params.get("undo", ""),
                suspended=suspended,
            )

        return HTMLResponse(await run_in_threadpool(work), status)


def short(identity: str) -> str:
    """An id as people can tell it from others: ids begin with the time, so those of one hour begin alike."""
    return identity if len(identity) <= 12 else f"…{identity[-8:]}"


def seen(text: str, most: int = SHOWN_CHARS) -> Markup:
    """A hostile text, escaped, with what hides in it made visible."""
    cut = text[:most]
    shown = Markup().join(_piece(hidden, run) for hidden, run in pieces(cut))
    return (
        shown + Markup('<span class="soft">… {:,} more characters</span>').format(len(text) - most)
        if len(text) > most
        else shown
    )


def line(text: str, most: int = 140) -> Markup:
    """The beginning of a hostile text on one line."""
    flat = " ".join(text.split(None, most)[:most]) if text.strip() else text
    return seen(flat[:most]) + ("…" if len(flat) > most else "")


def reason(text: str, most: int = 200) -> Markup:
    """As `line`, with the exchanges that are named as breaches a click away: all ids of an hour look alike."""
    link = r'breach <a href="/exchanges/\1" title="\1"><code>…\2</code></a>'
    return Markup(_BREACH.sub(link, str(line(text, most))))  # noqa: S704 - what is put in is hexadecimal


def marked(text: str, spans: Sequence[tuple[int, int]], most: int = SHOWN_CHARS) -> Markup:
    """As `seen`, with these spans marked."""
    parts, place = [], 0
    for start, end in _merged(spans, min(len(text), most)):
        parts += [seen(text[place:start]), Markup("<mark>{}</mark>").format(seen(text[start:end]))]
        place = end
    return Markup().join([*parts, seen(text[place:], most - place)])


def _merged(spans: Sequence[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted((start, min(stop, end)) for start, stop in spans if start < min(stop, end)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _piece(hidden: bool, run: str) -> Markup:
    if not hidden:
        return escape(run)
    return Markup('<span class="hid" title="{}">{}</span>').format(full_name(run[0]), name_of(run))


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else "–"


def _ago(moment: datetime | None) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - moment).total_seconds() if moment else 0.0


def lasting(seconds: float) -> str:
    """How long something lasts, in the unit in which people would say it: `0.4 s`, `12 minutes`, `3 hours`."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(int(seconds // size), unit)
    return f"{seconds:.1f} s"


def _share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"
