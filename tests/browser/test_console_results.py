"""The results of the page: tiles, times, filters and versions."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS, BrowserUser, Visit, obstacles
from tests.browser.scenes import classified, minutes_from_start, photo, review_of, wait
from tests.unit.operator.reviewed import Office, refusal
from tests.unit.operator.step_functions import PROMOTE, entered
from tests.unit.results_table import START, decided, put_record

KOLKATA = {"timezone_id": "Asia/Kolkata", "locale": "en-US"}
"""Zone without whole hours, and a locale with a 12-hour clock."""


def tiles(visitor: BrowserUser) -> dict[str, str]:
    """Return the tiles by their names."""
    lists = visitor.tab.locator("#statuses .tile").all()
    return {
        tile.locator("dt").inner_text(): " ".join(tile.locator("dd").inner_text().split())
        for tile in lists
    }


def see_results(visitor: BrowserUser, rows: int) -> None:
    """Open the results, and wait for that many rows."""
    visitor.tab.get_by_role("link", name="Results").click()
    has_rows(visitor, rows)


def has_rows(visitor: BrowserUser, count: int) -> None:
    expect(visitor.tab.locator("#latest tbody tr")).to_have_count(count, timeout=PATIENCE_MS)


def has_address(visitor: BrowserUser, address: str) -> None:
    expect(visitor.tab).to_have_url(re.compile(re.escape(address) + "$"), timeout=PATIENCE_MS)


def shown(visitor: BrowserUser) -> list[str]:
    return visitor.tab.locator("#latest tbody button").all_inner_texts()


def fill_a_day(office: Office) -> None:
    """Let each state occur, one of them two days ago."""
    wait(office, 2)
    table, name = office.table, office.stack.results_table
    reviewed = decided("south/gate.jpg", "needs_review", minutes_from_start(5))
    put_record(table, name, reviewed, queue="none", review=review_of("motorcycle"))
    for status in ("classified", "rejected", "failed"):
        put_record(table, name, decided(f"south/{status}.jpg", status, minutes_from_start(9)))
    put_record(table, name, decided("simulated/1/7.png", "needs_review", minutes_from_start(10)))
    office.arrive("east/north gate 0.jpg", minutes_from_start(60 * 48), photo("bicycle", 1))


def test_tiles_agree_with_the_queue_and_with_the_table(office: Office, visit: Visit) -> None:
    fill_a_day(office)
    anna = visit("anna")
    anna.expect_photo("north gate 0.jpg")
    assert anna.tab.locator("#review-name").inner_text() == "east/north gate 0.jpg"
    see_results(anna, 7)
    assert tiles(anna) == {
        "classified": "1 14.3 % of 7",
        "waiting for review": "2 28.6 % of 7 3 in all",
        "reviewed": "1 14.3 % of 7",
        "below threshold, simulated": "1 14.3 % of 7",
        "rejected": "1 14.3 % of 7",
        "failed": "1 14.3 % of 7",
    }
    assert anna.tab.locator("#pending-count").inner_text() == "3"
    anna.tab.get_by_label("Decided in").select_option("168")
    anna.expect_text("37.5 % of 8")
    assert tiles(anna)["waiting for review"] == "3 37.5 % of 8"
    classes = anna.tab.locator("#by-class tbody tr").all_inner_texts()
    assert classes == ["bicycle\t1\t3\t0", "motorcycle\t0\t0\t1"]


def test_one_clock_in_the_zone_of_the_viewer(office: Office, visit: Visit) -> None:
    office.arrive("a.jpg", minutes_from_start(3), status="classified")
    anna = visit("anna", **KOLKATA)
    see_results(anna, 1)
    at = datetime.now(UTC) - timedelta(minutes=3) + timedelta(hours=5, minutes=30)
    time = anna.tab.locator("#latest tbody td").first.inner_text()
    assert datetime.fromisoformat(f"{time}Z") - at < timedelta(minutes=1)
    assert anna.tab.locator("#zone").inner_text() in (
        "Times: Asia/Kolkata (UTC+05:30)",
        "Times: Asia/Calcutta (UTC+05:30)",
    )
    anna.tab.locator("#chart .points path").first.wait_for(state="attached")
    assert anna.tab.evaluate("document.getElementById('chart').data[0].x[0]") == time
    anna.tab.get_by_role("button", name="a.jpg").click()
    assert f"{time}, in 1.00 s" in anna.tab.locator("#photo-details").inner_text()


def test_filters_choose_results_and_are_kept_in_the_address(office: Office, visit: Visit) -> None:
    fill_a_day(office)
    anna = visit("anna")
    see_results(anna, 7)
    anna.tab.get_by_label("Decided in").focus()
    for label in ("Status", "Class", "Name"):
        anna.press("Tab")
        expect(anna.tab.get_by_label(label, exact=True)).to_be_focused()
    anna.press("Tab")
    expect(anna.tab.get_by_role("button", name="Clear filters")).to_be_focused()
    anna.tab.get_by_label("Status").select_option("reviewed")
    has_rows(anna, 1)
    assert shown(anna) == ["south/gate.jpg"]
    assert "motorcycle (ben; predicted bicycle)" in anna.tab.locator("#latest tbody").inner_text()
    anna.tab.get_by_label("Class", exact=True).select_option("bicycle")
    anna.expect_text("No results match the filters")
    anna.tab.get_by_label("Status").select_option("")
    anna.tab.get_by_label("Name").fill("NORTH")
    has_address(anna, "#results?label=bicycle&name=NORTH")
    anna.tab.get_by_label("Decided in").select_option("168")
    has_rows(anna, 3)
    has_address(anna, "#results?hours=168&label=bicycle&name=NORTH")
    classified(office, "just now south.jpg")
    classified(office, "just now north.jpg")
    anna.expect_text("just now north.jpg")
    anna.tab.reload()
    has_rows(anna, 4)
    assert shown(anna)[0] == "just now north.jpg"
    assert anna.tab.get_by_label("Name").input_value() == "NORTH"
    anna.tab.get_by_role("link", name="Models").click()
    anna.tab.get_by_role("link", name="Results").click()
    has_address(anna, "#results?hours=168&label=bicycle&name=NORTH")
    anna.tab.get_by_role("button", name="Clear filters").click()
    has_rows(anna, 9)
    has_address(anna, "#results")


def test_a_range_of_time_and_a_search_that_ends_early(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (1, 3, 5):
        classified(office, f"{days}.jpg", ago=60 * 24 * days)
    anna = visit("anna", **KOLKATA)
    see_results(anna, 0)
    anna.tab.get_by_label("Decided in").select_option("range")
    local = datetime.now(UTC) + timedelta(hours=5, minutes=30)
    anna.tab.get_by_label("From").fill(f"{local - timedelta(days=4):%Y-%m-%dT%H:%M}")
    anna.tab.get_by_label("Until").fill(f"{local - timedelta(days=2):%Y-%m-%dT%H:%M}")
    anna.tab.get_by_label("Until").blur()
    anna.tab.locator("#latest").get_by_text("3.jpg").wait_for()
    assert shown(anna) == ["3.jpg"]
    monkeypatch.setattr("scones_operator.photos.results.MAX_SEARCHED", 2)
    anna.tab.get_by_label("Decided in").select_option("168")
    anna.expect_text(r"Searched back to 20\d\d-.*: earlier results may match")
    assert shown(anna) == ["1.jpg", "3.jpg"]


def promote(office: Office, version: int, at: datetime, config: str) -> None:
    """Let a promotion have ended, which changed production 10 minutes before."""
    session: Any = office._session
    output = f'{{"outcome": "promoted", "model_version": {version}, "endpoint_config": "{config}"}}'
    run = session.machines.run(
        PROMOTE, {}, [[entered("Update Endpoint")]], status="SUCCEEDED", output=output, stopDate=at
    )
    for event in run.events:
        event["timestamp"] = at - timedelta(minutes=10)


def test_the_version_that_decided_is_shown_where_it_is_known(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = office._session
    for _ in range(2):
        arn = session.register("Approved")
    session.put_into_production(ModelPackageName=arn)
    now = datetime.now(UTC)
    promote(office, 1, now - timedelta(minutes=90), "first")
    promote(office, 2, now - timedelta(minutes=30), "c")
    for ago in (5, 35, 60, 120):  # now, canary, version 1, before the first promotion
        office.arrive(f"gate/{ago}.jpg", minutes_from_start(ago), status="classified")
    # Classified before the canary ended, decided after it.
    between = now - timedelta(minutes=30) + timedelta(seconds=0.5) - START
    office.arrive("gate/31.jpg", between.total_seconds() / 60, status="classified")
    put_record(
        office.table,
        office.stack.results_table,
        decided("damaged.jpg", "rejected", minutes_from_start(1)),
    )
    anna = visit("anna")
    see_results(anna, 6)
    anna.expect_text("Model version 2 in production since")
    dash = "\N{EN DASH}"
    cells = anna.tab.locator("#latest td[data-column='model']").all_inner_texts()
    assert cells == [dash, "2", dash, dash, "1", dash]
    anna.tab.get_by_role("button", name="60.jpg").click()
    assert anna.tab.locator("#photo-title").inner_text() == "gate/60.jpg"
    facts = " ".join(anna.tab.locator("#photo-details").inner_text().split())
    assert "model version 1 " in facts
    anna.press("Escape")
    anna.tab.get_by_role("button", name="35.jpg").click()
    facts = " ".join(anna.tab.locator("#photo-details").inner_text().split())
    assert "model version unknown" in facts
    anna.press("Escape")
    anna.tab.get_by_role("button", name="damaged.jpg").click()
    anna.expect_text("is gone: this version of it was deleted")
    # Which axe leaves open in a dialog: the soft color has too little contrast here.
    color = "(selector) => getComputedStyle(document.querySelector(selector)).color"
    assert anna.tab.evaluate(color, "#photo-text") == anna.tab.evaluate(color, "body")
    assert obstacles(anna.tab) == []
    assert "status of 409" in " ".join(anna.errors)
    anna.errors.clear()


def test_who_may_not_read_models_sees_results_all_the_same(office: Office, visit: Visit) -> None:
    def deny() -> None:
        raise refusal("AccessDeniedException", "DescribeEndpoint")

    office.before["sagemaker", "describe_endpoint"] = deny
    classified(office, "a.jpg", ago=3)
    anna = visit("anna")
    see_results(anna, 1)
    anna.expect_text("Model versions are not shown: ")
    assert "status of 502" in " ".join(anna.errors)
    anna.errors.clear()
