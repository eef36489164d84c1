"""The pipeline `abalone`: preprocess, train, evaluate, and register a model that is good enough."""

from pathlib import Path
from typing import Any

from sagemaker.core import image_uris
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, InputData, StoppingCondition
from sagemaker.core.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

from scones_pipelines.steps import (
    CACHE,
    JOB_RETRIES,
    MAX_RUNTIME_SECONDS,
    REQUEST_RETRIES,
    TAGS,
    UPLOADED_BUCKET,
    UPLOADED_KEY,
    execution_uri,
    input_from,
    output_to,
    output_uri,
    processing_step,
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
    bucket = default_bucket or session.default_bucket()
    processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_type = ParameterString("TrainingInstanceType", default_value="ml.m5.xlarge")
    approval = ParameterString(
        "ModelApprovalStatus",
        default_value="PendingManualApproval",
        enum_values=["PendingManualApproval", "Approved", "Rejected"],
    )
    data = uploaded_object("Input", bucket, "abalone/abalone.csv")
    max_mse = ParameterFloat("MaxMse", default_value=6.0)
    images = {
        framework: image_uris.retrieve(
            framework,
            region=region,
            version=version,
            py_version="py3",
            instance_type="ml.m5.xlarge",
        )
        for framework, version in (("sklearn", SKLEARN_VERSION), ("xgboost", XGBOOST_VERSION))
    }
    shared = {"session": session, "role": role, "pipeline": pipeline_name}

    preprocess = processing_step(
        "Preprocess",
        **shared,
        image=images["sklearn"],
        script=HERE / "preprocess.py",
        instance_type=processing_type,
        inputs=[input_from("raw", data.uri)],
        outputs=[
            output_to(name, execution_uri(bucket, pipeline_name, name))
            for name in ("train", "validation", "test")
        ],
    )
    trainer = ModelTrainer(
        training_image=images["xgboost"],
        role=role,
        sagemaker_session=session,
        base_job_name=pipeline_name,
        compute=Compute(instance_type=training_type, instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=MAX_RUNTIME_SECONDS),
        output_data_config=OutputDataConfig(
            s3_output_path=execution_uri(bucket, pipeline_name, "model")
        ),
        hyperparameters=HYPERPARAMETERS,
        tags=[{"key": key, "value": value} for key, value in TAGS.items()],
    )
    train = TrainingStep(
        "Train",
        step_args=trainer.train(
            input_data_config=[
                InputData(
                    channel_name=name,
                    data_source=output_uri(preprocess, name),
                    content_type="text/csv",
                )
                for name in ("train", "validation")
            ]
        ),
        cache_config=CACHE,
        retry_policies=list(JOB_RETRIES),
    )
    report = PropertyFile(name="Report", output_name="evaluation", path="evaluation.json")
    evaluate = processing_step(
        "Evaluate",
        **shared,
        image=images["xgboost"],
        script=HERE / "evaluate.py",
        instance_type=processing_type,
        inputs=[
            input_from("model", train.properties.ModelArtifacts.S3ModelArtifacts),
            input_from("test", output_uri(preprocess, "test")),
        ],
        outputs=[output_to("evaluation", execution_uri(bucket, pipeline_name, "evaluation"))],
        property_files=[report],
    )
    builder = ModelBuilder(
        image_uri=images["xgboost"],
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        role_arn=role,
        sagemaker_session=session,
        # The default adds variables that make the container look for a script.
        dependencies={},
        instance_type="ml.m5.large",
    )
    statistics = Join(on="/", values=[output_uri(evaluate, "evaluation"), "evaluation.json"])
    error = JsonGet(
        step_name=evaluate.name, property_file=report, json_path="regression_metrics.mse.value"
    )
    register = ModelStep(
        "Register",
        step_args=builder.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.t2.medium", "ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name=model_package_group_name,
            approval_status=approval,
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(s3_uri=statistics, content_type="application/json")
            ),
            customer_metadata_properties={
                "training_job": train.properties.TrainingJobName,
                "data": data.uri,
            },
        ),
        retry_policies=[REQUEST_RETRIES],
    )
    fail = FailStep(
        "ErrorTooHigh",
        error_message=Join(
            on=" ",
            values=["The mean squared error on the test rows is above MaxMse, which is", max_mse],
        ),
    )
    check = ConditionStep(
        "CheckError",
        conditions=[ConditionLessThanOrEqualTo(left=error, right=max_mse)],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name=pipeline_name,
        parameters=[processing_type, training_type, approval, *data.parameters, max_mse],
        pipeline_experiment_config=None,
        steps=[preprocess, train, evaluate, check],
        sagemaker_session=session,
    )
