"""Counts of what an application holds and would lose with its local cloud."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

REVIEWED_PREFIXES = "/reviewed/"
"""Part of the keys of photos that people labeled."""


@dataclass(frozen=True)
class Holdings:
    """Counts of what the application holds.

    Attributes
    ----------
    photos
        Uploaded photos.
    results
        Records of photos.
    labels
        Photos that people labeled, in the dataset.
    models
        Versions of models.
    executions
        Running executions of state machines and pipelines, which end with the local cloud in any
        case.
    pipelines
        SageMaker pipelines, of which most applications have none.
    """

    photos: int
    results: int
    labels: int
    models: int
    executions: int
    pipelines: int = 0

    def __str__(self) -> str:
        counted = (
            (self.photos, "photo"),
            (self.results, "result"),
            (self.labels, "label"),
            (self.models, "model"),
            *([(self.pipelines, "pipeline")] if self.pipelines else []),
        )
        return ", ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counted)


def count_holdings(session: "boto3.Session", stack: Stack) -> Holdings:
    """Count what an application holds."""
    pipelines = _pipelines(session)
    return Holdings(
        photos=len(_keys(session, stack.photos_bucket, "incoming/")),
        results=_records(session, stack.results_table),
        labels=sum(
            REVIEWED_PREFIXES in key for key in _keys(session, stack.data_bucket, "dataset/")
        ),
        models=_models(session, stack.model_package_group),
        executions=sum(
            _count_running(session, machine)
            for machine in (stack.retrain_state_machine, stack.promote_state_machine)
        )
        + sum(_running_executions(session, pipeline) for pipeline in pipelines),
        pipelines=len(pipelines),
    )


def _keys(session: "boto3.Session", bucket: str, prefix: str) -> list[str]:
    pages = session.client("s3").get_paginator("list_objects_v2")
    total = pages.paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in total for item in page.get("Contents", [])]


def _records(session: "boto3.Session", table: str) -> int:
    pages = session.client("dynamodb").get_paginator("scan")
    return sum(page["Count"] for page in pages.paginate(TableName=table, Select="COUNT"))


def _models(session: "boto3.Session", group: str) -> int:
    client: Any = session.client("sagemaker")
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    return sum(len(page["ModelPackageSummaryList"]) for page in pages)


def _count_running(session: "boto3.Session", machine: str) -> int:
    pages = session.client("stepfunctions").get_paginator("list_executions")
    total = pages.paginate(stateMachineArn=machine, statusFilter="RUNNING")
    return sum(len(page["executions"]) for page in total)


def _pipelines(session: "boto3.Session") -> list[str]:
    pages = session.client("sagemaker").get_paginator("list_pipelines").paginate()
    return [item["PipelineName"] for page in pages for item in page["PipelineSummaries"]]


def _running_executions(session: "boto3.Session", pipeline: str) -> int:
    pages = session.client("sagemaker").get_paginator("list_pipeline_executions")
    total = pages.paginate(PipelineName=pipeline)
    statuses = [
        item["PipelineExecutionStatus"]
        for page in total
        for item in page["PipelineExecutionSummaries"]
    ]
    return sum(status in {"Executing", "Stopping"} for status in statuses)
