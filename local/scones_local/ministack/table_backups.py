"""Backups and expiry of DynamoDB tables as on AWS, where MiniStack's differ.

MiniStack's CloudFormation drops a table's time to live and its point-in-time recovery.

Deleting a table with point-in-time recovery leaves a system backup of it, for 35 days:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
A restored table has neither time to live nor point-in-time recovery, here as on AWS.
"""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import dynamodb

from scones_local.ministack.patching import after_provisioning, wrap

SUFFIX = "$DeletedTableBackup"
"""End of the name of a system backup, after the table's name."""


def install() -> None:
    """Back up deleted tables, list backups by type, and reject what cannot be restored here."""
    after_provisioning("AWS::DynamoDB::Table", _apply_settings)
    wrap(dynamodb, "_delete_table", _with_system_backup)
    wrap(dynamodb, "_list_backups", _filter_by_type)
    wrap(dynamodb, "_restore_table_to_point_in_time", _with_latest_restore)


def _apply_settings(table: str, properties: dict[str, Any]) -> None:
    recovery = properties.get("PointInTimeRecoverySpecification", {})
    enabled = recovery.get("PointInTimeRecoveryEnabled") in (True, "true")
    dynamodb._pitr_settings[table] = enabled
    if expiry := properties.get("TimeToLiveSpecification"):
        dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": expiry})


def _with_system_backup(delete: Callable[..., Any]) -> Callable[..., Any]:
    def run(data: dict[str, Any]) -> Any:
        name = dynamodb._normalize_table_name(data.get("TableName"))
        backup = _back_up(name) if dynamodb._pitr_settings.get(name) else None
        response = delete(data)
        if backup and response[0] != 200:
            dynamodb._backups.pop(backup, None)
        return response

    return run


def _back_up(name: str) -> str:
    """Create the system backup of a table and return its ARN."""
    known = set(dynamodb._backups)
    dynamodb._create_backup({"TableName": name, "BackupName": f"{name}{SUFFIX}"})
    (created,) = set(dynamodb._backups) - known
    dynamodb._backups[created]["BackupDetails"]["BackupType"] = "SYSTEM"
    return str(created)


def _filter_by_type(list_backups: Callable[..., Any]) -> Callable[..., Any]:
    # MiniStack lists all types. There are few backups here: all of them are one page.
    def run(data: dict[str, Any]) -> Any:
        kind = data.get("BackupType") or "USER"
        table = dynamodb._normalize_table_name(data.get("TableName") or "")
        if kind == "ALL":
            return list_backups(data)
        found = [
            {"TableName": backup["SourceTableDetails"]["TableName"]}
            | {"TableArn": backup["SourceTableDetails"]["TableArn"]}
            | backup["BackupDetails"]
            for backup in dynamodb._backups.values()
            if backup["BackupDetails"]["BackupType"] == kind
            and table in ("", backup["SourceTableDetails"]["TableName"])
        ]
        return json_response({"BackupSummaries": found})

    return run


def _with_latest_restore(restore: Callable[..., Any]) -> Callable[..., Any]:
    def run(data: dict[str, Any]) -> Any:
        arn = str(data.get("SourceTableArn") or "")
        name = dynamodb._normalize_table_name(data.get("SourceTableName") or arn)
        if name in dynamodb._tables and not dynamodb._pitr_settings.get(name):
            return error_response_json(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{name}'",
                400,
            )
        if not data.get("UseLatestRestorableTime"):
            return error_response_json(
                "ValidationException",
                "The local cloud does not keep earlier states of tables, so it does not support "
                "RestoreDateTime: restore with UseLatestRestorableTime",
                400,
            )
        return restore(data)

    return run
