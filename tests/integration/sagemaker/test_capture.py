import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker import capture
from scones_local.sagemaker.objects import relative_name
from tests.integration.sagemaker.local_sagemaker import BUCKET, Cloud, error_of, until
from tests.unit.operator.captures.files import REAL


def capturing(**changes: Any) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
        **changes,
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0.2)


def serve(cloud: Cloud, **changes: Any) -> None:
    cloud.model("one")
    cloud.config("one", DataCaptureConfig=capturing(**changes))
    described = cloud.endpoint("live", "one")
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Started"


def captured(cloud: Cloud) -> list[str]:
    keys = until(lambda: cloud.keys("captured/"))
    bodies = [cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return b"".join(bodies).decode().splitlines(keepends=True)


def shape(record: Any) -> Any:
    """The names in their order, with the kinds of the values."""
    if isinstance(record, dict):
        return [(name, shape(value)) for name, value in record.items()]
    return type(record).__name__


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the captures of a real endpoint")
@pytest.mark.usefixtures("quick")
def test_a_record_is_laid_out_like_a_real_one(cloud: Cloud) -> None:
    serve(cloud)
    cloud.invoke("live", "a photo", ContentType="image/png")
    (line,) = captured(cloud)
    for file in REAL.glob("*.jsonl"):
        for real in file.read_text().splitlines(keepends=True):
            assert (
                re.sub(r'":"[^"]*"', '":""', line).split(',"enc')[0]
                == re.sub(r'":"[^"]*"', '":""', real).split(',"enc')[0]
            )
            assert shape(json.loads(line)) == shape(json.loads(real))
            assert json.dumps(json.loads(real), separators=(",", ":")) + "\n" == real
    assert json.dumps(json.loads(line), separators=(",", ":")) + "\n" == line


@pytest.mark.usefixtures("quick")
def test_a_record_holds_what_was_sent_and_answered(cloud: Cloud) -> None:
    serve(cloud)
    cloud.invoke("live", "a photo", ContentType="image/png", InferenceId="photo-7")
    record = json.loads(captured(cloud)[0])
    assert record["captureData"]["endpointInput"] == {
        "observedContentType": "image/png",
        "mode": "INPUT",
        "data": base64.b64encode(b"a photo").decode(),
        "encoding": "BASE64",
    }
    output = record["captureData"]["endpointOutput"]
    assert (output["mode"], output["encoding"]) == ("OUTPUT", "JSON")
    assert json.loads(output["data"])["model"] == "one"
    assert record["eventMetadata"]["inferenceId"] == "photo-7"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["eventMetadata"]["inferenceTime"]
    )
    assert record["eventVersion"] == "0"


def test_one_option_can_stand_for_both_directions(cloud: Cloud) -> None:
    serve(cloud, CaptureOptions=[{"CaptureMode": "InputAndOutput"}])
    cloud.invoke("live")
    cloud.service.shutdown()
    (line,) = captured(cloud)
    assert list(json.loads(line)["captureData"]) == ["endpointInput", "endpointOutput"]


@pytest.mark.usefixtures("quick")
def test_keys_are_laid_out_like_real_ones(cloud: Cloud) -> None:
    serve(cloud)
    cloud.invoke("live")
    (key,) = until(lambda: cloud.keys("captured/"))
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    name = rf"\d\d-\d\d-\d{{3}}-{uuid}\.jsonl"
    assert re.fullmatch(rf"captured/live/AllTraffic/\d{{4}}/\d\d/\d\d/\d\d/{name}", key)
    if REAL.is_dir():
        assert all(re.fullmatch(name, file.name) for file in REAL.iterdir())


def test_records_wait_for_each_other_and_for_the_shutdown(cloud: Cloud) -> None:
    serve(cloud)
    for _ in range(3):
        cloud.invoke("live", "1,2", ContentType="text/csv; charset=utf-8")
    cloud.service.shutdown()
    assert len(cloud.keys("captured/")) == 1
    lines = captured(cloud)
    assert len(lines) == 3
    assert json.loads(lines[0])["captureData"]["endpointInput"]["encoding"] == "CSV"
    assert json.loads(lines[0])["captureData"]["endpointInput"]["data"] == "1,2"


def test_only_what_was_asked_for_is_captured(cloud: Cloud) -> None:
    serve(cloud, CaptureOptions=[{"CaptureMode": "Output"}])
    cloud.invoke("live")
    error_of(lambda: cloud.invoke("live", "status 400"))
    cloud.service.shutdown()
    (line,) = captured(cloud)
    assert list(json.loads(line)["captureData"]) == ["endpointOutput"]


def test_nothing_is_captured_of_an_empty_sample(cloud: Cloud) -> None:
    serve(cloud, InitialSamplingPercentage=0)
    cloud.invoke("live")
    cloud.service.shutdown()
    assert cloud.keys("captured/") == []


names = st.text("ab/", min_size=1, max_size=6)


@given(names, names)
def test_a_name_below_a_prefix_ends_its_key(prefix: str, rest: str) -> None:
    key = prefix + rest
    name = relative_name(key, prefix)
    assert key.endswith(name)
    assert not name.startswith("/")


@pytest.mark.parametrize(
    ("key", "prefix", "name"),
    [
        ("in/a/b.png", "in/", "a/b.png"),
        ("in/a/b.png", "in", "a/b.png"),
        ("in/foo.csv", "in/fo", "foo.csv"),
        ("in/foo.csv", "in/foo.csv", "foo.csv"),
        ("foo.csv", "", "foo.csv"),
    ],
)
def test_names_relative_to_a_prefix(key: str, prefix: str, name: str) -> None:
    assert relative_name(key, prefix) == name
