"""Endpoints: created, updated, scaled and deleted, always with a fleet that answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker import deployment
from scones_local.sagemaker.capture import Capture
from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.fleet import DRAIN_SECONDS, Fleet, StartFailed
from scones_local.sagemaker.models import Models
from scones_local.sagemaker.objects import Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, invalid
from scones_local.sagemaker.traffic import Endpoint, Serving

_LONGEST_REASON = 1024


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
                raise invalid(f'Cannot create already existing endpoint "{arn}".')
            config = self._config(parameters["EndpointConfigName"])
            serving = self._serving(name, config)
            self._control.call("CreateEndpoint", parameters)
            record = self._control.existing("endpoint", name, "endpoint")
            record.rename(arn)
            record.update(
                EndpointStatus="Creating",
                ProductionVariants=None,
                DataCaptureConfig=None,
            )
            endpoint = self._endpoints[name] = Endpoint(name, record)
        endpoint.deployment = parameters.get("DeploymentConfig")
        endpoint.begin(serving)
        self._events.endpoint(record)
        self._platform.background(f"create {name}", lambda: self._create(endpoint, serving))
        return {"EndpointArn": arn}

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdateEndpoint and start the deployment."""
        endpoint = self._existing(parameters["EndpointName"])
        config = self._config(parameters["EndpointConfigName"])
        wanted = parameters.get("DeploymentConfig")
        if parameters.get("RetainDeploymentConfig"):
            wanted = endpoint.deployment
        count = sum(variant["InitialInstanceCount"] for variant in config["ProductionVariants"])
        steps = deployment.plan(wanted, count)
        with self._control.lock:
            self._must_be_idle(endpoint)
            if endpoint.current is None:
                raise invalid(f'Cannot update endpoint "{endpoint.record.arn}": it has failed.')
            config = _retained(parameters, config, endpoint.current.fleet)
            serving = self._serving(endpoint.name, config)
            self._enter(endpoint, "Updating", FailureReason=None)
        endpoint.deployment = wanted
        watch = deployment.Watch(self._platform, deployment.alarms(wanted), endpoint.cancelled)
        self._events.endpoint(endpoint.record)
        self._platform.background(
            f"update {endpoint.name}", lambda: self._update(endpoint, serving, steps, watch)
        )
        return {"EndpointArn": endpoint.record.arn}

    def scale(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdateEndpointWeightsAndCapacities."""
        endpoint = self._existing(parameters["EndpointName"])
        wanted = parameters["DesiredWeightsAndCapacities"]
        with self._control.lock:
            self._must_be_idle(endpoint)
            if endpoint.current is None:
                raise invalid(f'Cannot update endpoint "{endpoint.record.arn}": it has failed.')
            serving = endpoint.current
            fleet = serving.fleet
            known = {variant.name for variant in fleet.variants}
            for change in wanted:
                if change["VariantName"] not in known:
                    raise invalid(
                        f'The variant name(s) "{change["VariantName"]}" is/are not present within '
                        f'endpoint configuration "{fleet.config_name}".'
                    )
            self._enter(endpoint, "Updating", FailureReason=None)
        self._events.endpoint(endpoint.record)
        self._platform.background(
            f"scale {endpoint.name}", lambda: self._scale(endpoint, serving, wanted)
        )
        return {"EndpointArn": endpoint.record.arn}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteEndpoint: what is in flight is answered, then the fleet ends."""
        endpoint = self._existing(parameters["EndpointName"])
        with self._control.lock:
            self._must_be_idle(endpoint)
            self._enter(endpoint, "Deleting")
        self._events.endpoint(endpoint.record)
        self._platform.background(f"delete {endpoint.name}", lambda: self._delete(endpoint))
        return {}

    def settings(self) -> dict[str, EndpointSettings]:
        """Return what each endpoint that serves would be started with again."""
        return {
            endpoint.name: EndpointSettings(_scaled(endpoint.current.fleet), endpoint.deployment)
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
                self._control.forget("endpoint", name)

    def _restore(self, name: str, record: Record, settings: EndpointSettings) -> None:
        endpoint = self._endpoints[name] = Endpoint(name, record)
        endpoint.deployment = settings.deployment
        self._enter(endpoint, "Creating", PendingDeploymentSummary=None)

        def start() -> None:
            try:
                serving = self._serving(name, settings.config)
            except ServiceError as error:
                self._enter(endpoint, "Failed", FailureReason=str(error)[:_LONGEST_REASON])
                return
            endpoint.begin(serving)
            self._start(endpoint, serving)

        self._platform.background(f"restore {name}", start)

    def shutdown(self) -> None:
        """Stop all fleets."""
        for endpoint in list(self._endpoints.values()):
            endpoint.stop()

    def _create(self, endpoint: Endpoint, serving: Serving) -> None:
        self._start(endpoint, serving)
        self._events.endpoint(endpoint.record)

    def _start(self, endpoint: Endpoint, serving: Serving) -> None:
        try:
            serving.fleet.start()
        except StartFailed as error:
            endpoint.back()
            serving.stop()
            reason = str(error)[:_LONGEST_REASON]
            self._enter(endpoint, "Failed", FailureReason=reason)
        else:
            endpoint.switch()
            self._settle(endpoint, serving)

    def _update(
        self,
        endpoint: Endpoint,
        serving: Serving,
        steps: list[deployment.Step],
        watch: deployment.Watch,
    ) -> None:
        started = _now()
        endpoint.begin(serving)

        def give(step: deployment.Step) -> None:
            endpoint.give(step.share)
            pending = _pending(serving.fleet, step, started)
            endpoint.record.update(PendingDeploymentSummary=pending)
            self._events.endpoint_deployment(endpoint.record)

        try:
            serving.fleet.start()
            deployment.shift(steps, watch, give)
        except (StartFailed, deployment.RolledBack) as error:
            self._roll_back(endpoint, error)
        else:
            old = endpoint.switch()
            self._settle(endpoint, serving, PendingDeploymentSummary=None)
            if old is not None:
                old.stop(DRAIN_SECONDS)
        self._events.endpoint(endpoint.record)

    def _roll_back(self, endpoint: Endpoint, error: Exception) -> None:
        if isinstance(error, deployment.RolledBack):
            self._enter(endpoint, "RollingBack")
            self._events.endpoint(endpoint.record)
        new = endpoint.back()
        if new is not None:
            new.stop(DRAIN_SECONDS)
        self._enter(
            endpoint,
            "InService",
            FailureReason=str(error)[:_LONGEST_REASON],
            PendingDeploymentSummary=None,
        )

    def _scale(self, endpoint: Endpoint, serving: Serving, wanted: list[dict[str, Any]]) -> None:
        fleet = serving.fleet
        reason = None
        try:
            for change in wanted:
                variant = fleet.variant(change["VariantName"])
                count = change.get("DesiredInstanceCount", len(variant.instances))
                fleet.scale(variant, count)
                variant.weight = change.get("DesiredWeight", variant.weight)
        except StartFailed as error:
            reason = str(error)[:_LONGEST_REASON]
        self._settle(endpoint, serving, FailureReason=reason)
        self._events.endpoint(endpoint.record)

    def _delete(self, endpoint: Endpoint) -> None:
        endpoint.stop(DRAIN_SECONDS)
        del self._endpoints[endpoint.name]
        self._control.forget("endpoint", endpoint.name)

    def _settle(self, endpoint: Endpoint, serving: Serving, **members: Any) -> None:
        fleet = serving.fleet
        self._enter(
            endpoint,
            "InService",
            EndpointConfigName=fleet.config_name,
            ProductionVariants=_summaries(fleet),
            DataCaptureConfig=_capture_summary(fleet.config),
            LastDeploymentConfig=endpoint.deployment,
            **members,
        )

    def _enter(self, endpoint: Endpoint, status: str, **members: Any) -> None:
        endpoint.record.update(EndpointStatus=status, LastModifiedTime=_now(), **members)

    def _existing(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            arn = self._platform.arn("endpoint", name)
            raise invalid(f'Could not find endpoint "{arn}".')
        return self._endpoints[name]

    def _must_be_idle(self, endpoint: Endpoint) -> None:
        if endpoint.record["EndpointStatus"] not in ("InService", "Failed"):
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.record.arn}".')

    def _config(self, name: str) -> dict[str, Any]:
        noun = "endpoint configuration"
        return self._control.existing("endpoint-config", name, noun).describe()

    def _serving(self, name: str, config: dict[str, Any]) -> Serving:
        fleet = Fleet(self._platform, self._models, name, config)
        wanted = config.get("DataCaptureConfig")
        if not wanted or not wanted.get("EnableCapture"):
            return Serving(fleet, None)
        objects = Objects.as_role(self._platform, fleet.variants[0].model.role)
        return Serving(fleet, Capture(self._platform, name, wanted, objects))


def _retained(parameters: dict[str, Any], config: dict[str, Any], fleet: Fleet) -> dict[str, Any]:
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


def _scaled(fleet: Fleet) -> dict[str, Any]:
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


def _summaries(fleet: Fleet) -> list[dict[str, Any]]:
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


def _pending(fleet: Fleet, step: deployment.Step, started: datetime) -> dict[str, Any]:
    message = (
        f"Baking for {step.bake_seconds:g} seconds ({step.why}) with traffic enabled on "
        f"{step.share:.0%} of the new fleet."
    )
    status = {"Status": "Baking", "StatusMessage": message, "StartTime": _now()}
    variants = [{**summary, "VariantStatus": [status]} for summary in _summaries(fleet)]
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
