"""The model registry: groups, versions, and their approval."""

from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, validation_error

_UPDATABLE_MEMBERS = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelLifeCycle",
)


class ModelPackages:
    """Answers the actions on model packages and their groups that moto lacks or gets wrong."""

    def __init__(self, platform: Platform, control: ControlPlane, events: Events) -> None:
        self._platform = platform
        self._control = control
        self._events = events
        self._latest: dict[str, int] = {}  # group -> the highest version there ever was

    def highest_versions(self) -> dict[str, int]:
        """Return the highest version that each group ever had."""
        with self._control.lock:
            return dict(self._latest)

    def restore(self, highest_versions: dict[str, int]) -> None:
        """Count on from the versions that there were."""
        with self._control.lock:
            self._latest.update(highest_versions)

    def create_group(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateModelPackageGroup."""
        name = parameters["ModelPackageGroupName"]
        arn = self._platform.arn("model-package-group", name)
        if self._control.find("model-package-group", name):
            raise validation_error(f"Model Package Group already exists: {arn}")
        self._control.call("CreateModelPackageGroup", parameters)
        self._control.get_existing("model-package-group", name, "model package group").rename(arn)
        return {"ModelPackageGroupArn": arn}

    def delete_group(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteModelPackageGroup: only an empty one can be deleted."""
        name = _group_name(parameters["ModelPackageGroupName"])
        self._control.get_existing("model-package-group", name, "model package group")
        if self._versions(name):
            raise ServiceError(
                "ConflictException",
                f"Model Package Group {name} cannot be deleted: it contains model packages.",
            )
        self._control.remove("model-package-group", name)
        return {}

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateModelPackage; a version number is never given twice."""
        if "ModelPackageGroupName" not in parameters:
            return self._created(self._control.call("CreateModelPackage", parameters))
        group = _group_name(parameters["ModelPackageGroupName"])
        if self._control.find("model-package-group", group) is None:
            raise validation_error(f"Model Package Group {group} does not exist.")
        requested = {"ModelApprovalStatus": "PendingManualApproval", **parameters}
        with self._control.lock:
            # moto numbers by counting, and would overwrite a version after one was deleted.
            known = {record.arn: record for record in self._versions(group)}
            result = self._control.call(
                "CreateModelPackage", {**requested, "ModelPackageGroupName": group}
            )
            created = self._control.get_existing(
                "model-package", result["ModelPackageArn"], "model package"
            )
            self._renumber(group, created, known)
        return self._created({"ModelPackageArn": created.arn})

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdateModelPackage: what is not given stays."""
        package = self._get_existing(parameters["ModelPackageArn"])
        changes = {n: parameters[n] for n in _UPDATABLE_MEMBERS if n in parameters}
        metadata = dict(package.get("CustomerMetadataProperties") or {})
        metadata |= parameters.get("CustomerMetadataProperties", {})
        for name in parameters.get("CustomerMetadataPropertiesToRemove", []):
            metadata.pop(name, None)
        package.update(
            **changes,
            CustomerMetadataProperties=metadata or None,
            LastModifiedTime=datetime.now(UTC),
        )
        self._events.model_package(package)
        return {"ModelPackageArn": package.arn}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteModelPackage."""
        package = self._get_existing(parameters["ModelPackageName"])
        self._control.remove("model-package", package.arn)
        return {}

    def _renumber(self, group: str, created: Record, known: dict[str, Record]) -> None:
        counted = created.arn
        version = self._latest[group] = self._latest.get(group, 0) + 1
        arn = self._platform.arn("model-package", f"{group}/{version}")
        self._control.remove("model-package", counted)
        if counted in known:
            self._control.insert("model-package", counted, known[counted])
        created.rename(arn)
        created.update(ModelPackageVersion=version)
        self._control.insert("model-package", arn, created)

    def _created(self, result: dict[str, Any]) -> dict[str, Any]:
        self._events.model_package(self._get_existing(result["ModelPackageArn"]))
        return {"ModelPackageArn": result["ModelPackageArn"]}

    def _get_existing(self, name: str) -> Record:
        arn = name if name.startswith("arn:") else self._platform.arn("model-package", name)
        record = self._control.find("model-package", arn)
        if record is None:
            raise validation_error(f"ModelPackage {arn} does not exist.")
        return record

    def _versions(self, group: str) -> list[Record]:
        packages = self._control.records("model-package")
        return [p for p in packages if p.get("ModelPackageGroupName") == group]


def _group_name(name_or_arn: str) -> str:
    return name_or_arn.rpartition("/")[2]
