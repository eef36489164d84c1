"""The actions on pipelines and their versions."""

from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.listing import epoch_seconds, filter_by_time, is_descending, paginate
from scones_local.sagemaker.objects import DataError, Objects
from scones_local.sagemaker.pipelines.definition import Definition, parse_definition
from scones_local.sagemaker.pipelines.executions import RUNNING, Executions
from scones_local.sagemaker.pipelines.idempotency import IdempotentResponses
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, unsupported_error, validation_error

_KIND = "pipeline"
_DESCRIBED = (
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "PipelineStatus",
    "CreationTime",
    "LastModifiedTime",
    "ParallelismConfiguration",
)
_SUMMARY = (
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "CreationTime",
    "LastModifiedTime",
)
_UPDATABLE_MEMBERS = (
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "ParallelismConfiguration",
)

SavedVersions = dict[str, list[tuple[datetime, str]]]
"""Time and definition of each version of each pipeline, by the pipeline's ARN."""


class Catalog:
    """Answers the actions on pipelines.

    Parameters
    ----------
    platform
        Makes ARNs and clients.
    control
        Keeps the pipelines, so that they have tags as other resources.
    executions
        All executions.
    """

    def __init__(self, platform: Platform, control: ControlPlane, executions: Executions) -> None:
        self._platform = platform
        self._control = control
        self._executions = executions
        self._versions: dict[str, list[tuple[datetime, Definition]]] = {}  # by ARN
        self._responses = IdempotentResponses()

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreatePipeline."""
        return self._responses.once("CreatePipeline", parameters, self._create)

    def _create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["PipelineName"]
        text = self._definition_text(parameters, parameters["RoleArn"])
        if text is None:
            raise validation_error(
                "Either PipelineDefinition or PipelineDefinitionS3Location is required."
            )
        definition = parse_definition(text)
        with self._control.lock:
            if self._find(name) is not None:
                raise validation_error(
                    "Pipeline names must be unique within an AWS account and region. Pipeline "
                    f"with name ({name}) already exists."
                )
            record = self._record(parameters, text)
            self._versions[record.arn] = [(datetime.now(UTC), definition)]
        return {"PipelineArn": record.arn}

    def _record(self, parameters: dict[str, Any], text: str) -> Record:
        name = parameters["PipelineName"]
        given = {k: v for k, v in parameters.items() if k != "PipelineDefinitionS3Location"}
        self._control.call("CreatePipeline", {**given, "PipelineDefinition": text})
        record = self._control.get_existing(_KIND, name, _KIND)
        record.rename(self._platform.arn(_KIND, name))
        return record

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdatePipeline: what is not given stays; each update is a new version."""
        record = self.get_existing(parameters["PipelineName"])
        text = self._definition_text(parameters, parameters.get("RoleArn", record["RoleArn"]))
        definition = self._latest(record) if text is None else parse_definition(text)
        changes = {name: parameters[name] for name in _UPDATABLE_MEMBERS if name in parameters}
        now = datetime.now(UTC)
        with self._control.lock:
            record.update(**changes, LastModifiedTime=now)
            versions = self._versions[record.arn]
            versions.append((now, definition))
            return {"PipelineArn": record.arn, "PipelineVersionId": len(versions)}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeletePipeline: executions must have ended, and are deleted too."""
        record = self.get_existing(parameters["PipelineName"])
        with self._control.lock:
            running = [e for e in self._executions.of(record.arn) if e.status in RUNNING]
            if running:
                raise ServiceError(
                    "ConflictException",
                    f"Pipeline '{record.arn}' has running executions: stop them first.",
                )
            self._control.remove(_KIND, record["PipelineName"])
            self._executions.remove(record.arn)
            del self._versions[record.arn]
        return {"PipelineArn": record.arn}

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribePipeline."""
        record = self.get_existing(parameters["PipelineName"])
        _, definition = self.version(record, parameters.get("PipelineVersionId"))
        executions = self._executions.of(record.arn)
        last = {"LastRunTime": epoch_seconds(executions[-1].created)} if executions else {}
        return {
            "PipelineArn": record.arn,
            "PipelineDefinition": definition.text,
            **_members(record, _DESCRIBED),
            **last,
        }

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelines."""
        prefix = parameters.get("PipelineNamePrefix", "").lower()
        records = [self._summary(record) for record in self._control.records(_KIND)]
        records = [entry for entry in records if entry["PipelineName"].lower().startswith(prefix)]
        records = filter_by_creation_time(records, parameters, "CreationTime")
        sort_by = "PipelineName" if parameters.get("SortBy") == "Name" else "CreationTime"
        records.sort(key=lambda entry: entry[sort_by], reverse=is_descending(parameters))
        entries, more = paginate(records, parameters)
        return {"PipelineSummaries": entries, **more}

    def _summary(self, record: Record) -> dict[str, Any]:
        executions = self._executions.of(record.arn)
        last = {"LastExecutionTime": epoch_seconds(executions[-1].created)} if executions else {}
        return {"PipelineArn": record.arn, **_members(record, _SUMMARY), **last}

    def list_versions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineVersions."""
        record = self.get_existing(parameters["PipelineName"])
        last = {e.version: e.arn for e in self._executions.of(record.arn)}
        versions = [
            {
                "PipelineArn": record.arn,
                "PipelineVersionId": number,
                "CreationTime": epoch_seconds(created),
                **({"LastExecutionPipelineExecutionArn": last[number]} if number in last else {}),
            }
            for number, (created, _) in enumerate(self._versions[record.arn], 1)
        ]
        versions = filter_by_creation_time(versions, parameters, "CreationTime")
        if is_descending(parameters):
            versions.reverse()
        entries, more = paginate(versions, parameters)
        return {"PipelineVersionSummaries": entries, **more}

    def versions(self) -> SavedVersions:
        """Return when each version of each pipeline was made, and its definition, by ARN."""
        with self._control.lock:
            return {
                arn: [(created, definition.text) for created, definition in versions]
                for arn, versions in self._versions.items()
            }

    def restore(self, versions: SavedVersions) -> None:
        """Put back what `versions` returned, and remove pipelines that it has nothing of."""
        for record in self._control.records(_KIND):
            if record.arn in versions:
                arns = versions[record.arn]
                self._versions[record.arn] = [
                    (created, parse_definition(text)) for created, text in arns
                ]
            else:
                self._control.remove(_KIND, record["PipelineName"])

    def _definition_text(self, parameters: dict[str, Any], role: str) -> str | None:
        text: str | None = parameters.get("PipelineDefinition")
        location = parameters.get("PipelineDefinitionS3Location")
        if location is None:
            return text
        if text is not None:
            raise validation_error(
                "PipelineDefinition and PipelineDefinitionS3Location exclude each other."
            )
        if "VersionId" in location:
            raise unsupported_error("versions of objects in PipelineDefinitionS3Location")
        uri = f"s3://{location['Bucket']}/{location['ObjectKey']}"
        try:
            return Objects.as_role(self._platform, role).read(uri).decode()
        except (DataError, UnicodeDecodeError) as error:
            raise validation_error(f"Could not read the pipeline definition: {error}") from None

    def _find(self, name_or_arn: str) -> Record | None:
        name = name_or_arn.rpartition("/")[2].lower()
        records = self._control.records(_KIND)
        return next((r for r in records if r["PipelineName"].lower() == name), None)

    def get_existing(self, name_or_arn: str) -> Record:
        """Return a pipeline by its name or ARN; raise ServiceError if it does not exist."""
        record = self._find(name_or_arn)
        if record is None:
            arn = self._platform.arn(_KIND, name_or_arn.rpartition("/")[2])
            raise ServiceError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
        return record

    def _latest(self, record: Record) -> Definition:
        return self._versions[record.arn][-1][1]

    def version(self, record: Record, number: int | None) -> tuple[int, Definition]:
        """Return the number and the definition of a version of a pipeline.

        Parameters
        ----------
        record
            The pipeline.
        number
            Number of the version, 1 or higher; None for the latest.

        Raises
        ------
        ServiceError
            If the pipeline has no such version.
        """
        versions = self._versions[record.arn]
        requested = len(versions) if number is None else number
        if requested > len(versions):
            message = f"Pipeline '{record.arn}' has no version {requested}."
            raise ServiceError("ResourceNotFound", message)
        return requested, versions[requested - 1][1]


def _members(record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    described = record.describe()
    members = {name: described[name] for name in names if name in described}
    return {k: epoch_seconds(v) if isinstance(v, datetime) else v for k, v in members.items()}


def filter_by_creation_time(
    entries: list[Any], parameters: dict[str, Any], member: str
) -> list[Any]:
    """Return the entries that were created between the limits of a List request.

    Parameters
    ----------
    entries
        All entries.
    parameters
        Of the request, with ``CreatedAfter`` and ``CreatedBefore``.
    member
        Member of the entries with the time.
    """
    limits = (parameters.get("CreatedAfter"), parameters.get("CreatedBefore"))
    return filter_by_time(entries, lambda entry: float(entry[member]), *limits)
