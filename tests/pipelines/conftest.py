"""The pipelines' commands and their roles in a local cloud of their own."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud import lifecycle
from scones_local.images.registry import PIPELINES_READY_FILE

ROOT = Path(__file__).parents[2]
RUN_PIPELINE = ROOT / ".venv" / "pipelines" / "bin" / "run-pipeline"


@dataclass(frozen=True)
class Pipelines:
    """A cloud in which `pipelines/template.yaml` is deployed.

    Attributes
    ----------
    cloud
        The local cloud.
    bucket
        Bucket for data, scripts and outputs.
    role
        ARN of the pipelines' role.
    """

    cloud: lifecycle.Cloud
    bucket: str
    role: str

    def client(self, service: str) -> Any:
        return self.cloud.session().client(service)

    def command(self, name: str, *options: str) -> list[str]:
        where = ["--role-arn", self.role, "--bucket", self.bucket, "--poll-seconds", "0.5"]
        return [str(RUN_PIPELINE), "--module-name", name, *where, *options]

    def run(self, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run a pipeline to its end."""
        return subprocess.run(
            self.command(name, *options),
            env=self.cloud.environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    def versions(self, group: str) -> list[dict[str, Any]]:
        """The versions of a model package group, oldest first."""
        client = self.client("sagemaker")
        listed = client.list_model_packages(ModelPackageGroupName=group, SortOrder="Ascending")
        return [
            client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
            for item in listed["ModelPackageSummaryList"]
        ]


def outputs_of(running: lifecycle.Cloud) -> dict[str, str]:
    """Return the outputs of the stack of the roles, by name."""
    client = running.session().client("cloudformation")
    (stack,) = client.describe_stacks(StackName="pipelines")["Stacks"]
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def deploy_roles(running: lifecycle.Cloud, bucket: str, **parameters: str) -> str:
    """Deploy `pipelines/template.yaml`; returns the role's ARN."""
    client = running.session().client("cloudformation")
    given = {"DataBucket": bucket, **parameters}
    client.create_stack(
        StackName="pipelines",
        TemplateBody=(ROOT / "pipelines" / "template.yaml").read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": given[key]} for key in given],
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (stack,) = client.describe_stacks(StackName="pipelines")["Stacks"]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return outputs_of(running)["PipelineRoleArn"]
        assert stack["StackStatus"] == "CREATE_IN_PROGRESS", stack
        time.sleep(0.5)
    raise AssertionError("the stack of the roles was not created in time")


@pytest.fixture(scope="session", autouse=True)
def _environment() -> None:
    if not PIPELINES_READY_FILE.exists():
        pytest.skip("the SageMaker SDK is not installed: run `make pipelines`")


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as running:
        running.session().client("s3").create_bucket(Bucket="data-bucket")
        yield Pipelines(running, "data-bucket", deploy_roles(running, "data-bucket"))
