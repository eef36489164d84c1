from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Route
from playwright.sync_api import Page as Tab

from scones.reviews import review as reviewing
from scones_operator.console import app, background
from scones_operator.console.browser import open_in_browser
from scones_operator.review import queue
from tests.browser.conftest import PATIENCE_MS, BrowserUser, Visit, obstacles
from tests.browser.scenes import classified, minutes_from_start, pass_a_day, photo, wait
from tests.unit.operator.reviewed import Office, refusal
from tests.unit.operator.step_functions import PROMOTE, asked
from tests.unit.results_table import ALWAYS_REVIEWED, UNFAMILIAR
from tests.unit.scones.photos.samples import HEIC

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOUR_LONG = 3600.0


def refused_by_the_console(visitor: BrowserUser, status: int) -> None:
    """The browser itself complains of answers that are errors: so it shall, of these only."""
    for _ in range(PATIENCE_MS // 50):
        if visitor.errors:
            break
        visitor.tab.wait_for_timeout(50)  # it complains in its own time
    assert visitor.errors
    assert all(f"status of {status}" in text for text in visitor.errors)
    visitor.errors.clear()


def test_a_photo_is_labelled_with_a_key_and_that_is_undone_with_another(
    office: Office, visit: Visit
) -> None:
    first, second = wait(office, 2)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    anna.keep("review-light")
    anna.press("2")
    anna.expect_photo("north gate 2.jpg")
    anna.expect_last_review("north gate 1.jpg: motorcycle")
    kept = office.again(first).review
    assert kept is not None
    assert (kept.label, kept.by) == ("motorcycle", "anna")
    assert len(office.dataset()) == 1
    anna.press("u")
    anna.expect_photo("north gate 1.jpg")
    anna.expect_text("2 photos to review")
    assert office.again(first).review is None
    assert office.dataset() == []
    anna.press("s")
    anna.expect_photo("north gate 2.jpg")
    anna.press("n")
    anna.expect_photo("north gate 1.jpg")
    anna.expect_last_review("north gate 2.jpg: none of the classes")
    kept = office.again(second).review
    assert kept is not None
    assert kept.outcome == "not_a_vehicle"
    anna.press("1")
    anna.expect_text("No photos to review")
    anna.expect_last_review("north gate 1.jpg: bicycle")
    anna.keep("review-empty")


def test_the_file_that_is_opened_leads_to_the_page(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_to = Tab.goto

    def go_by_the_file(tab: Tab, link: str) -> None:
        monkeypatch.setattr("webbrowser.open", lambda file: go_to(tab, file))
        with open_in_browser(link):
            tab.wait_for_url(link.split("#", maxsplit=1)[0])

    monkeypatch.setattr(Tab, "goto", go_by_the_file)
    wait(office, 1)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    assert anna.tab.evaluate("history.length") <= 2  # the link is not gone back to


def test_all_can_be_reached_with_the_tab_key_and_the_focus_is_seen(
    office: Office, visit: Visit
) -> None:
    wait(office, 1)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    reached = []
    for _ in range(8):
        anna.press("Tab")
        focused = anna.tab.locator(":focus")
        reached.append(" ".join(focused.inner_text().split()))
        assert focused.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
    assert reached == [
        *("Review 1", "Results", "Models", "1 bicycle bay A 61.0 %", "2 motorcycle bay B 39.0 %"),
        *("n None of the classes", "s Skip", "? Shortcuts"),
    ]
    anna.press("?")
    anna.expect_text("Keyboard shortcuts")
    anna.keep("keys")
    anna.press("2", "Escape")  # a key is not taken while a dialog is open
    anna.expect_photo("north gate 1.jpg")


def test_results_come_in_by_themselves(office: Office, visit: Visit) -> None:
    pass_a_day(office, 120)
    wait(office, 3)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    anna.tab.get_by_role("link", name="Results").click()
    anna.tab.locator("#chart .points path").nth(100).wait_for(state="attached")
    anna.keep("results-light")
    classified(office, "just now.jpg")
    anna.expect_text("just now.jpg")
    row = anna.tab.locator("#latest tbody tr").first
    assert row.inner_text().split("\t")[1:4] == ["just now.jpg", "classified", "bicycle"]
    anna.tab.get_by_role("button", name="north gate 1.jpg").click()
    anna.tab.locator("#photo-image").wait_for(state="visible")
    anna.keep("photo")


def test_more_results_are_shown_when_asked_for(office: Office, visit: Visit) -> None:
    pass_a_day(office, 70)
    anna = visit("anna")
    anna.tab.get_by_role("link", name="Results").click()
    rows = anna.tab.locator("#latest tbody tr")
    rows.nth(29).wait_for()
    assert rows.count() == 30
    more = anna.tab.locator("#latest-more")
    assert more.inner_text() == "Show 30 more of 39"  # the first is older than a day
    more.click()
    rows.nth(59).wait_for()
    more.click()
    rows.nth(68).wait_for()
    assert not more.is_visible()


def test_a_share_is_not_rounded_across_its_limit(visit: Visit) -> None:
    shown = visit("anna").tab.evaluate(
        """async () => {
          const { percent } = await import("/static/format.js");
          const beside = [0.92996, 0.93, 0.9876].map((share) => percent(share, 0.93));
          return [...beside, percent(0.92996)];
        }"""
    )
    assert shown == ["92.996 %", "93.0 %", "98.8 %", "93.0 %"]


def test_a_page_that_stays_open_keeps_the_latest_results_only(visit: Visit) -> None:
    anna = visit("anna")
    kept = anna.tab.evaluate(
        """async () => {
          const { Results, MAX_ROWS_KEPT } = await import("/static/store.js");
          const results = new Results();
          const at = (number) => new Date(number).toISOString();
          const row = (number) => ({ photo: `${number}`, version: "1", decided_at: at(number) });
          for (let number = 0; number < MAX_ROWS_KEPT + 10; number++) results.add([row(number)]);
          const oldest = Number(results.rows.at(-1).photo);
          return { rows: results.rows.length - MAX_ROWS_KEPT, oldest, more: results.more };
        }"""
    )
    assert kept == {"rows": 0, "oldest": 10, "more": True}


def test_an_unfamiliar_photo_says_so_in_review_and_results(office: Office, visit: Visit) -> None:
    office.arrive(
        "tree.jpg", minutes_from_start(2), photo("bicycle", 1), loading_bay="A", **UNFAMILIAR
    )
    office.arrive("unsure.jpg", minutes_from_start(1), photo("bicycle", 2), familiarity=0.41)
    anna = visit("anna")
    anna.expect_photo("tree.jpg")
    why = anna.tab.locator("#review-unfamiliar")
    assert why.inner_text() == (
        "Unfamiliar: this photo does not resemble the training photos "
        "(familiarity 0.012, limit 0.05)."
    )
    anna.keep("review-unfamiliar")
    anna.press("s")
    anna.expect_photo("unsure.jpg")
    assert not why.is_visible()
    anna.tab.get_by_role("link", name="Results").click()
    anna.tab.get_by_role("button", name="tree.jpg").wait_for()
    row = anna.tab.locator("#latest tbody tr").nth(1)
    assert row.inner_text().split("\t")[1:3] == ["tree.jpg", "waiting for review: unfamiliar"]
    anna.tab.get_by_role("button", name="tree.jpg").click()
    facts = anna.tab.locator("#photo-details")
    facts.get_by_text("0.012, limit 0.05", exact=True).wait_for()
    facts.get_by_text("unfamiliar: the photo does not resemble the training photos").wait_for()


def test_a_class_that_always_needs_review_says_so(office: Office, visit: Visit) -> None:
    office.arrive("7.jpg", minutes_from_start(1), photo("bicycle", 2), **ALWAYS_REVIEWED)
    anna = visit("anna")
    anna.expect_photo("7.jpg")
    guess = anna.tab.locator("#review-prediction")
    assert (
        guess.inner_text()
        == "Predicted: bicycle, confidence 99.0 %; this class always needs review."
    )
    assert not anna.tab.locator("#review-unfamiliar").is_visible()


@pytest.mark.parametrize("name", ["<b>x", "a<br>b.jpg", "&lt;i&gt;.jpg", "%{x}<extra>.jpg"])
def test_names_of_photos_are_shown_as_they_are(office: Office, visit: Visit, name: str) -> None:
    classified(office, name)
    anna = visit("anna")
    anna.tab.get_by_role("link", name="Results").click()
    anna.tab.get_by_role("button", name=name, exact=True).wait_for()
    anna.tab.locator("#chart .points path").first.wait_for(state="attached")
    # The traces are the class's sure and unsure ones, and so on.
    anna.tab.evaluate("Plotly.Fx.hover('chart', [{curveNumber: 0, pointNumber: 0}])")
    shown = anna.tab.locator("#chart .hoverlayer .hovertext text").first
    assert shown.text_content() == f"{name}: bicycle, 99.0 %"
    assert shown.locator(".line").count() == 0


def test_simulated_photos_are_told_from_others(office: Office, visit: Visit) -> None:
    key = "simulated/2026-11-20/00012-x.png"
    office.arrive(key, minutes_from_start(1), status="classified")
    anna, phone = visit("anna"), visit("anna", **PHONE)
    for visitor in (anna, phone):
        visitor.tab.get_by_role("link", name="Results").click()
        photo = visitor.tab.locator("#latest tbody button")
        photo.wait_for()
        assert (photo.inner_text(), photo.get_attribute("title")) == (key, key)
        photo.click()
        visitor.tab.locator("#photo-title", has_text=key).wait_for()


def test_results_are_read_anew_once_aws_is_reached_again(office: Office, visit: Visit) -> None:
    classified(office, "before.jpg")
    anna = visit("anna")
    anna.tab.get_by_role("link", name="Results").click()
    anna.expect_text("before.jpg")

    def fail() -> None:
        raise refusal("ThrottlingException", "Query")

    office.before["dynamodb", "get_paginator"] = fail
    anna.expect_text("Live updates failed: request throttled")
    classified(office, "meanwhile.jpg", ago=60)
    office.mend()
    anna.expect_text("meanwhile.jpg")
    anna.tab.locator(".notice").wait_for(state="detached")


def test_what_comes_while_results_are_read_is_not_lost(office: Office, visit: Visit) -> None:
    for name, hours in (("this week.jpg", 48), ("this morning.jpg", 5), ("this noon.jpg", 2)):
        classified(office, name, ago=60 * hours)
    anna = visit("anna")
    anna.tab.get_by_role("link", name="Results").click()
    anna.expect_text("this morning.jpg")
    read: list[tuple[Route, APIResponse]] = []
    anna.tab.route("**/api/results?*", lambda route: read.append((route, route.fetch())))
    with anna.tab.expect_request("**/api/results?*"):
        anna.tab.get_by_label("Decided in").select_option("168")
    while not read:
        anna.tab.wait_for_timeout(10)
    classified(office, "just now.jpg")
    anna.expect_text("just now.jpg")
    ((route, answer),) = read
    route.fulfill(response=answer)
    anna.expect_text("this week.jpg")
    anna.expect_text("just now.jpg")


def test_what_another_says_and_undoes_is_shown_in_results_and_their_dialog(
    office: Office, visit: Visit
) -> None:
    wait(office, 1)
    classified(office, "just now.jpg")
    anna, ben = visit("anna"), visit("ben")
    anna.tab.get_by_role("link", name="Results").click()
    ben.expect_photo("north gate 1.jpg")
    ben.press("2")
    line = anna.tab.locator("#latest tr", has_text="north gate 1.jpg")
    line.get_by_text("motorcycle (ben; predicted bicycle)").wait_for()
    line.get_by_role("button").click()
    anna.expect_text("motorcycle, by ben")
    ben.press("u")
    anna.tab.get_by_text("motorcycle, by ben").wait_for(state="detached")
    anna.tab.locator("#photo-undo").wait_for(state="hidden")
    anna.press("Escape")
    line.get_by_text("bicycle", exact=True).wait_for()


def test_a_photo_that_another_reviewer_labels_leaves_the_queue(
    office: Office, visit: Visit
) -> None:
    wait(office, 3)
    anna, ben = visit("anna"), visit("ben")
    for visitor in (anna, ben):
        visitor.expect_photo("north gate 1.jpg")
    ben.press("1")
    anna.expect_photo("north gate 2.jpg")
    anna.press("2")  # meant for the photo that was there a moment ago
    anna.expect_text("Another reviewer labeled north gate 1.jpg")
    anna.expect_text("2 photos to review")
    ben.expect_photo("north gate 2.jpg")
    ben.press("u")
    ben.expect_photo("north gate 1.jpg")
    anna.expect_text("3 photos to review")
    anna.expect_photo("north gate 2.jpg")  # what is looked at stays


def test_the_second_of_two_words_is_refused_with_the_first(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "POLL_SECONDS", HOUR_LONG)
    record, _ = wait(office, 2)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    with office.used_by("ben"):
        queue.label(office, office.stack, record, "motorcycle")  # type: ignore[arg-type]
    anna.press("1")
    anna.expect_text("was not saved: .*ben labeled it motorcycle at ")
    anna.expect_photo("north gate 2.jpg")
    anna.keep("refused")
    assert len(office.dataset()) == 1
    refused_by_the_console(anna, 409)


def test_what_aws_refuses_is_said_in_words_until_it_is_mended(office: Office, visit: Visit) -> None:
    (record,) = wait(office, 1)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")

    def expire() -> None:
        raise refusal("ExpiredTokenException", "Query")

    office.before["dynamodb", "get_paginator"] = expire
    anna.expect_text("Live updates failed: AWS rejected your credentials")
    anna.press("1")
    anna.expect_text("north gate 1.jpg was not labeled and still needs review: AWS rejected")
    anna.expect_photo("north gate 1.jpg")
    anna.keep("trouble")
    office.mend()
    anna.tab.locator(".notice", has_text="Live updates failed").wait_for(state="detached")
    anna.press("1")
    anna.expect_last_review("north gate 1.jpg: bicycle")
    anna.tab.locator(".notice").wait_for(state="detached")
    assert office.again(record).review is not None
    refused_by_the_console(anna, 502)


def test_what_is_kept_but_not_filed_yet_can_be_undone(office: Office, visit: Visit) -> None:
    (record,) = wait(office, 1)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    office.bus.refusing = True
    anna.press("2")
    anna.expect_text("is saved, but could not be finished")
    anna.expect_last_review("north gate 1.jpg: motorcycle")
    office.mend()
    anna.press("u")
    anna.expect_photo("north gate 1.jpg")
    assert office.again(record).review is None
    refused_by_the_console(anna, 502)


def test_what_was_left_is_filed_without_a_reload(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewing, "RESUME_AFTER", timedelta(seconds=-1))
    monkeypatch.setattr(background, "INTERVAL_SECONDS", 0.1)
    (record,) = wait(office, 1)
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    office.bus.refusing = True
    anna.press("2")
    anna.expect_text('Some labels are not in the dataset yet: .*north gate 1.jpg" is saved')
    office.mend()
    anna.tab.locator("[data-name='finish']").wait_for(state="detached")
    assert office.queue_of(record) is None
    assert len(office.dataset()) == 1
    refused_by_the_console(anna, 502)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    office: Office, visit: Visit, scheme: Any
) -> None:
    pass_a_day(office, 60)
    office.arrive(
        "a photo with quite a long name from the northern gate.jpg", body=photo("bicycle", 1)
    )
    wait(office, 1)
    session: Any = office._session
    session.put_into_production(ModelPackageName=session.register("Approved", accuracy="0.91"))
    session.register(accuracy="0.95", threshold="0.9")
    session.machines.run(PROMOTE, {"detail": {}}, [asked("token", 2)])
    anna = visit("anna", color_scheme=scheme, **PHONE)
    anna.expect_photo("gate.jpg")
    for section in ("Review", "Results", "Models"):
        anna.tab.get_by_role("link", name=section).tap()
        anna.tab.locator(f"[data-view='{section.lower()}']").wait_for(state="visible")
        if section == "Results":
            anna.tab.locator("#chart .points path").nth(30).wait_for(state="attached")
        assert anna.horizontal_overflow == 0
        assert obstacles(anna.tab) == []
        anna.keep(f"phone-{section.lower()}-{scheme}")
    anna.tab.get_by_role("link", name="Review").tap()
    anna.tab.get_by_role("button", name="motorcycle").tap()
    anna.expect_last_review("gate.jpg: motorcycle")


def test_more_classes_than_keys_are_found_by_their_names(office: Office, visit: Visit) -> None:
    names = [f"{kind} {size}" for kind in ("bicycle", "van", "lorry", "boat") for size in "SML"]
    office.stack = replace(
        office.stack, parameters={**office.stack.parameters, "ClassNames": ",".join(names)}
    )
    shares = {name: 0.61 if name == "van M" else 0.39 / 11 for name in names}
    for number in range(2):
        office.arrive(
            f"{number}.jpg", number, photo("bicycle", 3), label="van M", probabilities=shares
        )
    anna = visit("anna")
    anna.expect_photo("0.jpg")
    anna.keep("many-classes")
    anna.press("/")
    anna.tab.keyboard.type("boat l")
    anna.press("Enter")
    anna.expect_last_review("0.jpg: boat L")
    anna.expect_photo("1.jpg")
    anna.press("9")
    anna.expect_last_review("1.jpg: lorry L")


def test_a_heic_photo_is_shown(office: Office, visit: Visit) -> None:
    office.arrive("a.heic", body=(HEIC / "upright.heic").read_bytes())
    anna = visit("anna")
    anna.expect_photo("a.heic")
    assert anna.tab.locator("#review-photo").evaluate("image => image.naturalWidth") > 0


def test_versions_are_approved_and_questions_answered(office: Office, visit: Visit) -> None:
    session: Any = office._session
    session.put_into_production(ModelPackageName=session.register("Approved", accuracy="0.91"))
    pending = session.register(accuracy="0.95", threshold="0.9")
    anna = visit("anna", color_scheme="dark")
    anna.tab.get_by_role("link", name="Models").click()
    anna.expect_text("In production: version 1")
    anna.tab.get_by_role("button", name="Approve version 2").click()
    anna.tab.keyboard.press("Tab")
    anna.tab.get_by_label("Comment (optional)").fill("looks good")
    anna.keep("approve-dark")
    anna.tab.get_by_role("button", name="Approve", exact=True).click()
    anna.expect_text("Version 2 is approved and is tested in staging")
    assert session.status(pending) == "Approved"
    session.machines.waiting.add("token")
    session.machines.run(PROMOTE, {"detail": {}}, [asked("token", 2)])
    anna.tab.get_by_role("button", name="Refresh").click()
    anna.expect_text("Promote it to production")
    anna.keep("models-dark")
    anna.tab.get_by_role("button", name="Promote", exact=True).click()
    anna.tab.locator("#confirm-yes").click()
    anna.expect_text("Version 2 is approved and goes to production")
    assert session.machines.answers == [("token", {"approved": True, "by": "anna"})]


def test_rejecting_the_version_in_production_says_what_follows(
    office: Office, visit: Visit
) -> None:
    session: Any = office._session
    arn = session.register("Approved", accuracy="0.91")
    session.put_into_production(ModelPackageName=arn)
    session.register(accuracy="0.95")
    anna = visit("anna")
    anna.tab.get_by_role("link", name="Models").click()
    anna.tab.get_by_role("button", name="Reject version 2").click()
    anna.expect_text("It can be neither promoted nor rolled back to.")
    anna.press("Escape")
    anna.tab.get_by_role("button", name="Reject version 1").click()
    anna.expect_text("It stays in production until another one is promoted or rolled back to.")
    anna.expect_text(
        "The next retraining cannot compare with it: only the minimum accuracy counts."
    )
    anna.tab.locator("#confirm-yes").click()
    anna.expect_text("Version 1 is rejected.")
    assert session.status(arn) == "Rejected"
