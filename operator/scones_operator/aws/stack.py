"""What a deployed stack is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from scones.classes import parse_class_names, parse_loading_bays
from scones.decisions import parse_thresholds_by_class
from scones_operator.errors import OperationError

if TYPE_CHECKING:
    import boto3

DEFAULT_STACK_NAME = "scones"

_OUTPUTS = {
    "photos_bucket": "PhotosBucket",
    "data_bucket": "DataBucket",
    "results_table": "ResultsTable",
    "event_bus": "EventBusName",
    "review_topic": "ReviewTopic",
    "endpoint": "EndpointName",
    "classify_log_group": "ClassifyLogGroup",
    "retrain_state_machine": "RetrainStateMachine",
    "promote_state_machine": "PromoteStateMachine",
    "model_package_group": "ModelPackageGroup",
    "training_image": "TrainingImage",
    "operators_topic": "OperatorsTopic",
    "classify_state_machine": "ClassifyStateMachine",
    "dead_letter_queue": "UndeliveredEvents",
    "missed_metrics_queue": "MissedMeasurements",
    "threshold_parameter": "ThresholdParameter",
    "familiarity_limit_parameter": "FamiliarityLimitParameter",
    "check_drift_function": "CheckDriftFunction",
    "review_url": "ReviewUrl",
    "answer_url": "AnswerUrl",
}


class StackError(OperationError):
    """There is no such stack, or it is not one of ours; the message says what to do."""


@dataclass(frozen=True)
class Stack:
    """What the deployed stack is made of: the template's outputs and parameters.

    Machines, topics and roles are ARNs; queues, and functions that people call, URLs; all else is
    names.
    """

    photos_bucket: str
    data_bucket: str
    results_table: str
    event_bus: str
    review_topic: str
    endpoint: str
    classify_log_group: str
    retrain_state_machine: str
    promote_state_machine: str
    model_package_group: str
    training_image: str
    operators_topic: str
    classify_state_machine: str
    dead_letter_queue: str
    missed_metrics_queue: str
    threshold_parameter: str
    familiarity_limit_parameter: str
    check_drift_function: str
    review_url: str
    answer_url: str
    parameters: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of their class indices."""
        return parse_class_names(self.parameters["ClassNames"])

    @property
    def loading_bays(self) -> Mapping[str, str]:
        """The loading bay of each class that has one."""
        return parse_loading_bays(self.parameters["LoadingBays"])

    @property
    def thresholds_by_class(self) -> Mapping[str, float]:
        """The threshold of each class with its own, above 1 if it always needs review."""
        # Stacks of earlier templates have no such parameter.
        return parse_thresholds_by_class(self.parameters.get("ThresholdByClass", ""))

    @classmethod
    def read(cls, session: "boto3.Session", name: str = DEFAULT_STACK_NAME) -> Self:
        """Read the outputs of a deployed stack.

        Raises
        ------
        StackError
            If there is none of that name, or it lacks outputs.
        """
        description = describe_stack(session, name)
        if description is None:
            raise StackError(
                f"stack {name} does not exist in {session.region_name}: give the right one with "
                "--stack and --region, or deploy it with `sam deploy`"
            )
        return cls.of(description)

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """Return the stack of a description.

        Parameters
        ----------
        description
            An item of DescribeStacks.

        Raises
        ------
        StackError
            If the description lacks outputs.
        """
        outputs = {
            item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", [])
        }
        if lacking := sorted(set(_OUTPUTS.values()) - outputs.keys()):
            raise StackError(
                f"stack {description['StackName']} ({description['StackStatus']}) has no output "
                f"{', '.join(lacking)}: deploy the current template with `sam build && sam deploy`"
            )
        values = {field: outputs[output] for field, output in _OUTPUTS.items()}
        return cls(**values, parameters=read_parameters(description))


def describe_stack(session: "boto3.Session", name: str) -> Mapping[str, Any] | None:
    """Return the description of a stack, or None if it does not exist.

    Parameters
    ----------
    session
        Session for the stack's account and region.
    name
        Name of the stack.
    """
    try:
        found: Mapping[str, Any] = session.client("cloudformation").describe_stacks(StackName=name)[
            "Stacks"
        ][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return found


def staging_endpoint_name(endpoint: str) -> str:
    """Return the name of the staging endpoint, as `promote` names it.

    Parameters
    ----------
    endpoint
        Name of the production endpoint, which has no two hyphens in a row.
    """
    return f"{endpoint}--staging"


def read_parameters(description: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a stack's description."""
    given = description.get("Parameters", [])
    return {item["ParameterKey"]: item["ParameterValue"] for item in given}
