"""The pages in a real browser: forms that are sent, a policy that forbids scripts, a keyboard."""

import shutil
from collections.abc import Iterator

import pytest

from sisf.console import create_console
from sisf.policy import Status
from sisf.serving import Background
from sisf.store.base import Store
from sisf.store.memory import MemoryStore
from tests.console.test_console import HOSTILE, PAGES, TOKEN, fill

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
OPTIONS = """
--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
--disable-sync
""".split()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here")]


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    fill(store)
    yield store
    store.close()


def test_a_person_signs_in_looks_around_and_switches_a_policy_off(store: Store) -> None:
    from playwright.sync_api import sync_playwright

    with Background(create_console(store, token=TOKEN)) as console, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(base_url=console.url)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.goto("/policies/p1")
        page.wait_for_selector("#token:focus")  # without a click: the page puts the focus there once it is drawn
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Switch off")
        assert page.url == f"{console.url}/policies/p1"
        page.click("text=Switch off")
        page.wait_for_selector("[role=status]")
        assert store.policies.get("p1").status is Status.RETIRED
        for path in PAGES:
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.goto("/exchanges/e1")
        assert HOSTILE in page.inner_text("pre >> nth=0")
        page.click("text=It is a breach")
        page.wait_for_selector("[role=status]")
        page.click("text=Sign out")
        page.wait_for_selector("#token")
        # Nothing but the page that asks to sign in (401); no script, no style, no image was refused.
        assert [text for text in said if "401" not in text] == []
        browser.close()
