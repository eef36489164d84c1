"""Tags of the resources kept here; moto's own have no model packages and keep duplicates."""

from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.protocol import validation_error


class Tags:
    """Answers AddTags, ListTags and DeleteTags."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def add(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer AddTags."""
        record = self._get_existing(parameters)
        record.tags = {**record.tags, **{tag["Key"]: tag["Value"] for tag in parameters["Tags"]}}
        return {"Tags": _listed(record)}

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListTags, all in one page."""
        return {"Tags": _listed(self._get_existing(parameters))}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteTags."""
        record = self._get_existing(parameters)
        gone = set(parameters["TagKeys"])
        record.tags = {key: value for key, value in record.tags.items() if key not in gone}
        return {}

    def _get_existing(self, parameters: dict[str, Any]) -> Record:
        record = self._control.find_by_arn(parameters["ResourceArn"])
        if record is None:
            raise validation_error(f"Could not find the resource {parameters['ResourceArn']}.")
        return record


def _listed(record: Record) -> "list[dict[str, str]]":
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]
