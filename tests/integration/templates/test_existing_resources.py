"""The parameters for an existing bucket, key and VPC reach every resource that they concern."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tools.scan_template import translate

ROOT = Path(__file__).parents[3]
CHOICES = {
    # Parameter: the conditions that it makes true, and those that it makes false.
    "ExistingDataBucket": ({}, {"CreatesDataBucket": False}),
    "KmsKeyArn": ({"HasKey": True}, {"HasNoKey": False}),
    "SubnetIds": ({"HasVpc": True}, {}),
    "KeepOriginals": ({"DiscardsOriginals": True}, {}),
}
DEFAULTS = {
    "CreatesDataBucket": True,
    "HasNoKey": True,
    "UsesBuiltIn": True,
}
KEY = {"Ref": "KmsKeyArn"}
NOTHING = object()


@pytest.fixture(scope="module")
def template() -> Any:
    return translate(ROOT / "template.yaml")


def chosen(*parameters: str) -> dict[str, bool]:
    """The conditions that hold if these parameters are given and no others."""
    conditions = dict(DEFAULTS)
    for name in parameters:
        made, unmade = CHOICES[name]
        conditions |= {**made, **unmade}
    return conditions


def resolved(value: Any, conditions: Mapping[str, bool]) -> Any:
    """A value as CloudFormation has it once conditions are known."""
    match value:
        case {"Fn::If": [str(condition), yes, no]}:
            return resolved(yes if conditions.get(condition) else no, conditions)
        case {"Ref": "AWS::NoValue"}:
            return NOTHING
        case dict():
            items = {name: resolved(item, conditions) for name, item in value.items()}
            return {name: item for name, item in items.items() if item is not NOTHING}
        case list():
            found = [resolved(item, conditions) for item in value]
            return [item for item in found if item is not NOTHING]
    return value


def deployed(template: Any, *parameters: str) -> dict[str, Any]:
    """The resources of a deployment with these parameters."""
    conditions = chosen(*parameters)
    return {
        name: resolved(resource, conditions)
        for name, resource in template["Resources"].items()
        if conditions.get(resource.get("Condition"), "Condition" not in resource)
    }


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = {name: item["Properties"] for name, item in resources.items() if item["Type"] == kind}
    assert found, f"there is no {kind}"
    return found


def key_of_bucket(properties: Any) -> Any:
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule.get("BucketKeyEnabled"), "each object would need a request to KMS"
    return rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")


ENCRYPTED = {
    "AWS::S3::Bucket": key_of_bucket,
    "AWS::DynamoDB::Table": lambda table: table.get("SSESpecification", {}).get("KMSMasterKeyId"),
    "AWS::SQS::Queue": lambda queue: queue.get("KmsMasterKeyId"),
    "AWS::SNS::Topic": lambda topic: topic.get("KmsMasterKeyId"),
    "AWS::Logs::LogGroup": lambda group: group.get("KmsKeyId"),
}
"""The key of each type of resource that keeps photos, results, or messages."""

WITHOUT_A_KEY = {
    # Policies, rules, and settings.
    *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"),
    *("AWS::SNS::Subscription", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"),
    *("AWS::Events::Rule", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"),
    *("AWS::Scheduler::Schedule", "AWS::SageMaker::ModelPackageGroup"),
    # Code and names.
    *("AWS::Lambda::Function", "AWS::Lambda::LayerVersion", "AWS::Lambda::Permission"),
    *("AWS::Lambda::Url", "AWS::Lambda::EventInvokeConfig"),
    # docs/existing-resources.md: AWS's own keys.
    *("AWS::Events::EventBus", "AWS::StepFunctions::StateMachine"),
}


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_everything_that_keeps_data_has_the_key(template: Any, kind: str) -> None:
    for name, properties in of_type(deployed(template, "KmsKeyArn"), kind).items():
        assert ENCRYPTED[kind](properties) == KEY, f"{name} has another key, or none"


def test_each_type_of_resource_was_decided(template: Any) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert kinds - ENCRYPTED.keys() - WITHOUT_A_KEY == {"AWS::KMS::Key"}


def test_without_a_key_services_use_their_own(template: Any) -> None:
    resources = deployed(template)
    topics = of_type(resources, "AWS::SNS::Topic").values()
    assert [topic["KmsMasterKeyId"] for topic in topics] == [{"Ref": "TopicsKey"}] * len(topics)
    assert all(
        queue["SqsManagedSseEnabled"] for queue in of_type(resources, "AWS::SQS::Queue").values()
    )
    for bucket in of_type(resources, "AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "KmsKeyArn" not in json.dumps(resources)


def test_the_stack_makes_no_key_beside_an_existing_one(template: Any) -> None:
    kinds = [resource["Type"] for resource in deployed(template, "KmsKeyArn").values()]
    assert "AWS::KMS::Key" not in kinds
    assert "AWS::KMS::Key" in [resource["Type"] for resource in deployed(template).values()]


USES = {"s3": "s3", "dynamodb": "dynamodb", "sqs": "sqs"}
"""Services whose data the key encrypts, by the prefix of their actions."""


def users_of_the_key(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Roles that read or write encrypted objects, records, or messages, and the service."""
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in actions if isinstance(actions, list) else [actions]:
                    service, verb = action.split(":")
                    if service in USES and not verb.startswith("List"):
                        yield name, service


@pytest.mark.parametrize("more", [(), ("KeepOriginals",)])
def test_every_role_that_needs_the_key_may_use_it(template: Any, more: tuple[str, ...]) -> None:
    resources = deployed(template, "KmsKeyArn", *more)
    policies = of_type(resources, "AWS::IAM::ManagedPolicy")
    by_services, containers = policies["KeyPolicy"], policies["ContainersKeyPolicy"]
    allowed = {role["Ref"] for policy in (by_services, containers) for role in policy["Roles"]}
    needed = dict(users_of_the_key(resources))

    assert allowed == set(needed)
    assert {role["Ref"] for role in containers["Roles"]} == {
        *("TrainingRole", "EvaluationRole", "HostingRole")
    }
    (statement,) = by_services["PolicyDocument"]["Statement"]
    services = statement["Condition"]["StringEquals"]["kms:ViaService"]
    assert {one["Fn::Sub"].partition(".")[0] for one in services} == set(USES)


def test_the_key_is_all_that_may_be_used(template: Any) -> None:
    """No statement on KMS names another resource than the key."""
    found = 0
    for name, resource in deployed(template, "KmsKeyArn").items():
        properties = resource["Properties"]
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for statement in itertools.chain(*(document["Statement"] for document in documents)):
            if "kms:" in json.dumps(statement["Action"]):
                assert statement["Resource"] == KEY, name
                found += 1
    # The two policies, and a statement of each machine that publishes to a topic.
    assert found == 5


def test_containers_may_join_the_vpc(template: Any) -> None:
    for parameters, expected in (((), set()), (("SubnetIds",), {"JoinTheVpc", "FindTheVpc"})):
        roles = of_type(deployed(template, *parameters), "AWS::IAM::Role")
        for name, role in roles.items():
            statements = [
                statement["Sid"]
                for policy in role.get("Policies", [])
                for statement in policy["PolicyDocument"]["Statement"]
                if "ec2:" in json.dumps(statement["Action"])
            ]
            of_containers = name in ("TrainingRole", "EvaluationRole", "HostingRole")
            assert set(statements) == (expected if of_containers else set()), name


@pytest.mark.parametrize(
    "parameters",
    [c for size in range(5) for c in itertools.combinations(CHOICES, size)],
    ids=lambda parameters: "+".join(parameters) or "none",
)
def test_nothing_refers_to_what_is_not_created(template: Any, parameters: tuple[str, ...]) -> None:
    resources = deployed(template, *parameters)
    outputs = {
        name: resolved(output, chosen(*parameters))
        for name, output in template["Outputs"].items()
        if chosen(*parameters).get(output.get("Condition"), "Condition" not in output)
    }
    known = resources.keys() | template["Parameters"].keys()

    missing = {
        name for name in references([resources, outputs]) if name not in known and ":" not in name
    }
    assert missing == set()


def references(value: Any) -> Iterator[str]:
    """Names that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": [str(text), dict(variables)]}:
            yield from names_in(text) - variables.keys()
            yield from references(list(variables.values()))
        case {"Fn::Sub": str(text)}:
            yield from names_in(text)
        case dict():
            yield from references(list(value.values()))
        case list():
            for item in value:
                yield from references(item)


def names_in(text: str) -> set[str]:
    return {name.partition(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", text)}


def test_an_existing_bucket_replaces_that_of_the_stack(template: Any) -> None:
    resources = deployed(template, "ExistingDataBucket")
    assert set(of_type(resources, "AWS::S3::Bucket")) == {"PhotosBucket"}
    assert set(of_type(resources, "AWS::S3::BucketPolicy")) == {"PhotosBucketPolicy"}
    environments = [
        function["Environment"]["Variables"]["DATA_BUCKET"]
        for function in of_type(resources, "AWS::Lambda::Function").values()
        if "DATA_BUCKET" in function["Environment"]["Variables"]
    ]
    assert environments == [{"Ref": "ExistingDataBucket"}] * len(environments)
    conditions = chosen("ExistingDataBucket")
    output = resolved(template["Outputs"]["DataBucket"]["Value"], conditions)
    assert output == {"Ref": "ExistingDataBucket"}


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("ExistingDataBucket", ["", "my-data-1"], ["My-data", "a", "my.data", "-data", "x" * 64]),
        (
            "KmsKeyArn",
            ["", "arn:aws:kms:eu-west-1:123456789012:key/mrk-1a2b"],
            ["1a2b", "alias/mine", "arn:aws:kms:eu-west-1:123456789012:alias/mine"],
        ),
        ("SubnetIds", ["", "subnet-0a", "subnet-0a,subnet-1b"], ["subnet-0a, subnet-1b", "sg-1"]),
        ("SecurityGroupIds", ["", "sg-0a", "sg-0a,sg-1b"], [",".join(["sg-1"] * 6), "'", "sg-0a,"]),
    ],
)
def test_names_of_existing_resources(
    template: Any, parameter: str, good: list[str], bad: list[str]
) -> None:
    pattern = re.compile(template["Parameters"][parameter]["AllowedPattern"])
    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []
