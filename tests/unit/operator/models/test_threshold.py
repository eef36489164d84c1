import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.evaluation.metrics import RiskCoveragePoint
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.models.threshold import (
    ALLOWED,
    OperatingPoint,
    RiskCoverageCurve,
    format_threshold,
    load_curve,
    read_familiarity_limit,
    read_threshold,
    write_familiarity_limit,
    write_threshold,
)
from tests.unit.operator.deployed import STACK

POINTS = [
    RiskCoveragePoint(0.99, 0.4, 0.0),
    RiskCoveragePoint(0.9, 0.8, 0.02),
    RiskCoveragePoint(0.6, 1.0, 0.1),
]
CURVE = RiskCoverageCurve(version=3, run="scones-1", photos=50, points=POINTS)


@given(threshold=st.floats(0, 1))
def test_whatever_is_written_is_taken_by_the_parameter(threshold: float) -> None:
    text = format_threshold(threshold)
    assert re.fullmatch(ALLOWED, text)
    assert float(text) == pytest.approx(threshold, abs=1e-6)


def test_a_confidence_is_written_as_it_is() -> None:
    # Were it written higher, the photo that it is the confidence of would not be decided.
    assert [format_threshold(value) for value in (0.967041, 0.5, 0, 1)] == [
        "0.967041",
        "0.5",
        "0",
        "1",
    ]


@pytest.mark.parametrize(
    ("threshold", "coverage", "risk"),
    [(0, 1, 0.1), (0.6, 1, 0.1), (0.61, 0.8, 0.02), (0.99, 0.4, 0), (0.991, 0, None)],
)
def test_what_a_threshold_does(threshold: float, coverage: float, risk: float | None) -> None:
    assert CURVE.at_threshold(threshold) == OperatingPoint(threshold, coverage, risk)


def test_the_lowest_threshold_of_a_precision() -> None:
    assert CURVE.for_precision(0.98) == OperatingPoint(0.9, 0.8, 0.02)
    assert CURVE.for_precision(0.981).threshold == 0.99


def test_a_precision_that_is_never_reached() -> None:
    curve = RiskCoverageCurve(3, "scones-1", 50, POINTS[1:])
    said = (
        "no threshold reaches a precision of 0.99 on the 50 validation photos of version 3: "
        "the best is 0.9800, at 0.9, which accepts 80.0% of the photos"
    )
    with pytest.raises(PreconditionError, match=re.escape(said)):
        curve.for_precision(0.99)


def test_the_parameter(session: Any) -> None:
    client = session.client("ssm")
    stack = replace(STACK, parameters={"Threshold": "0.9"})
    assert read_threshold(session, stack) == 0.9
    client.put_parameter(Name=STACK.threshold_parameter, Value="0.93", Type="String")
    assert read_threshold(session, stack) == 0.93
    assert write_threshold(session, STACK, 0.00001) == "0.00001"
    assert read_threshold(session, STACK) == 0.00001
    client.put_parameter(
        Name=STACK.threshold_parameter, Value="high", Type="String", Overwrite=True
    )
    assert read_threshold(session, STACK) is None


def test_the_parameter_of_the_familiarity_limit(session: Any) -> None:
    client = session.client("ssm")
    name = STACK.familiarity_limit_parameter
    stack = replace(STACK, parameters={"FamiliarityLimit": "0.02"})
    assert read_familiarity_limit(session, stack) == 0.02
    client.put_parameter(Name=name, Value="0.05", Type="String")
    assert read_familiarity_limit(session, STACK) == 0.05
    assert write_familiarity_limit(session, STACK, 0) == "0"
    assert read_familiarity_limit(session, STACK) == 0
    client.put_parameter(Name=name, Value="low", Type="String", Overwrite=True)
    assert read_familiarity_limit(session, STACK) is None


def evaluate(session: Any, run: str, **changes: Any) -> None:
    """Write the evaluation of a run."""
    points = [vars(point) for point in POINTS]
    judgement = {
        "photos": 50,
        "confusion_matrix": [[30, 0], [5, 15]],
        "at_threshold": vars(RiskCoveragePoint(0.8, 0.9, 0.05)),
        "risk_coverage": points,
    }
    document = {"version": "1", "class_names": ["bicycle", "motorcycle"], "candidate": judgement}
    store(session, run, json.dumps(document | changes))


def store(session: Any, run: str, text: str) -> None:
    session.client("s3").put_object(
        Bucket=STACK.data_bucket,
        Key=f"retraining/{run}/evaluation/evaluation.json",
        Body=text.encode(),
    )


def test_the_curve_of_the_model_in_production(session: Any) -> None:
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)
    arn = session.register("Approved", run="scones-old")
    session.register("Approved", run="scones-new")
    session.put_into_production(ModelPackageName=arn)
    with pytest.raises(
        PreconditionError, match=r"version 1 has no evaluation: .*scones-old/evaluation"
    ):
        load_curve(session, STACK)
    evaluate(session, "scones-old")
    curve = load_curve(session, STACK)
    assert (curve.version, curve.run, curve.photos) == (1, "scones-old", 50)
    assert curve.at_threshold(0.7) == OperatingPoint(0.7, 0.9, 0.05)
    assert curve.at_threshold(0.95).coverage == 0.4
    assert curve.familiarity is None


def evaluated_version(session: Any) -> None:
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)
    session.put_into_production(ModelPackageName=session.register("Approved", run="scones-1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": "2", "models": []}', "evaluation.json: version: Input should be '1'"),
        ('{"version": "1"', "evaluation.json: it: Invalid JSON"),
        ('{"version": "1"}', "evaluation.json: class_names: Field required"),
    ],
)
def test_an_evaluation_of_another_format_is_told(session: Any, text: str, said: str) -> None:
    evaluated_version(session)
    store(session, "scones-1", text)
    with pytest.raises(
        PreconditionError, match=f"version 1 has an evaluation that cannot be read: .*{said}"
    ):
        load_curve(session, STACK)


def test_fields_that_were_added_do_no_harm(session: Any) -> None:
    evaluated_version(session)
    evaluate(session, "scones-1", later="something")
    assert load_curve(session, STACK).photos == 50


def test_an_evaluation_that_s3_does_not_give_is_a_fault(session: Any) -> None:
    evaluated_version(session)
    session.client("s3").delete_bucket(Bucket=STACK.data_bucket)
    with pytest.raises(OperationError, match=r"S3 refuses to read s3://data/.*NoSuchBucket"):
        load_curve(session, STACK)


def test_without_a_model_that_was_evaluated_there_is_no_curve(session: Any) -> None:
    with pytest.raises(PreconditionError, match="endpoint scones does not exist"):
        load_curve(session, STACK)
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    with pytest.raises(
        PreconditionError, match=r"model s3://data/mine.tar.gz is not a registered version"
    ):
        load_curve(session, STACK)


def test_where_it_is_not_known_what_is_in_production_there_is_no_curve(session: Any) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved", run="scones-1"))
    session.client("sagemaker").delete_model(ModelName="m")
    with pytest.raises(
        PreconditionError, match=r"the production model is unknown: c, the .* `scones rollback"
    ):
        load_curve(session, STACK)


def test_a_version_that_left_the_registry(session: Any) -> None:
    arn = session.register("Approved", run="scones-1").removesuffix("1") + "7"
    session.put_into_production(ModelPackageName=arn)
    with pytest.raises(PreconditionError, match=f"model {arn} is not a registered version"):
        load_curve(session, STACK)


def test_a_version_that_came_of_no_retraining(session: Any) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved"))
    with pytest.raises(PreconditionError, match="version 1 has no training run in its metadata"):
        load_curve(session, STACK)
