"""Run all checks: concurrently, each on its own, within a time limit."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from scones_operator.aws.stack import Stack
from scones_operator.doctor import (
    account,
    deployment,
    model,
    names,
    notifications,
    quotas,
    runtimes,
)
from scones_operator.doctor.findings import Finding, not_checked, unknown
from scones_operator.doctor.subject import Subject, read_subject
from scones_operator.errors import (
    OperationError,
    PreconditionError,
    format_aws_error,
    missing_permission,
)

if TYPE_CHECKING:
    import boto3

WORKERS = 8
"""Maximum number of checks that run at the same time."""

LIMIT_SECONDS = 60.0
"""Time after which checks that have not ended are unknown."""

CREDENTIALS, STACK = "credentials", "stack"


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes
    ----------
    name
        What is checked, unique, for people and programs.
    look
        The check; raises what boto3 raises.
    on_local_cloud
        Whether the check makes sense on the local cloud.
    """

    name: str
    run: Callable[[Subject], Finding]
    on_local_cloud: bool = True


@dataclass(frozen=True)
class Examination:
    """Results of all checks.

    Attributes
    ----------
    findings
        Finding by the name of its check, in the order of the checks.
    subject
        What was examined, or None if it could not be read.
    """

    findings: Mapping[str, Finding]
    subject: Subject | None

    def has(self, status: str) -> bool:
        """Return True if any finding has the status."""
        return any(finding.status == status for finding in self.findings.values())


def _deployed(look: Callable[[Subject, Stack], Finding]) -> Callable[[Subject], Finding]:
    """Return a check that is made after a deployment only."""

    def run(subject: Subject) -> Finding:
        if subject.stack is None:
            return not_checked("after the deployment")
        return look(subject, subject.stack)

    return run


def _either(
    before: Callable[[Subject], Finding], after: Callable[[Subject, Stack], Finding]
) -> Callable[[Subject], Finding]:
    """Return a check that is made in one way before a deployment, and in another way after it."""

    def run(subject: Subject) -> Finding:
        if subject.deployment is None:
            return before(subject)
        return _deployed(after)(subject)

    return run


def _before(look: Callable[[Subject], Finding]) -> Callable[[Subject], Finding]:
    """Return a check that is made before a deployment only."""

    def run(subject: Subject) -> Finding:
        return look(subject) if subject.deployment is None else not_checked("the stack exists")

    return run


CHECKS = (
    Check("region", account.check_region),
    Check("services", account.check_services, on_local_cloud=False),
    Check("instance types", account.check_instance_types, on_local_cloud=False),
    Check("training quota", quotas.check_training, on_local_cloud=False),
    Check("transform quota", quotas.check_transform, on_local_cloud=False),
    Check("hosting quota", quotas.check_hosting, on_local_cloud=False),
    Check("endpoint quota", quotas.check_endpoints, on_local_cloud=False),
    Check("Lambda concurrency", quotas.check_concurrency, on_local_cloud=False),
    Check("runtime", runtimes.check_runtime),
    Check("training image", model.check_image, on_local_cloud=False),
    Check("model group", _either(names.check_new_group, model.check_group)),
    Check("endpoint", _either(names.check_new_endpoint, model.check_endpoint)),
    Check("event bus", _before(names.check_new_bus)),
    Check("threshold", _either(names.check_new_limits, deployment.check_threshold)),
    Check("familiarity limit", _deployed(deployment.check_familiarity_limit)),
    Check("reviewers", _deployed(notifications.check_reviewers), on_local_cloud=False),
    Check("operators", _deployed(notifications.check_operators), on_local_cloud=False),
    Check("text messages", notifications.check_sms, on_local_cloud=False),
    Check("retrain schedule", _deployed(deployment.check_retraining_schedule)),
    Check("drift schedule", _deployed(deployment.check_drift_schedule)),
    Check("rules", _deployed(deployment.check_rules)),
    Check("alarms", _deployed(deployment.check_alarms)),
    Check("undelivered", _deployed(deployment.check_undelivered)),
    Check("unmeasured", _deployed(deployment.check_unmeasured)),
    Check("promotion", _deployed(model.check_promotion)),
    Check("review", _deployed(model.check_review)),
)
"""Checks that come after those of the credentials and of the stack, in the order of the output."""


def applies_on_aws(check: Check) -> bool:
    """Return True: on AWS all checks make sense."""
    return True


def applies_locally(check: Check) -> bool:
    """Return True if a check makes sense on the local cloud."""
    return check.on_local_cloud


def examine(
    session: "boto3.Session",
    name: str,
    applies: Callable[[Check], bool] = applies_on_aws,
    on_progress: Callable[[], None] = lambda: None,
    limit_seconds: float = LIMIT_SECONDS,
) -> Examination:
    """Run all checks.

    Parameters
    ----------
    session
        Session for the account and region.
    name
        Name of the stack, which may not exist.
    applies
        Whether a check makes sense for the cloud of the session.
    on_progress
        Called after each check, in the thread of the caller.
    limit_seconds
        Time after which checks that have not ended are unknown.
    """
    credentials = account.check_credentials(session)
    if credentials.status != "ok":
        rest = [STACK, *(check.name for check in CHECKS)]
        skipped = dict.fromkeys(rest, not_checked("needs credentials"))
        return Examination({CREDENTIALS: credentials} | skipped, None)
    try:
        subject = read_subject(session, name)
    except (BotoCoreError, ClientError) as error:
        skipped = dict.fromkeys([check.name for check in CHECKS], not_checked("needs the stack"))
        return Examination({CREDENTIALS: credentials, STACK: _unreadable(error)} | skipped, None)
    findings = {CREDENTIALS: credentials, STACK: deployment.check_state(subject)}
    elsewhere = not_checked("not on the local cloud")
    findings |= {check.name: elsewhere for check in CHECKS if not applies(check)}
    chosen = {check.name: partial(check.run, subject) for check in CHECKS if applies(check)}
    findings |= run_checks(chosen, on_progress, limit_seconds)
    order = [CREDENTIALS, STACK, *(check.name for check in CHECKS)]
    return Examination({name: findings[name] for name in order}, subject)


def run_checks(
    checks: Mapping[str, Callable[[], Finding]],
    on_progress: Callable[[], None],
    limit_seconds: float,
) -> dict[str, Finding]:
    """Run checks concurrently, and return the finding of each.

    Parameters
    ----------
    checks
        Check by its name.
    on_progress
        Called after each check, in the thread of the caller.
    limit_seconds
        Time after which checks that have not ended are unknown.

    Raises
    ------
    Exception
        If a check raises an error that is none of boto3's, `OperationError` or `PreconditionError`.
    """
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Finding | Exception]] = queue.SimpleQueue()
    for name in checks:
        todo.put(name)
    for _ in range(min(WORKERS, len(checks))):
        # A pool's threads would keep the process alive until the slowest request has ended.
        threading.Thread(target=_run_from_queue, args=(checks, todo, done), daemon=True).start()
    late = unknown(f"no answer within {limit_seconds:g} s", "run this again")
    findings = dict.fromkeys(checks, late)
    until = time.monotonic() + limit_seconds
    for _ in checks:
        try:
            name, finding = done.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(finding, Exception):
            raise finding
        findings[name] = finding
        on_progress()
    return findings


def _run_from_queue(
    checks: Mapping[str, Callable[[], Finding]],
    todo: "queue.SimpleQueue[str]",
    done: "queue.SimpleQueue[tuple[str, Finding | Exception]]",
) -> None:
    while True:
        try:
            name = todo.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((name, _run_check(checks[name])))
        except Exception as error:
            done.put((name, error))


def _run_check(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (BotoCoreError, ClientError, OperationError, PreconditionError) as error:
        return _unreadable(error)


def _unreadable(error: BotoCoreError | ClientError | OperationError | PreconditionError) -> Finding:
    if isinstance(error, (OperationError, PreconditionError)):
        return unknown(str(error), "")
    if denied := missing_permission(error):
        advice = f"get the permission {denied}: DoctorPolicy has all that a deployed stack needs"
        return unknown(f"not permitted: {denied}", advice)
    return unknown(format_aws_error(error), "")
