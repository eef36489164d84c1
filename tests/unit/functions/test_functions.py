"""Each function takes the event of events/ and answers what the machine expects."""

import base64
import io
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from PIL import Image
from pydantic import ValidationError

Load = Callable[..., ModuleType]
Event = Callable[[str], Any]


def test_serialize(load: Load, event: Event, context: Any) -> None:
    photo = event("serialize")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=photo["bucket"])
    s3.put_bucket_versioning(Bucket=photo["bucket"], VersioningConfiguration={"Status": "Enabled"})
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (0, 128, 0)).save(buffer, "JPEG")
    stored = s3.put_object(Bucket=photo["bucket"], Key=photo["key"], Body=buffer.getvalue())
    photo["version_id"] = stored["VersionId"]
    function = load("serialize", IMAGE_SHAPE="3,32,32", MAX_PHOTO_BYTES="20971520")

    answer = function.handler(photo, context)

    assert answer["outcome"] == "serialized"
    assert answer["picture"]["content_type"] == "image/png"
    json.dumps(answer)


def test_serialize_refuses_a_malformed_event(load: Load, context: Any) -> None:
    function = load("serialize", IMAGE_SHAPE="3,32,32", MAX_PHOTO_BYTES="20971520")

    with pytest.raises(ValidationError, match="bucket"):
        function.handler({"key": "a"}, context)


def test_classify(load: Load, event: Event, context: Any) -> None:
    function = load("classify", ENDPOINT_NAME="scones", CLASS_NAMES="bicycle,motorcycle")
    with Stubber(function.sagemaker) as stubber:
        stubber.add_response(
            "invoke_endpoint",
            {"Body": io.BytesIO(b"[0.98, 0.02]"), "InvokedProductionVariant": "main"},
            {
                "EndpointName": "scones",
                "Body": base64.b64decode(event("classify")["data"]),
                "ContentType": "image/png",
                "Accept": "application/json",
                "InferenceId": event("classify")["inference_id"],
            },
        )
        answer = function.handler(event("classify"), context)

    assert answer == {
        "probabilities": [0.98, 0.02],
        "familiarity": None,
        "endpoint": "scones",
        "variant": "main",
    }


def test_classify_does_not_retry_by_itself(load: Load) -> None:
    function = load("classify", ENDPOINT_NAME="scones", CLASS_NAMES="bicycle,motorcycle")

    assert function.sagemaker.meta.config.retries["total_max_attempts"] == 1


@pytest.fixture
def threshold(load: Load) -> ModuleType:
    return load(
        "threshold",
        CLASS_NAMES="bicycle,motorcycle",
        LOADING_BAYS="bicycle=A",
        THRESHOLD="0.9",
        THRESHOLD_PARAMETER="/scones/threshold",
        THRESHOLD_BY_CLASS="motorcycle=review",
        FAMILIARITY_LIMIT="0.04",
        FAMILIARITY_LIMIT_PARAMETER="/scones/familiarity-limit",
    )


def set_threshold(value: str, familiarity_limit: str = "0.05") -> None:
    values = {"/scones/threshold": value, "/scones/familiarity-limit": familiarity_limit}
    for name, text in values.items():
        boto3.client("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True)


def test_threshold(load: Load, event: Event, context: Any) -> None:
    request = event("threshold")
    set_threshold("0.93")
    others = [f"class {number}" for number in range(1, len(request["probabilities"]))]
    threshold = load(
        "threshold",
        CLASS_NAMES=",".join(["bicycle", *others]),
        LOADING_BAYS="bicycle=A",
        THRESHOLD="0.9",
        THRESHOLD_PARAMETER="/scones/threshold",
        THRESHOLD_BY_CLASS="",
        FAMILIARITY_LIMIT="0.04",
        FAMILIARITY_LIMIT_PARAMETER="/scones/familiarity-limit",
    )

    answer = threshold.handler(request, context)

    assert answer["label"] == "bicycle"
    assert answer["threshold"] == 0.93
    assert answer["loading_bay"] == "A"
    assert (answer["familiarity"], answer["familiarity_limit"]) == (0.41, 0.05)
    assert answer["reason"] is None


def test_limits_are_the_templates_until_operators_set_some(
    threshold: ModuleType, context: Any
) -> None:
    request = {"probabilities": [0.98, 0.02], "familiarity": 0.41}

    answer = threshold.handler(request, context)

    assert (answer["threshold"], answer["familiarity_limit"]) == (0.9, 0.04)
    # What was missing is not looked up for every photo: SSM takes 40 requests per second.
    with Stubber(threshold.parameters.client):
        assert threshold.handler(request, context) == answer
    set_threshold("0.95")
    threshold.parameters.clear_cache()
    assert threshold.handler(request, context)["threshold"] == 0.95


@pytest.mark.parametrize("old", [{}, {"familiarity": None}])
def test_threshold_without_familiarity_reads_no_limit(
    threshold: ModuleType, context: Any, old: dict[str, None]
) -> None:
    set_threshold("0.93", familiarity_limit="low")

    answer = threshold.handler({"probabilities": [0.98, 0.02], **old}, context)

    assert answer["label"] == "bicycle"
    assert (answer["familiarity"], answer["familiarity_limit"]) == (None, None)


def test_threshold_fails_by_name_for_an_unfamiliar_photo(
    threshold: ModuleType, context: Any
) -> None:
    set_threshold("0.93", familiarity_limit="0.42")

    with pytest.raises(Exception, match="unfamiliar") as caught:
        threshold.handler({"probabilities": [0.98, 0.02], "familiarity": 0.41}, context)

    assert type(caught.value).__name__ == "UnfamiliarPhoto"


def test_threshold_fails_by_name_for_a_class_that_always_needs_review(
    threshold: ModuleType, context: Any
) -> None:
    with pytest.raises(Exception, match="always_reviewed") as caught:
        threshold.handler({"probabilities": [0.0, 1.0]}, context)

    assert type(caught.value).__name__ == "AlwaysReviewed"


def test_familiarity_limit_that_is_not_a_number_is_named(
    threshold: ModuleType, event: Event, context: Any
) -> None:
    set_threshold("0.93", familiarity_limit="low")

    with pytest.raises(ValueError, match="the familiarity limit 'low' is not a number") as caught:
        threshold.handler(event("threshold"), context)

    assert type(caught.value).__name__ == "InvalidFamiliarityLimit"


def test_threshold_fails_by_name_below_it(threshold: ModuleType, context: Any) -> None:
    set_threshold("0.93")

    with pytest.raises(Exception, match="probabilities") as caught:
        threshold.handler({"probabilities": [0.5, 0.5]}, context)

    assert type(caught.value).__name__ == "ConfidenceBelowThreshold"


def test_threshold_is_cached(threshold: ModuleType, context: Any) -> None:
    request = {"probabilities": [0.98, 0.02], "familiarity": 0.41}
    set_threshold("0.93")
    threshold.handler(request, context)
    set_threshold("0.99")

    assert threshold.handler(request, context)["threshold"] == 0.93

    threshold.parameters.clear_cache()
    with pytest.raises(Exception, match=r"0\.99"):
        threshold.handler(request, context)


def test_threshold_names_a_value_that_is_none(
    threshold: ModuleType, event: Event, context: Any
) -> None:
    set_threshold("high")

    with pytest.raises(ValueError, match="'high' is not a number from 0 to 1"):
        threshold.handler(event("threshold"), context)


def test_generate_lists(load: Load, event: Event, context: Any) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="data")
    for key in ("train/a/1.jpg", "train/b/2.jpg", "validation/a/3.jpg", "validation/b/4.jpg"):
        s3.put_object(Bucket="data", Key=f"dataset/{key}", Body=key.encode())
    function = load(
        "generate_lists",
        DATA_BUCKET="data",
        CLASS_NAMES="b,a",
        IMAGE_SHAPE="3,32,32",
        ALGORITHM="builtin",
        HYPERPARAMETERS="",
        VALIDATION_SHARE="0.1",
    )

    answer = function.handler(event("generate-lists"), context)

    run = event("generate-lists")["run"]
    written = s3.get_object(Bucket="data", Key=f"retraining/{run}/lists/train.lst")["Body"].read()
    assert written == b"0\t0\tb/2.jpg\n1\t1\ta/1.jpg\n"
    assert answer["hyperparameters"]["num_training_samples"] == "2"
    assert answer["last_trained"] is None
    json.dumps(answer)


def test_generate_lists_refuses_a_run_that_is_no_name(load: Load, context: Any) -> None:
    function = load(
        "generate_lists",
        DATA_BUCKET="data",
        CLASS_NAMES="b,a",
        IMAGE_SHAPE="3,32,32",
        ALGORITHM="builtin",
        HYPERPARAMETERS="",
        VALIDATION_SHARE="0.1",
    )

    with pytest.raises(ValidationError, match="run"):
        function.handler({"run": "../elsewhere"}, context)
