"""The pipeline `abalone`: preprocess, train, evaluate, and register a model that is good enough."""

from pathlib import Path
from typing import Any

from sagemaker.core import image_uris
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, InputData, StoppingCondition
from sagemaker.core.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TrainingStep
from sagemaker.train import ModelTrainer

from scones_pipelines.steps import (
    CACHE,
    JOB_RETRIES,
    MAX_RUNTIME_SECONDS,
    TAGS,
    UPLOADED_BUCKET,
    UPLOADED_KEY,
    PipelineContext,
    approval_parameter,
    fail_step,
    model_artifacts_uri,
    output_uri,
    processing_input,
    processing_output,
    property_file_value,
    register_step,
    uploaded_object,
)

HERE = Path(__file__).parent

SKLEARN_VERSION = "1.9-0"
XGBOOST_VERSION = "3.2-0"
"""Versions of AWS's containers: those of the packages that the local cloud runs instead."""

HYPERPARAMETERS = {
    "objective": "reg:squarederror",
    "eval_metric": "rmse",
    "num_round": 100,
    "max_depth": 5,
    "eta": 0.1,
    "gamma": 1,
    "min_child_weight": 6,
    "subsample": 0.8,
}

REPORT = PropertyFile(name="Report", output_name="evaluation", path="evaluation.json")

UPLOAD_PARAMETERS = {"InputBucket": UPLOADED_BUCKET, "InputKey": UPLOADED_KEY}
"""An execution that an upload starts reads the object that was uploaded."""


def get_pipeline(
    session: Any,
    role: str,
    region: str = "us-east-1",
    default_bucket: str | None = None,
    pipeline_name: str = "abalone",
    model_package_group_name: str = "abalone",
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
    """
    context = PipelineContext(
        session, role, default_bucket or session.default_bucket(), pipeline_name
    )
    processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_type = ParameterString("TrainingInstanceType", default_value="ml.m5.xlarge")
    approval = approval_parameter("Approved", "Rejected")
    data = uploaded_object("Input", context.bucket, "abalone/abalone.csv")
    max_mse = ParameterFloat("MaxMse", default_value=6.0)
    sklearn = _image("sklearn", SKLEARN_VERSION, region)
    xgboost = _image("xgboost", XGBOOST_VERSION, region)

    preprocess = _preprocess(context, sklearn, data.uri, processing_type)
    train = _train(context, xgboost, preprocess, training_type)
    evaluate = _evaluate(context, xgboost, preprocess, train, processing_type)
    register = register_step(
        context.builder(xgboost, train),
        statistics=Join(on="/", values=[output_uri(evaluate, "evaluation"), REPORT.path]),
        metadata={"training_job": train.properties.TrainingJobName, "data": data.uri},
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium", "ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name=model_package_group_name,
        approval_status=approval,
    )
    parameters = [processing_type, training_type, approval, *data.parameters, max_mse]
    return context.create_pipeline(
        parameters, [preprocess, train, evaluate, _check(evaluate, max_mse, register)]
    )


def _image(framework: str, version: str, region: str) -> Any:
    return image_uris.retrieve(
        framework,
        region=region,
        version=version,
        py_version="py3",
        instance_type="ml.m5.xlarge",
    )


def _preprocess(context: PipelineContext, image: Any, data: Any, instance_type: Any) -> Any:
    """Return the step that splits the table."""
    return context.processing_step(
        "Preprocess",
        image=image,
        script=HERE / "preprocess.py",
        instance_type=instance_type,
        inputs=[processing_input("raw", data)],
        outputs=[
            processing_output(name, context.uri(name)) for name in ("train", "validation", "test")
        ],
    )


def _train(context: PipelineContext, image: Any, preprocess: Any, instance_type: Any) -> Any:
    """Return the step that trains the built-in algorithm."""
    trainer = ModelTrainer(
        training_image=image,
        role=context.role,
        sagemaker_session=context.session,
        base_job_name=context.pipeline,
        compute=Compute(instance_type=instance_type, instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=MAX_RUNTIME_SECONDS),
        output_data_config=OutputDataConfig(s3_output_path=context.uri("model")),
        hyperparameters=HYPERPARAMETERS,
        tags=[{"key": key, "value": value} for key, value in TAGS.items()],
    )
    channels = [
        InputData(
            channel_name=name, data_source=output_uri(preprocess, name), content_type="text/csv"
        )
        for name in ("train", "validation")
    ]
    return TrainingStep(
        "Train",
        step_args=trainer.train(input_data_config=channels),
        cache_config=CACHE,
        retry_policies=list(JOB_RETRIES),
    )


def _evaluate(
    context: PipelineContext, image: Any, preprocess: Any, train: Any, instance_type: Any
) -> Any:
    """Return the step that measures the model on the test rows."""
    return context.processing_step(
        "Evaluate",
        image=image,
        script=HERE / "evaluate.py",
        instance_type=instance_type,
        inputs=[
            processing_input("model", model_artifacts_uri(train)),
            processing_input("test", output_uri(preprocess, "test")),
        ],
        outputs=[processing_output("evaluation", context.uri("evaluation"))],
        property_files=[REPORT],
    )


def _check(evaluate: Any, max_mse: Any, register: Any) -> Any:
    """Return the condition for the registration."""
    error = property_file_value(evaluate, REPORT, "regression_metrics.mse.value")
    sentence = "The mean squared error on the test rows is above MaxMse, which is"
    return ConditionStep(
        "CheckError",
        conditions=[ConditionLessThanOrEqualTo(left=error, right=max_mse)],
        if_steps=[register],
        else_steps=[fail_step("ErrorTooHigh", sentence, max_mse)],
    )
