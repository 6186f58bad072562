"""A browser for the tests of pages."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests here."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def opened(browser: Any) -> Callable[..., Any]:
    """Open a page in a window of its own, which collects what goes wrong in `trouble`."""

    def open_page(address: str, width: int = 1280, colours: str = "light", scripts: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=colours, java_script_enabled=scripts
        )
        page = context.new_page()
        page.trouble = []
        page.on("console", lambda message: page.trouble.append(message.text))
        page.on("pageerror", lambda error: page.trouble.append(str(error)))
        page.on("dialog", lambda dialog: (page.trouble.append("dialog " + dialog.message), dialog.dismiss()))
        page.on("request", lambda one: page.trouble.append(one.url) if one.url != address else None)
        page.goto(address)
        return page

    return open_page


@pytest.fixture(scope="session")
def violations() -> Callable[[Any], str]:
    """Report what keeps people from using an open page, with all of its parts unfolded; empty where nothing does."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

    def check(page: Any) -> str:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found = axe.Axe().run(page, context={"exclude": [["svg *"]]})  # a picture is described as a whole
        return found.generate_report() if found.violations_count else ""

    return check
