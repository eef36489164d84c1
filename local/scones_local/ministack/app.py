"""MiniStack with all our changes, ready to be served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ministack import app as ministack
from ministack.core import hypercorn_compat

from scones_local.cloud.state import StateFolder
from scones_local.lambda_runtime import DebugRequests, PythonRuntime
from scones_local.ministack import (
    alarms,
    async_invocations,
    audit,
    authentication,
    embedded_metrics,
    encrypted_topics,
    event_delivery,
    function_permissions,
    function_urls,
    functions,
    permissions,
    persistence,
    pipeline_targets,
    s3_absence,
    s3_events,
    sagemaker,
    sagemaker_types,
    substitutions,
    table_backups,
    tls,
)
from scones_local.ministack.access_control import Gate
from scones_local.ministack.clients import Clients
from scones_local.ministack.patching import check_version
from scones_local.ministack.stepfunctions import (
    asl,
    execution_logs,
    execution_metrics,
    executions,
    integrations,
    parallel_map,
    sagemaker_jobs,
    sdk_tasks,
    task_permissions,
    tasks,
)
from scones_local.sagemaker import ContainerImage


@dataclass(frozen=True)
class MiniStackApp:
    """MiniStack inside this process.

    Attributes
    ----------
    app
        The ASGI application that answers its requests.
    finish
        Ends SageMaker's work, which needs the other services until its end.
    stop
        Ends the functions.
    restore, save
        Read what the services stored from the state folder, and write it there.
    """

    app: Callable[..., Any]
    finish: Callable[[], None]
    stop: Callable[[], None]
    restore: Callable[[], None]
    save: Callable[[], None]


def create_app(
    state: Path,
    endpoint: str,
    access_key: str,
    secret_key: str,
    images: Mapping[str, ContainerImage],
) -> MiniStackApp:
    """Make MiniStack ours.

    Parameters
    ----------
    state
        Folder that everything goes into.
    endpoint
        URL it will be served at.
    access_key, secret_key
        The root user's credentials.
    images
        Programs of SageMaker's containers by patterns of image URIs.

    Raises
    ------
    IncompatibleMiniStackError
        If another release is installed than the one this was written against.
    """
    check_version()
    hypercorn_compat.install()
    requests = DebugRequests(StateFolder(state).debugging)
    functions.install(PythonRuntime(state / "lambda"), endpoint, requests)
    s3_events.install()
    s3_absence.install()
    table_backups.install()
    tls.install()
    authentication.install(access_key)
    permissions.install()
    audit.install(StateFolder(state).audit)
    root = permissions.Credentials(access_key, secret_key, None)
    local_sagemaker = sagemaker.install(
        state / "sagemaker", Clients(endpoint, attempts=5), root, images
    )
    pipeline_targets.install(local_sagemaker)
    # After the targets: permission comes first.
    event_delivery.install()
    function_permissions.install()
    function_urls.install(endpoint)
    async_invocations.install()
    embedded_metrics.install()
    encrypted_topics.install()
    alarms.install()
    integrations.install()
    # A machine's own Retry says how often a task is tried.
    sdk_tasks.install(Clients(endpoint, attempts=1))
    task_permissions.install()
    tasks.install()
    parallel_map.install()
    asl.install()
    execution_logs.install()
    execution_metrics.install()
    substitutions.install(StateFolder(state).substitutions)
    # Outermost, so that all the others know the execution.
    executions.install()
    sagemaker_jobs.install(local_sagemaker)
    sagemaker_types.install(local_sagemaker)
    gate = Gate(ministack.app, urlsplit(endpoint).port or 0)
    store = persistence.StateStore(StateFolder(state), local_sagemaker)
    store.install()
    return MiniStackApp(gate, local_sagemaker.shutdown, functions.stop, store.restore, store.save)
