"""Backups of tables, and what CloudFormation sets on them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.cloud.tiny_app import TinyApp

PROPERTIES = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
}


@pytest.fixture
def client(app: TinyApp) -> Any:
    return app.client("dynamodb")


@pytest.fixture
def table(app: TinyApp, client: Any) -> str:
    """Name of a table that a template makes, with one item in it."""
    name = app.name("table")
    properties = {**PROPERTIES, "TableName": name}
    body = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}}
    cloudformation = app.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(body))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
    client.put_item(TableName=name, Item={"id": {"S": "a"}})
    return name


def settings(client: Any, table: str) -> tuple[str, str]:
    """Whether a table has an expiry, and recovery."""
    expiry = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    found = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return expiry["TimeToLiveStatus"], recovery


def backups(client: Any, table: str, kind: str) -> Any:
    return client.list_backups(TableName=table, BackupType=kind)["BackupSummaries"]


def test_a_deleted_table_leaves_a_backup_without_its_settings(client: Any, table: str) -> None:
    assert settings(client, table) == ("ENABLED", "ENABLED")

    client.delete_table(TableName=table)

    assert backups(client, table, "USER") == []
    (backup,) = backups(client, table, "SYSTEM")
    assert backup["BackupName"] == f"{table}$DeletedTableBackup"
    client.restore_table_from_backup(TargetTableName=table, BackupArn=backup["BackupArn"])
    assert client.get_item(TableName=table, Key={"id": {"S": "a"}})["Item"]
    assert settings(client, table) == ("DISABLED", "DISABLED")


def test_a_table_without_recovery_leaves_nothing(client: Any, table: str) -> None:
    client.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    with pytest.raises(ClientError, match="Point in time recovery is not enabled"):
        restore(client, table, UseLatestRestorableTime=True)

    client.delete_table(TableName=table)

    assert backups(client, table, "ALL") == []


def test_only_the_latest_state_can_be_restored_here(client: Any, table: str) -> None:
    with pytest.raises(ClientError, match="does not keep earlier states of tables"):
        restore(client, table, RestoreDateTime=datetime.now(UTC) - timedelta(hours=1))

    restore(client, table, UseLatestRestorableTime=True)

    assert client.get_item(TableName=f"{table}-restored", Key={"id": {"S": "a"}})["Item"]


def restore(client: Any, table: str, **when: Any) -> None:
    client.restore_table_to_point_in_time(
        SourceTableName=table, TargetTableName=f"{table}-restored", **when
    )
