"""Names of the hyperparameters that a profile, a stack or a training job may have.

https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html
"""

import difflib
from collections.abc import Iterable

NAMES = frozenset(
    {
        "augmentation_type",
        "beta_1",
        "beta_2",
        "checkpoint_frequency",
        "early_stopping",
        "early_stopping_min_epochs",
        "early_stopping_patience",
        "early_stopping_tolerance",
        "epochs",
        "eps",
        "gamma",
        "kv_store",
        "learning_rate",
        "lr_scheduler_factor",
        "lr_scheduler_step",
        "mini_batch_size",
        "momentum",
        "multi_label",
        "num_layers",
        "optimizer",
        "precision_dtype",
        "resize",
        "top_k",
        "use_pretrained_model",
        "use_weighted_loss",
        "weight_decay",
    }
)
"""Hyperparameters that may be chosen, the same for both algorithms."""


def describe_unknown(names: Iterable[str]) -> str:
    """Return a message about hyperparameters that do not exist.

    Parameters
    ----------
    names
        Names that are not in `NAMES`; at least one.

    Examples
    --------
    >>> describe_unknown(["epoch", "x"]).partition(": ")[0]
    'there is no hyperparameter epoch (did you mean epochs?), x'
    """
    described = ", ".join(map(_with_suggestion, sorted(names)))
    return f"there is no hyperparameter {described}: use one of {', '.join(sorted(NAMES))}"


def _with_suggestion(name: str) -> str:
    suggestions = difflib.get_close_matches(name, sorted(NAMES), n=1)
    return f"{name} (did you mean {suggestions[0]}?)" if suggestions else name
