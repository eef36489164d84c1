import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from scones_operator.cli.output import Output, format_duration
from scones_operator.progress import Epoch, LogLine, Step

START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


def step(title: str, seconds: float, state: str = "State") -> Step:
    return Step(title, state, START + timedelta(seconds=seconds))


def screen(*, terminal: bool) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    consoles = (
        Console(file=file, force_terminal=terminal, width=40, no_color=True) for file in (out, err)
    )
    return Output(*consoles), out, err


def test_steps_without_a_terminal() -> None:
    shown, out, err = screen(terminal=False)
    with shown.execution_progress("arn") as show:
        show(step("Listing", 0))
        show(step("Training [x]", 2.5))
        show(LogLine("Prepared [90] photos.\n"))
        show(Epoch(1, 2, 0.75))
        show(step("Evaluating", 152.5, "One"))
        show(step("Evaluating", 160, "Another"))
    lines = err.getvalue().splitlines()
    assert lines[:-1] == [
        "✓ Listing 2.5 s",
        "  Prepared [90] photos.",
        "  epoch 1 of 2, validation accuracy 0.750",
        "✓ Training [x] 2 min 30 s",
    ]
    assert lines[-1].startswith("✓ Evaluating ")
    assert out.getvalue() == ""


def test_the_step_that_fails_is_marked() -> None:
    shown, _, err = screen(terminal=False)

    def fail() -> None:
        with shown.execution_progress("arn") as show:
            show(step("Training", 0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert err.getvalue().startswith("✗ Training ")


def test_long_lines_stay_on_one_line_of_a_terminal() -> None:
    shown, _, err = screen(terminal=True)
    with shown.execution_progress("arn") as show:
        show(step("Training", 0))
        show(LogLine("x" * 200))
        text = err.getvalue()
    assert "x" * 41 not in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (4.25, "4.2 s"),
        (59.96, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599.9, "1 h 0 min"),
        (3725, "1 h 2 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("as_json", "terminal", "shown"),
    [(False, True, True), (True, True, False), (False, False, False)],
)
def test_how_many_are_done_is_shown_on_a_terminal_and_not_to_programs(
    as_json: bool, terminal: bool, shown: bool
) -> None:
    err = Console(file=io.StringIO(), width=80, force_terminal=terminal)
    screen = Output(Console(file=io.StringIO()), err, as_json=as_json)
    with screen.progress_bar("Reading", 2) as advance:
        advance("1 [bold]classified")
    text = err.file.getvalue()  # type: ignore[attr-defined]
    assert ("Reading" in text) is shown
    assert ("1/2" in text and "1 [bold]classified" in text) is shown
