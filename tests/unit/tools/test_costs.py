"""The table of costs in docs/operations.md is what the script computes."""

import tomllib
from dataclasses import replace

import pytest

from tools.costs import FIGURES_FILE, PAGE_FILE, Figures, compute_costs, count_instances, render
from tools.generated_tables import END, begin_marker


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures.read()


def test_the_page_has_the_script_s_table(figures: Figures) -> None:
    _, _, rest = PAGE_FILE.read_text("utf-8").partition(begin_marker("tables"))
    table, _, _ = rest.partition(END)

    assert table.strip() == render(figures).strip(), "run `make tables`"


def test_each_price_says_where_it_was_read() -> None:
    read = tomllib.loads(FIGURES_FILE.read_text("utf-8"))

    assert str(read["looked_up"]) in PAGE_FILE.read_text("utf-8")
    for name, price in read["prices"].items():
        assert price["page"].startswith("https://aws.amazon.com/"), name
        assert price["quoted_by"], name
        assert price["usd"] > 0, name


def test_each_price_and_figure_is_used(figures: Figures) -> None:
    # Doubling it changes something, or it has no effect and should not be in the file.
    before = compute_costs(figures, 10_000_000)
    for name in ("month", "photo", "retention", "prices"):
        table = getattr(figures, name)
        for key, value in table.items():
            other = replace(figures, **{name: {**table, key: value * 2}})
            changed = compute_costs(other, 10_000_000) != before
            busy = count_instances(other, 10**9) != count_instances(figures, 10**9)
            assert changed or busy, key


def test_a_cost_computed_by_hand(figures: Figures) -> None:
    costs = compute_costs(figures, 1_000_000)

    # Two instances for 730 hours at $0.115.
    assert costs["SageMaker: production endpoint"] == pytest.approx(167.90)
    # The event of S3, the decision, and a review of every tenth photo, at $1 per million.
    assert costs["EventBridge"] == pytest.approx(2.1)
    # Seconds and gigabytes of each function, a tenth of them for a review, and 4.3 requests.
    seconds = 0.15 * 2 + 0.07 * 0.5 + 0.02 * 0.5 + 1.1 * 0.02 * 0.25 + 0.1 * (0.05 + 0.6 * 2)
    assert costs["Lambda"] == pytest.approx(seconds * 13.3334 + 4.3 * 0.2)
    # Three writes of 2 KB into the table, one index, and a tenth into the other, at $0.625.
    assert costs["DynamoDB: writes"] == pytest.approx(12.6 * 0.625)


def test_more_photos_need_more_instances(figures: Figures) -> None:
    assert count_instances(figures, 1_000) == 2
    # 1 billion per month: 380 per second on average, ten times as many at the busiest time.
    assert count_instances(figures, 10**9) == 113
