import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from scones.serialize import Reason
from scones_local.run import output as screens
from scones_local.run.output import Output
from scones_local.run.summary import summarize_results
from scones_local.run.train_and_promote import TrainedModel
from tests.unit.local.run.examples import event, result


def shown(screen: Output) -> str:
    file: Any = screen._console.file
    return str(file.getvalue())


@pytest.fixture
def plain() -> Output:
    return Output(Console(file=io.StringIO(), force_terminal=False, width=80))


def test_photo_that_was_decided(plain: Output) -> None:
    plain.photo(result("classified", "a", "van [red]"))

    assert shown(plain).split() == ["classified", "van", "[red]", "0.50", "classified", "photo"]


def test_photo_that_is_unfamiliar(plain: Output) -> None:
    reason = Reason(code="unfamiliar", message="m")
    decided = event("needs_review", "van").model_copy(
        update={"reason": reason, "familiarity": 0.012346}
    )

    plain.photo(replace(result("needs_review", None, "van"), decision=decided))

    assert "needs_review van 0.50, unfamiliar 0.012 " in " ".join(shown(plain).split())


def test_photo_of_a_class_that_always_needs_review(plain: Output) -> None:
    reason = Reason(code="always_reviewed", message="m")
    decided = event("needs_review", "van").model_copy(update={"reason": reason})

    plain.photo(replace(result("needs_review", None, "van"), decision=decided))

    assert "needs_review van 0.50, always_reviewed " in " ".join(shown(plain).split())


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        (result(None), "no record in time"),
        (replace(result("classified", "a", "a"), announced=False), "not announced in time"),
        (result("rejected"), "rejected     c "),
    ],
)
def test_photo_that_was_not(plain: Output, photo: Any, said: str) -> None:
    plain.photo(photo)

    assert said in shown(plain)


def test_step_and_its_details_without_a_terminal(
    plain: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plain.step("Uploading [a]") as show:
        show("1 of 3")
        monkeypatch.setattr(screens, "STEP_DELAY_SECONDS", 0.0)
        show("2 of 3\n")

    first, second = shown(plain).splitlines()
    assert first == "  2 of 3"
    assert second.startswith("✓ Uploading [a] ")


def test_step_that_fails_is_not_ticked_off(plain: Output) -> None:
    with pytest.raises(RuntimeError), plain.step("Uploading"):
        raise RuntimeError

    assert "✓" not in shown(plain)


def test_long_details_stay_on_one_line_of_a_terminal() -> None:
    screen = Output(Console(file=io.StringIO(), force_terminal=True, width=40))

    with screen.step("Training") as show:
        show("x" * 200)
        text = screen._console.file.getvalue()  # type: ignore[attr-defined]

    assert "x" * 41 not in text


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((0.5, 0.886, 0.829), "kept the last of 3 epochs, not the best, 2 (0.886): docs/training"),
        ((0.5, 0.829, 0.829), "kept the last of 3 epochs total"),
        ((0.829,), "kept the only epoch total"),
        ((), "45.0 s total"),
    ],
)
def test_figures_name_the_epoch_that_is_kept(accuracies: tuple[float, ...], expected: str) -> None:
    wide = Output(Console(file=io.StringIO(), force_terminal=False, width=120))
    wide.figures(summarize_results([], TrainedModel(1, 0.829, 45.0, accuracies), 60.0))

    assert expected in " ".join(shown(wide).split())
