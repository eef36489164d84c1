"""The report in a real browser, without a network."""

from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from scones_operator.report.captured_images import CapturedImage, CapturedImages
from scones_operator.report.render import render
from tests.browser.conftest import SCREENSHOTS, obstacles
from tests.unit.operator.report.examples import DOT, NINE, photo, report

HOSTILE = '</script><script>window.stolen = 1</script><img src="//evil.test/x" onerror="stolen=2">'

PHOTOS = [
    *(photo("bicycle", 0.97 - (n % 7) / 60, minutes=n, truth="bicycle") for n in range(20)),
    *(
        photo("motorcycle", 0.99 - (n % 5) / 20, minutes=n, reviewed_label="motorcycle")
        for n in range(9)
    ),
    photo("motorcycle", 0.7, minutes=30, reviewed_label="bicycle", truth="bicycle"),
    photo("bicycle", 0.6, minutes=30, key="simulated/20261120-9f/0007.png"),
    photo(None, minutes=31, key="incoming/" + "long name " * 20 + ".png"),
    photo(
        None,
        minutes=32,
        key="simulated/20261120-0900-7f3a9c/heic-photo-of-a-van-0042.heic",
        reason="unsupported_format",
        message="this is a HEIC file: upload JPEG, PNG, WebP, BMP, GIF or TIFF instead",
    ),
    photo(
        None,
        minutes=33,
        reason="too_many_pixels",
        message="the photo has 20000 x 20000 pixels, more than the 50 million that are taken",
    ),
]

WORDS = """
(element) => {
  // Words that are on more than one line: their range has more than one box.
  const broken = [];
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    for (const found of text.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(text, found.index);
      range.setEnd(text, found.index + found[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) broken.push(found[0]);
    }
  }
  return broken;
}
"""


class Reader:
    """Somebody who opens a report."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.errors: list[str] = []
        self.asked: list[str] = []
        tab.on("console", lambda message: self.errors.append(message.text))
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))

    @property
    def horizontal_overflow(self) -> int:
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
    assert reader.tab.locator(".plot .main-svg .bars .point").count() == 31 + 4 + 10
    assert reader.colour("body", "backgroundColor") == paper
    assert reader.colour(".plot .xtick text", "fill") == ink
    assert reader.colour(".plot .scatterlayer .js-line", "stroke") == ink
    assert reader.errors == []
    assert [url.partition(":")[0] for url in reader.asked if not url.startswith("data:")] == [
        "file"
    ]
    assert obstacles(reader.tab) == []
    reader.keep(f"report-{scheme}")


def test_a_phone(read: Callable[..., Reader]) -> None:
    photos = [photo(f"class number {n}", 0.9, minutes=n, truth="bicycle") for n in range(12)]
    reader = read(render(report(*PHOTOS, *photos), UTC), viewport={"width": 390, "height": 844})
    assert reader.horizontal_overflow == 0
    for plot in reader.tab.locator(".plot .main-svg").all():
        box = plot.bounding_box()
        assert box is not None
        assert box["width"] <= 390
    matrix = reader.tab.get_by_role("region", name="Confusion matrix: what the photos show")
    beyond = "box => box.scrollWidth - box.clientWidth"
    assert matrix.evaluate(beyond) > 0
    matrix.focus()
    reader.tab.keyboard.press("ArrowRight")
    reader.tab.wait_for_timeout(200)
    assert matrix.evaluate("box => box.scrollLeft") > 0
    name = matrix.locator("tbody th").first.bounding_box()
    assert name is not None
    assert name["x"] >= 0  # the rows' names stay
    reader.keep("report-phone")


@pytest.mark.parametrize("width", [1280, 390])
def test_only_keys_are_broken_within_a_word(read: Callable[..., Reader], width: int) -> None:
    reader = read(render(report(*PHOTOS), UTC), viewport={"width": width, "height": 844})
    reasons = reader.tab.locator(".reasons")
    for cell in reasons.locator("th, .faint").all():
        assert cell.evaluate(WORDS) == []
    reason, message = (
        reasons.locator(f"tbody {tag}").first.bounding_box() for tag in ("th", "td.long")
    )
    assert reason is not None
    assert message is not None
    assert message["width"] > (1.5 if width == 390 else 3) * reason["width"]


def test_ticks_of_a_burst_are_all_read(read: Callable[..., Reader]) -> None:
    photos = [photo("bicycle", 0.97 - n / 90, minutes=n / 600) for n in range(25)]
    reader = read(render(report(*photos), UTC), viewport={"width": 390, "height": 844})
    ticks = reader.tab.locator(".plot").first.locator(".xtick text").all_text_contents()
    assert len(ticks) == len(set(ticks)) == 5
    reader.keep("report-burst")


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
        photo(
            HOSTILE,
            0.9 + n % 9 / 100,
            minutes=n,
            key=HOSTILE,
            reviewed_label=HOSTILE,
            truth=HOSTILE,
        )
        for n in range(count)
    ]
    page = report(
        *photos,
        photo(None, key=HOSTILE, reason=HOSTILE, message=HOSTILE),
        class_names=(HOSTILE, "bicycle"),
        endpoint=HOSTILE,
        captured_images=CapturedImages((CapturedImage(DOT, HOSTILE, 0.5, NINE),), 1),
    )
    reader = read(render(page, UTC))
    # What is hovered over is written by Plotly, from the same names.
    reader.tab.locator(".plot .bars .point path").first.hover(force=True)
    reader.tab.locator(".plot .hoverlayer text").first.wait_for()
    reader.tab.wait_for_function("document.querySelectorAll('.plot .bars .point').length > 3")
    assert reader.tab.evaluate("window.stolen") is None
    assert not [url for url in reader.asked if "evil" in url]
    assert reader.tab.locator(".plot img, .plot a, .plot script").count() == 0
    assert reader.errors == []


def test_scripts_of_strangers_would_not_run(read: Callable[..., Reader]) -> None:
    """Even if one got into the page: the policy names the scripts that may."""
    text = render(report(photo()), UTC).replace("</main>", f"{HOSTILE}</main>")
    reader = read(text)
    assert reader.tab.locator(".plot .main-svg").count() > 0
    assert reader.tab.evaluate("window.stolen") is None
    assert any("Content Security Policy" in text for text in reader.errors)


def test_a_report_of_nothing(read: Callable[..., Reader]) -> None:
    reader = read(
        render(report(captured_images=CapturedImages(), production=None, version=None), UTC)
    )
    assert reader.tab.get_by_text("There are no results in this time range").is_visible()
    assert reader.errors == []
