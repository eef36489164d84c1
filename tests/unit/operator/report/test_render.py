import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

from scones_operator.captures.files import TimeRange
from scones_operator.models.registry import ModelVersion, ProductionModel
from scones_operator.report import render as page
from scones_operator.report.captured_images import CapturedImage, CapturedImages
from scones_operator.report.mistakes import Mistake, Mistakes
from scones_operator.report.photo_rows import NONE_OF_THE_CLASSES_TEXT
from tests.unit.operator.report.examples import DOT, NINE, UNFAMILIAR, photo, report

_INLINE = ("b", "wbr", "span")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Document(HTMLParser):
    """What a browser would see: elements with their attributes, charts, and what is to be read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.charts: dict[str, Any] = {}
        self.scripts: list[str] = []
        self.text = ""
        self._within: tuple[str, dict[str, str | None]] = ("", {})
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = (tag, dict(attrs))
        self.elements.append(self._within)
        self.text += "" if tag in _INLINE else " "

    def handle_endtag(self, tag: str) -> None:
        self._within = ("", {})
        self.text += "" if tag in _INLINE else " "

    def handle_data(self, data: str) -> None:
        tag, attributes = self._within
        if tag == "script" and attributes.get("type") == "application/json":
            self.charts[str(attributes["id"])] = json.loads(data)
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(autouse=True)
def small_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes that no test here reads."""
    monkeypatch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")


def render(*photos: Any, **changes: Any) -> Document:
    return Document(page.render(report(*photos, **changes), UTC))


def test_figures_at_a_glance() -> None:
    document = render(photo(truth="bicycle"), photo(), photo("motorcycle", 0.6), photo(None))
    assert "Results for 4 photos" in document.words
    assert "classified 2 50 % of 4" in document.words
    assert "needed review 1 1 still waiting" in document.words
    assert "accuracy 100 % 1 of 1 known photo" in document.words
    assert "In production when this report was written: version 4." in document.words
    assert "accuracy 0.9512" in document.words
    assert "time of all steps 1,000 ms median; 95 % within 1,000 ms" in document.words


def test_the_time_asked_for_and_when_the_first_and_the_last_were_decided() -> None:
    first, last = photo(minutes=1), photo(minutes=30.5)
    asked = "time range 2026-11-20 00:00:00 to 2026-11-21 00:00:00 (UTC)"
    words = render(first, photo(None, minutes=2), last).words
    assert f"{asked}. First result 2026-11-20 09:01:00 , last 2026-11-20 09:30:30 ." in words
    assert f"{asked}. Decided 2026-11-20 09:01:00 ." in render(first).words
    nothing = render(captured_images=CapturedImages()).words
    assert f"{asked}." in nothing
    assert "irst decided" not in nothing


def test_photos_that_were_simulated_wait_for_nobody() -> None:
    unsure = [photo("bicycle", 0.6, key=f"simulated/a/{n}.png") for n in range(3)]
    sure = photo(key="simulated/a/9.png")
    words = render(sure, *unsure).words
    assert "needed review 3 3 of these simulated 0 still waiting" in words
    assert "3 photos needed review. 3 of these were simulated: they are not reviewed." in words
    assert "for review" not in words
    words = render(sure, *unsure, photo("bicycle", 0.6)).words
    assert "needed review 4 3 of these simulated 1 still waiting" in words
    assert "4 photos needed review; 1 waits for review. 3 of these" in words
    words = render(*unsure[:1], photo("bicycle", 0.6, reviewed_label="bicycle")).words
    assert "Reviewers labeled 1 photo that needed review; 0 more wait." in words
    assert "2 photos needed review. 1 of these was simulated: it is not reviewed." in words


def test_a_class_that_always_needs_review_is_neither_unfamiliar_nor_rejected() -> None:
    always = {"status": "needs_review", "reason": "always_reviewed", "message": "m"}
    shown = render(photo("bicycle", 0.98, **always))
    assert "Rejected and failed None." in shown.words
    assert "unfamiliar (limit" not in shown.words
    assert "bicycle 0.980, always_reviewed" in str(shown.charts["chart-confidence"]["data"])


def test_unfamiliar_photos_are_counted_and_named() -> None:
    strange = photo("bicycle", 0.98, **UNFAMILIAR)
    words = render(photo(), strange, photo("bicycle", 0.6)).words
    assert "needed review 2 1 of these unfamiliar 2 still waiting" in words
    assert "1 of these is unfamiliar: it does not resemble the training photos" in words
    assert "0.930 0.012, unfamiliar (limit 0.05)" in words
    assert "Rejected and failed None." in words
    hovers = str(render(strange).charts["chart-confidence"]["data"])
    assert "bicycle 0.980, unfamiliar 0.012" in hovers
    words = render(photo(), strange, strange).words
    assert "2 of these are unfamiliar: they do not resemble" in words
    assert "nfamiliar: " not in render(photo(), photo("bicycle", 0.6)).words


def test_photos_without_familiarity_have_a_dash() -> None:
    plain = photo(familiarity=None, familiarity_limit=None)
    assert "0.980 0.930 - " in render(plain).words


def test_what_is_in_production_is_so_when_the_page_is_made() -> None:
    long_ago = TimeRange(NINE - timedelta(days=30), NINE - timedelta(days=29))
    document = render(photo(), time_range=long_ago)
    assert "In production when this report was written: version 4." in document.words
    assert (
        "Model in production When this report was written, 2026-11-21 00:00:00." in document.words
    )


def test_a_model_that_is_not_known_any_more() -> None:
    production = ProductionModel("scones", "InService", missing_config="scones-v4-x")
    document = render(photo(), production=production, version=None)
    assert "report was written: an unknown model." in document.words
    assert "the endpoint configuration scones-v4-x or its model was deleted" in document.words


def test_moments_are_those_of_the_readers_zone() -> None:
    text = page.render(report(photo()), timezone(timedelta(hours=5, minutes=30)))
    assert "time range 2026-11-20 05:30:00" in Document(text).words
    assert "(UTC+05:30)" in Document(text).words
    assert "14:30:00" in text


def test_a_bar_for_each_of_a_few_photos() -> None:
    document = render(photo(), photo("motorcycle", 0.6, minutes=1), photo(None))
    sure, unsure, threshold = document.charts["chart-confidence"]["data"]
    assert (sure["x"], sure["y"]) == ([0], [0.98])
    assert (unsure["x"], unsure["y"], unsure["name"]) == ([1], [0.6], "needs review")
    assert unsure["marker"]["pattern"]["shape"] == "/"
    assert set(threshold["y"]) == {0.93}
    assert threshold["x"] == [-0.5, 0.5, 0.5, 1.5]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        ((0, 1, 2), ["09:00:00", "09:00:01", "09:00:02"]),
        ((0.12, 0.25, 1), ["09:00:00.1", "09:00:00.2", "09:00:01.0"]),
        ((0.121, 0.122, 1), ["09:00:00.121", "09:00:00.122", "09:00:01.000"]),
        ((0.121, 0.121, 1), ["09:00:00.121", "09:00:01.000"]),
        ((0, 86400), ["09:00:00<br>2026-11-20", "09:00:00<br>2026-11-21"]),
    ],
)
def test_no_two_ticks_say_the_same(seconds: tuple[float, ...], labels: list[str]) -> None:
    document = render(*(photo(decided_at=NINE + timedelta(seconds=one)) for one in seconds))
    axis = document.charts["chart-confidence"]["layout"]["xaxis"]
    assert axis["ticktext"] == labels
    assert len(axis["tickvals"]) == len(labels)


def test_many_photos_are_put_together() -> None:
    document = render(*(photo("bicycle", 0.9, minutes=minutes) for minutes in range(300)))
    bars, threshold = document.charts["chart-confidence"]["data"]
    assert len(bars["x"]) == 60
    assert set(bars["y"]) == {0.9}
    assert bars["x"][1] == "2026-11-20T09:05:00.000"
    assert set(threshold["y"]) == {0.93}
    assert "A bar is the median of its time interval" in document.words


def test_predictions_and_latency_are_drawn() -> None:
    document = render(photo(), photo("motorcycle", 0.6))
    sure, unsure = document.charts["chart-predictions"]["data"]
    assert (sure["x"], sure["y"]) == (["bicycle", "motorcycle"], [1, 0])
    assert unsure["y"] == [0, 1]
    p50, p95 = document.charts["chart-latency"]["data"]
    assert p50["y"] == p95["y"] == [400, 150, 50, 1000, 2000]
    assert "All steps: from the start of the state machine to the decision." in document.words
    assert "a client" in document.words


def test_charts_have_elements_that_they_are_drawn_into_and_names_for_those_who_see_none() -> None:
    document = render(photo())
    plots = [one for one in document.all("div") if one.get("class") == "plot"]
    assert [one["data-chart"] for one in plots] == list(document.charts)
    assert all(one["role"] == "img" and one["aria-label"] for one in plots)


def test_what_people_said() -> None:
    document = render(
        photo("bicycle", 0.6, reviewed_label="bicycle"),
        photo("bicycle", 0.6, reviewed_label=NONE_OF_THE_CLASSES_TEXT),
        photo("bicycle", 0.6),
    )
    assert "Reviewers labeled 2 photos" in document.words
    assert "1 more waits" in document.words
    assert "correct for 1 of them, 50 %" in document.words
    assert NONE_OF_THE_CLASSES_TEXT in document.words
    assert "waits for review" in render(photo("bicycle", 0.6)).words
    assert "No photos needed review" in render(photo()).words


def test_pictures_have_a_label_and_a_text_for_those_who_see_none() -> None:
    document = render(
        photo(), captured_images=CapturedImages((CapturedImage(DOT, "van", 0.5512, NINE),), 7, 2)
    )
    (image,) = document.all("img")
    assert image["src"] == DOT
    assert image["alt"] == "Captured image, predicted van"
    assert "van 0.551 2026-11-20 09:00:00" in document.words
    assert "of 7 captured requests (2 more cannot be read)" in document.words


def test_captured_pictures_have_a_file_and_its_truth() -> None:
    known = photo("van", 0.9299, key="gate/7.png", truth="bicycle")
    reviewed = photo("van", 0.6, key="gate/8.png", reviewed_label="tram")
    shown = (
        CapturedImage(DOT, "van", 0.9299, NINE, known),
        CapturedImage(DOT, "van", 0.6, NINE, reviewed),
        CapturedImage(DOT, "van", 0.6, NINE),
    )
    words = render(photo(), captured_images=CapturedImages(shown, 3)).words
    assert "van 0.9299 truth: bicycle gate/7.png 2026-11-20 09:00:00" in words
    assert "van 0.600 reviewed: tram gate/8.png 2026-11-20 09:00:00" in words
    assert "van 0.600 2026-11-20 09:00:00" in words


def test_the_first_section_has_what_the_model_was_sure_of_and_wrong_about() -> None:
    wrong = photo("motorcycle", 0.987, key="gate/7.png", truth="bicycle")
    mistakes = Mistakes((Mistake(wrong, DOT), Mistake(wrong, None, "it was deleted")), 3)
    others = [photo(truth="bicycle")] * 2 + [photo("bicycle", 0.5, truth="motorcycle")]
    document = render(wrong, *others, mistakes=mistakes)
    heading = next(one for one in document.all("h2") if one["id"])
    assert heading["id"] == "mistakes"
    rate = (
        "Of 3 photos that were accepted without review and whose class is known, "
        "1 is incorrect (33.3\u202f%)."
    )
    assert rate in document.text
    assert "The 2 most confident are shown." in document.words
    assert "motorcycle 0.987 truth: bicycle gate/7.png 2026-11-20 09:00:00" in document.words
    assert "No image: it was deleted" in document.words
    assert document.all("img")[0]["alt"] == "Photo of bicycle, predicted motorcycle"


def test_without_truth_nothing_is_said_of_mistakes() -> None:
    assert "Accepted and incorrect" not in render(photo()).words
    words = render(photo(truth="bicycle")).words
    assert (
        "1 photo that were accepted without review and whose class is known, 0 are incorrect (0 %)."
        in words
    )


def test_each_rate_has_its_counts_and_is_not_rounded_to_all() -> None:
    photos = [photo("bicycle", 0.98, truth="bicycle")] * 2999
    words = render(*photos, photo("motorcycle", 0.98, truth="bicycle")).words
    assert "bicycle 99.97 % 2,999 of 3,000 100 % 2,999 of 2,999" in words
    assert "motorcycle - 0 of 0 0 % 0 of 1" in words
    assert "share of 3,000 bicycle 2,999 0 2,999 99.97 %" in words
    assert "accuracy 99.97 % 2,999 of 3,000 known photos" in words


def test_the_threshold_of_the_registry_is_called_suggested() -> None:
    version = ModelVersion(4, "arn", NINE, "Approved", "", {"threshold": "0.91"})
    assert "suggested threshold 0.91" in render(photo(), version=version).words


def test_reasons_of_what_was_rejected() -> None:
    words = render(photo(None, key="incoming/9.png")).words
    assert "corrupt rejected 1 incoming/9.png it is damaged" in words


def test_reasons_break_between_words_only() -> None:
    text = page.render(report(photo(None, reason="too_many_<i>")), UTC)
    assert "too_<wbr>many_<wbr>&lt;i&gt;<br>" in text


def test_a_time_in_which_nothing_happened() -> None:
    document = render(captured_images=CapturedImages(), production=None, version=None)
    assert "Results for 0 photos" in document.words
    assert "There are no results in this time range" in document.words
    assert "There is no captured data in this time range" in document.words
    assert "No model was in production when this report was written" in document.words
    assert document.charts == {}


def test_photos_that_the_model_never_saw() -> None:
    document = render(photo(None), photo(None, status="failed", reason="EndpointMissing"))
    assert "None of them was sent to the model" in document.words
    assert "EndpointMissing" in document.words
    assert document.charts == {}


@pytest.mark.parametrize("many", [False, True])
def test_names_of_strangers_are_text_and_nothing_else(many: bool) -> None:
    hostile = photo(HOSTILE, key=HOSTILE, reviewed_label=HOSTILE, truth=HOSTILE)
    rejected = photo(None, key=HOSTILE, reason=HOSTILE, message=HOSTILE)
    photos = [hostile] * (200 if many else 1)
    harmless = render(*([photo(reviewed_label="a", truth="b")] * len(photos)), photo(None))
    document = render(
        *photos,
        rejected,
        class_names=(HOSTILE, "bicycle"),
        endpoint=HOSTILE,
        captured_images=CapturedImages((CapturedImage(DOT, HOSTILE, 0.5, NINE),), 1),
    )
    assert len(document.all("script")) == len(harmless.all("script"))
    assert len(document.all("img")) == 1
    assert HOSTILE in document.text
    assert "1 photo until" in render(photo()).words
    drawn = json.dumps(document.charts)
    assert "&lt;script&gt;" in drawn
    assert "<" not in re.sub(r"<br>|<extra></extra>", "", drawn)


def test_nothing_comes_from_elsewhere() -> None:
    text = page.render(report(photo()), UTC)
    document = Document(text)
    for _, attributes in document.elements:
        for name in ("src", "href", "action", "srcset"):
            assert str(attributes.get(name, "data:")).startswith("data:")
    assert "@import" not in text
    assert "url(" not in text
    policy = next(one for one in document.all("meta") if "http-equiv" in one)
    allowed = str(policy["content"])
    assert allowed.startswith("default-src 'none';")
    for script in document.scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in allowed
    assert len(document.scripts) == 2


def test_zones() -> None:
    assert page._zone(datetime(2026, 1, 1, tzinfo=UTC)) == "UTC"
