"""SageMaker's CloudFormation types, so that templates can make models, endpoints and others."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.services.cloudformation import changesets, provisioners, stacks

from scones_local.ministack.patching import wrap
from scones_local.ministack.sagemaker import call
from scones_local.sagemaker import LocalSageMaker

_POLL_SECONDS = 0.25

# What makes CloudFormation replace the resource: the types' `createOnlyProperties`, see
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SageMaker.html
_REPLACING_PROPERTIES = {
    "Model": (
        "Containers",
        "EnableNetworkIsolation",
        "ExecutionRoleArn",
        "InferenceExecutionConfig",
        "ModelName",
        "PrimaryContainer",
        "VpcConfig",
    ),
    "EndpointConfig": (
        "AsyncInferenceConfig",
        "DataCaptureConfig",
        "EnableNetworkIsolation",
        "EndpointConfigName",
        "ExecutionRoleArn",
        "ExplainerConfig",
        "KmsKeyId",
        "ProductionVariants",
        "ShadowProductionVariants",
        "VpcConfig",
    ),
    "Endpoint": ("EndpointName",),
    "ModelPackageGroup": ("ModelPackageGroupDescription", "ModelPackageGroupName"),
    "Pipeline": ("PipelineName",),
}


def install(hosted: LocalSageMaker) -> None:
    """Let templates use `hosted`."""
    for kind, replacing in _REPLACING_PROPERTIES.items():
        name = f"AWS::SageMaker::{kind}"
        created = (
            _RESOURCE_TYPES[kind](hosted)
            if kind in _RESOURCE_TYPES
            else _ResourceType(hosted, kind)
        )
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": created.create,
            "update": created.update,
            "delete": created.delete,
        }
        provisioners._REPLACING_PROPERTIES[name] = replacing
        provisioners._CUSTOM_NAME_REPLACEMENT[name] = {"name": f"{kind}Name"}
    # The only one of these types that a stack keeps when it is deleted, to be imported later.
    _register_import(_ResourceType(hosted, "ModelPackageGroup"), "ModelPackageGroup")
    # Making them takes requests of our own, which the event loop has to answer meanwhile.
    wrap(stacks, "_runs_on_worker_thread", _blocking)


def _register_import(created: "_ResourceType", kind: str) -> None:
    """Let change sets import existing resources of a type, which its ARN identifies."""
    name = f"AWS::SageMaker::{kind}"
    provisioners._RESOURCE_HANDLERS[name]["import"] = lambda found: created.read(
        found[f"{kind}Arn"]
    )

    def problem(arn: str) -> str | None:
        return None if created.exists(arn) else f"Resource of type '{name}' was not found: {arn}"

    changesets._IMPORT_LOOKUPS[name] = ((f"{kind}Arn",), problem)


def _blocking(blocks: Any) -> Any:
    return lambda kind: kind.startswith("AWS::SageMaker::") or blocks(kind)


class _ResourceType:
    """A CloudFormation type whose properties are the members of its Create action."""

    def __init__(self, hosted: LocalSageMaker, kind: str) -> None:
        self._hosted = hosted
        self._kind = kind
        self._name = f"{kind}Name"

    def create(self, logical: str, properties: dict[str, Any], stack: str) -> tuple[str, Any]:
        """Make the resource; its physical id is its ARN."""
        # SageMaker's names have at most 63 characters.
        name = properties.get(self._name) or provisioners._physical_name(stack, logical, max_len=63)
        arn = self._call(f"Create{self._kind}", {**properties, self._name: name})[
            f"{self._kind}Arn"
        ]
        return arn, {self._name: name, f"{self._kind}Arn": arn}

    def update(
        self, physical: str, before: dict[str, Any], after: dict[str, Any], _: str
    ) -> tuple[str, Any]:
        """Change what can be changed: of most types, their tags."""
        keys = {tag["Key"] for tag in after.get("Tags", [])}
        gone = [tag["Key"] for tag in before.get("Tags", []) if tag["Key"] not in keys]
        if gone:
            self._call("DeleteTags", {"ResourceArn": physical, "TagKeys": gone})
        if keys:
            self._call("AddTags", {"ResourceArn": physical, "Tags": after["Tags"]})
        return physical, self._attributes(physical)

    def delete(self, physical: str, _: dict[str, Any]) -> None:
        """Delete the resource; one that is gone already is deleted."""
        try:
            self._call(f"Delete{self._kind}", self._named(physical))
        except _NotFoundError:
            return

    def read(self, physical: str) -> tuple[str, dict[str, Any]]:
        """Return the ARN of an existing resource, and its attributes."""
        return physical, self._attributes(physical)

    def exists(self, physical: str) -> bool:
        """Return whether there is a resource with this ARN."""
        try:
            self._attributes(physical)
        except _NotFoundError:
            return False
        return True

    def _named(self, physical: str) -> dict[str, Any]:
        # ARNs have names in lower case; SageMaker finds them in any case.
        return {self._name: physical.rpartition("/")[2]}

    def _attributes(self, physical: str) -> dict[str, Any]:
        described = self._call(f"Describe{self._kind}", self._named(physical))
        return {self._name: described[self._name], f"{self._kind}Arn": physical}

    def _call(self, action: str, members: dict[str, Any]) -> dict[str, Any]:
        shape = responses._service_model("sagemaker").operation_model(action).input_shape
        response = call(self._hosted, action, _with_api_types(members, shape))
        body: dict[str, Any] = json.loads(response.body or b"{}")
        if response.status >= 400:
            message = body["message"]
            absent = body["__type"] == "ResourceNotFound" or _is_not_found(message)
            raise (_NotFoundError if absent else ValueError)(message)
        return body


class _EndpointType(_ResourceType):
    """The type whose resources take their time, and can be updated."""

    def __init__(self, hosted: LocalSageMaker) -> None:
        super().__init__(hosted, "Endpoint")

    def create(self, logical: str, properties: dict[str, Any], stack: str) -> tuple[str, Any]:
        """Make the endpoint and wait until it is in service."""
        created = super().create(logical, properties, stack)
        self._wait(created[0])
        return created

    def update(
        self, physical: str, before: dict[str, Any], after: dict[str, Any], stack: str
    ) -> tuple[str, Any]:
        """Deploy what has changed, and wait until it is in service."""
        if {**before, "Tags": None} != {**after, "Tags": None}:
            self._call("UpdateEndpoint", {**after, **self._named(physical)})
            self._wait(physical)
        return super().update(physical, before, after, stack)

    def delete(self, physical: str, properties: dict[str, Any]) -> None:
        """Delete the endpoint and wait until it is gone."""
        super().delete(physical, properties)
        try:
            while self._call("DescribeEndpoint", self._named(physical)):
                time.sleep(_POLL_SECONDS)
        except _NotFoundError:
            return

    def _wait(self, physical: str) -> None:
        while True:
            endpoint = self._call("DescribeEndpoint", self._named(physical))
            match endpoint["EndpointStatus"]:
                case "InService" if "FailureReason" not in endpoint:
                    return
                case "InService" | "Failed":
                    # An update that failed has left the endpoint as it was.
                    raise ValueError(endpoint.get("FailureReason", "The endpoint failed."))
            time.sleep(_POLL_SECONDS)


class _PipelineType(_ResourceType):
    """The type whose definition has another form than in the API, and whose Ref is its name."""

    def __init__(self, hosted: LocalSageMaker) -> None:
        super().__init__(hosted, "Pipeline")

    def create(self, logical: str, properties: dict[str, Any], stack: str) -> tuple[str, Any]:
        """Create the pipeline; its physical ID is its name."""
        _, attributes = super().create(logical, _with_definition(properties), stack)
        return attributes["PipelineName"], attributes

    def update(
        self, physical: str, before: dict[str, Any], after: dict[str, Any], stack: str
    ) -> tuple[str, Any]:
        """Update the pipeline if more than its tags has changed."""
        arn = self._call("DescribePipeline", self._named(physical))["PipelineArn"]
        if {**before, "Tags": None} != {**after, "Tags": None}:
            self._call("UpdatePipeline", {**_with_definition(after), **self._named(physical)})
        super().update(arn, before, after, stack)
        return physical, {"PipelineName": physical, "PipelineArn": arn}

    def _call(self, action: str, members: dict[str, Any]) -> dict[str, Any]:
        return super()._call(action, {**members, "ClientRequestToken": str(uuid.uuid4())})


def _with_definition(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a pipeline with its definition as the API has it."""
    properties_given = properties["PipelineDefinition"]
    if "PipelineDefinitionBody" in properties_given:
        return {**properties, "PipelineDefinition": properties_given["PipelineDefinitionBody"]}
    location = properties_given["PipelineDefinitionS3Location"]
    version = {"VersionId": location["Version"]} if "Version" in location else {}
    others = {name: value for name, value in properties.items() if name != "PipelineDefinition"}
    uri = {"Bucket": location["Bucket"], "ObjectKey": location["Key"], **version}
    return {**others, "PipelineDefinitionS3Location": uri}


_RESOURCE_TYPES: dict[str, Callable[[LocalSageMaker], _ResourceType]] = {
    "Endpoint": _EndpointType,
    "Pipeline": _PipelineType,
}
"""Types that do more than `_ResourceType`."""


class _NotFoundError(ValueError):
    """There is no such resource."""


def _is_not_found(message: str) -> bool:
    return message.startswith("Could not find") or message.endswith("does not exist.")


def _with_api_types(value: Any, shape: Any) -> Any:
    """Give template values, where numbers may be strings, the types of the API."""
    match shape.type_name:
        case "structure":
            return {
                k: _with_api_types(v, shape.members[k])
                for k, v in value.items()
                if k in shape.members
            }
        case "list":
            return [_with_api_types(item, shape.member) for item in value]
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return value in (True, "true", "True")
    return value
