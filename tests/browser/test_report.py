"""The report in a real browser, without a network."""

from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from operations.report.page import render
from operations.report.pictures import Picture, Pictures
from tests.browser.conftest import SCREENSHOTS
from tests.unit.operations.report.examples import DOT, NINE, photo, report

HOSTILE = '</script><script>window.stolen = 1</script><img src="//evil.test/x" onerror="stolen=2">'

PHOTOS = [
    *(photo("bicycle", 0.97 - (n % 7) / 60, minutes=n, truth="bicycle") for n in range(20)),
    *(photo("motorcycle", 0.99 - (n % 5) / 20, minutes=n, said="motorcycle") for n in range(9)),
    photo("motorcycle", 0.7, minutes=30, said="bicycle", truth="bicycle"),
    photo(None, minutes=31, key="incoming/" + "long name " * 20 + ".png"),
]


class Reader:
    """Somebody who opens a report."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.asked: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))

    @property
    def sideways(self) -> int:
        """By how many pixels the page can be scrolled sideways."""
        root = "document.documentElement"
        return int(self.tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def colour(self, selector: str, name: str) -> str:
        script = f"element => getComputedStyle(element).{name}"
        return str(self.tab.locator(selector).first.evaluate(script))

    def keep(self, name: str) -> None:
        """Keep a screenshot, for people."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.tab.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def read(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Give the means to open a report, in a browser that is offline."""
    contexts = []

    def run(text: str, **options: Any) -> Reader:
        file = tmp_path / "report.html"
        file.write_text(text, "utf-8")
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        reader = Reader(context.new_page())
        reader.tab.goto(file.as_uri())
        return reader

    yield run
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("scheme", "paper", "ink"),
    [
        ("light", "rgb(255, 255, 255)", "rgb(28, 31, 36)"),
        ("dark", "rgb(20, 23, 28)", "rgb(230, 233, 238)"),
    ],
)
def test_charts_are_drawn_in_the_colours_of_the_page(
    read: Callable[..., Reader], scheme: str, paper: str, ink: str
) -> None:
    reader = read(render(report(*PHOTOS), UTC), color_scheme=scheme)
    assert reader.tab.locator(".plot .main-svg .bars .point").count() == 30 + 4 + 10
    assert reader.colour("body", "backgroundColor") == paper
    assert reader.colour(".plot .xtick text", "fill") == ink
    assert reader.colour(".plot .scatterlayer .js-line", "stroke") == ink
    assert reader.complaints == []
    assert [url.partition(":")[0] for url in reader.asked if not url.startswith("data:")] == [
        "file"
    ]
    reader.keep(f"report-{scheme}")


def test_a_phone(read: Callable[..., Reader]) -> None:
    photos = [photo(f"class number {n}", 0.9, minutes=n, truth="bicycle") for n in range(12)]
    reader = read(render(report(*PHOTOS, *photos), UTC), viewport={"width": 390, "height": 844})
    assert reader.sideways == 0
    for plot in reader.tab.locator(".plot .main-svg").all():
        box = plot.bounding_box()
        assert box is not None
        assert box["width"] <= 390
    reader.keep("report-phone")


def test_paper(read: Callable[..., Reader]) -> None:
    reader = read(
        render(report(*PHOTOS), UTC), color_scheme="dark", viewport={"width": 1400, "height": 900}
    )
    reader.tab.emulate_media(media="print", color_scheme="dark")
    reader.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.colour("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert reader.colour(".plot .xtick text", "fill") == "rgb(0, 0, 0)"
    widths = reader.tab.locator(".plot .main-svg").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert max(widths) <= 680
    reader.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    reader.tab.emulate_media(media="screen")
    assert reader.tab.locator(".plot .main-svg").first.bounding_box()["width"] > 800  # type: ignore[index]


@pytest.mark.parametrize("count", [3, 300])
def test_names_of_strangers_do_nothing(read: Callable[..., Reader], count: int) -> None:
    photos = [
        photo(HOSTILE, 0.9 + n % 9 / 100, minutes=n, key=HOSTILE, said=HOSTILE, truth=HOSTILE)
        for n in range(count)
    ]
    page = report(
        *photos,
        photo(None, key=HOSTILE, reason=HOSTILE, message=HOSTILE),
        class_names=(HOSTILE, "bicycle"),
        endpoint=HOSTILE,
        pictures=Pictures((Picture(DOT, HOSTILE, 0.5, NINE),), 1),
    )
    reader = read(render(page, UTC))
    # What is hovered over is written by Plotly, from the same names.
    reader.tab.locator(".plot .bars .point path").first.hover(force=True)
    reader.tab.locator(".plot .hoverlayer text").first.wait_for()
    reader.tab.wait_for_function("document.querySelectorAll('.plot .bars .point').length > 3")
    assert reader.tab.evaluate("window.stolen") is None
    assert not [url for url in reader.asked if "evil" in url]
    assert reader.tab.locator(".plot img, .plot a, .plot script").count() == 0
    assert reader.complaints == []


def test_scripts_of_strangers_would_not_run(read: Callable[..., Reader]) -> None:
    """Even if one got into the page: the policy names the scripts that may."""
    text = render(report(photo()), UTC).replace("</main>", f"{HOSTILE}</main>")
    reader = read(text)
    assert reader.tab.locator(".plot .main-svg").count() > 0
    assert reader.tab.evaluate("window.stolen") is None
    assert any("Content Security Policy" in text for text in reader.complaints)


def test_a_report_of_nothing(read: Callable[..., Reader]) -> None:
    reader = read(render(report(pictures=Pictures(), production=None, version=None), UTC))
    assert reader.tab.get_by_text("No photo was decided in this time").is_visible()
    assert reader.complaints == []
