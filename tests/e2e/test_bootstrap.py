"""A deployment from GitHub: with the policies of the bootstrap's role, and within its boundary."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud.lifecycle import Cloud
from scones_local.run import deploy
from scones_operator.models.retraining import follow_retraining
from tests.e2e.harness import Application
from tools.deploy import make_commands, make_overrides
from tools.scan_template import translate

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class GitHub:
    """A job of GitHub Actions.

    Attributes
    ----------
    cloud
        The cloud with the permissions of the job.
    variables
        Variables of the environment: the outputs of the bootstrap.
    """

    cloud: Cloud
    variables: dict[str, str]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as the job, and require that it succeeds."""
        # AWS has `sync-states...`, where a loopback address has nothing to put a prefix before.
        environ = self.cloud.environ() | {"AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
        done = subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def github(application: Application) -> GitHub:
    outputs, policies = deploy_bootstrap(application)
    variables = {
        "ARTIFACTS_BUCKET": outputs["ArtifactsBucket"],
        "EXECUTION_ROLE": outputs["ExecutionRole"],
        "ROLE_BOUNDARY": outputs["RoleBoundary"],
    }
    # A user with the policies of the role: MiniStack does not know GitHub's claim `ref`.
    iam = application.client("iam")
    iam.create_user(UserName="github")
    for number, document in enumerate(policies):
        iam.put_user_policy(
            UserName="github", PolicyName=f"p{number}", PolicyDocument=json.dumps(document)
        )
    key = iam.create_access_key(UserName="github")["AccessKey"]
    cloud = replace(
        application.cloud, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    return GitHub(cloud, variables)


def deploy_bootstrap(application: Application) -> tuple[dict[str, str], list[Any]]:
    """Deploy the bootstrap for the running stack; return its outputs and its role's policies."""
    template = translate(ROOT / "bootstrap" / "template.yaml")
    del template["Resources"]["GitHub"]  # a type that MiniStack does not have
    chosen = {
        "GitHubSubject": "repo:scones-unlimited/scones",
        "CreateProvider": "false",
        "StackName": "scones",
        "EndpointName": application.stack.endpoint,
    }
    cloudformation, iam = application.client("cloudformation"), application.client("iam")
    cloudformation.create_stack(
        StackName="bootstrap",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in chosen.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="bootstrap", WaiterConfig={"Delay": 1}
    )
    (stack,) = cloudformation.describe_stacks(StackName="bootstrap")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    role = outputs["DeployRole"].rpartition("/")[2]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return outputs, [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names
    ]


@pytest.fixture
def bounded(application: Application, github: GitHub) -> Iterator[None]:
    """Set the boundary on all roles of the stack: MiniStack's CloudFormation ignores it."""
    iam = application.client("iam")
    pages = application.client("cloudformation").get_paginator("list_stack_resources")
    roles = [
        resource["PhysicalResourceId"]
        for page in pages.paginate(StackName="scones")
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::IAM::Role"
    ]
    assert len(roles) > 10
    for role in roles:
        iam.put_role_permissions_boundary(
            RoleName=role, PermissionsBoundary=github.variables["ROLE_BOUNDARY"]
        )
    yield
    for role in roles:
        iam.delete_role_permissions_boundary(RoleName=role)


def test_the_role_deploys_with_sam(application: Application, github: GitHub) -> None:
    """The command of `make deploy`, with the runtime and architecture of this computer."""
    (stack,) = application.client("cloudformation").describe_stacks(StackName="scones")["Stacks"]
    now = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    changed = make_overrides(deploy.host_parameters(), "1a2b3c", github.variables)
    _, command = make_commands("staging", changed, github.variables)
    at = command.index("--parameter-overrides")
    work = Path(".local")
    options = ["--template-file", str(deploy.built_template(work)), "--stack-name", "scones"]

    with deploy.lock_folder(work):
        github.run(*command[:at], *options, *command[at:])

    (stack,) = application.client("cloudformation").describe_stacks(StackName="scones")["Stacks"]
    after = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert after == {**now, **changed}


@pytest.mark.usefixtures("bounded")
def test_the_role_smoke_tests_within_the_boundary(github: GitHub) -> None:
    words = ("simulate", "--count", "4", "--minimum-accuracy", "0.5", "--capture-timeout", "0")
    summary = json.loads(
        github.run(sys.executable, "-m", "scones_operator.cli", "--json", *words).stdout
    )
    assert (summary["photos"], summary["statuses"].get("failed", 0)) == (4, 0)


@pytest.mark.usefixtures("bounded")
def test_the_role_retrains_within_the_boundary(application: Application, github: GitHub) -> None:
    words = ("--json", "retrain", "--force")
    started = json.loads(github.run(sys.executable, "-m", "scones_operator.cli", *words).stdout)
    outcome = follow_retraining(application.session, started["execution"], lambda _: None)
    assert outcome.outcome in ("registered", "not_good_enough"), outcome


@pytest.mark.parametrize("prefix", ["incoming", "dataset"])
def test_the_role_changes_no_photos(application: Application, github: GitHub, prefix: str) -> None:
    stack = application.stack
    bucket = {"incoming": stack.photos_bucket, "dataset": stack.data_bucket}[prefix]
    s3 = github.cloud.session().client("s3")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/train/bicycle/1.jpg", Body=b"x")
