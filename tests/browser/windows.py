"""Windows of one browser, which are lent to a test and used again by the next.

A new window is a new process, which compiles all scripts again: more work than most tests are.
"""

from typing import Any

from playwright.sync_api import Browser, Page

PATIENCE_MS = 30_000

# What a window can change later on; whatever else is asked for needs a window made for it.
SIZE = {"width": 1280, "height": 900}
# Without smooth scrolling, things stand still where a test has just seen them.
MEDIA = {"color_scheme": "light", "reduced_motion": "reduce", "media": "screen"}

# Runs before a page's own scripts; the page's policy does not hold for it.
WATCH_POLICY = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


class Windows:
    """Offline windows; those that are lent at the same time share nothing."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[Page]] = {}
        self._kinds: dict[Page, str] = {}

    def lend(self, options: dict[str, Any]) -> Page:
        """An empty window with the options of a new context, for one test alone."""
        made = {key: value for key, value in options.items() if key not in {"viewport", *MEDIA}}
        kind = repr(sorted(made.items()))
        free = self._free.setdefault(kind, [])
        page = free.pop() if free else self._new(made)
        self._kinds[page] = kind
        page.set_viewport_size(options.get("viewport", SIZE))
        page.emulate_media(**{key: options.get(key, usual) for key, usual in MEDIA.items()})
        return page

    def take_back(self, page: Page) -> None:
        """Empties a window: the pointer leaves it, and with the document goes all it held."""
        page.mouse.move(-1, -1)
        page.goto("about:blank")
        page.context.clear_cookies()
        self._free[self._kinds.pop(page)].append(page)

    def _new(self, made: dict[str, Any]) -> Page:
        context = self._browser.new_context(offline=True, **made)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH_POLICY)
        return context.new_page()
