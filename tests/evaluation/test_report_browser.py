"""Reports in a real browser: accessible in the light and in the dark, self-contained, printable, small."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from sisf.evaluation import comparison
from sisf.evaluation.protocols.cross_model import page as cross_page
from sisf.evaluation.protocols.cross_model.run import live_plan
from sisf.evaluation.protocols.judge import page as judge_page
from sisf.evaluation.protocols.learn import page as learn_page
from sisf.evaluation.protocols.replay import page as replay_page
from sisf.evaluation.report.writer import write
from sisf.evaluation.runs.runner import conduct
from tests.console.test_browser import AXE, CHROMIUM, OPTIONS
from tests.evaluation import families
from tests.evaluation.test_runs import OTHERS

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here")]
_MOST_BYTES = 2_000_000
SETTINGS = {"model": "recorded", "adjudicator": "recorded", "labels_independent": False, "convention": "field"}


def reports(folder: Path) -> list[Path]:
    made = []
    attacks, honest = families.attacks(folder, category="theft"), families.benign(folder)
    order = families.Order(folder)
    models = live_plan(families.setup(trials=1), families.designs()["sisf"], [attacks], [honest], models=["a", "b"])
    for name, report in (
        ("learn", learn_page.report(conduct(order.plan()), SETTINGS)),
        ("cross", cross_page.report(conduct(models), SETTINGS)),
        ("judge", judge_page.report(conduct(OTHERS["judge"](folder)), {})),
        ("replay", replay_page.report(conduct(OTHERS["replay"](folder)), {})),
    ):
        (folder / name).mkdir()
        write(folder / name, report)
        made.append(folder / name)
    (folder / "compare").mkdir()
    kept = comparison.kept(folder / "learn")
    write(folder / "compare", comparison.report(comparison.compare(kept, kept)))
    return [*made, folder / "compare"]


def seen(browser: Any, folder: Path, scheme: str, axe: str) -> list[str]:
    """What is wrong with a report on this kind of screen, and on paper."""
    wrong: list[str] = []
    address = (folder / "report.html").as_uri()
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda said: wrong.append(said.text))
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else wrong.append(asked.url))
    page.goto(address)
    assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate(axe)
    told = page.evaluate("axe.run()")
    wrong += [f"{folder.name} {scheme} {r['id']}: {r['nodes'][0]['target']}" for r in told["violations"]]
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    # On paper it is black on white, whatever the screen is.
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
    return wrong


def test_reports_are_accessible_self_contained_printable_and_small(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    made = reports(tmp_path)  # first: inside the driver's block its event loop runs
    assert all((folder / "report.html").stat().st_size < _MOST_BYTES for folder in made)
    axe = gzip.decompress(AXE.read_bytes()).decode()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        wrong = [line for folder in made for scheme in ("light", "dark") for line in seen(browser, folder, scheme, axe)]
        browser.close()
    assert wrong == []
