"""Predict the held-out photos of a run with the model in production.

The states "Find Production" to "Describe Champion" and the champion's branch of "Predict" of the
state machine `retrain`. A pipeline cannot leave a transform step out and still evaluate, so this
script creates the transform job. A model in production that cannot be compared fails nothing: the
new model is then evaluated alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from scones.evaluation.transform_failure import TransformFailure

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

POLL_SECONDS = 5.0
FINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
HOSTING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})
"""Statuses of an endpoint that has a model."""


@dataclass(frozen=True)
class Champion:
    """The model in production.

    Attributes
    ----------
    container
        PrimaryContainer of a model like it.
    classes
        Hash of its classes and image shape, or None if it is not known.
    """

    container: dict[str, Any]
    classes: str | None


@dataclass(frozen=True)
class TransformJob:
    """A transform job to run.

    Attributes
    ----------
    name
        Name of the job and of its model.
    role
        ARN of the model's role.
    pictures, predictions
        S3 URIs of its input and its output.
    instance_type
        Type of its one instance.
    """

    name: str
    role: str
    pictures: str
    predictions: str
    instance_type: str


def find_champion(client: "SageMakerClient", endpoint: str) -> Champion | None:
    """Return the model in production, or None if there is none or it was deleted.

    Parameters
    ----------
    client
        SageMaker client.
    endpoint
        Name of the production endpoint.
    """
    # Listed, because describing a missing endpoint is an error like any other.
    pages = client.get_paginator("list_endpoints").paginate(NameContains=endpoint)
    listed = [item for page in pages for item in page["Endpoints"]]
    statuses = [item["EndpointStatus"] for item in listed if item["EndpointName"] == endpoint]
    if not HOSTING.intersection(statuses):
        return None
    try:
        config = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        variants = client.describe_endpoint_config(EndpointConfigName=config)
        name = variants["ProductionVariants"][0]["ModelName"]
        container = client.describe_model(ModelName=name)["PrimaryContainer"]
        return _champion(client, container)
    except ClientError as error:
        print(f"The model in production is unknown: {error}")
        return None


def _champion(client: "SageMakerClient", container: Mapping[str, Any]) -> Champion:
    package = container.get("ModelPackageName")
    if package is None:
        kept = ("Image", "ModelDataUrl", "Environment")
        return Champion({key: container[key] for key in kept if key in container}, None)
    described = client.describe_model_package(ModelPackageName=package)
    classes = described.get("CustomerMetadataProperties", {}).get("classes")
    return Champion({"ModelPackageName": package}, classes)


def predict(
    client: "SageMakerClient",
    champion: Champion,
    job: TransformJob,
    sleep: Callable[[float], None] = time.sleep,
) -> TransformFailure | None:
    """Run a transform job of the model in production and return what went wrong, or None.

    Parameters
    ----------
    client
        SageMaker client.
    champion
        From `find_champion`.
    job
        The job.
    sleep
        Waits between two polls.
    """
    try:
        _start(client, champion, job)
        while True:
            description = client.describe_transform_job(TransformJobName=job.name)
            if description["TransformJobStatus"] in FINAL_STATUSES:
                break
            sleep(POLL_SECONDS)
    except ClientError as error:
        return TransformFailure(
            error=error.response["Error"]["Code"], cause=error.response["Error"]["Message"]
        )
    except BotoCoreError as error:
        return TransformFailure(error=type(error).__name__, cause=str(error))
    if description["TransformJobStatus"] == "Completed":
        return None
    # As Step Functions reports a job that did not complete, which the evaluation reads.
    return TransformFailure(error="States.TaskFailed", cause=json.dumps(description, default=str))


def _start(client: "SageMakerClient", champion: Champion, job: TransformJob) -> None:
    client.create_model(
        ModelName=job.name,
        ExecutionRoleArn=job.role,
        EnableNetworkIsolation=True,
        PrimaryContainer=champion.container,  # type: ignore[arg-type]
    )
    client.create_transform_job(
        TransformJobName=job.name,
        ModelName=job.name,
        BatchStrategy="SingleRecord",
        MaxPayloadInMB=1,
        TransformInput={
            "ContentType": "application/x-image",
            "CompressionType": "None",
            "SplitType": "None",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": job.pictures}},
        },
        TransformOutput={"S3OutputPath": job.predictions},
        TransformResources={
            "InstanceType": job.instance_type,  # type: ignore[typeddict-item]
            "InstanceCount": 1,
        },
    )


def compare(
    client: "SageMakerClient", endpoint: str, classes: str, job: TransformJob
) -> dict[str, Any]:
    """Predict with the model in production and return the result for the evaluation.

    Parameters
    ----------
    client, job
        As for `predict`.
    endpoint
        Name of the production endpoint.
    classes
        Hash of the classes and the image shape of the new model.

    Returns
    -------
    dict
        ``champion``, whether there is a model in production of the same classes; ``error``, why it
        has no predictions, or None.
    """
    champion = find_champion(client, endpoint)
    if champion is None or champion.classes not in (None, classes):
        return {"champion": False, "fault": None}
    error = predict(client, champion, job)
    return {"champion": True, "fault": error and error.model_dump()}


def main() -> int:
    """Run the script and return its exit code."""
    options = _parser().parse_args()
    plan = json.loads((options.input_plan / "plan.json").read_text(encoding="utf-8"))
    folder = f"s3://{options.bucket}/retraining/{options.run}"
    job = TransformJob(
        # The names that the pipeline's role may use.
        name=f"pipelines-{options.run}-champion",
        role=options.role_arn,
        pictures=f"{folder}/pictures/",
        predictions=f"{folder}/predictions/champion",
        instance_type=options.transform_instance_type,
    )
    try:
        document = compare(boto3.client("sagemaker"), options.endpoint_name, plan["classes"], job)
    except (BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error)[:1000], encoding="utf-8")
        return 1
    text = json.dumps(document, indent=2)
    (options.output_champion / "champion.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--endpoint-name", required=True)
    parser.add_argument("--role-arn", required=True)
    parser.add_argument("--transform-instance-type", required=True)
    parser.add_argument("--input-plan", type=Path, required=True)
    parser.add_argument("--output-champion", type=Path, required=True)
    parser.add_argument("--exit-message", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
