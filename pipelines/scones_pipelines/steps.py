"""Parts that all pipelines share: inputs, outputs, scripts, caching and retries."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import (
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    S3DataSource,
)
from sagemaker.core.training.configs import (
    CheckpointConfig,
    Compute,
    InputData,
    MetricDefinition,
    Networking,
    StoppingCondition,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

PROCESSING = "/opt/ml/processing"
"""Folder of the inputs and outputs of processing jobs."""

EXIT_MESSAGE = "/opt/ml/output/message"
"""File that becomes a processing job's ExitMessage, at most 1 KB."""

MAX_RUNTIME_SECONDS = 3600

TAGS = {"Project": "scones"}

PROCESSING_REPOSITORY = "scones-processing"
TRAINING_REPOSITORY = "scones-training"
"""ECR repositories of the project's images: README.md and ../training/README.md build them."""

ACCURACY = [
    MetricDefinition(name="train:accuracy", regex="Train-accuracy=([0-9.]+)"),
    MetricDefinition(name="validation:accuracy", regex="Validation-accuracy=([0-9.]+)"),
]
"""Metrics that SageMaker reads from the log of the project's trainer."""

PHOTO_TYPES = {
    "content_types": ["application/x-image", "image/png", "image/jpeg"],
    "response_types": ["application/json"],
}
"""What a model of the project's trainer takes and answers."""

CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
"""A step with the same image, arguments and inputs as one of the last 30 days is not run again.

SageMaker compares the S3 URIs of inputs, not the objects: data that changes needs a new prefix.
"""

REQUEST_RETRIES = StepRetryPolicy(
    exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
    interval_seconds=5,
    backoff_rate=2.0,
    max_attempts=5,
)
"""Retry policy for requests that SageMaker throttles or fails to answer."""

JOB_RETRIES = (
    REQUEST_RETRIES,
    SageMakerJobStepRetryPolicy(
        exception_types=[
            SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
            SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT,
        ],
        interval_seconds=60,
        backoff_rate=2.0,
        max_attempts=3,
    ),
)
"""Retry policies for jobs that fail for lack of an instance or by an error of the service; an error
of the script is not retried."""


UPLOADED_BUCKET, UPLOADED_KEY = "$.detail.bucket.name", "$.detail.object.key"
"""Paths into the event of an upload, for `UPLOAD_PARAMETERS` of a pipeline."""


class UploadedObject(NamedTuple):
    """An object, or a prefix, that a run names with two parameters.

    Attributes
    ----------
    parameters
        The parameters.
    uri
        S3 URI that they make.
    """

    parameters: tuple[Any, Any]
    uri: Any


def project_image_uri(repository: str, role: str, region: str, tag: str = "1") -> str:
    """Return the URI of one of the project's container images in the role's account.

    Parameters
    ----------
    repository
        Name of the ECR repository.
    role
        ARN of the pipeline's role.
    region, tag
        AWS Region of the repository; tag of the image.
    """
    account = role.split(":")[4]
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}:{tag}"


def execution_uri(bucket: str, pipeline: str, *path: str) -> Any:
    """Return a URI below ``s3://BUCKET/pipelines/PIPELINE/EXECUTION ID/``."""
    execution = ExecutionVariables.PIPELINE_EXECUTION_ID
    return Join(on="/", values=["s3:/", bucket, "pipelines", pipeline, execution, *path])


def uploaded_object(name: str, bucket: str, key: str) -> UploadedObject:
    """Return the parameters ``NAMEBucket`` and ``NAMEKey`` and the URI that they make.

    They are two: the event of an upload has bucket and key, and EventBridge cannot join them.

    Parameters
    ----------
    name
        Beginning of the parameters' names.
    bucket, key
        Their defaults.
    """
    parameters = (
        ParameterString(f"{name}Bucket", default_value=bucket),
        ParameterString(f"{name}Key", default_value=key),
    )
    return UploadedObject(parameters, Join(on="/", values=["s3:/", *parameters]))


def processing_input(name: str, uri: Any, folder: str | None = None) -> Any:
    """Return an input of a processing job.

    Parameters
    ----------
    name
        Name of the input.
    uri
        S3 URI of an object or a prefix, or a property of an earlier step.
    folder
        Folder in the container (default: ``/opt/ml/processing/input/NAME``).
    """
    source = ProcessingS3Input(
        s3_uri=uri,
        local_path=folder or f"{PROCESSING}/input/{name}",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    )
    return ProcessingInput(input_name=name, s3_input=source)


def processing_output(name: str, uri: Any) -> Any:
    """Return an output of a processing job: the folder ``/opt/ml/processing/output/NAME``."""
    target = ProcessingS3Output(
        s3_uri=uri, local_path=f"{PROCESSING}/output/{name}", s3_upload_mode="EndOfJob"
    )
    return ProcessingOutput(output_name=name, s3_output=target)


def output_uri(step: Any, name: str) -> Any:
    """Return the S3 URI of an output of a processing step, as a property."""
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def upload_script(session: Any, pipeline: str, script: Path) -> str:
    """Upload a script and return its S3 URI, which has a hash of the content.

    The SDK's own hash includes the path on this computer, so that the same script in another
    checkout would miss the cache.

    Parameters
    ----------
    session
        Session of the SDK.
    pipeline
        Name of the pipeline.
    script
        The script.
    """
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    prefix = f"{session.default_bucket_prefix}/{pipeline}/code/{digest}"
    uri: str = session.upload_data(
        path=str(script), bucket=session.default_bucket(), key_prefix=prefix
    )
    return uri


def processing_step(  # noqa: PLR0913
    name: str,
    *,
    session: Any,
    role: str,
    pipeline: str,
    image: Any,
    script: Path,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    arguments: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    property_files: Sequence[PropertyFile] = (),
    instance_type: Any = "ml.m5.xlarge",
    cached: bool = True,
    depends_on: Sequence[Any] = (),
) -> Any:
    """Return a step that runs a script in a processing job.

    The script finds its folders by arguments, ``--input-NAME DIR`` and ``--output-NAME DIR``, and
    the file for the reason of a failure by ``--exit-message FILE``.

    Parameters
    ----------
    name
        Name of the step.
    session, role, pipeline
        Session of the SDK; ARN of the role of the job; name of the pipeline.
    image
        URI of the container image.
    script
        Python script.
    inputs, outputs
        From `processing_input` and `processing_output`.
    arguments
        Further options of the script: values by name without dashes.
    environment
        Environment variables of the container.
    property_files
        Files of the outputs that later steps read.
    instance_type
        Type of the one instance.
    cached
        Whether a result of an earlier execution may be used.
    depends_on
        Steps without an output for this one that have to end before it.
    """
    processor = ScriptProcessor(
        image_uri=image,
        command=["python3"],
        role=role,
        instance_type=instance_type,
        instance_count=1,
        env=dict(environment or {}),
        max_runtime_in_seconds=MAX_RUNTIME_SECONDS,
        tags=[{"Key": key, "Value": value} for key, value in TAGS.items()],
        sagemaker_session=session,
    )
    words: list[Any] = []
    for item in inputs:
        words += [f"--input-{item.input_name}", item.s3_input.local_path]
    for item in outputs:
        words += [f"--output-{item.output_name}", item.s3_output.local_path]
    for option, value in (arguments or {}).items():
        words += [f"--{option}", value]
    words += ["--exit-message", EXIT_MESSAGE]
    run = processor.run(
        code=upload_script(session, pipeline, script),
        inputs=list(inputs),
        outputs=list(outputs),
        arguments=words,
    )
    return ProcessingStep(
        name,
        step_args=run,
        property_files=list(property_files) or None,
        cache_config=CACHE if cached else None,
        retry_policies=list(JOB_RETRIES),
        depends_on=list(depends_on) or None,
    )


@dataclass(frozen=True)
class PipelineContext:
    """What all steps of a pipeline have in common.

    Attributes
    ----------
    session
        Session of the SDK.
    role
        ARN of the role of the pipeline and its jobs.
    bucket
        Bucket for the outputs.
    pipeline
        Name of the pipeline.
    """

    session: Any
    role: str
    bucket: str
    pipeline: str

    def uri(self, *path: str) -> Any:
        """Return a URI below those of the execution, see `execution_uri`."""
        return execution_uri(self.bucket, self.pipeline, *path)

    def processing_step(self, name: str, **options: Any) -> Any:
        """Return a step that runs a script, see `processing_step`."""
        return processing_step(
            name, session=self.session, role=self.role, pipeline=self.pipeline, **options
        )

    def builder(self, image: Any, train: Any, **options: Any) -> ModelBuilder:
        """Return a builder of a model that was trained.

        Parameters
        ----------
        image
            URI of the image that serves it.
        train
            The training step.
        options
            Further arguments of `ModelBuilder`.
        """
        return ModelBuilder(
            image_uri=image,
            s3_model_data_url=model_artifacts_uri(train),
            role_arn=self.role,
            sagemaker_session=self.session,
            # The default adds variables that make the container look for a script.
            dependencies={},
            instance_type="ml.m5.large",
            **options,
        )

    def create_pipeline(self, parameters: Sequence[Any], steps: Sequence[Any]) -> Pipeline:
        """Return the pipeline with parameters and steps."""
        return Pipeline(
            name=self.pipeline,
            parameters=list(parameters),
            pipeline_experiment_config=None,
            steps=list(steps),
            sagemaker_session=self.session,
        )


def model_artifacts_uri(train: Any) -> Any:
    """Return the S3 URI of the model of a training step, as a property."""
    return train.properties.ModelArtifacts.S3ModelArtifacts


def approval_parameter(*others: str) -> Any:
    """Return the parameter for the approval status of a version, which is pending by default.

    Parameters
    ----------
    others
        Other statuses that a run may give it.
    """
    pending = "PendingManualApproval"
    return ParameterString(
        "ModelApprovalStatus", default_value=pending, enum_values=[pending, *others]
    )


def property_file_value(step: Any, file: PropertyFile, path: str) -> Any:
    """Return the value at a path in a property file of a step."""
    return JsonGet(step_name=step.name, property_file=file, json_path=path)


def register_step(
    builder: ModelBuilder, *, statistics: Any, metadata: Mapping[str, Any], **options: Any
) -> ModelStep:
    """Return the step `Register`, which makes a model package of a model.

    Parameters
    ----------
    builder
        From `Surroundings.builder`.
    statistics
        S3 URI of the report of its quality, JSON.
    metadata
        Its metadata for customers.
    options
        Further arguments of `ModelBuilder.register`.
    """
    return ModelStep(
        "Register",
        step_args=builder.register(
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(s3_uri=statistics, content_type="application/json")
            ),
            customer_metadata_properties=dict(metadata),
            **options,
        ),
        retry_policies=[REQUEST_RETRIES],
    )


def fail_step(name: str, *words: Any) -> FailStep:
    """Return a step that fails the execution; its message are the words with spaces between."""
    return FailStep(name, error_message=Join(on=" ", values=list(words)))


def photo_training_step(  # noqa: PLR0913
    name: str,
    *,
    session: Any,
    role: str,
    image: Any,
    channels: Sequence[Any],
    hyperparameters: Mapping[str, Any],
    output: Any,
    checkpoints: Any,
    instance_type: Any,
    cached: bool = True,
    spot: bool = False,
) -> Any:
    """Return a step that trains with the project's trainer.

    Parameters
    ----------
    name
        Name of the step.
    session, role
        Session of the SDK; ARN of the role of the job.
    image
        URI of the image of ``training/``.
    channels
        Channels of the built-in image classification, from `photo_channel`.
    hyperparameters
        Hyperparameters of the built-in image classification.
    output
        S3 URI of the model.
    checkpoints
        S3 URI of the checkpoints, or None for none. It is part of the key of the cache: a URI of
        the execution makes each training a new one, and a URI that executions share would let one
        continue the training of another.
    instance_type
        Type of the one instance.
    cached
        Whether a result of an earlier execution may be used.
    spot
        Whether to train on spot instances.
    """
    runtime = 12 * 3600
    trainer = ModelTrainer(
        training_image=image,
        role=role,
        sagemaker_session=session,
        base_job_name=name,
        compute=Compute(
            instance_type=instance_type,
            instance_count=1,
            volume_size_in_gb=30,
            enable_managed_spot_training=spot,
        ),
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=runtime,
            **({"max_wait_time_in_seconds": 2 * runtime} if spot else {}),
        ),
        networking=Networking(enable_network_isolation=True),
        checkpoint_config=checkpoints
        and CheckpointConfig(s3_uri=checkpoints, local_path="/opt/ml/checkpoints"),
        output_data_config=OutputDataConfig(s3_output_path=output),
        hyperparameters=dict(hyperparameters),
        tags=[{"key": key, "value": value} for key, value in TAGS.items()],
    ).with_metric_definitions(ACCURACY)
    return TrainingStep(
        name,
        step_args=trainer.train(input_data_config=list(channels)),
        cache_config=CACHE if cached else None,
        retry_policies=list(JOB_RETRIES),
    )


def photo_channel(name: str, uri: Any, data_type: Any = "S3Prefix") -> Any:
    """Return a channel of the project's trainer.

    Parameters
    ----------
    name
        Name of the channel.
    uri
        S3 URI of a prefix or a manifest file.
    data_type
        ``S3Prefix`` or ``ManifestFile``.
    """
    source = S3DataSource(
        s3_data_type=data_type, s3_uri=uri, s3_data_distribution_type="FullyReplicated"
    )
    return InputData(channel_name=name, data_source=source, content_type="application/x-image")
