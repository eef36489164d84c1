"""The pipeline `vehicles`: the state machine `retrain` as a SageMaker pipeline.

It reads the dataset in a stack's data bucket, writes a run's folder there as `retrain` does, and
registers into the stack's model package group with the same metadata, so that approving the version
starts `promote`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagemaker.core.training.configs import Networking
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import ConditionEquals, ConditionOr
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TransformStep

from scones_pipelines.steps import (
    JOB_RETRIES,
    PHOTO_TYPES,
    PROCESSING_REPOSITORY,
    REQUEST_RETRIES,
    TRAINING_REPOSITORY,
    PipelineContext,
    approval_parameter,
    fail_step,
    model_artifacts_uri,
    output_uri,
    photo_channel,
    photo_training_step,
    processing_input,
    processing_output,
    project_image_uri,
    property_file_value,
    register_step,
)

HERE = Path(__file__).parent

CHANNELS = ("train", "validation", "train_lst", "validation_lst", "negatives")

COUNT_HYPERPARAMETERS = (
    "image_shape",
    "mini_batch_size",
    "num_classes",
    "num_training_samples",
)
"""Hyperparameters that the preprocessing takes from the dataset and the image shape."""

METRIC_NAMES = (
    "fingerprint",
    "classes",
    "artifacts",
    "artifacts_etag",
    "accuracy",
    "calibration_error",
    "threshold",
    "photos",
    "negatives",
    "familiarity_auroc",
)
"""Metadata of the model version that the evaluation writes."""

RUN = Join(on="-", values=["pipeline", ExecutionVariables.PIPELINE_EXECUTION_ID])
"""Name of the run, which is the name of its folder below ``retraining/``."""

PLAN = PropertyFile(name="Plan", output_name="plan", path="plan.json")
EVALUATION = PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
REGISTRATION = PropertyFile(name="Registration", output_name="evaluation", path="registration.json")


def get_pipeline(  # noqa: PLR0913, PLR0917
    session: Any,
    role: str,
    region: str = "us-east-1",
    default_bucket: str | None = None,
    pipeline_name: str = "vehicles",
    model_package_group_name: str = "scones",
    endpoint_name: str | None = None,
    training_image: str | None = None,
    processing_image: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    validation_share: float = 0.1,
    code_version: str = "unknown",
    spot: bool = False,
) -> Pipeline:
    """Return the pipeline.

    Parameters
    ----------
    session
        Session of the SDK.
    role
        ARN of the role of the pipeline, its jobs and its model.
    region
        AWS Region of the images.
    default_bucket
        The stack's data bucket, with the photos below ``dataset/`` (default: the session's).
    pipeline_name
        Name of the pipeline.
    model_package_group_name
        The stack's model package group, named like its endpoint.
    endpoint_name
        The stack's production endpoint, whose model is compared with the new one (default: named
        like the model package group).
    training_image, processing_image
        URIs of the project's images (default: tag 1 of the repositories in the role's account).
        `promote` takes versions whose training image is the stack's.
    hyperparameters
        Hyperparameters of the trainer by name, except those that the dataset decides.
    validation_share
        Share of the photos to hold out, if the dataset has no validation photos of its own.
    code_version
        Written to the model version, such as a Git commit.
    spot
        Whether to train on spot instances.
    """
    context = PipelineContext(
        session, role, default_bucket or session.default_bucket(), pipeline_name
    )
    training_image = training_image or project_image_uri(TRAINING_REPOSITORY, role, region)
    given = _parameters()
    chosen = {name: str(value) for name, value in (hyperparameters or {}).items()}
    processing = {
        "image": processing_image or project_image_uri(PROCESSING_REPOSITORY, role, region),
        "instance_type": given["ProcessingInstanceType"],
        # What they read in S3 changes under the same keys.
        "cached": False,
    }

    preprocess = context.processing_step(
        "Preprocess",
        **processing,
        script=HERE / "preprocess.py",
        outputs=[processing_output("plan", context.uri("plan"))],
        property_files=[PLAN],
        arguments={
            **_run_arguments(context, given),
            "image-shape": given["ImageShape"],
            "validation-share": str(validation_share),
            "training-image": training_image,
            **({"hyperparameters": ",".join(map("=".join, chosen.items()))} if chosen else {}),
        },
    )
    train = photo_training_step(
        "Train",
        session=session,
        role=role,
        image=training_image,
        channels=_channels(preprocess),
        hyperparameters=_count_hyperparameters(preprocess) | chosen,
        output=_run_uri(context, "model"),
        checkpoints=_run_uri(context, "checkpoints"),
        instance_type=given["TrainingInstanceType"],
        cached=False,
        spot=spot,
    )
    model = ModelStep(
        "SaveModel",
        step_args=_builder(context, training_image, train).build(),
        retry_policies=[REQUEST_RETRIES],
    )
    transform = _predict(context, model, given["TransformInstanceType"])
    champion = context.processing_step(
        "PredictWithChampion",
        **processing,
        script=HERE / "champion.py",
        inputs=[processing_input("plan", output_uri(preprocess, "plan"))],
        outputs=[processing_output("champion", context.uri("champion"))],
        arguments={
            "run": RUN,
            "bucket": context.bucket,
            "endpoint-name": endpoint_name or model_package_group_name,
            "role-arn": role,
            "transform-instance-type": given["TransformInstanceType"],
        },
    )
    evaluate = context.processing_step(
        "Evaluate",
        **processing,
        script=HERE / "evaluate.py",
        inputs=[
            processing_input("plan", output_uri(preprocess, "plan")),
            processing_input("champion", output_uri(champion, "champion")),
        ],
        outputs=[processing_output("evaluation", context.uri("evaluation"))],
        property_files=[EVALUATION, REGISTRATION],
        arguments={
            **_run_arguments(context, given),
            "artifacts": model_artifacts_uri(train),
            "minimum-accuracy": given["MinimumAccuracy"].to_string(),
            "accuracy-margin": given["AccuracyMargin"].to_string(),
        },
        depends_on=[transform],
    )
    register = register_step(
        _builder(context, training_image, train),
        statistics=property_file_value(evaluate, EVALUATION, "evaluation"),
        metadata={
            "run": RUN,
            "training_job": train.properties.TrainingJobName,
            "saved_model": model.properties.ModelName,
            "lists": _run_uri(context, "lists/"),
            "image_shape": property_file_value(preprocess, PLAN, "image_shape"),
            "algorithm": "own",
            "code_version": code_version,
            **{name: property_file_value(evaluate, REGISTRATION, name) for name in METRIC_NAMES},
        },
        **PHOTO_TYPES,
        model_package_group_name=model_package_group_name,
        approval_status=given["ModelApprovalStatus"],
    )
    steps = [train, model, transform, champion, evaluate, _check(evaluate, register)]
    return context.create_pipeline(
        list(given.values()), [preprocess, _if_dataset_changed(preprocess, given["Force"], steps)]
    )


def _parameters() -> dict[str, Any]:
    """Return the parameters of the pipeline by name."""
    parameters = [
        ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge"),
        ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge"),
        ParameterString("TransformInstanceType", default_value="ml.m5.xlarge"),
        ParameterString("ClassNames", default_value="bicycle,motorcycle"),
        ParameterString("ImageShape", default_value="3,32,32"),
        ParameterFloat("MinimumAccuracy", default_value=0.6),
        ParameterFloat("AccuracyMargin", default_value=0.01),
        ParameterString("Force", default_value="false", enum_values=["false", "true"]),
        approval_parameter("Rejected"),
    ]
    return {parameter.name: parameter for parameter in parameters}


def _run_arguments(context: PipelineContext, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that scripts have in common."""
    return {"run": RUN, "bucket": context.bucket, "class-names": given["ClassNames"]}


def _run_uri(context: PipelineContext, *path: str) -> Any:
    """Return a URI below those of the run, where `retrain` writes too."""
    return Join(on="/", values=["s3:/", context.bucket, "retraining", RUN, *path])


def _channels(preprocess: Any) -> list[Any]:
    """Return the channels that the preprocessing plans."""
    return [
        photo_channel(
            name,
            property_file_value(preprocess, PLAN, f"channels.{name}.S3Uri"),
            property_file_value(preprocess, PLAN, f"channels.{name}.S3DataType"),
        )
        for name in CHANNELS
    ]


def _count_hyperparameters(preprocess: Any) -> dict[str, Any]:
    """Return the hyperparameters that the dataset decides."""
    return {
        name: property_file_value(preprocess, PLAN, f"hyperparameters.{name}")
        for name in COUNT_HYPERPARAMETERS
    }


def _builder(context: PipelineContext, image: str, train: Any) -> Any:
    return context.builder(image, train, network=Networking(enable_network_isolation=True))


def _predict(context: PipelineContext, model: Any, instance_type: Any) -> Any:
    """Return the step that predicts the validation photos with the new model."""
    transformer = Transformer(
        model_name=model.properties.ModelName,
        instance_count=1,
        instance_type=instance_type,
        strategy="SingleRecord",
        max_payload=1,
        output_path=_run_uri(context, "predictions", "candidate"),
        sagemaker_session=context.session,
    )
    return TransformStep(
        "Predict",
        step_args=transformer.transform(
            data=_run_uri(context, "pictures/"),
            content_type="application/x-image",
            compression_type="None",
            split_type="None",
        ),
        retry_policies=list(JOB_RETRIES),
    )


def _check(evaluate: Any, register: Any) -> Any:
    """Return the condition for the registration."""
    verdict, message = (
        property_file_value(evaluate, EVALUATION, name) for name in ("verdict", "message")
    )
    return ConditionStep(
        "GoodEnough",
        conditions=[ConditionEquals(left=verdict, right="good")],
        if_steps=[register],
        else_steps=[fail_step("NotGoodEnough", "Not registered:", message)],
    )


def _if_dataset_changed(preprocess: Any, force: Any, steps: Sequence[Any]) -> Any:
    """Return the condition for everything after the preprocessing."""
    new = ConditionEquals(left=property_file_value(preprocess, PLAN, "new"), right="yes")
    forced = ConditionEquals(left=force, right="true")
    return ConditionStep(
        "AnythingNew",
        conditions=[ConditionOr(conditions=[forced, new])],
        if_steps=list(steps),
        else_steps=[],
    )
