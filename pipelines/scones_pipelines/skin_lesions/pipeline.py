"""The pipeline `skin_lesions`: from the archive of HAM10000 to a registered model.

For study, not for diagnosis.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import Pipeline

from scones_pipelines.steps import (
    PHOTO_TYPES,
    PROCESSING_REPOSITORY,
    TRAINING_REPOSITORY,
    UPLOADED_BUCKET,
    UPLOADED_KEY,
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

COUNT_HYPERPARAMETERS = ("num_classes", "num_training_samples", "mini_batch_size")
"""Hyperparameters that the preprocessing counts."""

CHANNELS = ("train", "validation", "train_lst", "validation_lst")
"""Channels of the training, which are outputs of the preprocessing."""

METRIC_NAMES = ("accuracy", "balanced_accuracy", "photos")
"""Values of the evaluation in the metadata of a version."""

SUMMARY = PropertyFile(name="Summary", output_name="summary", path="summary.json")
REPORT = PropertyFile(name="Report", output_name="evaluation", path="evaluation.json")

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
    context = PipelineContext(
        session, role, default_bucket or session.default_bucket(), pipeline_name
    )
    training_image = training_image or project_image_uri(TRAINING_REPOSITORY, role, region)
    processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_type = ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge")
    archive = uploaded_object("Archive", context.bucket, "ham10000/")
    minimum_accuracy = ParameterFloat("MinimumAccuracy", default_value=0.6)
    approval = approval_parameter("Approved", "Rejected")
    processing = {
        "image": processing_image or project_image_uri(PROCESSING_REPOSITORY, role, region),
        "instance_type": processing_type,
    }

    shares = {"validation-share": str(validation_share), "test-share": str(test_share)}
    preprocess = _preprocess(context, archive.uri, shares, processing)
    train = photo_training_step(
        "Train",
        session=session,
        role=role,
        image=training_image,
        channels=[photo_channel(name, output_uri(preprocess, name)) for name in CHANNELS],
        hyperparameters={
            **_count_hyperparameters(preprocess),
            **HYPERPARAMETERS,
            **(hyperparameters or {}),
        },
        output=context.uri("model"),
        checkpoints=context.uri("checkpoints") if spot else None,
        instance_type=training_type,
        spot=spot,
    )
    evaluate = _evaluate(context, preprocess, train, processing)
    register = register_step(
        context.builder(training_image, train),
        statistics=Join(on="/", values=[output_uri(evaluate, "evaluation"), REPORT.path]),
        metadata={
            "training_job": train.properties.TrainingJobName,
            "data": archive.uri,
            "algorithm": "own",
            **{
                name: property_file_value(evaluate, REPORT, f"metadata.{name}")
                for name in METRIC_NAMES
            },
        },
        **PHOTO_TYPES,
        model_package_group_name=model_package_group_name,
        approval_status=approval,
    )
    return context.create_pipeline(
        [processing_type, training_type, *archive.parameters, minimum_accuracy, approval],
        [preprocess, train, evaluate, _check(evaluate, minimum_accuracy, register)],
    )


def _preprocess(
    context: PipelineContext, archive: Any, shares: Mapping[str, str], processing: Mapping[str, Any]
) -> Any:
    """Return the step that unpacks the archive and splits it."""
    names = (*CHANNELS[:2], "test", *CHANNELS[2:], "summary")
    return context.processing_step(
        "Preprocess",
        **processing,
        script=HERE / "preprocess.py",
        inputs=[processing_input("archive", archive)],
        outputs=[processing_output(name, context.uri(name)) for name in names],
        property_files=[SUMMARY],
        arguments=shares,
    )


def _count_hyperparameters(preprocess: Any) -> dict[str, Any]:
    """Return the hyperparameters that the preprocessing counts."""
    return {
        name: property_file_value(preprocess, SUMMARY, f"hyperparameters.{name}")
        for name in COUNT_HYPERPARAMETERS
    }


def _evaluate(
    context: PipelineContext, preprocess: Any, train: Any, processing: Mapping[str, Any]
) -> Any:
    """Return the step that measures the model on the test photos."""
    return context.processing_step(
        "Evaluate",
        **processing,
        script=HERE / "evaluate.py",
        inputs=[
            processing_input("model", model_artifacts_uri(train)),
            processing_input("test", output_uri(preprocess, "test")),
        ],
        outputs=[processing_output("evaluation", context.uri("evaluation"))],
        property_files=[REPORT],
    )


def _check(evaluate: Any, minimum_accuracy: Any, register: Any) -> Any:
    """Return the condition for the registration."""
    accuracy = property_file_value(
        evaluate, REPORT, "multiclass_classification_metrics.accuracy.value"
    )
    sentence = "The accuracy on the test photos is below MinimumAccuracy, which is"
    return ConditionStep(
        "CheckAccuracy",
        conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=minimum_accuracy)],
        if_steps=[register],
        else_steps=[fail_step("AccuracyTooLow", sentence, minimum_accuracy)],
    )
