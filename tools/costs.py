"""Compute what a stack costs per month, from the template and the figures in costs.toml.

`python -m tools.costs` prints the table; `make tables` writes it into docs/operations.md.
"""

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from tools.generated_tables import replace_table

ROOT = Path(__file__).parents[1]
FIGURES_FILE = ROOT / "tools" / "costs.toml"
PAGE_FILE = ROOT / "docs" / "operations.md"

LOADS = (1_000, 100_000, 10_000_000)
"""Photos per month, one column each."""

METRICS, METRICS_PER_CLASS = 48, 3
"""Custom metrics of a stack (docs/watching.md)."""

TRANSITIONS = {"retrain": 40, "promote": 60}
"""State transitions of a run, rounded up from the definitions. Polls of an endpoint come on top."""

POLL_TRANSITIONS = 3
"""State transitions per poll of an endpoint: wait, describe, choose."""

ENDPOINT_SECONDS = 600
"""Time that an endpoint takes to be created or updated, which is polled."""

_KILO, _MEGA = 1e6, 1e3
"""Kilobytes and megabytes in a gigabyte."""


@dataclass(frozen=True)
class Figures:
    """The figures of costs.toml, and what the template adds to them.

    Attributes
    ----------
    month, photo, retention
        The tables of costs.toml.
    prices
        US dollars per unit, by name.
    memory
        Gigabytes of memory by logical ID of the function.
    parameters
        The template's parameters with their defaults.
    alarms
        Number of alarms.
    """

    month: Mapping[str, float]
    photo: Mapping[str, float]
    retention: Mapping[str, float]
    prices: Mapping[str, float]
    memory: Mapping[str, float]
    parameters: Mapping[str, Any]
    alarms: int

    @classmethod
    def read(
        cls, figures: Path = FIGURES_FILE, template: Path = ROOT / "template.yaml"
    ) -> "Figures":
        """Read both files."""
        read = tomllib.loads(figures.read_text("utf-8"))
        parsed = yaml_parse(template.read_text("utf-8"))
        types = {name: one["Type"] for name, one in parsed["Resources"].items()}
        default = parsed["Globals"]["Function"]["MemorySize"]
        return cls(
            read["month"],
            read["photo"],
            read["retention"],
            {name: one["usd"] / one["per"] for name, one in read["prices"].items()},
            {
                name: one["Properties"].get("MemorySize", default) / 1024
                for name, one in parsed["Resources"].items()
                if types[name] == "AWS::Serverless::Function"
            },
            {name: one["Default"] for name, one in parsed["Parameters"].items()},
            sum(kind == "AWS::CloudWatch::Alarm" for kind in types.values()),
        )


def compute_costs(figures: Figures, photos: int) -> dict[str, float]:
    """Return US dollars per month by row of the table.

    Parameters
    ----------
    figures
        The figures.
    photos
        Photos per month.
    """
    return {name: row(figures, photos) for name, row in _ROWS.items()}


def count_instances(figures: Figures, photos: int) -> int:
    """Return the instances that the production endpoint needs at the busiest time.

    Parameters are those of `compute_costs`. An ml.m5.large has two virtual processors, which is one
    core; it is used up to 60 %.
    """
    average = photos / (figures.month["hours"] * 3600)
    busy = average * figures.month["peak_factor"] * figures.photo["model_seconds"] / 0.6
    return max(int(figures.parameters["HostingInstanceCount"]), math.ceil(busy))


def _hosting(figures: Figures, photos: int) -> float:
    hours = count_instances(figures, photos) * figures.month["hours"]
    return hours * figures.prices["hosting_hour"]


def _staging(figures: Figures, _: int) -> float:
    month, price = figures.month, figures.prices["hosting_hour"]
    extra = int(figures.parameters["HostingInstanceCount"])
    seconds = int(figures.parameters["CanarySeconds"]) + int(figures.parameters["BakeSeconds"])
    return month["promotions"] * price * (month["staging_hours"] + extra * seconds / 3600)


def _training(figures: Figures, _: int) -> float:
    month, prices = figures.month, figures.prices
    training = month["training_hours"] * prices["training_hour"]
    return month["trainings"] * (training + month["transform_hours"] * prices["hosting_hour"])


def _functions(figures: Figures, photos: int) -> float:
    photo, memory, reviews = figures.photo, figures.memory, figures.month["review_share"]
    gigabyte_seconds = (
        photo["serialize_seconds"] * memory["SerializeFunction"]
        + photo["classify_seconds"] * memory["ClassifyFunction"]
        + photo["threshold_seconds"] * memory["ThresholdFunction"]
        + photo["measure_seconds"] * memory["EmitMetricsFunction"] * _events(figures)
        + photo["join_seconds"] * memory["JoinReviewsFunction"] * reviews
        + photo["review_seconds"] * memory["ReviewFunction"] * reviews
    )
    requests = (3 + _events(figures) + 2 * reviews) * figures.prices["lambda_request"]
    return photos * (gigabyte_seconds * figures.prices["lambda_gb_second_arm64"] + requests)


def _events(figures: Figures) -> float:
    """Return the events that a photo publishes: its decision, and its review if it needs one."""
    return 1 + figures.month["review_share"]


def _express(figures: Figures, photos: int) -> float:
    photo, prices = figures.photo, figures.prices
    gigabyte_seconds = photo["execution_seconds"] * photo["execution_megabytes"] / 1024
    each = prices["express_request"] + gigabyte_seconds * prices["express_gb_second"]
    return photos * each


def _standard(figures: Figures, _: int) -> float:
    polls = ENDPOINT_SECONDS / int(figures.parameters["PollSeconds"]) * POLL_TRANSITIONS
    transitions = figures.month["trainings"] * TRANSITIONS["retrain"] + figures.month[
        "promotions"
    ] * (TRANSITIONS["promote"] + 2 * polls)
    return transitions * figures.prices["standard_transition"]


def _photo_requests(figures: Figures, photos: int) -> float:
    return photos * (figures.prices["s3_put"] + figures.prices["s3_get"])


def _photo_storage(figures: Figures, photos: int) -> float:
    per_photo = (
        figures.month["photo_megabytes"] / _MEGA + figures.photo["captured_kilobytes"] / _KILO
    )
    months = figures.retention["photo_months"]
    return photos * months * per_photo * figures.prices["s3_gb_month"]


def _writes(figures: Figures, photos: int) -> float:
    # The table, the index by-status, and by-queue for what needs review.
    places = 2 + figures.month["review_share"]
    units = math.ceil(figures.photo["record_kilobytes"]) * figures.photo["record_writes"] * places
    return photos * units * figures.prices["dynamodb_write"]


def _records(figures: Figures, photos: int) -> float:
    gigabytes = (
        photos * figures.retention["record_months"] * figures.photo["record_kilobytes"] / _KILO
    )
    stored = 2 * gigabytes * figures.prices["dynamodb_gb_month"]
    return stored + gigabytes * figures.prices["dynamodb_recovery_gb_month"]


def _bus(figures: Figures, photos: int) -> float:
    return photos * (1 + _events(figures)) * figures.prices["event"]


def _logs(figures: Figures, photos: int) -> float:
    gigabytes = photos * figures.photo["log_kilobytes"] / _KILO
    stored = figures.retention["log_months"] * figures.prices["log_gb_month"]
    return gigabytes * (figures.prices["log_gb"] + stored)


def _traces(figures: Figures, photos: int) -> float:
    # X-Ray's default rule takes the first request of each second, and 5 % of the others.
    first = min(photos, figures.month["hours"] * 3600)
    return (first + 0.05 * (photos - first)) * figures.prices["trace"]


def _monitoring(figures: Figures, _: int) -> float:
    prices = figures.prices
    metrics = METRICS + METRICS_PER_CLASS * figures.month["classes"]
    watched = metrics * prices["metric_month"] + figures.alarms * prices["alarm_month"]
    return watched + prices["dashboard_month"]


def _notifications(figures: Figures, photos: int) -> float:
    reviews = photos * figures.month["review_share"]
    each = figures.prices["publish"] + figures.prices["email"] + 2 * figures.prices["key_request"]
    return figures.prices["key_month"] + reviews * each


_ROWS: Mapping[str, Callable[[Figures, int], float]] = {
    "SageMaker: production endpoint": _hosting,
    "SageMaker: staging endpoint and canary": _staging,
    "SageMaker: training and batch transforms": _training,
    "Lambda": _functions,
    "Step Functions: `classify` (Express)": _express,
    "Step Functions: `retrain`, `promote` (Standard)": _standard,
    "S3: requests": _photo_requests,
    "S3: photos and captured data, after 13 months": _photo_storage,
    "DynamoDB: writes": _writes,
    "DynamoDB: storage and backups, after 12 months": _records,
    "EventBridge": _bus,
    "CloudWatch: logs": _logs,
    "CloudWatch: metrics, alarms, dashboard": _monitoring,
    "X-Ray": _traces,
    "SNS, KMS: an e-mail per photo that needs review": _notifications,
}
"""How each row of the table is computed."""


def render(figures: Figures) -> str:
    """Return the table of costs as Markdown."""
    return "\n".join(_lines(figures)) + "\n"


def _lines(figures: Figures) -> Iterator[str]:
    columns = [compute_costs(figures, photos) for photos in LOADS]
    yield "| US dollars per month | " + " | ".join(f"{photos:,} photos" for photos in LOADS) + " |"
    yield "|---|" + "--:|" * len(LOADS)
    for name in _ROWS:
        yield f"| {name} | " + " | ".join(f"{column[name]:,.2f}" for column in columns) + " |"
    totals = [sum(column.values()) for column in columns]
    yield "| **total** | " + " | ".join(f"**{total:,.2f}**" for total in totals) + " |"
    each = [1000 * total / photos for total, photos in zip(totals, LOADS, strict=True)]
    yield "| per 1,000 photos | " + " | ".join(f"{one:,.2f}" for one in each) + " |"
    counts = [str(count_instances(figures, photos)) for photos in LOADS]
    yield "| instances of the production endpoint | " + " | ".join(counts) + " |"


def write(page: Path = PAGE_FILE) -> None:
    """Replace the table in a page.

    Parameters
    ----------
    page
        Markdown file with the two markers.
    """
    replace_table(page, "tables", render(Figures.read()))


if __name__ == "__main__":
    print(render(Figures.read()), end="")
