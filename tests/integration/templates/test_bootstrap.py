"""The deployed bootstrap: trust and permissions of its roles."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy, parse_policy_document

from scones_local.cloud.lifecycle import Cloud
from tools.scan_template import translate

ROOT = Path(__file__).parents[3]
STACK = "scones-staging"
REPOSITORY = "repo:scones-unlimited@1001/scones@2002"
PIPELINE_ROLE = "arn:aws:iam::123456789012:role/pipelines"
ROLES = ("DeployRole", "ExecutionRole", "ModelReaderRole")
ISSUER = "token.actions.githubusercontent.com"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
INLINE_POLICIES_SIZE, MANAGED_POLICY_SIZE = 10_240, 6_144


@dataclass(frozen=True)
class Bootstrap:
    """The deployed bootstrap.

    Attributes
    ----------
    account, region
        Where it is deployed.
    outputs
        Outputs of its stack.
    trust
        Trust policy of each role, by the role's logical ID.
    policies
        Policy documents of each role, and of the boundary, by logical ID.
    """

    account: str
    region: str
    outputs: Mapping[str, str]
    trust: Mapping[str, Any]
    policies: Mapping[str, list[Any]]

    def arn(self, resource: str) -> str:
        """Write an ARN such as ``sns:topic`` of the account and region."""
        service, _, name = resource.partition(":")
        match service:
            case "s3":
                return f"arn:aws:s3:::{name}"
            case "iam":
                return f"arn:aws:iam::{self.account}:{name}"
            case _:
                return f"arn:aws:{service}:{self.region}:{self.account}:{name}"

    def allows(self, holder: str, action: str, resource: str, **context: str) -> bool:
        """Evaluate the policies of a role or of the boundary."""
        request = EvalContext(
            principal_arn=f"arn:aws:sts::{self.account}:assumed-role/x/y",
            principal_type="AssumedRole",
            principal_account=self.account,
            action=action,
            resource_arn=resource,
            region=self.region,
            service_context={name.replace("__", ":").lower(): v for name, v in context.items()},
        )
        documents = [parse_policy_document(one) for one in self.policies[holder]]
        return iam_evaluator.evaluate(request, documents).decision == "Allow"


def without_provider() -> str:
    """Write the template without the identity provider, a type that MiniStack does not have."""
    template = translate(ROOT / "bootstrap" / "template.yaml")
    assert template["Resources"].pop("GitHub")["Type"] == "AWS::IAM::OIDCProvider"
    return json.dumps(template)


@pytest.fixture(scope="module")
def bootstrap(running: Cloud) -> Iterator[Bootstrap]:
    session = running.session()
    cloudformation, iam = session.client("cloudformation"), session.client("iam")
    cloudformation.create_stack(
        StackName="bootstrap-staging",
        TemplateBody=without_provider(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "GitHubSubject", "ParameterValue": REPOSITORY},
            {"ParameterKey": "CreateProvider", "ParameterValue": "false"},
            {"ParameterKey": "PipelineRole", "ParameterValue": PIPELINE_ROLE},
            {"ParameterKey": "ModelReaderEnvironment", "ParameterValue": "production"},
            {"ParameterKey": "GitRefs", "ParameterValue": "refs/heads/main,refs/tags/v*"},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="bootstrap-staging", WaiterConfig={"Delay": 1}
    )
    (stack,) = cloudformation.describe_stacks(StackName="bootstrap-staging")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    trust, policies = {}, {}
    for role in ROLES:
        name = outputs[role].rpartition("/")[2]
        trust[role] = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        policies[role] = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
    version = iam.get_policy(PolicyArn=outputs["RoleBoundary"])["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=outputs["RoleBoundary"], VersionId=version)
    policies["RoleBoundary"] = [document["PolicyVersion"]["Document"]]
    yield Bootstrap(running.account, running.region, outputs, trust, policies)
    cloudformation.delete_stack(StackName="bootstrap-staging")


def token(**claims: str) -> dict[str, str]:
    """Claims of a token of GitHub for the job that deploys."""
    return {
        "iss": f"https://{ISSUER}",
        "aud": "sts.amazonaws.com",
        "sub": f"{REPOSITORY}:environment:staging",
        "ref": "refs/heads/main",
        "environment": "staging",
        **claims,
    }


def may_deploy(bootstrap: Bootstrap, claims: Mapping[str, str], role: str = "DeployRole") -> bool:
    host = claims["iss"].removeprefix("https://")
    provider = f"arn:aws:iam::{bootstrap.account}:oidc-provider/{host}"
    context = EvalContext(
        principal_arn=provider,
        principal_type="WebIdentityUser",
        principal_account=bootstrap.account,
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn=bootstrap.outputs[role],
        region=bootstrap.region,
        service_context={f"{host}:{name}": value for name, value in claims.items()},
    )
    return evaluate_trust_policy(bootstrap.trust[role], provider, context)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1.2.0"])
def test_the_environment_of_the_repository_deploys(bootstrap: Bootstrap, ref: str) -> None:
    assert may_deploy(bootstrap, token(ref=ref))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"sub": "repo:else@1/scones@2002:environment:staging"}, id="fork"),
        pytest.param(
            {"sub": "repo:scones-unlimited/scones:environment:staging"}, id="name taken again"
        ),
        pytest.param(
            {"sub": f"{REPOSITORY}x:environment:staging"}, id="repository with a longer name"
        ),
        pytest.param({"sub": f"{REPOSITORY}:environment:production"}, id="other environment"),
        pytest.param({"sub": f"{REPOSITORY}:environment:staging2"}, id="longer environment"),
        pytest.param({"sub": f"{REPOSITORY}:pull_request"}, id="pull request"),
        pytest.param({"sub": f"{REPOSITORY}:ref:refs/heads/main"}, id="no environment"),
        pytest.param({"ref": "refs/heads/attempt"}, id="other branch"),
        pytest.param({"ref": "refs/pull/7/merge"}, id="ref of a pull request"),
        pytest.param({"ref": "refs/heads/main2"}, id="branch with a longer name"),
        pytest.param({"aud": "https://github.com/scones-unlimited"}, id="other audience"),
        pytest.param({"iss": "https://token.example.com"}, id="other issuer"),
    ],
)
def test_nothing_else_deploys(bootstrap: Bootstrap, claims: dict[str, str]) -> None:
    assert not may_deploy(bootstrap, token(**claims))


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        pytest.param({"sub": f"{REPOSITORY}:environment:production"}, True, id="production"),
        pytest.param({}, False, id="the environment that is read"),
        pytest.param(
            {"sub": f"{REPOSITORY}:environment:production", "ref": "refs/heads/attempt"},
            False,
            id="other branch",
        ),
        pytest.param({"sub": "repo:else@1/scones@2002:environment:production"}, False, id="fork"),
    ],
)
def test_one_environment_reads_models(
    bootstrap: Bootstrap, claims: dict[str, str], allowed: bool
) -> None:
    assert may_deploy(bootstrap, token(**claims), "ModelReaderRole") == allowed


def test_a_token_without_a_branch_does_not_deploy(bootstrap: Bootstrap) -> None:
    claims = token()
    del claims["ref"]
    assert not may_deploy(bootstrap, claims)


@pytest.mark.parametrize(
    "subject",
    ["repo:owner/*", "repo:*/scones", "repo:owner", "owner/scones", "repo:owner/scones:ref:x", ""],
)
def test_subjects_of_many_repositories_are_rejected(subject: str) -> None:
    parameters = translate(ROOT / "bootstrap" / "template.yaml")["Parameters"]
    pattern = re.compile(parameters["GitHubSubject"]["AllowedPattern"])
    assert not pattern.fullmatch(subject)
    assert pattern.fullmatch("repo:owner/scones")
    assert pattern.fullmatch(REPOSITORY)


def test_policies_fit_the_quotas_of_iam(bootstrap: Bootstrap) -> None:
    for role in ROLES:
        assert sum(map(size, bootstrap.policies[role])) <= INLINE_POLICIES_SIZE, role
    assert sum(map(size, bootstrap.policies["RoleBoundary"])) <= MANAGED_POLICY_SIZE


def size(document: Any) -> int:
    """Count the characters of a policy as IAM does, without white space."""
    return len("".join(json.dumps(document).split()))


def test_deployments_create_roles_only_with_the_boundary(bootstrap: Bootstrap) -> None:
    role = bootstrap.arn(f"iam:role/{STACK}-ClassifyFunctionRole-1")
    boundary = bootstrap.outputs["RoleBoundary"]
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
        assert bootstrap.allows("ExecutionRole", action, role, iam__PermissionsBoundary=boundary)
        assert not bootstrap.allows("ExecutionRole", action, role)
        assert not bootstrap.allows(
            "ExecutionRole",
            action,
            role,
            iam__PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess",
        )
    assert not bootstrap.allows("ExecutionRole", "iam:DeleteRolePermissionsBoundary", role)


def test_deployments_cannot_change_the_bootstrap(bootstrap: Bootstrap) -> None:
    boundary = bootstrap.outputs["RoleBoundary"]
    for role in ROLES:
        arn = bootstrap.outputs[role]
        assert "/bootstrap/" in arn
        for action in ("iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
            for holder in ROLES:
                assert not bootstrap.allows(holder, action, arn, iam__PermissionsBoundary=boundary)
    assert not bootstrap.allows("ExecutionRole", "iam:CreatePolicyVersion", boundary)
    bucket = bootstrap.arn(f"s3:{bootstrap.outputs['ArtifactsBucket']}")
    assert not bootstrap.allows("ExecutionRole", "s3:PutBucketPolicy", bucket)


def test_only_cloudformation_gets_the_execution_role(bootstrap: Bootstrap) -> None:
    arn = bootstrap.outputs["ExecutionRole"]
    service = {"iam__PassedToService": "cloudformation.amazonaws.com"}
    assert bootstrap.allows("DeployRole", "iam:PassRole", arn, **service)
    lambdas = {"iam__PassedToService": "lambda.amazonaws.com"}
    assert not bootstrap.allows("DeployRole", "iam:PassRole", arn, **lambdas)


def test_pipelines_of_the_stack_are_started_with_the_one_role(bootstrap: Bootstrap) -> None:
    for stack, allowed in ((STACK, True), ("scones-production", False)):
        pipeline = bootstrap.arn(f"sagemaker:pipeline/{stack}-vehicles")
        for action in ("CreatePipeline", "UpdatePipeline", "StartPipelineExecution"):
            assert bootstrap.allows("DeployRole", f"sagemaker:{action}", pipeline) == allowed
        script = bootstrap.arn(f"s3:{stack}-databucket-1/pipelines/vehicles/code/1/evaluate.py")
        assert bootstrap.allows("DeployRole", "s3:PutObject", script) == allowed
    service = {"iam__PassedToService": "sagemaker.amazonaws.com"}
    assert bootstrap.allows("DeployRole", "iam:PassRole", PIPELINE_ROLE, **service)
    training = bootstrap.arn(f"iam:role/{STACK}-TrainingRole-1")
    assert not bootstrap.allows("DeployRole", "iam:PassRole", training, **service)


@pytest.mark.parametrize("stack", ["scones-production", "scones", "billing"])
def test_other_stacks_are_out_of_reach(bootstrap: Bootstrap, stack: str) -> None:
    boundary = bootstrap.outputs["RoleBoundary"]
    attempts = {
        "cloudformation:CreateChangeSet": f"cloudformation:stack/{stack}/1",
        "states:StartExecution": f"states:stateMachine:{stack}-retrain",
        "s3:PutObject": f"s3:{stack}-photosbucket-1/simulated/1.jpg",
        "lambda:UpdateFunctionCode": f"lambda:function:{stack}-ClassifyFunction-1",
        "iam:CreateRole": f"iam:role/{stack}-ClassifyFunctionRole-1",
        "s3:PutBucketPolicy": f"s3:{stack}-photosbucket-1",
        "dynamodb:DeleteTable": f"dynamodb:table/{stack}-ResultsTable-1",
        "dynamodb:PutItem": f"dynamodb:table/{stack}-ResultsTable-1",
        "ssm:GetParameter": f"ssm:parameter/scones/{stack}/threshold/0.93",
    }
    for action, resource in attempts.items():
        for holder in ("DeployRole", "ExecutionRole", "RoleBoundary"):
            assert not bootstrap.allows(
                holder, action, bootstrap.arn(resource), iam__PermissionsBoundary=boundary
            ), f"{holder} {action} {resource}"


def test_deployments_read_no_photos(bootstrap: Bootstrap) -> None:
    photo = bootstrap.arn(f"s3:{STACK}-photosbucket-1/incoming/1.jpg")
    for holder in ("DeployRole", "ExecutionRole"):
        for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"):
            assert not bootstrap.allows(holder, action, photo)
    record = bootstrap.arn(f"dynamodb:table/{STACK}-ResultsTable-1")
    assert not bootstrap.allows("ExecutionRole", "dynamodb:GetItem", record)
    assert not bootstrap.allows("DeployRole", "dynamodb:PutItem", record)


KEY = "arn:aws:kms:us-east-1:123456789012:key/1a2b"


def conditional(template: Any, **given: str) -> Any:
    """The resources of the bootstrap with parameters, of which its conditions are made."""
    conditions = {"HasDataBucket": "ExistingDataBucket", "HasKey": "KmsKeyArn"}

    def chosen(value: Any) -> Any:
        match value:
            case {"Fn::If": [str(condition), yes, no]}:
                return chosen(yes if conditions.get(condition) in given else no)
            case {"Ref": str(name)} if name in given:
                return given[name]
            case dict():
                return {name: chosen(item) for name, item in value.items()}
            case list():
                items = [chosen(item) for item in value]
                return [item for item in items if item != {"Ref": "AWS::NoValue"}]
        return value

    return chosen(template["Resources"])


def test_the_roles_reach_an_existing_bucket_and_key() -> None:
    template = translate(ROOT / "bootstrap" / "template.yaml")
    without = json.dumps(conditional(template))
    resources = conditional(template, ExistingDataBucket="team-data", KmsKeyArn=KEY)

    assert "team-data" not in without
    assert KEY not in without
    for role in ("DeployRole", "ModelReaderRole"):
        text = json.dumps(resources[role])
        assert "databucket-*" not in text
        assert '{"DataBucket": "team-data"}' in text
        (policy,) = (
            one for one in resources[role]["Properties"]["Policies"] if one["PolicyName"] == "Key"
        )
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Resource"] == KEY
        assert statement["Condition"]["StringEquals"]["kms:ViaService"]
    objects = resources["RoleBoundary"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert objects["Sid"] == "Objects"
    assert [one["Fn::Sub"].rpartition(":::")[2] for one in objects["Resource"]] == [
        "${StackName}-*",
        "${ExistingDataBucket}",
        "${ExistingDataBucket}/*",
    ]


# Beginning of the ARN of each type of resource, with the name that CloudFormation generates.
ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:table/{stack}-{id}-1A2B",
    "AWS::Events::EventBus": "events:event-bus/{stack}",
    "AWS::IAM::Role": "iam:role/{stack}-{id}-1A2B",
    "AWS::KMS::Key": "kms:key/1a2b",
    "AWS::Lambda::Function": "lambda:function:{stack}-{id}-1A2B",
    "AWS::SNS::Topic": "sns:{stack}-{id}-1A2B",
    "AWS::SQS::Queue": "sqs:{stack}-{id}-1A2B",
    "AWS::StepFunctions::StateMachine": "states:stateMachine:{id}-1A2B",
}


@dataclass(frozen=True)
class Application:
    """The resources of template.yaml, with the names that they get in a deployment."""

    resources: Mapping[str, Any]
    bootstrap: Bootstrap

    def statements(self) -> Iterator[tuple[str, Any]]:
        """Yield the statements of the policies of all roles, with the role."""
        for name, resource in self.resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                for policy in resource["Properties"].get("Policies", []):
                    for item in policy["PolicyDocument"]["Statement"]:
                        for one in item.get("Fn::If", [item]):
                            if "Action" in one:
                                yield name, one

    def arn(self, name: str) -> str:
        """Return the ARN of a resource."""
        kind = self.resources[name]["Type"]
        if kind == "AWS::S3::Bucket":
            return self.bootstrap.arn(f"s3:{STACK}-{name.lower()}-1a2b")
        return self.bootstrap.arn(ARNS[kind].format(stack=STACK, id=name))

    def value(self, name: str) -> str:
        """Return what a variable of ``Fn::Sub`` stands for."""
        pseudo = {
            "AWS::Partition": "aws",
            "AWS::Region": self.bootstrap.region,
            "AWS::AccountId": self.bootstrap.account,
            "AWS::StackName": STACK,
            "EndpointName": STACK,
            # Of the repository of training images.
            "Region": self.bootstrap.region,
            "Account": self.bootstrap.account,
            "Repository": f"{STACK}-training",
            "DataBucket": f"{STACK}-databucket-1a2b",
        }
        return pseudo.get(name) or self.arn(name.removesuffix(".Arn"))

    def resolve(self, resource: Any) -> str:
        """Return the ARN, or pattern of ARNs, that a statement names."""
        match resource:
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
                return self.arn(name)
            case {"Fn::If": [str(_), _, other]}:
                return self.resolve(other)
            case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
                return re.sub(r"\$\{([\w.:]+)\}", lambda found: self.value(found[1]), text)
            case str(text):
                return text
        raise ValueError(f"not resolved: {resource}")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def application(bootstrap: Bootstrap) -> Application:
    return Application(translate(ROOT / "template.yaml")["Resources"], bootstrap)


def test_all_roles_of_the_application_have_the_boundary(application: Application) -> None:
    roles = {n: r for n, r in application.resources.items() if r["Type"] == "AWS::IAM::Role"}
    assert len(roles) > 10
    for name, role in roles.items():
        boundary = role["Properties"].get("PermissionsBoundary")
        assert boundary, f"{name} has no PermissionsBoundary"
        assert boundary["Fn::If"][:2] == ["HasBoundary", {"Ref": "PermissionsBoundary"}], name


def test_the_boundary_allows_all_that_the_application_needs(application: Application) -> None:
    evaluated = 0
    for name, statement in application.statements():
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                arn = application.resolve(resource).replace("*", "x")
                context = {"iam__PassedToService": "sagemaker.amazonaws.com"}
                allowed = application.bootstrap.allows(
                    "RoleBoundary", action, arn if arn != "x" else "*", **context
                )
                assert allowed, f"RoleBoundary denies {action} on {arn} to {name}"
                evaluated += 1
    assert evaluated > 100


@pytest.mark.parametrize(
    ("policy", "role"),
    [("ModelReaderPolicy", "ModelReaderRole"), ("ModelCopierPolicy", "DeployRole")],
)
def test_jobs_copy_models_as_people_do(application: Application, policy: str, role: str) -> None:
    """The role allows what the policy of the application allows, on the same conditions."""
    document = application.resources[policy]["Properties"]["PolicyDocument"]
    context = {
        "s3__prefix": "retraining/run/",
        "s3__if-none-match": "*",
        "sagemaker__ModelApprovalStatus": "PendingManualApproval",
        "sagemaker__CustomerMetadataProperties/source_model_package": "arn",
    }
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                arn = application.resolve(resource)
                arn = arn if arn == "*" else arn.replace("*", "x")
                allows = application.bootstrap.allows
                assert allows(role, action, arn, **context), f"{role} may not {action} on {arn}"
                conditional = "Condition" in statement
                assert allows(role, action, arn) != conditional, f"{role} {action} on {arn}"


def test_models_are_read_without_the_rest_of_the_data(bootstrap: Bootstrap) -> None:
    bucket = f"s3:{STACK}-databucket-1"
    for action, path in (
        ("s3:GetObject", "dataset/validation/bicycle/1.jpg"),
        ("s3:GetObject", "captures/1.jsonl"),
        ("s3:GetObject", "retraining/x/lists/train.lst"),
        ("s3:PutObject", "retraining/x/model/model.tar.gz"),
    ):
        assert not bootstrap.allows("ModelReaderRole", action, bootstrap.arn(f"{bucket}/{path}"))
    other = bootstrap.arn("s3:scones-production-databucket-1/retraining/x/model/model.tar.gz")
    assert not bootstrap.allows("ModelReaderRole", "s3:GetObject", other)


def test_the_execution_role_may_create_each_resource(application: Application) -> None:
    """The action that creates each type is allowed on the name that the resource gets."""
    boundary = {"iam__PermissionsBoundary": application.bootstrap.outputs["RoleBoundary"]}
    tags = {"aws__RequestTag/scones:stack": STACK}
    create = {
        "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:alarm:{stack}-{id}-1"),
        "AWS::DynamoDB::Table": ("dynamodb:CreateTable", ARNS["AWS::DynamoDB::Table"]),
        "AWS::Events::EventBus": ("events:CreateEventBus", "events:event-bus/{stack}"),
        "AWS::IAM::ManagedPolicy": ("iam:CreatePolicy", "iam:policy/{stack}-{id}-1"),
        "AWS::IAM::Role": ("iam:CreateRole", ARNS["AWS::IAM::Role"]),
        "AWS::KMS::Key": ("kms:CreateKey", "*"),
        "AWS::Lambda::EventInvokeConfig": (
            "lambda:PutFunctionEventInvokeConfig",
            "lambda:function:{stack}-EmitMetricsFunction-1",
        ),
        "AWS::Lambda::Function": ("lambda:CreateFunction", ARNS["AWS::Lambda::Function"]),
        "AWS::Lambda::Permission": (
            "lambda:AddPermission",
            "lambda:function:{stack}-EmitMetricsFunction-1",
        ),
        "AWS::Lambda::Url": (
            "lambda:CreateFunctionUrlConfig",
            "lambda:function:{stack}-ReviewFunction-1",
        ),
        "AWS::S3::Bucket": ("s3:CreateBucket", "s3:{stack}-x-1"),
        "AWS::S3::BucketPolicy": ("s3:PutBucketPolicy", "s3:{stack}-x-1"),
        "AWS::SNS::Subscription": ("sns:Subscribe", "sns:{stack}-ReviewTopic-1"),
        "AWS::SNS::Topic": ("sns:CreateTopic", ARNS["AWS::SNS::Topic"]),
        "AWS::SNS::TopicPolicy": ("sns:SetTopicAttributes", "sns:{stack}-ReviewTopic-1"),
        "AWS::SQS::Queue": ("sqs:CreateQueue", ARNS["AWS::SQS::Queue"]),
        "AWS::SQS::QueuePolicy": ("sqs:SetQueueAttributes", "sqs:{stack}-x-1"),
        "AWS::SageMaker::ModelPackageGroup": (
            "sagemaker:CreateModelPackageGroup",
            "sagemaker:model-package-group/{stack}",
        ),
        "AWS::Scheduler::Schedule": (
            "scheduler:CreateSchedule",
            "scheduler:schedule/default/{stack}-{id}-1",
        ),
        "AWS::StepFunctions::StateMachine": (
            "states:CreateStateMachine",
            ARNS["AWS::StepFunctions::StateMachine"],
        ),
    }
    named = {
        "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "logs:log-group:", "LogGroupName"),
        "AWS::Lambda::LayerVersion": (
            "lambda:PublishLayerVersion",
            "lambda:layer:",
            "LayerName",
        ),
    }
    for name, resource in application.resources.items():
        kind = resource["Type"]
        if kind in create:
            action, form = create[kind]
            target = form.format(stack=STACK, id=name)
        elif kind in named:
            action, begin, member = named[kind]
            target = begin + application.resolve(resource["Properties"][member])
        elif kind == "AWS::Events::Rule":
            bus = f"{STACK}/" if "EventBusName" in resource["Properties"] else ""
            action, target = "events:PutRule", f"events:rule/{bus}{STACK}-{name}-1"
        else:
            assert kind == "AWS::CloudWatch::Dashboard", f"add the action that creates {kind}"
            action, target = "cloudwatch:PutDashboard", None
        arn = target if target == "*" else application.bootstrap.arn(target or "")
        if target is None:
            arn = f"arn:aws:cloudwatch::{application.bootstrap.account}:dashboard/{STACK}-x"
        assert application.bootstrap.allows("ExecutionRole", action, arn, **boundary, **tags), (
            f"{name}: ExecutionRole may not {action} on {arn}"
        )
