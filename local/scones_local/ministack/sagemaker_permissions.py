"""What IAM has to allow for a SageMaker action: its resources and the roles it passes.

After "Actions, resources, and condition keys for Amazon SageMaker" of the Service Authorization
Reference.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scones_local.ministack import ACCOUNT, REGION
from scones_local.ministack.permissions import Permission, needed_for_rule

_ROLE_MEMBERS = ("RoleArn", "ExecutionRoleArn")

# The kind of resource of an action that isn't named after it.
_RESOURCE_TYPES = {"UpdateEndpointWeightsAndCapacities": "Endpoint"}

# Kinds of resources beyond the one that an action is named after.
_REFERENCED_RESOURCES = {
    "CreateEndpoint": ("EndpointConfig",),
    "UpdateEndpoint": ("EndpointConfig",),
}


# Actions whose requests say whether the container has a network.
_ISOLATION_KEYS = ("CreateModel", "CreateProcessingJob", "CreateTrainingJob")


def permissions_for_action(action: str, parameters: Mapping[str, Any]) -> Iterator[Permission]:
    """Tell what a call of `action` with `parameters` needs.

    Parameters
    ----------
    action
        Such as ``CreateTrainingJob``.
    parameters
        Members of the request.
    """
    kind = _RESOURCE_TYPES.get(action) or re.sub("^[A-Z][a-z]+", "", action)
    resource = _resource(kind, parameters)
    context = dict(_condition_keys(action, parameters))
    for one in (
        resource,
        *(_resource(other, parameters) for other in _REFERENCED_RESOURCES.get(action, ())),
    ):
        yield Permission(f"sagemaker:{action}", one, context)
    if "Tags" in parameters and action.startswith("Create"):
        yield Permission("sagemaker:AddTags", resource)
    # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
    rollback = (parameters.get("DeploymentConfig") or {}).get("AutoRollbackConfiguration") or {}
    for alarm in rollback.get("Alarms", []):
        watched = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm['AlarmName']}"
        yield Permission("cloudwatch:DescribeAlarms", watched)
    for role in (parameters[member] for member in _ROLE_MEMBERS if member in parameters):
        context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        yield Permission("iam:PassRole", role, context)


def permissions_to_invoke(endpoint: str) -> Permission:
    """Tell what ``InvokeEndpoint`` of the endpoint named so needs."""
    return Permission("sagemaker:InvokeEndpoint", _arn("endpoint", endpoint))


def permissions_to_wait(action: str, parameters: Mapping[str, Any]) -> Iterator[Permission]:
    """Tell what Step Functions needs beyond `action` itself to run such a job and wait for it."""
    kind = action.removeprefix("Create")
    resource = _resource(kind, parameters)
    for verb in ("Describe", "Stop"):
        yield Permission(f"sagemaker:{verb}{kind}", resource)
    # It tags what it starts.
    yield Permission("sagemaker:AddTags", resource)
    yield Permission("sagemaker:ListTags", resource)
    yield from needed_for_rule(f"StepFunctionsGetEventsForSageMaker{kind}sRule")


def _condition_keys(action: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if action in _ISOLATION_KEYS:
        network = parameters.get("NetworkConfig") or parameters
        isolated = bool(network.get("EnableNetworkIsolation"))
        yield "sagemaker:NetworkIsolation", str(isolated).lower()
    if not action.endswith("ModelPackage"):
        return
    if "ModelApprovalStatus" in parameters:
        yield "sagemaker:ModelApprovalStatus", parameters["ModelApprovalStatus"]
    for name, value in (parameters.get("CustomerMetadataProperties") or {}).items():
        yield f"sagemaker:CustomerMetadataProperties/{name}", value
    if removed := parameters.get("CustomerMetadataPropertiesToRemove"):
        yield "sagemaker:CustomerMetadataPropertiesToRemove", removed


def _resource(kind: str, parameters: Mapping[str, Any]) -> str:
    for member in (f"{kind}Arn", f"{kind}Name", "ResourceArn"):
        named = parameters.get(member)
        if isinstance(named, str) and named.startswith("arn:"):
            return named
        if isinstance(named, str):
            return _arn(_resource_type(kind), named)
    for member in ("PipelineExecutionArn", "PipelineName"):
        # Actions on executions and versions are not all named after them.
        named = parameters.get(member)
        if isinstance(named, str):
            return named if named.startswith("arn:") else _arn("pipeline", named)
    if kind == "ModelPackage" and "ModelPackageGroupName" in parameters:
        # The version that is being made has no number yet.
        group = parameters["ModelPackageGroupName"].rpartition("/")[2]
        return _arn("model-package", f"{group}/*")
    return "*"


def _resource_type(kind: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", kind).lower()


def _arn(kind: str, name: str) -> str:
    # SageMaker writes names in lower case into ARNs.
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"
