"""A real Chromium that looks at pages: fails on a console error, a blocked resource, or what a screen reader misses."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1400, "height": 900}
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = os.environ.get("RHEOD_SHOTS")
"""A folder to keep pictures of the pages in, to look at; none are kept otherwise."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, driven from outside."""
    path = shutil.which("chromium")
    assert path is not None, "install Debian's package `chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, size: dict[str, int], *, language: str = "sv-SE", dark: bool = False
) -> AsyncIterator[Page]:
    """A page of its own; when it closes, nothing may have been complained about."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        locale=language,
        color_scheme="dark" if dark else "light",
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.extend(_complaint(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.extend(_failure(request)))
    page.set_default_timeout(20_000)
    try:
        yield page
    finally:
        await context.close()
    assert complaints == []


def _complaint(message: ConsoleMessage) -> list[str]:
    """An error or a warning of the console; that a form was refused (409, 422), or that there is no such page, is an answer."""
    answered = any(f"status of {code}" in message.text for code in (404, 409, 422))
    return [message.text] if message.type in {"error", "warning"} and not answered else []


def _failure(request: Request) -> list[str]:
    """A picture that is not waited for because one goes on to another page has not failed."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url}: {request.failure}"]


async def judged(page: Page, name: str) -> None:
    """What every page must be: no wider than the screen, and nothing that axe-core finds wrong."""
    if SHOTS:
        size = await page.evaluate("window.innerWidth")
        await page.screenshot(path=str(Path(SHOTS) / f"{name}-{size}.png"), full_page=True)
    overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than the screen"
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    wrong = [
        f"{each['id']}: {each['help']} at {[node['target'] for node in each['nodes']]}"
        for each in found.response["violations"]
    ]
    assert wrong == [], f"{name}: {wrong}"
