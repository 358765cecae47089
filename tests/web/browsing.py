"""Pages of a real browser, and what people do with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

CALM_MS = 60_000

_NO_WEBGL = "window.$3Dmol = { createViewer: () => undefined };"


@contextmanager
def opened(browser: Any, url: str, *, in_space: bool = True, **options: Any) -> Iterator[Any]:
    """A page just opened; at the end nothing failed, and nobody but the server was asked.

    Args:
        browser: The browser.
        url: Address of the server, or of a view.
        in_space: Whether crystals are seen in three dimensions. A browser without WebGL does not, and is quick where a
            processor that has much else to do would draw them.
        **options: Of playwright's `new_context`, such as the colour scheme.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(CALM_MS)
    faults: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    if not in_space:
        page.route(
            "**/vendor/3Dmol-min.js", lambda route: route.fulfill(content_type="text/javascript", body=_NO_WEBGL)
        )
    page.goto(url)
    yield page
    context.close()
    assert [fault for fault in faults if "favicon" not in fault] == []
    server = "/".join(url.split("/", 3)[:3])
    assert all(one.startswith((server, "blob:", "data:")) for one in asked), asked


def files(*named: tuple[str, str | bytes]) -> list[dict[str, Any]]:
    """Files for a file input."""
    return [
        {"name": name, "mimeType": "text/plain", "buffer": text.encode() if isinstance(text, str) else text}
        for name, text in named
    ]


def until(page: Any, expression: str, arg: Any = None) -> None:
    """Wait until an expression of JavaScript is true.

    Playwright's `wait_for_function` looks again by `eval`, which the content security policy of the page forbids.

    Raises:
        AssertionError: It does not become true.
    """
    end = monotonic() + CALM_MS / 1000
    while not page.evaluate(expression, arg):
        assert monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(50)


def until_plots_fit(page: Any) -> None:
    """Wait until plots are drawn as wide as their places, for one that still changes is soon replaced by another."""
    until(
        page,
        "() => [...document.querySelectorAll('.plot')].filter(place => place.clientWidth).every(place => "
        "place.querySelector('svg')?.viewBox.baseVal.width === Math.round(place.clientWidth))",
    )


def drop(page: Any, *named: tuple[str, str]) -> None:
    """Drop files as a person does with the mouse."""
    transfer = page.evaluate_handle(
        "named => { const data = new DataTransfer(); for (const [name, text] of named) "
        "data.items.add(new File([text], name)); return data; }",
        [list(one) for one in named],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
