"""Models and endpoint configurations: what is to be served, by which image, from which data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.image_pull import pull_image
from scones_local.sagemaker.listing import epoch_seconds, filter_by_time, is_descending, paginate
from scones_local.sagemaker.objects import DataError, Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import unsupported_error, validation_error

_MOTO_INSTANCE_TYPE = "ml.m5.large"
_UNSUPPORTED = {
    "AsyncInferenceConfig": "asynchronous inference",
    "ExplainerConfig": "explainers",
    "ShadowProductionVariants": "shadow variants",
}


@dataclass(frozen=True)
class ServableModel:
    """A model made ready to be started: what one container needs."""

    name: str
    role: str
    image: str
    command: list[str]
    data_url: str | None
    data_is_folder: bool
    environment: dict[str, str]


class Models:
    """Creates and deletes models and endpoint configurations."""

    def __init__(self, platform: Platform, control: ControlPlane, events: Events) -> None:
        self._platform = platform
        self._control = control
        self._events = events

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateModel: the model's data must be there, as on AWS."""
        name = parameters["ModelName"]
        if self._control.find("model", name):
            arn = self._platform.arn("model", name)
            raise validation_error(f'Cannot create already existing model "{arn}".')
        model = self._servable(name, parameters)
        self._check_data(model)
        self._control.call("CreateModel", parameters)
        record = self._control.get_existing("model", name, "model")
        record.rename(self._platform.arn("model", name))
        isolated = parameters.get("EnableNetworkIsolation", False)
        record.update(EnableNetworkIsolation=isolated)
        self._events.model(record)
        return {"ModelArn": record.arn}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteModel."""
        record = self._control.get_existing("model", parameters["ModelName"], "model")
        self._control.remove("model", parameters["ModelName"])
        self._events.model(record)
        return {}

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListModels, which moto neither filters nor sorts nor cuts into pages."""
        name_contains = parameters.get("NameContains", "").lower()
        models_found = [
            {
                "ModelName": model["ModelName"],
                "ModelArn": model.arn,
                "CreationTime": epoch_seconds(model["CreationTime"]),
            }
            for model in self._control.records("model")
            if name_contains in model["ModelName"].lower()
        ]
        limits = (parameters.get("CreationTimeAfter"), parameters.get("CreationTimeBefore"))
        models_found = filter_by_time(
            models_found, lambda model: float(model["CreationTime"]), *limits
        )
        sort_by = {"Name": "ModelName"}.get(parameters.get("SortBy", ""), "CreationTime")
        models_found.sort(key=lambda model: model[sort_by], reverse=is_descending(parameters))
        models, more = paginate(models_found, parameters)
        return {"Models": models, **more}

    def create_config(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateEndpointConfig."""
        name = parameters["EndpointConfigName"]
        if self._control.find("endpoint-config", name):
            arn = self._platform.arn("endpoint-config", name)
            raise validation_error(
                f'Cannot create already existing endpoint configuration "{arn}".'
            )
        for member, title in _UNSUPPORTED.items():
            if member in parameters:
                raise unsupported_error(title)
        variants = parameters["ProductionVariants"]
        _check_variants(variants)
        for variant in variants:
            self._control.get_existing("model", variant["ModelName"], "model")
        # moto refuses three quarters of the instance types that AWS has.
        known = [{**v, "InstanceType": _MOTO_INSTANCE_TYPE} for v in variants]
        self._control.call("CreateEndpointConfig", {**parameters, "ProductionVariants": known})
        record = self._control.get_existing("endpoint-config", name, "endpoint configuration")
        record.rename(self._platform.arn("endpoint-config", name))
        record.update(
            ProductionVariants=[{"InitialVariantWeight": 1.0, **v} for v in variants],
            ExecutionRoleArn=parameters.get("ExecutionRoleArn"),
        )
        self._events.endpoint_config(record)
        return {"EndpointConfigArn": record.arn}

    def delete_config(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteEndpointConfig."""
        name = parameters["EndpointConfigName"]
        record = self._control.get_existing("endpoint-config", name, "endpoint configuration")
        self._control.remove("endpoint-config", name)
        self._events.endpoint_config(record)
        return {}

    def servable(self, name: str) -> ServableModel:
        """Return what a model's container needs.

        Raises
        ------
        ServiceError
            If the model, its package or a command for its image is missing.
        """
        record = self._control.get_existing("model", name, "model")
        return self._servable(name, record.describe())

    def install(self, model: ServableModel, folder: Path) -> None:
        """Pull a model's image and put its data into a folder, as the model's role.

        Raises
        ------
        DataError
            If it can't be had.
        """
        pull_image(self._platform, model.role, model.image)
        folder.mkdir(parents=True, exist_ok=True)
        if model.data_url is None:
            return
        objects = Objects.as_role(self._platform, model.role)
        if model.data_is_folder:
            objects.download({"S3DataType": "S3Prefix", "S3Uri": model.data_url}, folder)
        else:
            objects.extract_archive(model.data_url, folder)

    def _servable(self, name: str, described: dict[str, Any]) -> ServableModel:
        container = self._container(described)
        if "Image" not in container:
            raise validation_error("The model's container has no Image.")
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        return ServableModel(
            name=name,
            role=described.get("ExecutionRoleArn", ""),
            image=container["Image"],
            command=self._platform.command(container["Image"]),
            data_url=container.get("ModelDataUrl") or source.get("S3Uri"),
            data_is_folder=source.get("CompressionType") == "None",
            environment=dict(container.get("Environment") or {}),
        )

    def _container(self, described: dict[str, Any]) -> dict[str, Any]:
        primary = described.get("PrimaryContainer")
        containers = [primary] if primary else described.get("Containers") or []
        if len(containers) != 1:
            raise validation_error(
                f"The embedded SageMaker hosts models of one container, not of {len(containers)}."
            )
        container: dict[str, Any] = containers[0]
        if "ModelPackageName" not in container:
            return container
        package = self._package(container["ModelPackageName"])
        packaged: dict[str, Any] = package["InferenceSpecification"]["Containers"][0]
        environment = {**packaged.get("Environment", {}), **container.get("Environment", {})}
        return {**packaged, "Environment": environment}

    def _package(self, name: str) -> Record:
        package = self._control.find("model-package", name)
        if package is None:
            raise validation_error(f"Could not find model package '{name}'.")
        if package.get("ModelApprovalStatus") == "Rejected":
            raise validation_error(f"Model package {name} is rejected: it can't be deployed.")
        return package

    def _check_data(self, model: ServableModel) -> None:
        if model.data_url is None or model.data_is_folder:
            return
        try:
            found = Objects.as_role(self._platform, model.role).exists(model.data_url)
        except DataError:
            raise validation_error(_access_denied(model, self._platform.region)) from None
        if not found:
            raise validation_error(f"Could not find model data at {model.data_url}.")


def _access_denied(model: ServableModel, region: str) -> str:
    return (
        f"Could not access model data at {model.data_url}. Please ensure that the role "
        f'"{model.role}" exists and that its trust relationship policy allows the action '
        f'"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that '
        f'the role has "s3:GetObject" permissions and that the object is located in {region}.'
    )


def _check_variants(variants: list[dict[str, Any]]) -> None:
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise validation_error("Duplicate VariantName in ProductionVariants.")
    for variant in variants:
        if "ServerlessConfig" in variant:
            raise unsupported_error("serverless inference")
        if "ModelName" not in variant or "InitialInstanceCount" not in variant:
            raise validation_error(
                "ModelName, InstanceType and InitialInstanceCount are required for variant "
                f"{variant['VariantName']}."
            )
