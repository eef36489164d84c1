import pytest

from local.run.training_job import describe


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "Epoch[2] Validation-accuracy=0.666667",
            "epoch 3 of 30, validation accuracy 0.667",
        ),
        ("Epoch[29] Validation-accuracy=1.000000\n", "epoch 30 of 30, validation accuracy 1.000"),
        ("Epoch[2] Train-accuracy=0.5", None),
        ("Epoch[2] Time cost=0.123", None),
        ("Prepared 90 training photos.", "Prepared 90 training photos."),
    ],
)
def test_what_is_shown_of_a_log(line: str, shown: str | None) -> None:
    assert describe(line, "30") == shown
