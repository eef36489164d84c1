"""Remove a statement from a deployed application for real, and see which test fails."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.prove_iam.recording import Recording

REMOVED_STATEMENT_VARIABLE = "IAM_WITHOUT"
"""Names the statement that the end-to-end tests remove once the application is deployed."""

RECORDING_VARIABLE = "IAM_RECORDING"
"""Names the folder that the end-to-end tests leave their recordings in."""

_FAILING = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", re.MULTILINE)
_MAX_TESTS = 2
_TEST_SECONDS = 900


@dataclass(frozen=True)
class TestRun:
    """A run of tests without a statement.

    Attributes
    ----------
    failing
        Node ID of the first test that failed, or None if all passed.
    denied
        Logical IDs of the roles and managed policies whose holders were denied something.
    """

    failing: str | None
    denied: frozenset[str]


def failing_test(statement: str, tests: Iterable[str]) -> str | None:
    """Return the test that fails without a statement and passes with it, or None.

    Parameters
    ----------
    statement
        Role or managed policy, and statement.
    tests
        Node IDs of the tests that made a request that needs it. The first ones are run one by
        one, then the files of all of them, until something fails.
    """
    holder = statement.partition("/")[0]
    for selected in _selections(tests):
        run = _run(selected, statement)
        if run.failing and holder in run.denied and _run(selected, "").failing is None:
            return run.failing
    return None


def _selections(tests: Iterable[str]) -> Iterator[str]:
    named = list(dict.fromkeys(tests))
    yield from named[:_MAX_TESTS]
    yield from dict.fromkeys(test.partition("::")[0] for test in named)


@cache
def _run(selected: str, statement: str) -> TestRun:
    with TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603
            [
                *(sys.executable, "-m", "pytest", "--quiet", "--exitfirst"),
                *("--timeout", str(_TEST_SECONDS), selected),
            ],
            env=os.environ | {REMOVED_STATEMENT_VARIABLE: statement, RECORDING_VARIABLE: folder},
            capture_output=True,
            text=True,
            check=False,
        )
        recordings = [Recording.load(file) for file in Path(folder).iterdir()]
    if not recordings:
        raise RuntimeError(f"{selected} did not run without {statement}:\n{done.stdout}")
    denied = frozenset(
        policy.holder
        for recording in recordings
        for request in recording.requests
        for policy in recording.policies
        if not request.allowed and request.principal in policy.principals
    )
    failing = _FAILING.search(done.stdout)
    if done.returncode and failing is None:
        raise RuntimeError(f"{selected} could not be run:\n{done.stdout}{done.stderr}")
    return TestRun(failing[1] if failing else None, denied)
