"""Endpoints: created, updated, scaled and deleted, always with a fleet that answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker import deployment
from scones_local.sagemaker.capture import Capture
from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.fleet import DRAIN_SECONDS, Fleet, StartError
from scones_local.sagemaker.models import Models
from scones_local.sagemaker.objects import Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, validation_error
from scones_local.sagemaker.traffic import ActiveFleet, Endpoint

_MAX_REASON_LENGTH = 1024


@dataclass(frozen=True)
class EndpointSettings:
    """What an endpoint is started with again.

    Attributes
    ----------
    config
        Its endpoint configuration, with the weights and numbers of instances that it has.
    deployment
        The DeploymentConfig of its last deployment, None if it had none.
    """

    config: dict[str, Any]
    deployment: dict[str, Any] | None


class Endpoints:
    """Answers the endpoint actions of the control plane."""

    def __init__(
        self, platform: Platform, control: ControlPlane, events: Events, models: Models
    ) -> None:
        self._platform = platform
        self._control = control
        self._events = events
        self._models = models
        self._endpoints: dict[str, Endpoint] = {}

    def in_service(self, name: str) -> Endpoint | None:
        """Return the endpoint that can be invoked under a name, or None."""
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.current is None or endpoint.cancelled.is_set():
            return None
        return endpoint

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateEndpoint and start its fleet."""
        name = parameters["EndpointName"]
        arn = self._platform.arn("endpoint", name)
        with self._control.lock:
            if self._control.find("endpoint", name):
                raise validation_error(f'Cannot create already existing endpoint "{arn}".')
            config = self._config(parameters["EndpointConfigName"])
            active = self._new_fleet(name, config)
            self._control.call("CreateEndpoint", parameters)
            record = self._control.get_existing("endpoint", name, "endpoint")
            record.rename(arn)
            record.update(
                EndpointStatus="Creating",
                ProductionVariants=None,
                DataCaptureConfig=None,
            )
            endpoint = self._endpoints[name] = Endpoint(name, record)
        endpoint.deployment = parameters.get("DeploymentConfig")
        endpoint.begin(active)
        self._events.endpoint(record)
        self._platform.background(f"create {name}", lambda: self._create(endpoint, active))
        return {"EndpointArn": arn}

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdateEndpoint and start the deployment."""
        endpoint = self._get_existing(parameters["EndpointName"])
        config = self._config(parameters["EndpointConfigName"])
        requested = parameters.get("DeploymentConfig")
        if parameters.get("RetainDeploymentConfig"):
            requested = endpoint.deployment
        count = sum(variant["InitialInstanceCount"] for variant in config["ProductionVariants"])
        steps = deployment.plan_steps(requested, count)
        with self._control.lock:
            self._require_idle(endpoint)
            if endpoint.current is None:
                raise validation_error(
                    f'Cannot update endpoint "{endpoint.record.arn}": it has failed.'
                )
            config = _with_retained_properties(parameters, config, endpoint.current.fleet)
            active = self._new_fleet(endpoint.name, config)
            self._set_status(endpoint, "Updating", FailureReason=None)
        endpoint.deployment = requested
        monitor = deployment.AlarmMonitor(
            self._platform, deployment.alarm_names(requested), endpoint.cancelled
        )
        self._events.endpoint(endpoint.record)
        self._platform.background(
            f"update {endpoint.name}", lambda: self._update(endpoint, active, steps, monitor)
        )
        return {"EndpointArn": endpoint.record.arn}

    def scale(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdateEndpointWeightsAndCapacities."""
        endpoint = self._get_existing(parameters["EndpointName"])
        requested = parameters["DesiredWeightsAndCapacities"]
        with self._control.lock:
            self._require_idle(endpoint)
            if endpoint.current is None:
                raise validation_error(
                    f'Cannot update endpoint "{endpoint.record.arn}": it has failed.'
                )
            active = endpoint.current
            fleet = active.fleet
            variants = {variant.name for variant in fleet.variants}
            for change in requested:
                if change["VariantName"] not in variants:
                    raise validation_error(
                        f'The variant name(s) "{change["VariantName"]}" is/are not present within '
                        f'endpoint configuration "{fleet.config_name}".'
                    )
            self._set_status(endpoint, "Updating", FailureReason=None)
        self._events.endpoint(endpoint.record)
        self._platform.background(
            f"scale {endpoint.name}", lambda: self._scale(endpoint, active, requested)
        )
        return {"EndpointArn": endpoint.record.arn}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteEndpoint: what is in flight is answered, then the fleet ends."""
        endpoint = self._get_existing(parameters["EndpointName"])
        with self._control.lock:
            self._require_idle(endpoint)
            self._set_status(endpoint, "Deleting")
        self._events.endpoint(endpoint.record)
        self._platform.background(f"delete {endpoint.name}", lambda: self._delete(endpoint))
        return {}

    def settings(self) -> dict[str, EndpointSettings]:
        """Return what each endpoint that serves would be started with again."""
        return {
            endpoint.name: EndpointSettings(
                _with_current_capacity(endpoint.current.fleet), endpoint.deployment
            )
            for endpoint in list(self._endpoints.values())
            if endpoint.current is not None and endpoint.record["EndpointStatus"] != "Deleting"
        }

    def restore(self, settings: Mapping[str, EndpointSettings]) -> None:
        """Start recorded endpoints with what `settings` returned; the others are gone.

        No event tells of it: for the application nothing changed.
        """
        for record in self._control.records("endpoint"):
            name = record["EndpointName"]
            if name in settings:
                self._restore(name, record, settings[name])
            else:
                self._control.remove("endpoint", name)

    def _restore(self, name: str, record: Record, settings: EndpointSettings) -> None:
        endpoint = self._endpoints[name] = Endpoint(name, record)
        endpoint.deployment = settings.deployment
        self._set_status(endpoint, "Creating", PendingDeploymentSummary=None)

        def start() -> None:
            try:
                active = self._new_fleet(name, settings.config)
            except ServiceError as error:
                self._set_status(endpoint, "Failed", FailureReason=str(error)[:_MAX_REASON_LENGTH])
                return
            endpoint.begin(active)
            self._start(endpoint, active)

        self._platform.background(f"restore {name}", start)

    def shutdown(self) -> None:
        """Stop all fleets."""
        for endpoint in list(self._endpoints.values()):
            endpoint.stop()

    def _create(self, endpoint: Endpoint, active: ActiveFleet) -> None:
        self._start(endpoint, active)
        self._events.endpoint(endpoint.record)

    def _start(self, endpoint: Endpoint, active: ActiveFleet) -> None:
        try:
            active.fleet.start()
        except StartError as error:
            endpoint.roll_back()
            active.stop()
            reason = str(error)[:_MAX_REASON_LENGTH]
            self._set_status(endpoint, "Failed", FailureReason=reason)
        else:
            endpoint.switch()
            self._set_in_service(endpoint, active)

    def _update(
        self,
        endpoint: Endpoint,
        active: ActiveFleet,
        steps: list[deployment.Step],
        monitor: deployment.AlarmMonitor,
    ) -> None:
        started = _now()
        endpoint.begin(active)

        def set_share(step: deployment.Step) -> None:
            endpoint.set_traffic_share(step.share)
            pending = _pending_deployment(active.fleet, step, started)
            endpoint.record.update(PendingDeploymentSummary=pending)
            self._events.endpoint_deployment(endpoint.record)

        try:
            active.fleet.start()
            deployment.run_steps(steps, monitor, set_share)
        except (StartError, deployment.RollbackError) as error:
            self._roll_back(endpoint, error)
        else:
            old = endpoint.switch()
            self._set_in_service(endpoint, active, PendingDeploymentSummary=None)
            if old is not None:
                old.stop(DRAIN_SECONDS)
        self._events.endpoint(endpoint.record)

    def _roll_back(self, endpoint: Endpoint, error: Exception) -> None:
        if isinstance(error, deployment.RollbackError):
            self._set_status(endpoint, "RollingBack")
            self._events.endpoint(endpoint.record)
        new = endpoint.roll_back()
        if new is not None:
            new.stop(DRAIN_SECONDS)
        self._set_status(
            endpoint,
            "InService",
            FailureReason=str(error)[:_MAX_REASON_LENGTH],
            PendingDeploymentSummary=None,
        )

    def _scale(
        self, endpoint: Endpoint, active: ActiveFleet, requested: list[dict[str, Any]]
    ) -> None:
        fleet = active.fleet
        reason = None
        try:
            for change in requested:
                variant = fleet.variant(change["VariantName"])
                count = change.get("DesiredInstanceCount", len(variant.instances))
                fleet.scale(variant, count)
                variant.weight = change.get("DesiredWeight", variant.weight)
        except StartError as error:
            reason = str(error)[:_MAX_REASON_LENGTH]
        self._set_in_service(endpoint, active, FailureReason=reason)
        self._events.endpoint(endpoint.record)

    def _delete(self, endpoint: Endpoint) -> None:
        endpoint.stop(DRAIN_SECONDS)
        del self._endpoints[endpoint.name]
        self._control.remove("endpoint", endpoint.name)

    def _set_in_service(self, endpoint: Endpoint, active: ActiveFleet, **members: Any) -> None:
        fleet = active.fleet
        self._set_status(
            endpoint,
            "InService",
            EndpointConfigName=fleet.config_name,
            ProductionVariants=_variant_summaries(fleet),
            DataCaptureConfig=_capture_summary(fleet.config),
            LastDeploymentConfig=endpoint.deployment,
            **members,
        )

    def _set_status(self, endpoint: Endpoint, status: str, **members: Any) -> None:
        endpoint.record.update(EndpointStatus=status, LastModifiedTime=_now(), **members)

    def _get_existing(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            arn = self._platform.arn("endpoint", name)
            raise validation_error(f'Could not find endpoint "{arn}".')
        return self._endpoints[name]

    def _require_idle(self, endpoint: Endpoint) -> None:
        if endpoint.record["EndpointStatus"] not in ("InService", "Failed"):
            raise validation_error(f'Cannot update in-progress endpoint "{endpoint.record.arn}".')

    def _config(self, name: str) -> dict[str, Any]:
        noun = "endpoint configuration"
        return self._control.get_existing("endpoint-config", name, noun).describe()

    def _new_fleet(self, name: str, config: dict[str, Any]) -> ActiveFleet:
        fleet = Fleet(self._platform, self._models, name, config)
        requested = config.get("DataCaptureConfig")
        if not requested or not requested.get("EnableCapture"):
            return ActiveFleet(fleet, None)
        objects = Objects.as_role(self._platform, fleet.variants[0].model.role)
        return ActiveFleet(fleet, Capture(self._platform, name, requested, objects))


def _with_retained_properties(
    parameters: dict[str, Any], config: dict[str, Any], fleet: Fleet
) -> dict[str, Any]:
    """Return the new configuration with what the endpoint keeps of the old one."""
    if not parameters.get("RetainAllVariantProperties"):
        return config
    excluded = {
        item["VariantPropertyType"]
        for item in parameters.get("ExcludeRetainedVariantProperties", [])
    }
    kept = {variant.name: variant for variant in fleet.variants}
    variants = []
    for variant in config["ProductionVariants"]:
        old = kept.get(variant["VariantName"])
        changes: dict[str, Any] = {}
        if old and "DesiredInstanceCount" not in excluded:
            changes["InitialInstanceCount"] = len(old.instances)
        if old and "DesiredWeight" not in excluded:
            changes["InitialVariantWeight"] = old.weight
        variants.append({**variant, **changes})
    capture = (
        {}
        if "DataCaptureConfig" in excluded
        else {"DataCaptureConfig": fleet.config.get("DataCaptureConfig")}
    )
    return {**config, "ProductionVariants": variants, **capture}


def _with_current_capacity(fleet: Fleet) -> dict[str, Any]:
    """Return a fleet's configuration with the weights and numbers of instances that it has."""
    variants = []
    for variant in fleet.config["ProductionVariants"]:
        running = fleet.variant(variant["VariantName"])
        has = {
            "InitialVariantWeight": running.weight,
            "InitialInstanceCount": len(running.instances),
        }
        variants.append({**variant, **has})
    return {**fleet.config, "ProductionVariants": variants}


def _variant_summaries(fleet: Fleet) -> list[dict[str, Any]]:
    return [
        {
            "VariantName": variant.name,
            "DeployedImages": [
                {"SpecifiedImage": variant.model.image, "ResolvedImage": variant.model.image}
            ],
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            "CurrentInstanceCount": len(variant.instances),
            "DesiredInstanceCount": len(variant.instances),
        }
        for variant in fleet.variants
    ]


def _pending_deployment(fleet: Fleet, step: deployment.Step, started: datetime) -> dict[str, Any]:
    message = (
        f"Baking for {step.bake_seconds:g} seconds ({step.reason}) with traffic enabled on "
        f"{step.share:.0%} of the new fleet."
    )
    status = {"Status": "Baking", "StatusMessage": message, "StartTime": _now()}
    variants = [{**summary, "VariantStatus": [status]} for summary in _variant_summaries(fleet)]
    return {
        "EndpointConfigName": fleet.config_name,
        "ProductionVariants": variants,
        "StartTime": started,
    }


def _capture_summary(config: dict[str, Any]) -> dict[str, Any] | None:
    capture = config.get("DataCaptureConfig")
    if not capture:
        return None
    return {
        "EnableCapture": capture.get("EnableCapture", False),
        "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }


def _now() -> datetime:
    return datetime.now(UTC)
