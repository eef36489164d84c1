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
    Surroundings,
    approval_parameter,
    artifacts_of,
    fail_step,
    input_from,
    output_to,
    output_uri,
    own_image,
    photo_channel,
    photo_training_step,
    register_step,
    value_of,
)

HERE = Path(__file__).parent

CHANNELS = ("train", "validation", "train_lst", "validation_lst", "negatives")

COUNTED = (
    "image_shape",
    "mini_batch_size",
    "num_classes",
    "num_training_samples",
)
"""Hyperparameters that the preprocessing takes from the dataset and the image shape."""

MEASURED = (
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
    around = Surroundings(session, role, default_bucket or session.default_bucket(), pipeline_name)
    training_image = training_image or own_image(TRAINING_REPOSITORY, role, region)
    given = _parameters()
    chosen = {name: str(value) for name, value in (hyperparameters or {}).items()}
    processing = {
        "image": processing_image or own_image(PROCESSING_REPOSITORY, role, region),
        "instance_type": given["ProcessingInstanceType"],
        # What they read in S3 changes under the same keys.
        "cached": False,
    }

    preprocess = around.processing_step(
        "Preprocess",
        **processing,
        script=HERE / "preprocess.py",
        outputs=[output_to("plan", around.uri("plan"))],
        property_files=[PLAN],
        arguments={
            **_of_run(around, given),
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
        hyperparameters=_counted(preprocess) | chosen,
        output=_in_run(around, "model"),
        checkpoints=_in_run(around, "checkpoints"),
        instance_type=given["TrainingInstanceType"],
        cached=False,
        spot=spot,
    )
    model = ModelStep(
        "SaveModel",
        step_args=_builder(around, training_image, train).build(),
        retry_policies=[REQUEST_RETRIES],
    )
    transform = _predict(around, model, given["TransformInstanceType"])
    champion = around.processing_step(
        "PredictWithChampion",
        **processing,
        script=HERE / "champion.py",
        inputs=[input_from("plan", output_uri(preprocess, "plan"))],
        outputs=[output_to("champion", around.uri("champion"))],
        arguments={
            "run": RUN,
            "bucket": around.bucket,
            "endpoint-name": endpoint_name or model_package_group_name,
            "role-arn": role,
            "transform-instance-type": given["TransformInstanceType"],
        },
    )
    evaluate = around.processing_step(
        "Evaluate",
        **processing,
        script=HERE / "evaluate.py",
        inputs=[
            input_from("plan", output_uri(preprocess, "plan")),
            input_from("champion", output_uri(champion, "champion")),
        ],
        outputs=[output_to("evaluation", around.uri("evaluation"))],
        property_files=[EVALUATION, REGISTRATION],
        arguments={
            **_of_run(around, given),
            "artifacts": artifacts_of(train),
            "minimum-accuracy": given["MinimumAccuracy"].to_string(),
            "accuracy-margin": given["AccuracyMargin"].to_string(),
        },
        depends_on=[transform],
    )
    register = register_step(
        _builder(around, training_image, train),
        statistics=value_of(evaluate, EVALUATION, "evaluation"),
        metadata={
            "run": RUN,
            "training_job": train.properties.TrainingJobName,
            "saved_model": model.properties.ModelName,
            "lists": _in_run(around, "lists/"),
            "image_shape": value_of(preprocess, PLAN, "image_shape"),
            "algorithm": "own",
            "code_version": code_version,
            **{name: value_of(evaluate, REGISTRATION, name) for name in MEASURED},
        },
        **PHOTO_TYPES,
        model_package_group_name=model_package_group_name,
        approval_status=given["ModelApprovalStatus"],
    )
    steps = [train, model, transform, champion, evaluate, _check(evaluate, register)]
    return around.pipeline_of(
        list(given.values()), [preprocess, _if_anything_new(preprocess, given["Force"], steps)]
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


def _of_run(around: Surroundings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that scripts have in common."""
    return {"run": RUN, "bucket": around.bucket, "class-names": given["ClassNames"]}


def _in_run(around: Surroundings, *path: str) -> Any:
    """Return a URI below those of the run, where `retrain` writes too."""
    return Join(on="/", values=["s3:/", around.bucket, "retraining", RUN, *path])


def _channels(preprocess: Any) -> list[Any]:
    """Return the channels that the preprocessing plans."""
    return [
        photo_channel(
            name,
            value_of(preprocess, PLAN, f"channels.{name}.S3Uri"),
            value_of(preprocess, PLAN, f"channels.{name}.S3DataType"),
        )
        for name in CHANNELS
    ]


def _counted(preprocess: Any) -> dict[str, Any]:
    """Return the hyperparameters that the dataset decides."""
    return {name: value_of(preprocess, PLAN, f"hyperparameters.{name}") for name in COUNTED}


def _builder(around: Surroundings, image: str, train: Any) -> Any:
    return around.builder(image, train, network=Networking(enable_network_isolation=True))


def _predict(around: Surroundings, model: Any, instance_type: Any) -> Any:
    """Return the step that predicts the validation photos with the new model."""
    transformer = Transformer(
        model_name=model.properties.ModelName,
        instance_count=1,
        instance_type=instance_type,
        strategy="SingleRecord",
        max_payload=1,
        output_path=_in_run(around, "predictions", "candidate"),
        sagemaker_session=around.session,
    )
    return TransformStep(
        "Predict",
        step_args=transformer.transform(
            data=_in_run(around, "pictures/"),
            content_type="application/x-image",
            compression_type="None",
            split_type="None",
        ),
        retry_policies=list(JOB_RETRIES),
    )


def _check(evaluate: Any, register: Any) -> Any:
    """Return the condition for the registration."""
    verdict, message = (value_of(evaluate, EVALUATION, name) for name in ("verdict", "message"))
    return ConditionStep(
        "GoodEnough",
        conditions=[ConditionEquals(left=verdict, right="good")],
        if_steps=[register],
        else_steps=[fail_step("NotGoodEnough", "Not registered:", message)],
    )


def _if_anything_new(preprocess: Any, force: Any, steps: Sequence[Any]) -> Any:
    """Return the condition for everything after the preprocessing."""
    new = ConditionEquals(left=value_of(preprocess, PLAN, "new"), right="yes")
    forced = ConditionEquals(left=force, right="true")
    return ConditionStep(
        "AnythingNew",
        conditions=[ConditionOr(conditions=[forced, new])],
        if_steps=list(steps),
        else_steps=[],
    )
