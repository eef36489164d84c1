"""What a deployed stack is made of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from botocore.exceptions import ClientError

from operations.faults import Fault

if TYPE_CHECKING:
    import boto3

STACK = "scones"

_OUTPUTS = {
    "photos_bucket": "PhotosBucket",
    "data_bucket": "DataBucket",
    "results_table": "ResultsTable",
    "event_bus": "EventBusName",
    "review_topic": "ReviewTopic",
    "endpoint": "EndpointName",
    "sagemaker_role": "SageMakerRole",
    "classify_log_group": "ClassifyLogGroup",
    "retrain_machine": "RetrainStateMachine",
    "promote_machine": "PromoteStateMachine",
    "model_package_group": "ModelPackageGroup",
    "operators_topic": "OperatorsTopic",
}


class StackError(Fault):
    """There is no such stack, or it is not one of ours; the message says what to do."""


@dataclass(frozen=True)
class Stack:
    """What the deployed stack is made of: the template's outputs.

    Machines, topics and roles are ARNs, all else is names.
    """

    photos_bucket: str
    data_bucket: str
    results_table: str
    event_bus: str
    review_topic: str
    endpoint: str
    sagemaker_role: str
    classify_log_group: str
    retrain_machine: str
    promote_machine: str
    model_package_group: str
    operators_topic: str

    @classmethod
    def read(cls, session: "boto3.Session", name: str = STACK) -> Self:
        """Read the outputs of a deployed stack.

        Raises
        ------
        StackError
            If there is none of that name, or it lacks outputs.
        """
        client = session.client("cloudformation")
        try:
            found = client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise StackError(
                f"there is no stack {name} in {session.region_name}: name the right one with "
                "--stack and --region, or deploy it with `sam deploy`"
            ) from None
        outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}
        if lacking := sorted(set(_OUTPUTS.values()) - outputs.keys()):
            raise StackError(
                f"stack {name} ({found['StackStatus']}) has no output {', '.join(lacking)}: "
                "deploy the current template with `sam build && sam deploy`"
            )
        return cls(**{field: outputs[output] for field, output in _OUTPUTS.items()})
