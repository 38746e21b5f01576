"""The first plot of a report as a picture: python scripts/report_picture.py sisf-demo/report.html FILE.png

README's picture is that of the demonstration: `sisf demo --out FOLDER` on a machine without `SISF_DATA_DIR`.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from screenshots import reduce


def main(report: Path, file: Path) -> None:
    """Let Chromium draw it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.locator(".plots figure").first.screenshot(path=str(file))
        browser.close()
    reduce(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
