import json
from typing import Any

import pytest

from scones_local.sagemaker.pipelines.definition import Branch, Dependency, parse_definition
from scones_local.sagemaker.protocol import ServiceError

ROLE = "arn:aws:iam::123456789012:role/pipeline"


def output(name: str) -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": "s3://b/o", "S3UploadMode": "EndOfJob"}}


def processing(name: str = "P", **more: Any) -> dict[str, Any]:
    arguments = {
        "AppSpecification": {"ImageUri": "image"},
        "RoleArn": ROLE,
        "ProcessingOutputConfig": {"Outputs": [output("report")]},
        **more.pop("Arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def condition(name: str, left: Any, if_steps: Any = (), else_steps: Any = ()) -> dict[str, Any]:
    compared = {"Type": "Equals", "LeftValue": left, "RightValue": 1}
    arguments = {"Conditions": [compared], "IfSteps": if_steps, "ElseSteps": else_steps}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def fail(name: str, message: Any = "no", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def text(*steps: Any, **more: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps), **more})


def test_reads_steps_of_branches_too() -> None:
    report = {"PropertyFileName": "R", "OutputName": "report", "FilePath": "r.json"}
    value = {
        "Std:JsonGet": {"PropertyFile": {"Get": "Steps.P.PropertyFiles.R"}, "Path": "accuracy"}
    }
    inner = condition("Inner", {"Get": "Steps.P.ProcessingJobName"}, [fail("Deep")])
    definition = parse_definition(
        text(
            processing(PropertyFiles=[report]),
            condition("Outer", value, [inner], [fail("Else", DependsOn=["Later"])]),
            processing("Later", DependsOn=[{"Step": "P", "Trigger": "Any"}, "P"]),
        )
    )
    assert list(definition.steps) == ["P", "Outer", "Inner", "Deep", "Else", "Later"]
    assert definition.steps["Outer"].needs == (Dependency("P"),)
    assert definition.steps["Inner"].branch == Branch("Outer", outcome=True)
    assert definition.steps["Deep"].branch == Branch("Inner", outcome=True)
    assert definition.steps["Else"].branch == Branch("Outer", outcome=False)
    assert definition.steps["Later"].needs == (Dependency("P", "Any"), Dependency("P"))


@pytest.mark.parametrize(
    "reference",
    [
        "Steps.P.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri",
        "Steps.P.ProcessingInputs[0].S3Input.S3Uri",
        "Steps.P.Environment['A']",
        "Steps.P.ExitMessage",
        "Parameters.X",
        "Execution.StartDateTime",
    ],
)
def test_knows_the_properties(reference: str) -> None:
    parameters = [{"Name": "X", "Type": "String"}]
    parse_definition(text(processing(), fail("F", {"Get": reference}), Parameters=parameters))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("Steps.P.ProcessingOutputs", "The step P has no property 'ProcessingOutputs'"),
        ("Steps.P.ProcessingOutputConfig.Outputs.S3Uri", "has no property"),
        ("Steps.P.ExitMessage.Text", "has no property 'ExitMessage.Text'"),
        ("Steps.P.PropertyFiles.R", "has no property 'PropertyFiles.R'"),
        ("Steps.Q.ExitMessage", "depends on Q, which does not exist"),
        ("Steps.L.OutputParameters['b']", "The step L has no property 'OutputParameters.b'"),
        ("Steps.C.Result", "The step C has no property 'Result'"),
        ("Parameters.X", "Unknown parameter 'X' in the step F"),
        ("Execution.Region", "Unknown variable 'Execution.Region' in the step F"),
    ],
)
def test_refuses_unknown_properties(reference: str, message: str) -> None:
    function = {
        "Name": "L",
        "Type": "Lambda",
        "Arguments": {},
        "FunctionArn": "arn",
        "OutputParameters": [{"OutputName": "a", "OutputType": "String"}],
    }
    steps = (processing(), function, condition("C", 1), fail("F", {"Get": reference}))
    with pytest.raises(ServiceError, match=message):
        parse_definition(text(*steps))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("{", "It is not valid JSON"),
        ("[]", "the definition must be an object"),
        (text(), "needs at least one step"),
        (text(fail("F"), Version="2021"), "Unknown version '2021'"),
        (text(fail("F"), Extra=1), "unknown property 'Extra' in the definition"),
        (text(fail("F"), MlflowConfig={}), "MLflow"),
        (text(fail("F"), fail("F")), "must have different names"),
        (text(fail("F", DependsOn=["G"])), "F depends on G, which does not exist"),
        (text(fail("F"), processing(DependsOn=["F"])), "cannot depend on the Fail step F"),
        (text(fail("F", Retry=1)), "unknown property 'Retry' in the step F"),
        (text(fail("F", CacheConfig={"Enabled": False})), "unknown property 'CacheConfig'"),
        (text(fail("a b")), "Invalid step name 'a b'"),
        (text({**fail("F"), "Type": "Callback"}), "no pipeline steps of type Callback .step F"),
        (text({**fail("F"), "Type": "EMR"}), "no pipeline steps of type EMR"),
        (text({"Name": "L", "Type": "Lambda", "Arguments": {}}), "'FunctionArn' is required"),
        (text(processing(Arguments={"Inputs": []})), "unknown property 'Inputs' in P"),
        (
            text(processing(Arguments={"AppSpecification": {"Image": "i"}})),
            "unknown property 'Image' in P.AppSpecification",
        ),
        (
            text(processing("A", DependsOn=["B"]), processing("B", DependsOn=["A"])),
            "The steps depend on each other: (A -> B -> A|B -> A -> B)",
        ),
        (
            text(condition("C", {"Get": "Steps.P.ExitMessage"}, [processing()])),
            "The steps depend on each other",
        ),
        (
            text(processing(PropertyFiles=[
                {"PropertyFileName": "R", "OutputName": "x", "FilePath": "r.json"}
            ])),
            "is in the output x, which the step does not have",
        ),
        (
            text(fail("F"), PipelineExperimentConfig={"ExperimentName": {"Get": "Parameters.X"}}),
            "Unknown parameter 'X' in PipelineExperimentConfig",
        ),
        (text(fail("F"), Parameters=[{"Name": "X", "Type": "List"}]), "Unknown type 'List'"),
        (
            text(fail("F"), Parameters=[{"Name": "X", "Type": "Integer", "DefaultValue": "1"}]),
            "The value '1' of the parameter X is not of type Integer",
        ),
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_run(definition: str, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        parse_definition(definition)


def test_refuses_values_that_the_service_does_not_know() -> None:
    wrong = {
        "ProcessingInputs": [{"InputName": "i", "S3Input": {"S3Uri": "s3://b", "S3DataType": "x"}}]
    }
    with pytest.raises(ServiceError, match=r"Value 'x' for 'P.ProcessingInputs.0..S3Input.S3Data"):
        parse_definition(text(processing(Arguments=wrong)))
