"""Pictures of the console, light and dark, wide and narrow: python scripts/screenshots.py [FOLDER] [STORE]

A short demonstration with the shipped samples fills a store; then Chromium visits every page. With STORE, the pages of
that store are shown (`sqlite:///demo.db`), without learning anything anew. FOLDER is `out/pictures` unless it is given;
the few that the documentation shows are copied to `docs/pictures`.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sisf.bootstrap import System, build
from sisf.console.app import create_console
from sisf.evaluation.demo.drive import drive
from sisf.evaluation.demo.programme import choose
from sisf.evaluation.demo.stage import stage
from sisf.serving import Background
from sisf.settings import load
from sisf.store.records import Scope

ATTACKS = 24
TOKEN = "pictures-only"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
TALLEST = 2_000
"""Pixels of a picture: the rest of a long page looks like its beginning."""


class _Quiet:
    """A screen that nobody looks at."""

    def show(self, _account: Any) -> None:
        """Show nothing."""


@contextmanager
def system_of(store: str | None) -> Iterator[System]:
    """A system with something to show."""
    if store is not None:
        system = build(load(overrides={"store.url": store, "upstream.url": "http://127.0.0.1:9/v1"}, environment={}))
        try:
            yield system
        finally:
            system.close()
        return
    programme = choose(ATTACKS)
    with tempfile.TemporaryDirectory() as folder, stage(programme, Path(folder)) as running:
        drive(running, programme, _Quiet())
        yield running.system


def pages_of(system: System) -> dict[str, str]:
    """Every page by name, with exchanges and policies that have something to say."""
    store = system.store
    stopped = next((r for r in store.exchanges.recent(500) if r.fate.intercepted), None)
    breach = next((r for r in store.exchanges.recent(500) if r.verdict and r.verdict.is_breach), None)
    active = store.policies.snapshot().active
    pages = {
        "overview": "/",
        "queue": "/queue",
        "exchanges": "/exchanges",
        "live": "/live",
        "policies": "/policies",
        "merge": "/policies/merge",
        "try": "/try",
        "revisions": "/revisions",
        "revision": "/revisions/1",
        "audit": "/audit",
        "probing": "/probing",
        "enforcement": "/enforcement",
        "settings": "/settings",
        "sessions": "/sessions",
    }
    if stopped is not None:
        pages["why"] = f"/exchanges/{stopped.exchange.id}"
    if breach is not None:
        pages["breach"] = f"/exchanges/{breach.exchange.id}"
    if active:
        pages["policy"] = f"/policies/{active[-1].id}"
    return pages


def shoot(system: System, folder: Path) -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    console = create_console(
        system.store,
        token=TOKEN,
        lifecycle=system.loop.lifecycle,
        warden=system.warden,
        configuration=system.settings,
        follow=system.loop.suspensions.follow,
    )
    pages = pages_of(system)
    with Background(console) as listener, sync_playwright() as driver:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                page = browser.new_page(
                    base_url=listener.url, color_scheme=scheme, viewport={"width": width, "height": height}
                )
                page.set_extra_http_headers({"authorization": f"Bearer {TOKEN}"})
                for name, path in pages.items():
                    picture(page, path, folder / f"{name}-{size}-{scheme}.png", width)
                _suspended(system, page, folder / f"suspended-{size}-{scheme}.png", width)
                page.close()
        browser.close()


def picture(page: Any, path: str, file: Path, width: int) -> None:
    """One page as a picture, in few colours: small, and sharp."""
    page.goto(path)
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(path=str(file), full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    reduce(file)


def reduce(file: Path) -> None:
    """A picture in few colours, where Pillow is there."""
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(file) as image:
        # of the ways to choose colours the one that keeps those of small things: the others lose the key of a chart
        few = image.convert("RGB").quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, optimize=True)


def _suspended(system: System, page: Any, file: Path, width: int) -> None:
    from datetime import timedelta

    made = system.store.oversight.suspend(
        Scope.ALL, "", timedelta(hours=1), actor="person:ann", reason="honest users are being stopped"
    )
    picture(page, "/", file, width)
    system.store.oversight.resume(made.id, actor="person:ann")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "out/pictures")
    with system_of(sys.argv[2] if len(sys.argv) > 2 else None) as made:
        shoot(made, target)
