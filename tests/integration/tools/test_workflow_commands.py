"""The commands of the workflows, run here in the order of their jobs.

Those that change nothing outside the working tree run as they are; GitHub, AWS and Docker are
stood in for by commands that record how they were called. What takes minutes has its own tests.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from tests.unit.tools.workflows import Job, read_jobs, words_of
from tools.release_notes import read_version

ROOT = Path(__file__).parents[3]
RECORDER = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$RECORD"
case "$*" in "manifest inspect"*) exit "${PUSHED:-1}" ;; esac
"""
SLOW = {
    *("make run", "make deploy ENVIRONMENT=staging", "make deploy ENVIRONMENT=production"),
    *("make smoke-test ENVIRONMENT=staging", "make smoke-test ENVIRONMENT=production"),
    *("make retrain ENVIRONMENT=staging", "make run-vehicles-pipeline ENVIRONMENT=staging"),
}
"""Commands that need minutes, or a stack."""

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/scones-staging-training:1a2b3c"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File that the stand-ins write their calls to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gh", "docker", "aws"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return tmp_path / "record"


def make(command: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


def job(name: str) -> Job:
    return next(one for one in read_jobs() if str(one) == name)


def run_in_order(name: str, **environ: str) -> list[str]:
    """Run the commands of a job in order, except slow ones, and return those that ran."""
    ran = []
    for command, _ in job(name).commands():
        if command not in SLOW:
            make(command.replace("BASE=HEAD^1", "BASE=HEAD"), **environ)
            ran.append(command)
    return ran


def test_a_pull_request(record: Path) -> None:
    run_in_order("pull-request.run")
    report = (ROOT / "build" / "pull-request.md").read_text("utf-8")
    assert "IAM in `template.yaml`:" in report
    run_in_order("pull-request.comment", PULL_REQUEST="7")
    assert record.read_text() == (
        "gh pr comment 7 --edit-last --create-if-none --body-file build/pull-request.md\n"
    )


def test_a_release(record: Path) -> None:
    tag = f"v{read_version()}"
    ran = run_in_order("release.packages", TAG=tag)
    assert ran == ["make release-notes", "make wheels", "make sbom", "make release"]
    (call,) = record.read_text().splitlines()
    begin = f"gh release create {tag} --verify-tag --title {tag} --notes-file "
    assert call.startswith(f"{begin}build/release-notes.md build/dist/scones-")
    for file in call.removeprefix(begin).split():
        assert (ROOT / file).stat().st_size
    json.loads((ROOT / "build" / "sbom.cdx.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["release.image", "train.retrain", "pipeline.start"])
@pytest.mark.parametrize("pushed", [False, True])
def test_an_image(record: Path, name: str, pushed: bool) -> None:
    run_in_order(name, TRAINING_IMAGE=IMAGE, PUSHED="0" if pushed else "1")
    calls = record.read_text().splitlines()
    assert calls[0] == (
        "docker buildx build --provenance=false --output type=docker --platform linux/amd64 "
        f"--file training/Dockerfile --tag {IMAGE} ."
    )
    registry = IMAGE.partition("/")[0]
    login = f"docker login --username AWS --password-stdin {registry}"
    assert sorted(calls[1:3]) == ["aws ecr get-login-password", login]
    assert calls[3:] == [f"docker manifest inspect {IMAGE}"] + (
        [] if pushed else [f"docker push {IMAGE}"]
    )


def test_a_value_from_outside_is_no_command(record: Path, tmp_path: Path) -> None:
    """The name of a branch or tag can contain shell code."""
    evil = f"7; touch {tmp_path}/proof; $(touch {tmp_path}/proof)"
    make("make pull-request-comment", PULL_REQUEST=evil)
    assert not (tmp_path / "proof").exists()
    assert record.read_text().startswith(f"gh pr comment {evil} --edit-last")


def test_workflows_are_clean() -> None:
    make("make lint-workflows")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("3d3c42e5aac5ba805825da76410c181273ba90b1 #", "v7 #", id="not pinned"),
        pytest.param(
            "permissions:\n      contents: read",
            "permissions: write-all",
            id="excessive permissions",
        ),
        pytest.param('make "$TARGET"', "make ${{ github.head_ref }}", id="template injection"),
        pytest.param("timeout-minutes:", "timeout-minute:", id="misspelled key"),
    ],
)
def test_workflows_that_are_not_clean(tmp_path: Path, before: str, after: str) -> None:
    """The commands of `make lint-workflows` find it."""
    folder = shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / ".git").mkdir()
    checks = folder / "workflows" / "checks.yml"
    assert before in checks.read_text()
    checks.write_text(checks.read_text().replace(before, after))
    shown = make("make --dry-run lint-workflows").stdout
    commands = [line for line in shown.splitlines() if line.startswith(".venv/bin/")]
    assert len(commands) == 2
    codes = [
        subprocess.run(
            shlex.split(line.replace(".venv/bin", str(ROOT / ".venv" / "bin"))),
            cwd=tmp_path,
            capture_output=True,
            check=False,
        ).returncode
        for line in commands
    ]
    assert any(codes)


def test_a_deployment_without_its_variables_is_rejected() -> None:
    environ = dict.fromkeys(("ARTIFACTS_BUCKET", "EXECUTION_ROLE", "ROLE_BOUNDARY"), "")
    with pytest.raises(AssertionError, match="error: not set: ARTIFACTS_BUCKET, EXECUTION_ROLE"):
        make("make deploy ENVIRONMENT=staging", **environ)


@pytest.mark.parametrize("target", ["smoke-test", "retrain"])
def test_commands_of_scones_take_their_options(target: str) -> None:
    shown = make(f"make --dry-run {target} ENVIRONMENT=staging").stdout
    line = next(line for line in shown.splitlines() if "bin/scones" in line)
    program, option, stack, command, *options = shlex.split(line)
    name = stack.removeprefix("$(").removesuffix(")")
    shown = subprocess.run(shlex.split(name), cwd=ROOT, capture_output=True, text=True, check=True)
    assert (option, shown.stdout) == ("--stack", f"{DEFAULT_STACK_NAME}-staging\n")
    described = make(f"{program} {command} --help", COLUMNS="200").stdout
    named = [word for word in options if word.startswith("--")]
    assert named
    for word in named:
        assert re.search(rf"{word}\b", described), word


def test_a_model_is_copied_between_the_stacks_of_the_environments(tmp_path: Path) -> None:
    ((command, _),) = job("copy-model.copy").commands()
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_REGION": "us-east-1"}
    with pytest.raises(AssertionError, match="'VERSION': Input should be a valid integer"):
        make(command, VERSION="3; touch proof", **environ)
    with pytest.raises(AssertionError, match=r"profile \(staging\) could not be found"):
        make(command, VERSION="3", **environ)
    shown = make(command.replace("make", "make --dry-run"), **environ).stdout
    assert "tools.stack_name production" in shown
    assert "tools.stack_name staging" in shown
    assert "--profile production copy" in shown


def test_each_check_is_a_command_here() -> None:
    for command, environ in job("checks.check").commands():
        (target,) = words_of(command, environ)
        if target != "test-pipelines":
            make(f"make --dry-run {target}")
