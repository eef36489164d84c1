"""Read and set the confidence threshold and the familiarity limit, and what they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError, storage_errors
from scones_operator.models import registry

if TYPE_CHECKING:
    import boto3

    from scones.evaluation.metrics import RiskCoveragePoint
    from scones.evaluation.stored_evaluation import Familiarity

DECIMALS = 6
"""Of both limits, as of a model's confidence."""

ALLOWED = r"(0?[.][0-9]+|[01]([.]0+)?)"
"""Pattern of a limit, with which SSM refuses other values."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does to photos like those that the model was validated on.

    Attributes
    ----------
    threshold
        The threshold, 0 to 1.
    coverage
        Which share of the photos is decided without a person, 0 to 1.
    risk
        Which share of those is decided wrongly, 0 to 1; None where none is decided.
    """

    threshold: float
    coverage: float
    risk: float | None


@dataclass(frozen=True)
class RiskCoverageCurve:
    """The risk-coverage curve of the model in production.

    Attributes
    ----------
    version
        Which version of the model.
    run
        The retraining that it came of.
    photos
        How many labelled photos it was validated on.
    points
        The curve, in any order.
    familiarity
        Figures of the model's familiarity at its evaluation, or None if it gives none.
    """

    version: int
    run: str
    photos: int
    points: Sequence["RiskCoveragePoint"]
    familiarity: "Familiarity | None" = None

    def at_threshold(self, threshold: float) -> OperatingPoint:
        """Tell what a threshold does."""
        accepted = [point for point in self.points if point.threshold >= threshold]
        point = min(accepted, key=lambda point: point.threshold, default=None)
        if point is None:
            return OperatingPoint(threshold, 0.0, None)
        return OperatingPoint(threshold, point.coverage, point.risk)

    def for_precision(self, precision: float) -> OperatingPoint:
        """Tell the lowest threshold at which enough of what is decided is right.

        Parameters
        ----------
        precision
            How much is enough, 0 to 1.

        Raises
        ------
        PreconditionError
            If no threshold reaches it; says which one comes closest.
        """
        from scones.evaluation.metrics import lowest_threshold  # noqa: PLC0415

        found = lowest_threshold(self.points, precision)
        if found:
            return OperatingPoint(found.threshold, found.coverage, found.risk)
        best = min(self.points, key=lambda point: (point.risk, -point.coverage))
        raise PreconditionError(
            f"no threshold reaches a precision of {precision:g} on the {self.photos} validation "
            f"photos of version {self.version}: the best is {1 - best.risk:.4f}, at "
            f"{best.threshold:g}, which accepts {best.coverage:.1%} of the photos"
        )


def read_threshold(session: "boto3.Session", stack: Stack) -> float | None:
    """Return the threshold in force, or None if the parameter is not such a number.

    It is what operators set, or the template's parameter `Threshold`.
    """
    from scones.decisions import InvalidThreshold, parse_threshold  # noqa: PLC0415

    try:
        return parse_threshold(
            _read_parameter(session, stack.threshold_parameter) or stack.parameters["Threshold"]
        )
    except InvalidThreshold:
        return None


def read_familiarity_limit(session: "boto3.Session", stack: Stack) -> float | None:
    """Return the familiarity limit in force, or None if the parameter is not such a number.

    It is what operators set, or the template's parameter `FamiliarityLimit`.
    """
    from scones.decisions import InvalidFamiliarityLimit, parse_familiarity_limit  # noqa: PLC0415

    try:
        return parse_familiarity_limit(
            _read_parameter(session, stack.familiarity_limit_parameter)
            or stack.parameters["FamiliarityLimit"]
        )
    except InvalidFamiliarityLimit:
        return None


def write_threshold(session: "boto3.Session", stack: Stack, threshold: float) -> str:
    """Set the threshold; gives it as it is written.

    Parameters
    ----------
    session, stack
        Where.
    threshold
        0 to 1.
    """
    return _write_parameter(session, stack.threshold_parameter, threshold)


def write_familiarity_limit(session: "boto3.Session", stack: Stack, limit: float) -> str:
    """Set the familiarity limit and return it as written.

    Parameters
    ----------
    session, stack
        Where.
    limit
        0 to 1; 0 switches the rule off.
    """
    return _write_parameter(session, stack.familiarity_limit_parameter, limit)


def _read_parameter(session: "boto3.Session", name: str) -> str | None:
    """Return what operators set, or None if they did not."""
    client = session.client("ssm")
    try:
        return client.get_parameter(Name=name)["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        return None


def _write_parameter(session: "boto3.Session", name: str, limit: float) -> str:
    text = format_threshold(limit)
    session.client("ssm").put_parameter(
        Name=name, Value=text, Type="String", AllowedPattern=ALLOWED, Overwrite=True
    )
    return text


def format_threshold(threshold: float) -> str:
    """Write a limit in decimal notation, which is the only one that the parameters take.

    Examples
    --------
    >>> written(0.97), written(1e-05), written(1)
    ('0.97', '0.00001', '1')
    """
    text = f"{threshold:.{DECIMALS}f}"
    return text.rstrip("0").rstrip(".")


def load_curve(session: "boto3.Session", stack: Stack) -> RiskCoverageCurve:
    """Read the curve of the model in production, from the evaluation of its retraining.

    Raises
    ------
    PreconditionError
        If nothing is in production, or it is no version of the registry, or its evaluation is gone
        or can't be read.
    OperationError
        If S3 can't be read.
    """
    version = _version_in_production(session, stack)
    run = version.metadata.get("run")
    if run is None:
        raise PreconditionError(
            f"version {version.number} has no training run in its metadata, so its evaluation "
            "is unknown"
        )
    return _read_evaluation(session, stack, version.number, run)


def _version_in_production(session: "boto3.Session", stack: Stack) -> registry.ModelVersion:
    production = registry.get_production_model(session, stack)
    if production is None:
        raise PreconditionError(
            f"no model is in production: endpoint {stack.endpoint} does not exist"
        )
    if production.missing_config:
        raise PreconditionError(
            f"the production model is unknown: {production.missing_config}, the configuration of "
            f"endpoint {stack.endpoint}, or its model was deleted. Fix this with "
            "`scones rollback VERSION`"
        )
    version = registry.get_production_version(session, stack, production)
    if version is None:
        model = production.model_package_arn or production.artifacts or "no model"
        raise PreconditionError(
            f"cannot read the evaluation: the production model {model} is not a registered version"
        )
    return version


def _read_evaluation(
    session: "boto3.Session", stack: Stack, version: int, run: str
) -> RiskCoverageCurve:
    from scones.evaluation.stored_evaluation import InvalidEvaluationError, read_evaluation  # noqa: PLC0415
    from scones.runs import Run, RunIncomplete  # noqa: PLC0415

    try:
        with storage_errors():
            evaluation = read_evaluation(session.client("s3"), Run(stack.data_bucket, run))
    except RunIncomplete as error:
        raise PreconditionError(f"version {version} has no evaluation: {error}") from None
    except InvalidEvaluationError as error:
        raise PreconditionError(
            f"version {version} has an evaluation that cannot be read: {error}"
        ) from None
    judgement = evaluation.candidate
    # The curve is thinned out, and this point is one that matters.
    chosen = [judgement.at_threshold] if judgement.at_threshold else []
    points = [*judgement.risk_coverage, *chosen]
    return RiskCoverageCurve(version, run, judgement.photos, points, judgement.familiarity)
