"""The embedded SageMaker: takes HTTP requests, gives each to what answers it."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scones_local.sagemaker import validation
from scones_local.sagemaker.control import ControlPlane
from scones_local.sagemaker.endpoint_metrics import EndpointMetrics
from scones_local.sagemaker.endpoints import Endpoints
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.images import ContainerImage
from scones_local.sagemaker.model_packages import ModelPackages
from scones_local.sagemaker.models import Models
from scones_local.sagemaker.pipelines import Catalog, ExecutionActions, Executions
from scones_local.sagemaker.platform import Client, Emit, Platform, Variables, log, no_variables
from scones_local.sagemaker.processing_jobs import ProcessingJobs
from scones_local.sagemaker.protocol import (
    Request,
    Response,
    ServiceError,
    encode_error,
    encode_result,
    encode_runtime_error,
)
from scones_local.sagemaker.runtime import Runtime
from scones_local.sagemaker.tags import Tags
from scones_local.sagemaker.training_jobs import TrainingJobs
from scones_local.sagemaker.transform_jobs import TransformJobs

_JOIN_SECONDS = 5.0
_INTERRUPTED_REASON = "The local cloud was stopped while it ran."

Action = Callable[[dict[str, Any]], dict[str, Any]]


class LocalSageMaker:
    """Serves ``sagemaker`` and ``sagemaker-runtime`` for one account and region.

    Parameters
    ----------
    state_dir
        Where jobs and endpoints keep their files while they run.
    account, region
        As they appear in ARNs.
    client
        ``client(service, role_arn)`` returns a boto3 client with the role's permissions;
        a role of None stands for SageMaker itself.
    emit
        ``emit(detail_type, detail, resources)`` sends an event of source ``aws.sagemaker``.
    images
        The program for each image URI or fnmatch pattern. A training container is started as
        ``entrypoint + ["train", "--root", DIR]``, a hosting one as
        ``entrypoint + ["serve", "--root", DIR, "--port", N, "--host", "127.0.0.1"]``; DIR
        replaces ``/opt/ml``. A job with a ContainerEntrypoint runs that instead, see `opt_ml`.
    variables
        ``variables(role_arn)`` returns the environment variables by which the programs in a job's
        container act with the role's permissions; there are none by default.
    """

    def __init__(  # noqa: PLR0913
        self,
        state_dir: Path,
        *,
        account: str,
        region: str,
        client: Client,
        emit: Emit,
        images: Mapping[str, ContainerImage],
        variables: Variables = no_variables,
    ) -> None:
        self._platform = Platform(
            state_dir.resolve(), account, region, client, emit, images, variables
        )
        self._control = ControlPlane(account, region)
        events = Events(self._platform)
        models = Models(self._platform, self._control, events)
        packages = self._packages = ModelPackages(self._platform, self._control, events)
        self._executions = Executions()
        pipelines = self._pipelines = Catalog(self._platform, self._control, self._executions)
        executions = ExecutionActions(self._platform, pipelines, self._executions)
        tags = Tags(self._control)
        self._training = TrainingJobs(self._platform, self._control, events)
        self._processing = ProcessingJobs(self._platform, self._control, events)
        self._transform = TransformJobs(self._platform, self._control, events, models)
        self._endpoints = Endpoints(self._platform, self._control, events, models)
        self._metrics = EndpointMetrics(self._platform)
        self._runtime = Runtime(self._platform, self._endpoints, self._metrics)
        self._actions: dict[str, Action] = {
            "CreateTrainingJob": self._training.create,
            "StopTrainingJob": self._training.stop,
            "CreateProcessingJob": self._processing.create,
            "DescribeProcessingJob": self._processing.describe,
            "ListProcessingJobs": self._processing.list,
            "StopProcessingJob": self._processing.stop,
            "CreateTransformJob": self._transform.create,
            "StopTransformJob": self._transform.stop,
            "CreateModel": models.create,
            "DeleteModel": models.delete,
            "ListModels": models.list,
            "CreateEndpointConfig": models.create_config,
            "DeleteEndpointConfig": models.delete_config,
            "CreateEndpoint": self._endpoints.create,
            "UpdateEndpoint": self._endpoints.update,
            "UpdateEndpointWeightsAndCapacities": self._endpoints.scale,
            "DeleteEndpoint": self._endpoints.delete,
            "CreateModelPackageGroup": packages.create_group,
            "DeleteModelPackageGroup": packages.delete_group,
            "CreateModelPackage": packages.create,
            "UpdateModelPackage": packages.update,
            "DeleteModelPackage": packages.delete,
            "CreatePipeline": pipelines.create,
            "UpdatePipeline": pipelines.update,
            "DeletePipeline": pipelines.delete,
            "DescribePipeline": pipelines.describe,
            "ListPipelines": pipelines.list,
            "ListPipelineVersions": pipelines.list_versions,
            "StartPipelineExecution": executions.start,
            "StopPipelineExecution": executions.stop,
            "RetryPipelineExecution": executions.retry,
            "UpdatePipelineExecution": executions.update,
            "DescribePipelineExecution": executions.describe,
            "DescribePipelineDefinitionForExecution": executions.describe_definition,
            "ListPipelineExecutions": executions.list,
            "ListPipelineExecutionSteps": executions.list_steps,
            "ListPipelineParametersForExecution": executions.list_parameters,
            "AddTags": tags.add,
            "ListTags": tags.list,
            "DeleteTags": tags.delete,
        }

    def handle(self, request: Request) -> Response:
        """Answer one request; may be called from many threads."""
        target = request.header("X-Amz-Target")
        if target is None:
            return self._handle_runtime(request)
        try:
            return self._handle_control(target.removeprefix("SageMaker."), request.body)
        except ServiceError as error:
            return encode_error(error)
        except Exception as error:
            log.exception("%s failed", target)
            return encode_error(ServiceError("InternalFailure", str(error), 500))

    def snapshot(self) -> bytes:
        """Return all resources, for `restore`; files and what runs are not among them."""
        with self._control.lock:
            return pickle.dumps(
                {
                    "tables": self._control.tables(),
                    "versions": self._packages.highest_versions(),
                    "endpoints": self._endpoints.settings(),
                    "pipelines": self._pipelines.versions(),
                    "executions": self._executions.to_saved(),
                }
            )

    def restore(self, snapshot: bytes) -> None:
        """Put back what `snapshot` returned, and start the endpoints in the background.

        Parameters
        ----------
        snapshot
            From a trusted place: code in it would be run. The models' data is where it was.
        """
        snapshot_parts = pickle.loads(snapshot)  # noqa: S301  only the user may write it
        self._control.restore(snapshot_parts["tables"])
        self._packages.restore(snapshot_parts["versions"])
        for jobs in (self._training, self._processing, self._transform):
            jobs.fail_unfinished(_INTERRUPTED_REASON)
        # Earlier releases did not keep them.
        self._pipelines.restore(snapshot_parts.get("pipelines", {}))
        self._executions.restore(snapshot_parts.get("executions", []), _INTERRUPTED_REASON)
        self._endpoints.restore(snapshot_parts["endpoints"])

    def shutdown(self) -> None:
        """Stop every child process, and write what is captured and counted."""
        self._platform.stopping.set()
        self._training.shutdown()
        self._processing.shutdown()
        self._transform.shutdown()
        self._endpoints.shutdown()
        self._metrics.send()
        self._platform.join(_JOIN_SECONDS)

    def _handle_control(self, action: str, body: bytes) -> Response:
        try:
            parameters = json.loads(body or b"{}", object_hook=_drop_nulls)
        except ValueError as error:
            raise ServiceError("SerializationException", f"Not JSON: {error}") from None
        validation.check(action, parameters)
        request = self._control.with_stored_names(parameters)
        actions = self._actions.get(action)
        return encode_result(actions(request) if actions else self._control.call(action, request))

    def _handle_runtime(self, request: Request) -> Response:
        try:
            return self._runtime.handle(request)
        except ServiceError as error:
            return encode_runtime_error(error)
        except Exception as error:
            log.exception("%s failed", request.path)
            return encode_runtime_error(ServiceError("InternalFailure", str(error), 500))


def _drop_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is null: to AWS it is the same as not given."""
    return {name: member for name, member in value.items() if member is not None}
