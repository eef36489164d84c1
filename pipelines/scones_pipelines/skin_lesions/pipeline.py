"""The pipeline `skin_lesions`: from the archive of HAM10000 to a registered model.

For study, not for diagnosis.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.serve.model_builder import ModelBuilder

from scones_pipelines.steps import (
    PROCESSING_REPOSITORY,
    REQUEST_RETRIES,
    TRAINING_REPOSITORY,
    UPLOADED_BUCKET,
    UPLOADED_KEY,
    execution_uri,
    input_from,
    output_to,
    output_uri,
    own_image,
    photo_channel,
    photo_training_step,
    processing_step,
    uploaded_object,
)

HERE = Path(__file__).parent

HYPERPARAMETERS: Mapping[str, Any] = {
    "image_shape": "3,224,224",
    "use_pretrained_model": 1,
    # Two of three lesions are nevi.
    "use_weighted_loss": 1,
    # A lesion has no left and right: it may be turned and mirrored.
    "augmentation_type": "crop_color_transform",
}

COUNTED = ("num_classes", "num_training_samples", "mini_batch_size")
"""Hyperparameters that the preprocessing counts."""

UPLOAD_PARAMETERS = {"ArchiveBucket": UPLOADED_BUCKET, "ArchiveKey": UPLOADED_KEY}
"""An execution that an upload starts reads the archive that was uploaded."""


def get_pipeline(  # noqa: PLR0913, PLR0917
    session: Any,
    role: str,
    region: str = "us-east-1",
    default_bucket: str | None = None,
    pipeline_name: str = "skin-lesions",
    model_package_group_name: str = "skin-lesions",
    training_image: str | None = None,
    processing_image: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    spot: bool = False,
) -> Pipeline:
    """Return the pipeline.

    Parameters
    ----------
    session
        Session of the SDK.
    role
        ARN of the role of the pipeline and its jobs.
    region
        AWS Region of the images.
    default_bucket
        Bucket for the outputs (default: the session's).
    pipeline_name, model_package_group_name
        Names of the pipeline and of the group of its models, which has to exist.
    training_image, processing_image
        URIs of the project's images (default: tag 1 of the repositories in the role's account).
    hyperparameters
        Hyperparameters of the trainer by name that replace those of `HYPERPARAMETERS`.
    validation_share, test_share
        Shares of the lesions to validate on and to test on; their sum is below 1.
    spot
        Whether to train on spot instances. The training then has checkpoints, and is not taken from
        the cache.
    """
    bucket = default_bucket or session.default_bucket()
    training_image = training_image or own_image(TRAINING_REPOSITORY, role, region)
    processing_image = processing_image or own_image(PROCESSING_REPOSITORY, role, region)
    processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_type = ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge")
    archive = uploaded_object("Archive", bucket, "ham10000/")
    minimum_accuracy = ParameterFloat("MinimumAccuracy", default_value=0.6)
    approval = ParameterString(
        "ModelApprovalStatus",
        default_value="PendingManualApproval",
        enum_values=["PendingManualApproval", "Approved", "Rejected"],
    )
    shared = {
        "session": session,
        "role": role,
        "pipeline": pipeline_name,
        "image": processing_image,
        "instance_type": processing_type,
    }

    def of_execution(*path: str) -> Any:
        return execution_uri(bucket, pipeline_name, *path)

    summary_file = PropertyFile(name="Summary", output_name="summary", path="summary.json")
    names = ("train", "validation", "test", "train_lst", "validation_lst", "summary")
    preprocess = processing_step(
        "Preprocess",
        **shared,
        script=HERE / "preprocess.py",
        inputs=[input_from("archive", archive.uri)],
        outputs=[output_to(name, of_execution(name)) for name in names],
        property_files=[summary_file],
        arguments={"validation-share": str(validation_share), "test-share": str(test_share)},
    )

    def counted(name: str) -> Any:
        path = f"hyperparameters.{name}"
        return JsonGet(step_name=preprocess.name, property_file=summary_file, json_path=path)

    train = photo_training_step(
        "Train",
        session=session,
        role=role,
        image=training_image,
        channels=[
            photo_channel(name, output_uri(preprocess, name))
            for name in ("train", "validation", "train_lst", "validation_lst")
        ],
        hyperparameters={
            **{name: counted(name) for name in COUNTED},
            **HYPERPARAMETERS,
            **(hyperparameters or {}),
        },
        output=of_execution("model"),
        checkpoints=of_execution("checkpoints") if spot else None,
        instance_type=training_type,
        spot=spot,
    )
    artifacts = train.properties.ModelArtifacts.S3ModelArtifacts
    report = PropertyFile(name="Report", output_name="evaluation", path="evaluation.json")
    evaluate = processing_step(
        "Evaluate",
        **shared,
        script=HERE / "evaluate.py",
        inputs=[
            input_from("model", artifacts),
            input_from("test", output_uri(preprocess, "test")),
        ],
        outputs=[output_to("evaluation", of_execution("evaluation"))],
        property_files=[report],
    )

    def reported(path: str) -> Any:
        return JsonGet(step_name=evaluate.name, property_file=report, json_path=path)

    builder = ModelBuilder(
        image_uri=training_image,
        s3_model_data_url=artifacts,
        role_arn=role,
        sagemaker_session=session,
        # The default adds variables that make other containers look for a script.
        dependencies={},
        instance_type="ml.m5.large",
    )
    register = ModelStep(
        "Register",
        step_args=builder.register(
            content_types=["application/x-image", "image/png", "image/jpeg"],
            response_types=["application/json"],
            model_package_group_name=model_package_group_name,
            approval_status=approval,
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(
                    s3_uri=Join(
                        on="/", values=[output_uri(evaluate, "evaluation"), "evaluation.json"]
                    ),
                    content_type="application/json",
                )
            ),
            customer_metadata_properties={
                "training_job": train.properties.TrainingJobName,
                "data": archive.uri,
                "algorithm": "own",
                **{
                    name: reported(f"metadata.{name}")
                    for name in ("accuracy", "balanced_accuracy", "photos")
                },
            },
        ),
        retry_policies=[REQUEST_RETRIES],
    )
    fail = FailStep(
        "AccuracyTooLow",
        error_message=Join(
            on=" ",
            values=[
                "The accuracy on the test photos is below MinimumAccuracy, which is",
                minimum_accuracy,
            ],
        ),
    )
    check = ConditionStep(
        "CheckAccuracy",
        conditions=[
            ConditionGreaterThanOrEqualTo(
                left=reported("multiclass_classification_metrics.accuracy.value"),
                right=minimum_accuracy,
            )
        ],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name=pipeline_name,
        parameters=[
            processing_type,
            training_type,
            *archive.parameters,
            minimum_accuracy,
            approval,
        ],
        pipeline_experiment_config=None,
        steps=[preprocess, train, evaluate, check],
        sagemaker_session=session,
    )
