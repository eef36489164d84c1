"""Pipeline definitions: JSON with parameters and steps, as the SageMaker SDK writes it.

What AWS documents of it: https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/.
The SDK writes more than that schema has, so AWS's service model and the SDK decide here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from scones_local.sagemaker.pipelines import cache, conditions, parameters, retries, shapes
from scones_local.sagemaker.pipelines.cache import CachePolicy
from scones_local.sagemaker.pipelines.parameters import Parameter
from scones_local.sagemaker.pipelines.parsing import parse_error, parse_object, parse_type
from scones_local.sagemaker.pipelines.references import (
    EXECUTION_VARIABLES,
    Reference,
    find_references,
)
from scones_local.sagemaker.pipelines.retries import RetryPolicy
from scones_local.sagemaker.protocol import unsupported_error

VERSION = "2020-12-01"

CREATED_BY = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Transform": "CreateTransformJob",
    "Model": "CreateModel",
    "RegisterModel": "CreateModelPackage",
}
"""Action whose request the arguments of a step are, by the type of the step."""

_DESCRIBED_BY = {kind: action.replace("Create", "Describe") for kind, action in CREATED_BY.items()}
_TYPES = (*CREATED_BY, "Condition", "Fail", "Lambda")
_TRIGGERS = ("Completed", "Failed", "Stopped", "Any")
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_OPTIONAL = ("DependsOn", "DisplayName", "Description", "RetryPolicies")
_MEMBERS_BY_TYPE = {
    "Processing": ("CacheConfig", "PropertyFiles"),
    "Training": ("CacheConfig",),
    "Transform": ("CacheConfig",),
    "Lambda": ("CacheConfig", "FunctionArn", "OutputParameters"),
}
_OUTPUT_TYPES = ("String", "Integer", "Float", "Boolean")


@dataclass(frozen=True)
class Dependency:
    """A step that has to end before another one starts.

    Attributes
    ----------
    step
        Its name.
    trigger
        How it has to end: ``Completed``, ``Failed``, ``Stopped`` or ``Any``.
    """

    step: str
    trigger: str = "Completed"


@dataclass(frozen=True)
class Branch:
    """The branch of a condition step that a step belongs to."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file among the outputs of a processing step."""

    output: str
    path: str


@dataclass(frozen=True)
class Step:
    """One step of a pipeline.

    Attributes
    ----------
    name, kind
        Its name and type, such as ``Processing``.
    arguments
        Its arguments, with references.
    branch
        Branch of a condition that contains the step, or None.
    needs
        Steps that it waits for, by ``DependsOn`` and by references.
    property_files
        Its property files by name.
    cache
        When an earlier result is used, or None if never.
    retries
        Its retry policies.
    function
        ARN of the function of a Lambda step, perhaps as a reference; otherwise None.
    outputs
        Types of a Lambda step's outputs by name.
    display_name, description
        As given, or None.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    branch: Branch | None = None
    needs: tuple[Dependency, ...] = ()
    property_files: Mapping[str, PropertyFile] = field(default_factory=dict)
    cache: CachePolicy | None = None
    retries: tuple[RetryPolicy, ...] = ()
    function: Any = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Definition:
    """A checked definition.

    Attributes
    ----------
    text
        The JSON it was read from.
    parameters, steps
        Its parameters and its steps by name; the steps of branches are among them.
    experiment
        ``PipelineExperimentConfig`` with references, or None.
    """

    text: str
    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    experiment: dict[str, Any] | None


def parse_definition(text: str) -> Definition:
    """Read and check a definition.

    Raises
    ------
    ServiceError
        If the definition is invalid, or contains what the embedded SageMaker does not support.
    """
    try:
        specification = json.loads(text)
    except ValueError as error:
        raise parse_error(f"It is not valid JSON: {error}.") from None
    optional = ["Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig"]
    members = parse_object(specification, "the definition", ["Version", "Steps"], optional)
    if members["Version"] != VERSION:
        raise parse_error(f"Unknown version '{members['Version']}': use {VERSION}.")
    if "MlflowConfig" in members:
        raise unsupported_error("MLflow tracking of pipelines (MlflowConfig)")
    steps = list(_steps(members["Steps"], None))
    definition = Definition(
        text=text,
        parameters=parameters.parse_declarations(members.get("Parameters", [])),
        steps={step.name: step for step in steps},
        experiment=_experiment(members.get("PipelineExperimentConfig")),
    )
    if not steps:
        raise parse_error("A pipeline needs at least one step.")
    if len(definition.steps) < len(steps):
        raise parse_error("The steps of a pipeline must have different names.")
    _check_references(definition)
    _check_order(definition)
    return definition


def _experiment(specification: Any) -> dict[str, Any] | None:
    if specification is None:
        return None
    return parse_object(
        specification, "PipelineExperimentConfig", [], ["ExperimentName", "TrialName"]
    )


def _steps(specification: Any, branch: Branch | None) -> Iterator[Step]:
    for item in parse_type(specification, "list", "Steps"):
        step = _step(item, branch)
        yield step
        if step.kind == "Condition":
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                nested = step.arguments.get(member) or []
                yield from _steps(nested, Branch(step.name, outcome))


def _step(specification: Any, branch: Branch | None) -> Step:
    kind = parse_type(specification, "object", "A step").get("Type")
    name = parse_type(specification.get("Name"), "string", "The name of a step")
    if not _NAME.fullmatch(name):
        raise parse_error(
            f"Invalid step name '{name}': use 1 to 64 letters, digits, hyphens, underscores."
        )
    if kind not in _TYPES:
        raise unsupported_error(
            f"pipeline steps of type {kind} (step {name}): use {', '.join(_TYPES)}"
        )
    title = f"the step {name}"
    optional = [*_OPTIONAL, *_MEMBERS_BY_TYPE.get(kind, ())]
    members = parse_object(specification, title, ["Name", "Type", "Arguments"], optional)
    arguments = parse_type(members["Arguments"], "object", f"Arguments of {title}")
    values = _check_arguments(kind, arguments, name)
    references = [reference for value in values for reference in find_references(value)]
    references += find_references(members.get("FunctionArn"))
    caching = members.get("CacheConfig")
    return Step(
        name=name,
        kind=kind,
        arguments=arguments,
        branch=branch,
        needs=_dependencies(members.get("DependsOn", []), references, title),
        property_files=_property_files(members.get("PropertyFiles", []), arguments, title),
        cache=None if caching is None else cache.parse_cache_policy(caching, name, kind),
        retries=retries.parse_retry_policies(members.get("RetryPolicies", []), title),
        function=_function(kind, members, title),
        outputs=_outputs(members.get("OutputParameters", []), title),
        display_name=members.get("DisplayName"),
        description=members.get("Description"),
    )


def _check_arguments(kind: str, arguments: dict[str, Any], name: str) -> list[Any]:
    """Check the arguments of a step, and return the values in them that may have references."""
    title = f"Arguments of {name}"
    if kind == "Condition":
        specification = parse_object(arguments, title, ["Conditions"], ["IfSteps", "ElseSteps"])
        listed = parse_type(specification["Conditions"], "list", f"'Conditions' of {name}")
        return [value for condition in listed for value in conditions.check_condition(condition)]
    if kind == "Fail":
        parse_object(arguments, title, ["ErrorMessage"])
    elif kind != "Lambda":
        shapes.check_value(arguments, shapes.request_shape(CREATED_BY[kind]), name)
    return [arguments]


def _dependencies(
    specification: Any, references: list[Reference], title: str
) -> tuple[Dependency, ...]:
    explicit = [
        _dependency(item, title)
        for item in parse_type(specification, "list", f"DependsOn of {title}")
    ]
    implicit = [Dependency(found.name) for found in references if found.kind == "Steps"]
    return tuple(dict.fromkeys([*explicit, *implicit]))


def _dependency(specification: Any, title: str) -> Dependency:
    if isinstance(specification, str):
        return Dependency(specification)
    members = parse_object(specification, f"DependsOn of {title}", ["Step"], ["Trigger"])
    trigger = members.get("Trigger", "Completed")
    if trigger not in _TRIGGERS:
        raise parse_error(f"Unknown trigger '{trigger}' of {title}: use {', '.join(_TRIGGERS)}.")
    return Dependency(parse_type(members["Step"], "string", f"DependsOn of {title}"), trigger)


def _property_files(
    specification: Any, arguments: dict[str, Any], title: str
) -> dict[str, PropertyFile]:
    outputs = (arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    known = [output.get("OutputName") for output in outputs if isinstance(output, dict)]
    files = {}
    for item in parse_type(specification, "list", f"PropertyFiles of {title}"):
        names = ["PropertyFileName", "OutputName", "FilePath"]
        members = parse_object(item, f"a property file of {title}", names)
        if members["OutputName"] not in known:
            raise parse_error(
                f"The property file {members['PropertyFileName']} of {title} is in the output "
                f"{members['OutputName']}, which the step does not have."
            )
        file = PropertyFile(members["OutputName"], members["FilePath"])
        files[members["PropertyFileName"]] = file
    return files


def _function(kind: str, members: dict[str, Any], title: str) -> Any:
    if kind == "Lambda" and "FunctionArn" not in members:
        raise parse_error(f"The property 'FunctionArn' is required in {title}.")
    return members.get("FunctionArn")


def _outputs(specification: Any, title: str) -> dict[str, str]:
    outputs = {}
    for item in parse_type(specification, "list", f"OutputParameters of {title}"):
        members = parse_object(item, f"an output of {title}", ["OutputName", "OutputType"])
        if members["OutputType"] not in _OUTPUT_TYPES:
            raise parse_error(
                f"Unknown type '{members['OutputType']}' of an output of {title}: use "
                f"{', '.join(_OUTPUT_TYPES)}."
            )
        outputs[members["OutputName"]] = members["OutputType"]
    return outputs


def _check_references(definition: Definition) -> None:
    for step in definition.steps.values():
        for need in step.needs:
            target = definition.steps.get(need.step)
            if target is None:
                raise parse_error(
                    f"The step {step.name} depends on {need.step}, which does not exist."
                )
            if target.kind == "Fail":
                raise parse_error(
                    f"The step {step.name} cannot depend on the Fail step {need.step}."
                )
        values = [*_check_arguments(step.kind, step.arguments, step.name), step.function]
        for value in values:
            for reference in find_references(value):
                _check_reference(reference, f"the step {step.name}", definition)
    for reference in find_references(definition.experiment):
        _check_reference(reference, "PipelineExperimentConfig", definition)


def _check_reference(reference: Reference, where: str, definition: Definition) -> None:
    name = reference.name
    if reference.kind == "Parameters" and name not in definition.parameters:
        raise parse_error(f"Unknown parameter '{name}' in {where}.")
    if reference.kind == "Execution" and name not in EXECUTION_VARIABLES:
        raise parse_error(f"Unknown variable 'Execution.{name}' in {where}.")
    if reference.kind != "Steps":
        return
    if name not in definition.steps:
        raise parse_error(f"Unknown step '{name}' in {where}.")
    if not _has_property(definition.steps[name], reference):
        trail = ".".join(str(part) for part in reference.path)
        raise parse_error(f"The step {name} has no property '{trail}', to which {where} refers.")


def _has_property(step: Step, reference: Reference) -> bool:
    if reference.property_file is not None:
        return reference.property_file in step.property_files
    if step.kind == "Condition":
        return reference.path == ("Outcome",)
    if step.kind == "Lambda":
        kind, *name = reference.path
        return kind == "OutputParameters" and len(name) == 1 and name[0] in step.outputs
    if step.kind == "Fail":
        return False
    return shapes.is_valid_path(reference.path, shapes.response_shape(_DESCRIBED_BY[step.kind]))


def _check_order(definition: Definition) -> None:
    graph = {name: set(dependency_names(step)) for name, step in definition.steps.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise parse_error(
            f"The steps depend on each other: {' -> '.join(error.args[1])}."
        ) from None


def dependency_names(step: Step) -> Iterator[str]:
    """Yield the names of the steps that have to end before a step starts."""
    yield from (need.step for need in step.needs)
    if step.branch is not None:
        yield step.branch.condition
