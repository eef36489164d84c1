"""docs/privacy.md states what the template's lifecycle rules and the code do."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones.datasets.generate import LAST_TRAINED_KEY
from scones.datasets.layout import DATASET
from scones.records import SIMULATED_PREFIX
from scones.runs import IMAGES_PREFIX, LISTS_PREFIX, RETENTION_TAG, RUNS_PREFIX
from scones_operator.captures.files import CAPTURE_PREFIX
from scones_operator.photos.uploads import INCOMING_PREFIX

ROOT = Path(__file__).parents[2]
BUCKETS = {"photos": "PhotosBucket", "data": "DataBucket"}
PERIODS = {"`PhotoRetentionDays`": {"Ref": "PhotoRetentionDays"}, "30 days": 30, "7 days": 7}


@cache
def template() -> Any:
    return yaml_parse((ROOT / "template.yaml").read_text("utf-8"))


@cache
def rows() -> list[dict[str, str]]:
    """The table of places in the buckets."""
    lines = (ROOT / "docs" / "privacy.md").read_text("utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| bucket |"))
    names, *found = [cells(line) for line in lines[first : lines.index("", first)]]
    return [dict(zip(names, row, strict=True)) for row in found[1:]]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def code(text: str) -> list[str]:
    return re.findall("`([^`]+)`", text)


def lifecycle(bucket: str) -> dict[str, Any]:
    properties = template()["Resources"][BUCKETS[bucket]]["Properties"]
    return {rule["Id"]: rule for rule in properties["LifecycleConfiguration"]["Rules"]}


def test_every_rule_is_stated_and_every_stated_rule_is_there() -> None:
    stated = {name for row in rows() for name in code(row["rule"])}

    assert stated == {name for bucket in BUCKETS for name in lifecycle(bucket)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["place"])
def test_a_stated_period_is_that_of_the_rules(row: dict[str, str]) -> None:
    buckets = list(BUCKETS) if row["bucket"] == "both" else [row["bucket"]]
    rules = [
        rule
        for bucket in buckets
        for name, rule in lifecycle(bucket).items()
        if name in code(row["rule"])
    ]

    assert bool(rules) == (row["rule"] != "none")
    assert rules or row["kept for"] in ("no limit", "until it is deleted")
    for rule in rules:
        assert rule["Status"] == "Enabled"
        if row["bucket"] != "both":
            (place,) = code(row["place"])
            assert place.startswith(rule["Prefix"])
            assert rule["ExpirationInDays"] == PERIODS[row["kept for"]]
            assert rule.get("TagFilters", []) == tags(place)
        elif "versions that" in row["place"]:
            days = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            assert days == PERIODS[row["kept for"]]
        elif "unfinished" in row["place"]:
            days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            assert days == PERIODS[row["kept for"]]
        else:
            assert rule["ExpiredObjectDeleteMarker"] is True


def test_records_are_kept_as_long_as_stated() -> None:
    table = template()["Resources"]["ResultsTable"]["Properties"]["TimeToLiveSpecification"]
    machine = (ROOT / "statemachine" / "classify.asl.json").read_text("utf-8")
    text = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("| results table |"))

    assert table == {"AttributeName": "expires_at", "Enabled": True}
    assert "$millis() / 1000) + $number('${RecordRetentionDays}') * 86400" in machine
    assert "`RecordRetentionDays`" in row


def tags(place: str) -> list[dict[str, str]]:
    """Beside these files there are the run's model and evaluation, which stay."""
    key, _, value = RETENTION_TAG.partition("=")
    return [{"Key": key, "Value": value}] if place.startswith(RUNS_PREFIX) else []


def test_places_that_the_code_writes_are_stated() -> None:
    known = {INCOMING_PREFIX, SIMULATED_PREFIX, DATASET, CAPTURE_PREFIX, LAST_TRAINED_KEY}

    assert known | {f"{RUNS_PREFIX}*/{LISTS_PREFIX}", f"{RUNS_PREFIX}*/{IMAGES_PREFIX}"} <= set(
        places()
    )


def test_places_that_anybody_may_write_are_stated() -> None:
    text = (ROOT / "template.yaml").read_text("utf-8")
    statements = re.findall(r"- Sid: .*?(?=\n +- |\n\n)", text, re.DOTALL)
    written = {
        place
        for statement in statements
        if "s3:PutObject" in statement
        for place in re.findall(r"Bucket(?:\.Arn)?\}/([^\s\"\]]+)", statement)
    }

    assert len(written) >= 5
    unknown = [one for one in written if not one.startswith(tuple(places()))]
    assert unknown == []


def places() -> list[str]:
    return [place for row in rows() if row["bucket"] != "both" for place in code(row["place"])]
