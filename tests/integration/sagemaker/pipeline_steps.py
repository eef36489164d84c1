"""Definitions of small pipelines, and their executions in an embedded SageMaker."""

import json
from collections.abc import Callable
from typing import Any

from tests.integration.sagemaker.local_sagemaker import BUCKET, IMAGE, ROLE, Cloud, until

PREPROCESS = """
import sys
from pathlib import Path

text = Path("/opt/ml/processing/input/raw/table.csv").read_text()
Path("/opt/ml/processing/train/table.csv").write_text(text.upper())
"""
EVALUATE = """
import json, sys
from pathlib import Path

print("evaluating", flush=True)
folder = Path("/opt/ml/processing/evaluation")
report = {"metrics": {"accuracy": {"value": float(sys.argv[1])}}}
(folder / "evaluation.json").write_text(json.dumps(report))
"""
SLEEP = "import time; print('asleep', flush=True); time.sleep(60)"
FAIL = """
from pathlib import Path

Path("/opt/ml/output/message").write_text("no rows")
raise SystemExit(3)
"""

CLUSTER = {
    "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
}
EXECUTION_ID = {"Get": "Execution.PipelineExecutionId"}


def joined(*values: Any, on: str = "/") -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def got(path: str) -> dict[str, str]:
    return {"Get": path}


def processing(
    name: str,
    script: str,
    inputs: dict[str, Any] | None = None,
    outputs: tuple[str, ...] = (),
    arguments: tuple[Any, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """A step that runs the script with this name, of the bucket's prefix ``code``."""
    sources = {"code": f"s3://{BUCKET}/code/{script}.py", **(inputs or {})}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": CLUSTER,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{script}.py"],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "RoleArn": ROLE,
            "ProcessingInputs": [
                {
                    "InputName": key,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/input/{key}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for key, uri in sources.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": key,
                        "S3Output": {
                            "S3Uri": joined(f"s3://{BUCKET}/runs", EXECUTION_ID, name, key),
                            "LocalPath": f"/opt/ml/processing/{key}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for key in outputs
                ]
            },
        },
        **more,
    }


def training(name: str, source: Any, hyperparameters: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE},
            "HyperParameters": hyperparameters or {},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": source,
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
            ],
            "ResourceConfig": CLUSTER["ClusterConfig"],
            "RoleArn": ROLE,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        },
        **more,
    }


def condition(
    name: str, conditions: list[Any], if_steps: list[Any], else_steps: list[Any]
) -> dict[str, Any]:
    arguments = {"Conditions": conditions, "IfSteps": if_steps, "ElseSteps": else_steps}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def fail(name: str, message: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def function(name: str, arn: Any, arguments: dict[str, Any], **outputs: str) -> dict[str, Any]:
    listed = [{"OutputName": key, "OutputType": kind} for key, kind in outputs.items()]
    step = {"Name": name, "Type": "Lambda", "Arguments": arguments, "FunctionArn": arn}
    return {**step, "OutputParameters": listed}


def definition(*steps: dict[str, Any], parameters: list[Any] | None = None) -> str:
    content = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": parameters or [],
        "PipelineExperimentConfig": None,
        "Steps": list(steps),
    }
    return json.dumps(content)


def upload(cloud: Cloud, **scripts: str) -> None:
    """Put scripts under their names, and a table, into the bucket."""
    for name, text in scripts.items():
        cloud.put(f"code/{name}.py", text)
    cloud.put("raw/table.csv", "a,b")


def create(cloud: Cloud, text: str, name: str = "Vehicles", **more: Any) -> str:
    asked = {"PipelineName": name, "PipelineDefinition": text, "RoleArn": ROLE, **more}
    return str(cloud.sagemaker.create_pipeline(ClientRequestToken=_token(), **asked)["PipelineArn"])


def start(cloud: Cloud, name: str = "Vehicles", **parameters: str) -> str:
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    started = cloud.sagemaker.start_pipeline_execution(
        PipelineName=name, PipelineParameters=given, ClientRequestToken=_token()
    )
    return str(started["PipelineExecutionArn"])


def _token() -> str:
    _token.count += 1  # type: ignore[attr-defined]
    return f"{_token.count:032d}"  # type: ignore[attr-defined]


_token.count = 0  # type: ignore[attr-defined]


def described(cloud: Cloud, arn: str) -> dict[str, Any]:
    return dict(cloud.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))


def ended(cloud: Cloud, arn: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        found = described(cloud, arn)
        running = found["PipelineExecutionStatus"] in ("Executing", "Stopping")
        return None if running else found

    return dict(until(final, 60))


def steps(cloud: Cloud, arn: str) -> dict[str, dict[str, Any]]:
    """The steps of an execution by name, in the order in which they started."""
    listed = cloud.sagemaker.list_pipeline_execution_steps(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}


def statuses(cloud: Cloud, arn: str) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in steps(cloud, arn).items()}


def run(cloud: Cloud, text: str, **parameters: str) -> tuple[str, dict[str, Any]]:
    """Create a pipeline, run it, and return the execution's ARN and final description."""
    create(cloud, text)
    arn = start(cloud, **parameters)
    return arn, ended(cloud, arn)


def reaches(cloud: Cloud, arn: str, name: str, status: str) -> Callable[[], bool]:
    return lambda: statuses(cloud, arn).get(name) == status
