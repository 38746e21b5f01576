"""The console in a real browser: one test a flow, hostile texts, accessibility, a phone."""

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sisf.exchange import Exchange, Fate
from sisf.policy import Change, Direction, Status
from sisf.serving import Background
from sisf.store.probes import Attempt, ProbeOutcome
from sisf.store.records import ExchangeRecord, NoteKind, Scope
from sisf.taxonomy import Hazard, Technique
from sisf.testing import wait_until
from sisf.verdict import Outcome, Verdict
from tests.console.hostile import PAYLOADS, described, pick, said
from tests.console.system import TOKEN, Rig, proposals, rigged

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
OPTIONS = """
--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
--disable-sync
""".split()
AXE = Path(__file__).parent / "axe" / "axe.min.js.gz"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield started
        started.close()


@dataclass
class Screen:
    """A page of somebody, with what went wrong on it."""

    rig: Rig
    page: Any
    wrong: list[str] = field(default_factory=list)

    def at(self, path: str) -> str:
        self.page.goto(path)
        return str(self.page.content())

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text, exact=True).first.click()
        self.page.wait_for_load_state()

    def says(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()


@dataclass
class Screens:
    """Opens pages on one console."""

    rig: Rig
    browser: Any
    url: str
    opened: list[Screen] = field(default_factory=list)

    def by(self, name: str = "admin", **options: Any) -> Screen:
        """Somebody who is signed in; empty: nobody yet."""
        context = self.browser.new_context(base_url=self.url, **options)
        screen = Screen(self.rig, context.new_page())
        screen.page.on("console", lambda said: screen.wrong.append(said.text))
        screen.page.on("dialog", lambda dialog: screen.wrong.append(f"dialog: {dialog.message}"))
        screen.page.on("pageerror", lambda error: screen.wrong.append(str(error)))
        screen.page.on(
            "request", lambda asked: None if asked.url.startswith(self.url) else screen.wrong.append(asked.url)
        )
        self.opened.append(screen)
        if name:
            screen.page.goto("/login")
            screen.page.fill("#token", self.rig.secrets[name])
            screen.press("Sign in")
            screen.wrong.clear()  # the page that asks to sign in is a 401, and Chromium says so
        return screen


@pytest.fixture
def screens(browser: Any, tmp_path: Path) -> Iterator[Screens]:
    with rigged(tmp_path) as rig, Background(rig.console) as listener:
        made = Screens(rig, browser, listener.url)
        yield made
        for screen in made.opened:
            assert [text for text in screen.wrong if "401" not in text and "409" not in text] == []
            screen.page.context.close()


def test_from_the_first_start_to_the_overview_by_keyboard(screens: Screens) -> None:
    screen = screens.by("")
    screen.page.goto("/policies/cave")
    screen.page.wait_for_selector("#token:focus")  # without a click
    screen.page.keyboard.type(TOKEN)
    screen.page.keyboard.press("Enter")
    screen.says("Asks the cave to open")
    assert screen.page.url == f"{screens.url}/policies/cave"
    screen.press("Sign out")
    screen.page.wait_for_selector("#token")


def test_why_was_this_blocked_and_undo_it(screens: Screens) -> None:
    """Policy → blocked request → why → mistake → exception → rollback preview: the mistake stays spared."""
    rig = screens.rig
    rig.record("open sesame is a fairy tale", "tale")
    screen = screens.by("operator")
    screen.page.goto("/policies/cave")
    screen.page.get_by_role("link", name="open sesame is a fairy tale").click()  # among its latest hits
    screen.says("the marked words would have to go")
    assert screen.page.inner_text("mark >> nth=0") == "open sesame"
    screen.press("Stopped by mistake")
    screen.says("said person:operator")
    word = rig.system.store.oversight.word("tale")
    assert word is not None
    admin = screens.by("admin")
    admin.page.goto(f"/revisions/{word.revision - 1}")
    admin.says("all are spared")
    admin.press(f"Go back to revision {word.revision - 1}")
    assert not rig.system.warden.inspect(Exchange.of("open sesame is a fairy tale").messages, Direction.PROMPT).blocked


def test_from_the_first_page_each_question_is_three_clicks_away(screens: Screens) -> None:
    """Why was this blocked, undo it, stop enforcing now: by what the screens say."""
    rig = screens.rig
    for number in range(3):
        rig.record(f"a recipe for bread, number {number}", f"n{number}")
    rig.record("open sesame is a fairy tale", "tale")
    screen, clicks = screens.by("operator"), 0

    def click(role: str, name: str) -> None:
        nonlocal clicks
        screen.page.get_by_role(role, name=name, exact=True).first.click()
        screen.page.wait_for_load_state()
        clicks += 1

    screen.page.goto("/")
    click("link", "Exchanges")
    click("link", "stopped")
    click("link", "open sesame is a fairy tale")
    screen.says("the marked words would have to go")  # why
    assert clicks == 3
    click("button", "Stopped by mistake")  # undo it: one more
    assert not rig.system.warden.inspect(Exchange.of("open sesame is a fairy tale").messages, Direction.PROMPT).blocked
    click("button", "Take it back")
    assert wait_until(lambda: rig.system.store.oversight.word("tale") is None)
    screen.page.goto("/")
    clicks = 0
    click("link", "Stop enforcing")
    click("button", "Stop enforcing now")
    assert clicks <= 3
    assert not rig.system.warden.enforces("any")


def test_switched_off_is_undone_by_the_next_click(screens: Screens) -> None:
    screen = screens.by("operator")
    screen.page.goto("/policies/cave")
    screen.press("Switch off")
    assert screens.rig.system.store.policies.get("cave").status is Status.RETIRED
    screen.press("Undo")
    assert screens.rig.system.store.policies.get("cave").status is Status.ACTIVE


def test_stop_enforcing_now_within_three_clicks(screens: Screens) -> None:
    screen, other = screens.by("operator"), screens.by("viewer")
    screen.page.goto("/exchanges")
    screen.page.click("text=Stop enforcing")
    screen.press("Stop enforcing now")
    assert not screens.rig.system.warden.enforces("any")
    other.page.goto("/policies")
    banner = other.page.locator(".suspended")
    assert "Not enforced: everything" in banner.inner_text()
    assert banner.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(179, 38, 30)"
    assert banner.locator("button").count() == 0  # a viewer sees it and resumes nothing
    screen.press("Enforce again")
    assert screens.rig.system.warden.enforces("any")


def test_two_reviewers_at_the_queue(screens: Screens) -> None:
    rig = screens.rig
    proposals(rig)
    rig.record("hard to say", "u1", response="hm", verdict=Verdict(Outcome.UNDECIDED, "local"))
    one, two = screens.by("operator"), screens.by("second")
    for screen in (one, two):
        screen.page.goto("/queue")
    one.press("It is safe")
    two.press("It is a breach")
    two.says("decided meanwhile")
    two.page.goto("/queue")
    assert two.page.locator("article.case").count() == 4
    two.page.check("[value=narrow0]")
    two.page.check("[value=narrow1]")
    two.page.fill("#bulk [name=reason]", "covered by a wider one")
    two.page.click("#bulk >> text=Reject")
    two.says("2 done")
    keys = two.page.eval_on_selector_all("[accesskey]", "all => all.map(e => e.accessKey)")
    assert sorted(keys) == ["a", "r"]  # on the first card alone: no key means two things
    two.page.locator("[accesskey=a]").click()
    two.page.wait_for_load_state()
    two.says("Nothing waits")


def test_exchanges_show_up_as_they_come(screens: Screens) -> None:
    screen = screens.by("viewer")
    screen.page.goto("/live?show=all")
    screen.says("Nothing yet")
    screens.rig.record("open sesame, said the fairy", "first")
    screen.says("open sesame, said the fairy")  # nobody reloaded the page
    screen.press("Pause")
    screens.rig.record("a recipe for bread", "second")
    screen.says("Paused.")
    assert screen.page.locator("#live tbody tr").count() == 1
    screen.press("Follow")
    screen.says("a recipe for bread")
    assert screen.page.locator("tr.fresh").count() == 1
    without = screens.by("viewer", java_script_enabled=False)
    without.page.goto("/live")
    without.page.click("text=Reload")
    assert without.page.locator("#live tbody tr").count() == 2
    assert without.page.locator("#live-pause").is_hidden()


def test_search_and_the_playground(screens: Screens) -> None:
    for number in range(3):
        screens.rig.record(f"a recipe for bread, number {number}", f"n{number}")
    screen = screens.by("viewer")
    screen.page.goto("/exchanges")
    screen.page.fill("[name=q]", "bread")
    screen.page.keyboard.press("Enter")
    screen.page.wait_for_url("**q=bread**")
    assert screen.page.locator("tbody tr").count() == 3
    with screen.page.expect_download() as started:
        screen.page.click("text=Export as CSV")
    assert started.value.suggested_filename.endswith(".csv")
    screen.page.goto("/try")
    screen.page.fill("#text", "please open sesame")
    screen.press("Try it")
    assert screen.page.inner_text("mark >> nth=0") == "open sesame"


def test_a_key_is_made_and_its_session_ends_with_it(screens: Screens) -> None:
    admin = screens.by("admin")
    admin.page.goto("/keys")
    admin.page.select_option("[name=role]", "viewer")
    admin.page.fill("[name=principal]", "ann")
    admin.press("Create")
    secret = admin.page.inner_text("[role=status] code")
    ann = screens.by("")
    ann.page.goto("/login")
    ann.page.fill("#token", secret)
    ann.press("Sign in")
    ann.page.goto("/policies")
    ann.says("Asks the cave to open")
    admin.page.goto("/keys")
    admin.page.locator("tr", has_text="ann").get_by_role("button", name="Revoke").click()
    admin.says("is revoked")
    ann.page.goto("/policies")
    ann.page.wait_for_selector("#token")


PAGES = """
/ /queue /policies?status=all /policies/cave /policies/merge?look=1 /try /live /exchanges /exchanges/tale /revisions
/revisions/1 /audit /audit/verify /fleet /probing /enforcement /keys /sessions /settings /nowhere /login
""".split()


def fill(rig: Rig) -> None:
    rig.record("open sesame is a fairy tale", "tale")
    rig.record("hard to say", "u1", response="hm", verdict=Verdict(Outcome.UNDECIDED, "local"))
    proposals(rig)
    probe = Attempt("fiction", Technique.FICTION, Hazard.HATE, "r", "tale", ProbeOutcome.BREACHED, mended=2.0)
    for each in (probe, replace(probe, mended=None), replace(probe, technique=Technique.ENCODING)):
        rig.system.store.probes.add(each)
    rig.system.store.oversight.note("tale", NoteKind.QUESTION, "is it harmless?", actor="lifecycle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding_of_axe(screens: Screens, scheme: str) -> None:
    fill(screens.rig)
    screen, axe = screens.by("admin", color_scheme=scheme), gzip.decompress(AXE.read_bytes()).decode()
    found = {}
    for path in PAGES:
        screen.page.goto(path)
        screen.page.evaluate(axe)
        told = screen.page.evaluate("axe.run()")
        serious = [
            (rule["id"], [node["target"] for node in rule["nodes"]][:3])
            for rule in told["violations"]
            if rule["impact"] in ("serious", "critical")
        ]
        if serious:
            found[path] = serious
    screen.wrong = [text for text in screen.wrong if "404" not in text]
    assert found == {}


def test_a_phone_shows_cards_without_sideways_scrolling(screens: Screens) -> None:
    fill(screens.rig)
    screen = screens.by("admin", viewport={"width": 390, "height": 844}, has_touch=True)
    for path in PAGES:
        screen.page.goto(path)
        assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        cells = "Math.min(...[...document.querySelectorAll('td')].map(e => e.offsetWidth), 999)"
        assert screen.page.evaluate(cells) > 60, path
    screen.wrong = [text for text in screen.wrong if "404" not in text]


def test_hostile_texts_do_nothing_anywhere(screens: Screens) -> None:
    assert len(set(PAYLOADS)) >= 200
    store = screens.rig.system.store

    for number in range(len(PAYLOADS)):
        exchange = said(number)
        verdict = Verdict(Outcome.UNDECIDED, judge=pick(number + 41)[:200], rationale=pick(number + 43))
        record = ExchangeRecord(exchange, (), Fate.RELEASED, verdict)
        store.exchanges.record(record, enqueue=False).result()
        if number % 10 == 0:
            store.oversight.note(f"h{number}", NoteKind.COMMENT, pick(number + 3), actor=pick(number + 5)[:100])
    revision = store.policies.snapshot().revision
    hostile = [
        replace(store.policies.get("cave"), id=f"p{number}", description=described(pick(number)), revision=0)
        for number in range(0, len(PAYLOADS), 4)
    ]
    store.policies.commit(Change(tuple(hostile), "loop", pick(11)), expected=revision)
    store.oversight.suspend(Scope.TENANT, pick(1)[:100], timedelta(hours=1), actor="person:ann", reason=pick(2))
    screen = screens.by("admin")
    paths = [
        "/live",
        "/live?q=%3Cscript%3E",
        "/policies?status=all",
        "/policies/merge?look=1",
        "/revisions",
        "/revisions/2",
    ]
    paths += ["/probing", "/enforcement", *(f"/policies/p{number}" for number in range(0, len(PAYLOADS), 16))]
    paths += ["/queue", "/queue?page=5", "/audit", "/audit?actor=%3Cscript%3E", "/?tenant=%3Cscript%3E"]
    following = "/exchanges"
    while following:
        screen.page.goto(following)
        older = screen.page.locator("text=Older")
        following = str(older.get_attribute("href")) if older.count() else ""
    for path in [*paths, *(f"/exchanges/h{number}" for number in range(0, len(PAYLOADS), 4))]:
        screen.page.goto(path)
        assert screen.page.evaluate("window.pwned") is None, path
        assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert str(7919 * 7927) not in screen.page.content()
    for number in range(0, len(PAYLOADS), 24):
        screen.page.goto("/try")
        screen.page.fill("#text", pick(number))
        screen.press("Try it, then ask the model")
        assert screen.page.evaluate("window.pwned") is None
    assert max(len(screen.at(path)) for path in ("/", "/exchanges", "/queue")) < 200_000
    assert screens.url in screen.page.url
