"""The pipeline `vehicles`: the state machine `retrain` as a SageMaker pipeline.

It reads the dataset in a stack's data bucket, writes a run's folder there as `retrain` does, and
registers into the stack's model package group with the same metadata, so that approving the version
starts `promote`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.training.configs import Networking
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import ConditionEquals, ConditionOr
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TransformStep
from sagemaker.serve.model_builder import ModelBuilder

from scones_pipelines.steps import (
    JOB_RETRIES,
    PROCESSING_REPOSITORY,
    REQUEST_RETRIES,
    TRAINING_REPOSITORY,
    execution_uri,
    input_from,
    output_to,
    output_uri,
    own_image,
    photo_channel,
    photo_training_step,
    processing_step,
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
    bucket = default_bucket or session.default_bucket()
    training_image = training_image or own_image(TRAINING_REPOSITORY, role, region)
    processing_image = processing_image or own_image(PROCESSING_REPOSITORY, role, region)
    chosen = {name: str(value) for name, value in (hyperparameters or {}).items()}
    processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_type = ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge")
    transform_type = ParameterString("TransformInstanceType", default_value="ml.m5.xlarge")
    class_names = ParameterString("ClassNames", default_value="bicycle,motorcycle")
    image_shape = ParameterString("ImageShape", default_value="3,32,32")
    minimum_accuracy = ParameterFloat("MinimumAccuracy", default_value=0.6)
    accuracy_margin = ParameterFloat("AccuracyMargin", default_value=0.01)
    force = ParameterString("Force", default_value="false", enum_values=["false", "true"])
    approval = ParameterString(
        "ModelApprovalStatus",
        default_value="PendingManualApproval",
        enum_values=["PendingManualApproval", "Rejected"],
    )
    run = Join(on="-", values=["pipeline", ExecutionVariables.PIPELINE_EXECUTION_ID])
    shared = {
        "session": session,
        "role": role,
        "pipeline": pipeline_name,
        "image": processing_image,
        "instance_type": processing_type,
        # What they read in S3 changes under the same keys.
        "cached": False,
    }
    of_run = {"run": run, "bucket": bucket, "class-names": class_names}

    def in_run(*path: str) -> Any:
        return Join(on="/", values=["s3:/", bucket, "retraining", run, *path])

    plan_file = PropertyFile(name="Plan", output_name="plan", path="plan.json")
    preprocess = processing_step(
        "Preprocess",
        **shared,
        script=HERE / "preprocess.py",
        outputs=[output_to("plan", execution_uri(bucket, pipeline_name, "plan"))],
        property_files=[plan_file],
        arguments={
            **of_run,
            "image-shape": image_shape,
            "validation-share": str(validation_share),
            "training-image": training_image,
            **({"hyperparameters": ",".join(map("=".join, chosen.items()))} if chosen else {}),
        },
    )

    def planned(path: str) -> Any:
        return JsonGet(step_name=preprocess.name, property_file=plan_file, json_path=path)

    train = photo_training_step(
        "Train",
        session=session,
        role=role,
        image=training_image,
        channels=[
            photo_channel(
                name,
                planned(f"channels.{name}.S3Uri"),
                planned(f"channels.{name}.S3DataType"),
            )
            for name in CHANNELS
        ],
        hyperparameters={name: planned(f"hyperparameters.{name}") for name in COUNTED} | chosen,
        output=in_run("model"),
        checkpoints=in_run("checkpoints"),
        instance_type=training_type,
        cached=False,
        spot=spot,
    )
    artifacts = train.properties.ModelArtifacts.S3ModelArtifacts

    def builder() -> ModelBuilder:
        return ModelBuilder(
            image_uri=training_image,
            s3_model_data_url=artifacts,
            role_arn=role,
            sagemaker_session=session,
            network=Networking(enable_network_isolation=True),
            # The default adds variables that make other containers look for a script.
            dependencies={},
            instance_type="ml.m5.large",
        )

    model = ModelStep("SaveModel", step_args=builder().build(), retry_policies=[REQUEST_RETRIES])
    transformer = Transformer(
        model_name=model.properties.ModelName,
        instance_count=1,
        instance_type=transform_type,
        strategy="SingleRecord",
        max_payload=1,
        output_path=in_run("predictions", "candidate"),
        sagemaker_session=session,
    )
    transform = TransformStep(
        "Predict",
        step_args=transformer.transform(
            data=in_run("pictures/"),
            content_type="application/x-image",
            compression_type="None",
            split_type="None",
        ),
        retry_policies=list(JOB_RETRIES),
    )
    champion = processing_step(
        "PredictWithChampion",
        **shared,
        script=HERE / "champion.py",
        inputs=[input_from("plan", output_uri(preprocess, "plan"))],
        outputs=[output_to("champion", execution_uri(bucket, pipeline_name, "champion"))],
        arguments={
            "run": run,
            "bucket": bucket,
            "endpoint-name": endpoint_name or model_package_group_name,
            "role-arn": role,
            "transform-instance-type": transform_type,
        },
    )
    evaluation_file = PropertyFile(
        name="Evaluation", output_name="evaluation", path="evaluation.json"
    )
    registration_file = PropertyFile(
        name="Registration", output_name="evaluation", path="registration.json"
    )
    evaluate = processing_step(
        "Evaluate",
        **shared,
        script=HERE / "evaluate.py",
        inputs=[
            input_from("plan", output_uri(preprocess, "plan")),
            input_from("champion", output_uri(champion, "champion")),
        ],
        outputs=[output_to("evaluation", execution_uri(bucket, pipeline_name, "evaluation"))],
        property_files=[evaluation_file, registration_file],
        arguments={
            **of_run,
            "artifacts": artifacts,
            "minimum-accuracy": minimum_accuracy.to_string(),
            "accuracy-margin": accuracy_margin.to_string(),
        },
        depends_on=[transform],
    )

    def evaluated(path: str) -> Any:
        return JsonGet(step_name=evaluate.name, property_file=evaluation_file, json_path=path)

    def measured(name: str) -> Any:
        return JsonGet(step_name=evaluate.name, property_file=registration_file, json_path=name)

    register = ModelStep(
        "Register",
        step_args=builder().register(
            content_types=["application/x-image", "image/png", "image/jpeg"],
            response_types=["application/json"],
            model_package_group_name=model_package_group_name,
            approval_status=approval,
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(
                    s3_uri=evaluated("evaluation"), content_type="application/json"
                )
            ),
            customer_metadata_properties={
                "run": run,
                "training_job": train.properties.TrainingJobName,
                "saved_model": model.properties.ModelName,
                "lists": in_run("lists/"),
                "image_shape": planned("image_shape"),
                "algorithm": "own",
                "code_version": code_version,
                **{name: measured(name) for name in MEASURED},
            },
        ),
        retry_policies=[REQUEST_RETRIES],
    )
    fail = FailStep(
        "NotGoodEnough",
        error_message=Join(on=" ", values=["Not registered:", evaluated("message")]),
    )
    check = ConditionStep(
        "GoodEnough",
        conditions=[ConditionEquals(left=evaluated("verdict"), right="good")],
        if_steps=[register],
        else_steps=[fail],
    )
    anything_new = ConditionStep(
        "AnythingNew",
        conditions=[
            ConditionOr(
                conditions=[
                    ConditionEquals(left=force, right="true"),
                    ConditionEquals(left=planned("new"), right="yes"),
                ]
            )
        ],
        if_steps=[train, model, transform, champion, evaluate, check],
        else_steps=[],
    )
    return Pipeline(
        name=pipeline_name,
        parameters=[
            processing_type,
            training_type,
            transform_type,
            class_names,
            image_shape,
            minimum_accuracy,
            accuracy_margin,
            force,
            approval,
        ],
        pipeline_experiment_config=None,
        steps=[preprocess, anything_new],
        sagemaker_session=session,
    )
