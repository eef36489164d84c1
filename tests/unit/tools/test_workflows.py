"""The workflows: pinned, without rights that they do not need, and made of Make targets."""

import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tests.unit.tools.workflows import (
    FOLDER,
    ROOT,
    Job,
    read_jobs,
    read_workflows,
    targets,
    words_of,
)
from tools.deploy import REQUIRED, list_environments

JOBS = read_jobs()
job = pytest.mark.parametrize("job", JOBS, ids=str)


def test_there_are_workflows() -> None:
    assert set(read_workflows()) == {
        "checks",
        "pull-request",
        "main",
        "train",
        "pipeline",
        "release",
        "copy-model",
    }


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yml")), ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit(file: Any) -> None:
    uses = re.findall(r"uses: (.+)", file.read_text("utf-8"))
    assert uses
    for one in uses:
        local = one == "$/.github/workflows/checks.yml"
        assert local or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


def test_an_action_has_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for file in FOLDER.glob("*.yml"):
        for action, version in re.findall(r"uses: ([\w/-]+)@(.+)", file.read_text("utf-8")):
            versions.setdefault(action, set()).add(version)
    assert versions
    for action, found in versions.items():
        assert len(found) == 1, f"{action}: {found}"


def test_nothing_is_permitted_to_all_jobs() -> None:
    for name, workflow in read_workflows().items():
        assert workflow["permissions"] == {}, name


@job
def test_jobs_have_limits(job: Job) -> None:
    assert "permissions" in job.content
    assert job.calls or job.content["timeout-minutes"]
    assert "secrets." not in str(job.content)


@job
def test_permissions_are_minimal(job: Job) -> None:
    allowed = {"contents": "read"}
    match str(job):
        case "pull-request.comment":
            allowed["pull-requests"] = "write"
        case "release.packages":
            allowed["contents"] = "write"
    if "environment" in job.content:
        allowed["id-token"] = "write"
    assert job.content["permissions"] == allowed


@job
def test_only_jobs_of_an_environment_get_tokens_for_aws(job: Job) -> None:
    assumes = [step for step in job.steps if "configure-aws-credentials" in step.get("uses", "")]
    assert bool(assumes) == ("environment" in job.content)
    roles = [step["with"]["role-to-assume"] for step in assumes]
    copies = ["${{ vars.MODEL_READER_ROLE }}"] if job.workflow == "copy-model" else []
    assert roles == ([*copies, "${{ vars.DEPLOY_ROLE }}"] if assumes else [])
    for step in assumes:
        assert not any("key" in name for name in step["with"])
    if "environment" in job.content:
        assert job.content["environment"] in list_environments()


@job
def test_the_checkout_leaves_no_token(job: Job) -> None:
    for step in job.steps:
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@job
def test_every_command_is_a_target_of_make(job: Job) -> None:
    known = targets()
    for command, environ in job.commands():
        # An expression in a command is replaced before the shell sees it.
        assert "${{" not in command
        goals = [word for word in words_of(command, environ) if "=" not in word]
        assert len(goals) == 1, command
        assert goals[0] in known, f"there is no target {goals[0]}"


def test_the_checks_are_those_of_lint_and_test() -> None:
    """The prerequisites of `make lint` and `make test` in the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    needed: set[str] = set()
    for goal in ("lint", "test"):
        (rule,) = re.findall(rf"^{goal}: (.*) ##", makefile, re.MULTILINE)
        needed |= set(rule.split())
    checks = next(one for one in JOBS if str(one) == "checks.check")
    ran = {words_of(command, environ)[0] for command, environ in checks.commands()}
    assert needed <= ran


@pytest.mark.parametrize("workflow", ["pull-request", "main", "train", "pipeline", "release"])
def test_nothing_is_deployed_or_released_unchecked(workflow: str) -> None:
    jobs = {one.name: one for one in JOBS if one.workflow == workflow}
    assert jobs["checks"].content["uses"] == "$/.github/workflows/checks.yml"
    for name, one in jobs.items():
        if "environment" in one.content or one.content["permissions"].get("contents") == "write":
            assert reaches(jobs, name), f"{workflow}.{name} does not need the checks"


def reaches(jobs: dict[str, Job], name: str) -> bool:
    """Return whether a job waits for the checks, directly or not."""
    needs = jobs[name].content.get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return "checks" in needs or any(reaches(jobs, need) for need in needs)


def test_production_comes_after_the_smoke_test_of_staging() -> None:
    jobs = {one.name: one for one in JOBS if one.workflow == "main"}
    assert jobs["production"].content["needs"] == "staging"
    commands = [command for command, _ in jobs["staging"].commands()]
    assert commands == ["make deploy ENVIRONMENT=staging", "make smoke-test ENVIRONMENT=staging"]


@job
def test_deployments_have_what_they_need_and_do_not_overlap(job: Job) -> None:
    for command, environ in job.commands():
        if command.startswith("make deploy"):
            assert set(REQUIRED) <= environ.keys()
            environment = job.content["environment"]
            assert command == f"make deploy ENVIRONMENT={environment}"
            concurrency = job.content["concurrency"]
            assert concurrency == {"group": environment, "cancel-in-progress": False}


def test_variables_are_explained_and_outputs_of_the_bootstrap() -> None:
    text = "".join(file.read_text("utf-8") for file in FOLDER.glob("*.yml"))
    used = set(re.findall(r"vars\.(\w+)", text))
    guide = (ROOT / "docs" / "ci.md").read_text("utf-8")
    bootstrap = yaml_parse((ROOT / "bootstrap" / "template.yaml").read_text("utf-8"))
    described = {output["Description"] for output in bootstrap["Outputs"].values()}
    for name in used:
        assert f"`{name}`" in guide, f"docs/ci.md does not explain {name}"
    outputs = {f"The variable {name} of the GitHub environment" for name in used}
    assert outputs >= described


def test_a_copied_model_is_read_and_registered_with_separate_credentials() -> None:
    """The command names the profiles that the job makes; none is in the environment."""
    (job,) = (one for one in JOBS if one.workflow == "copy-model")
    profiles = [step["with"] for step in job.steps if "configure-aws" in step.get("uses", "")]
    assert [one["aws-profile"] for one in profiles] == ["staging", "production"]
    assert [one["output-env-credentials"] for one in profiles] == [False, False]
    assert [command for command, _ in job.commands()] == ["make copy-model ENVIRONMENT=production"]
