from typing import Any

import pytest

from tests.integration.sagemaker.local_sagemaker import IMAGE, Cloud, error_of


@pytest.fixture
def registry(cloud: Cloud) -> Cloud:
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="Scones")
    return cloud


def register(cloud: Cloud, **changes: Any) -> str:
    specification = {
        "Containers": [{"Image": IMAGE}],
        "SupportedContentTypes": ["image/png"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    package = {
        "ModelPackageGroupName": "Scones",
        "InferenceSpecification": specification,
        **changes,
    }
    return str(cloud.sagemaker.create_model_package(**package)["ModelPackageArn"])


def test_versions_count_up_and_wait_for_approval(registry: Cloud) -> None:
    first, second = register(registry), register(registry)
    assert first.endswith(":model-package/scones/1")
    assert second.endswith(":model-package/scones/2")
    package = registry.sagemaker.describe_model_package(ModelPackageName=second)
    assert package["ModelPackageVersion"] == 2
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"


def test_approval_is_told(registry: Cloud) -> None:
    arn = register(registry, CustomerMetadataProperties={"accuracy": "0.9"})
    registry.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="good",
        CustomerMetadataProperties={"by": "hand"},
    )
    package = registry.sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "good"
    assert package["CustomerMetadataProperties"] == {"accuracy": "0.9", "by": "hand"}
    pending, approved = registry.sent("SageMaker Model Package State Change")
    assert pending["ModelApprovalStatus"] == "PendingManualApproval"
    assert approved["ModelApprovalStatus"] == "Approved"
    assert approved["ModelPackageGroupName"] == "Scones"
    assert approved["ModelPackageVersion"] == 1
    assert approved["ModelPackageArn"] == arn
    assert approved["InferenceSpecification"]["Containers"][0]["Image"] == IMAGE
    assert approved["CreationTime"].endswith("Z")
    assert registry.events[-1][2] == [arn]


def test_a_version_number_is_never_given_twice(registry: Cloud) -> None:
    first, second = register(registry), register(registry)
    registry.sagemaker.delete_model_package(ModelPackageName=first)
    third = register(registry, ModelPackageDescription="the third")
    assert third.endswith("/3")
    listed = registry.sagemaker.list_model_packages(ModelPackageGroupName="Scones")
    arns = {package["ModelPackageArn"] for package in listed["ModelPackageSummaryList"]}
    assert arns == {second, third}
    described = registry.sagemaker.describe_model_package(ModelPackageName=second)
    assert "ModelPackageDescription" not in described


def test_a_group_is_deleted_only_when_empty(registry: Cloud) -> None:
    def delete() -> None:
        registry.sagemaker.delete_model_package_group(ModelPackageGroupName="Scones")

    arn = register(registry)
    assert error_of(delete)["Code"] == "ConflictException"
    registry.sagemaker.delete_model_package(ModelPackageName=arn)
    delete()
    assert registry.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_a_package_needs_its_group(cloud: Cloud) -> None:
    assert "does not exist" in error_of(lambda: register(cloud))["Message"]


def test_tags_of_every_kind_of_resource(registry: Cloud) -> None:
    for arn in (
        register(registry),
        registry.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"][0][
            "ModelPackageGroupArn"
        ],
    ):
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        registry.sagemaker.add_tags(ResourceArn=arn, Tags=tags)
        registry.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
        registry.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
        listed = registry.sagemaker.list_tags(ResourceArn=arn)["Tags"]
        assert listed == [{"Key": "a", "Value": "3"}]
