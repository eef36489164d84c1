"""Every request in a definition is one that SageMaker's API takes, and every reference exists."""

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.golden_files import NAMES
from tests.golden_files import define_once as define

OPERATIONS = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "job"}, "DescribeProcessingJob"),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "job"}, "DescribeTrainingJob"),
    "Transform": ("CreateTransformJob", {"TransformJobName": "job"}, "DescribeTransformJob"),
    "Model": ("CreateModel", {"ModelName": "model"}, "DescribeModel"),
    "RegisterModel": ("CreateModelPackage", {}, "DescribeModelPackage"),
}
FUNCTIONS = {"Get", "Std:Join", "Std:JsonGet"}
EXECUTION = {
    "Execution.PipelineName",
    "Execution.PipelineArn",
    "Execution.PipelineExecutionId",
    "Execution.PipelineExecutionArn",
    "Execution.StartDateTime",
    "Execution.CurrentDateTime",
}
REFERENCE = re.compile(r"Steps\.(?P<step>[A-Za-z0-9_-]+)\.(?P<path>.+)")
MODEL = botocore.session.get_session().get_service_model("sagemaker")


def is_reference(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and set(value) <= FUNCTIONS


def all_steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from all_steps(step["Arguments"]["IfSteps"])
            yield from all_steps(step["Arguments"]["ElseSteps"])


def filled(value: Any, shape: Shape) -> Any:
    """Return a value with placeholders of the right type instead of references."""
    if is_reference(value):
        if getattr(shape, "enum", None):
            return shape.enum[0]
        return {"integer": 1, "long": 1, "float": 0.5, "boolean": True}.get(
            shape.type_name, "placeholder"
        )
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{shape.name} has no {unknown}"
        return {name: filled(member, shape.members[name]) for name, member in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [filled(member, shape.member) for member in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: filled(member, shape.value) for name, member in value.items()}
    return value


def as_python(pattern: str) -> str:
    """Return a pattern of AWS's models, which are Java's, as Python understands it."""
    return re.sub(r"\\p\{[LZN]\}", r"\\w\\s", re.sub(r"\$\{[^}]*\}", "", pattern))


def limits(value: Any, shape: Shape, where: str) -> Iterator[str]:
    """Yield what botocore does not check: enumerations, patterns and lengths of literals."""
    if is_reference(value):
        return
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield from limits(member, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        if len(value) > shape.metadata.get("max", len(value)):
            yield f"{where} has {len(value)} items"
        for index, member in enumerate(value):
            yield from limits(member, shape.member, f"{where}[{index}]")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield from limits(name, shape.key, f"{where} key")
            yield from limits(member, shape.value, f"{where}.{name}")
    elif isinstance(value, str):
        if shape.enum and value not in shape.enum:
            yield f"{where}: {value} is not in the enumeration"
        if len(value) > shape.metadata.get("max", len(value)):
            yield f"{where}: {value} is too long"
        pattern = as_python(shape.metadata.get("pattern", ".*"))
        if not re.fullmatch(pattern, value, re.DOTALL):
            yield f"{where}: {value!r} does not match {pattern}"


@pytest.mark.parametrize("name", NAMES)
def test_every_request_is_one_of_the_api(name: str) -> None:
    requests = 0
    for step in all_steps(define(name)["Steps"]):
        if step["Type"] not in OPERATIONS:
            assert step["Type"] in ("Condition", "Fail")
            continue
        operation, named, _ = OPERATIONS[step["Type"]]
        shape = MODEL.operation_model(operation).input_shape
        arguments = step["Arguments"] | named
        problems = ParamValidator().validate(filled(arguments, shape), shape)
        assert not problems.has_errors(), f"{step['Name']}: {problems.generate_report()}"
        assert not list(limits(arguments, shape, step["Name"]))
        requests += 1
    assert requests >= 1


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from references(member)
    elif isinstance(value, dict):
        if set(value) == {"Get"}:
            yield value["Get"]
            return
        for member in value.values():
            yield from references(member)


def resolve(path: str, shape: Shape) -> None:
    """Follow a property through the shape of a Describe response; raises if it is not there."""
    for part in re.findall(r"[A-Za-z0-9]+|\['[^']+'\]|\[\d+\]", path):
        if part.startswith("["):
            assert isinstance(shape, ListShape | MapShape), f"{path} at {part}"
            shape = shape.member if isinstance(shape, ListShape) else shape.value
        else:
            assert isinstance(shape, StructureShape), f"{path} at {part}"
            assert part in shape.members, f"{path} at {part}"
            shape = shape.members[part]


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_exists(name: str) -> None:
    definition = define(name)
    parameters = {f"Parameters.{parameter['Name']}" for parameter in definition["Parameters"]}
    steps = {step["Name"]: step for step in all_steps(definition["Steps"])}
    used = set(references(definition["Steps"]))
    for reference in used - parameters - EXECUTION:
        match = REFERENCE.fullmatch(reference)
        assert match, f"unknown reference {reference}"
        step, path = steps[match["step"]], match["path"]
        if path.startswith("PropertyFiles."):
            files = [file["PropertyFileName"] for file in step["PropertyFiles"]]
            assert path.removeprefix("PropertyFiles.") in files
        else:
            describe = MODEL.operation_model(OPERATIONS[step["Type"]][2])
            resolve(path, describe.output_shape)
            outputs = step["Arguments"].get("ProcessingOutputConfig", {}).get("Outputs", [])
            for output in re.findall(r"Outputs\['([^']+)'\]", path):
                assert output in [item["OutputName"] for item in outputs]
    assert parameters <= used, "a parameter without use"


@pytest.mark.parametrize("name", NAMES)
def test_steps_have_different_names_that_the_service_takes(name: str) -> None:
    names = [step["Name"] for step in all_steps(define(name)["Steps"])]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9\-_]{1,64}", step) for step in names)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_two_executions_do_not_meet(name: str) -> None:
    for step in all_steps(define(name)["Steps"]):
        for output in step["Arguments"].get("ProcessingOutputConfig", {}).get("Outputs", []):
            assert "Execution.PipelineExecutionId" in json.dumps(output["S3Output"]["S3Uri"])


@pytest.mark.parametrize("name", NAMES)
def test_jobs_are_retried_and_scripts_are_told_their_folders(name: str) -> None:
    for step in all_steps(define(name)["Steps"]):
        if step["Type"] in ("Processing", "Training", "Transform"):
            kinds = {kind for policy in step["RetryPolicies"] for kind in policy["ExceptionType"]}
            assert {"Step.THROTTLING", "SageMaker.CAPACITY_ERROR"} <= kinds
        if step["Type"] == "Processing":
            words = step["Arguments"]["AppSpecification"]["ContainerArguments"]
            outputs = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
            for output in outputs:
                option = words.index(f"--output-{output['OutputName']}")
                assert words[option + 1] == output["S3Output"]["LocalPath"]


def test_a_wrong_request_is_found() -> None:
    operation, named, _ = OPERATIONS["Processing"]
    shape = MODEL.operation_model(operation).input_shape
    good = next(s for s in define("abalone")["Steps"] if s["Type"] == "Processing")["Arguments"]
    broken = json.loads(json.dumps(good))
    broken["ProcessingInputs"][0]["S3Input"]["S3DataType"] = "Prefix"
    with pytest.raises(AssertionError, match="no \\{'Role'\\}"):
        filled(good | {"Role": "x"}, shape)

    assert list(limits(broken | named, shape, "Preprocess"))
    del broken["RoleArn"]
    assert ParamValidator().validate(filled(broken | named, shape), shape).has_errors()


def cache_key(step: dict[str, Any]) -> str:
    """Return what SageMaker compares of a step, apart from the results of earlier steps.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
    """
    names = {
        "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
        "Training": (
            "AlgorithmSpecification",
            "CheckpointConfig",
            "Environment",
            "HyperParameters",
            "InputDataConfig",
        ),
    }
    arguments = step["Arguments"]
    return json.dumps([arguments.get(name) for name in names[step["Type"]]])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_one_execution_is_in_the_key_of_the_cache(name: str) -> None:
    cached = [s for s in all_steps(define(name)["Steps"]) if "CacheConfig" in s]
    for step in cached:
        assert "Execution." not in cache_key(step), step["Name"]
    assert len(cached) == (0 if name == "vehicles" else 3)
