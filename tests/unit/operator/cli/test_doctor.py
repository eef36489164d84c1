"""`scones doctor`: what it shows, and its exit codes; the checks have their own tests."""

import json
from typing import Any

import pytest
from rich.console import Console

from scones_operator.cli import context
from scones_operator.cli.commands import doctor as command
from scones_operator.doctor import examination
from scones_operator.doctor.examination import Check
from scones_operator.doctor.findings import Finding, not_checked, ok, problem, unknown, warning
from tests.unit.operator.cli.terminal import Terminal

LONG = "the account is in the SMS sandbox, where +12065550100 is not verified: no messages arrive"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """Findings by the names of checks, which a test may change."""
    found: dict[str, Finding] = {}

    class Checks:
        def __iter__(self) -> Any:
            return iter(
                [Check(name, lambda _, f=finding: f) for name, finding in found.items()]  # type: ignore[misc]
            )

    for module in (examination, command):
        monkeypatch.setattr(module, "CHECKS", Checks())
    return found


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (ok("well"), 0),
        (warning("old", "look"), 0),
        (not_checked("later"), 0),
        (problem("broken", "fix it"), 1),
        (unknown("away", ""), 3),
    ],
)
def test_the_exit_code(
    terminal: Terminal, checks: dict[str, Finding], finding: Finding, code: int
) -> None:
    checks["rules"] = finding

    assert terminal.type("doctor").exit_code == code


def test_a_problem_counts_more_than_what_could_not_be_read(
    terminal: Terminal, checks: dict[str, Finding]
) -> None:
    checks |= {"rules": unknown("away", ""), "alarms": problem("broken", "fix it")}

    assert terminal.type("doctor").exit_code == 1


def test_each_check_has_a_line_and_what_to_do_follows(
    terminal: Terminal, checks: dict[str, Finding]
) -> None:
    checks |= {
        "rules": ok("5 are enabled"),
        "text messages": problem(LONG, "see scones results", "scones threshold 0.9"),
        "alarms": unknown("not permitted: x:Describe", ""),
    }

    result = terminal.type("doctor", "--stack", "scones")

    assert result.stdout.splitlines()[-7:] == [
        "✓  rules          5 are enabled",
        f"✗  text messages  {LONG}",
        "                  → see scones --stack scones results",
        # Commands can be copied as they are.
        "    scones --stack scones threshold 0.9",
        "?  alarms         not permitted: x:Describe",
        "",
        "1 to fix, 1 not readable, 3 ok",
    ]
    assert result.stdout.splitlines()[0].startswith("✓  credentials    ")


def test_json(terminal: Terminal, checks: dict[str, Finding]) -> None:
    checks |= {"rules": ok("5 are enabled"), "alarms": problem("in ALARM: A", "look")}

    result = terminal.type("--json", "doctor")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["stack"], answer["region"], answer["deployed"]) == ("scones", "us-east-1", True)
    assert answer["parameters_from"] == "the stack"
    assert [check["check"] for check in answer["checks"]] == [
        *("credentials", "stack", "rules", "alarms")
    ]
    assert answer["checks"][-1] == {
        "check": "alarms",
        "status": "problem",
        "message": "in ALARM: A",
        "advice": "look",
        "command": None,
    }
    assert answer["checks"][-2]["advice"] is None
    assert answer["counts"] == {
        **{"problem": 1, "unknown": 0, "warning": 0, "ok": 3, "not_checked": 0}
    }


def test_before_a_deployment(terminal: Terminal, checks: dict[str, Finding]) -> None:
    checks["rules"] = not_checked("after the deployment")

    result = terminal.type("--json", "doctor", "--stack", "vans")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["deployed"] is False
    assert answer["parameters_from"] == "the defaults of template.yaml"


def test_a_terminal_of_80_columns_wraps_beside_the_names(
    terminal: Terminal, checks: dict[str, Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks |= {"rules": ok("5 are enabled"), "text messages": problem(LONG, "fix it")}
    monkeypatch.setattr(
        context,
        "make_console",
        lambda *, stderr=False: Console(
            stderr=stderr, force_terminal=True, width=80, no_color=True
        ),
    )

    lines = terminal.type("doctor").stdout.splitlines()

    assert all(len(line) <= 80 for line in lines)
    start = next(number for number, line in enumerate(lines) if "text messages" in line)
    assert lines[start].startswith("✗  text messages  the account")
    assert lines[start + 1].startswith(" " * 18 + "verified: no messages arrive")
