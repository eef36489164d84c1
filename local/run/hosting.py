"""Hosts a trained model behind the stack's SageMaker endpoint."""

import time
from typing import TYPE_CHECKING

from local.run.deploy import Stack

if TYPE_CHECKING:
    import boto3

POLL_SECONDS = 0.5


class HostingError(Exception):
    """The endpoint did not come into service; the message is SageMaker's reason."""


def host(session: "boto3.Session", stack: Stack, name: str, image: str, artifacts: str) -> None:
    """Put a trained model behind the stack's endpoint and wait until it answers.

    Parameters
    ----------
    session, stack
        Where.
    name
        Name of the model and of the endpoint's configuration.
    image
        URI of the container image that serves it.
    artifacts
        S3 URI of the model.tar.gz.

    Raises
    ------
    HostingError
        If the endpoint does not come into service.
    """
    sagemaker = session.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=stack.sagemaker_role,
        PrimaryContainer={"Image": image, "ModelDataUrl": artifacts},
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{stack.data_bucket}/captures",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        },
    )
    sagemaker.create_endpoint(EndpointName=stack.endpoint, EndpointConfigName=name)
    while True:
        endpoint = sagemaker.describe_endpoint(EndpointName=stack.endpoint)
        if endpoint["EndpointStatus"] == "InService":
            return
        if endpoint["EndpointStatus"] == "Failed":
            reason = endpoint.get("FailureReason", "")
            raise HostingError(f"endpoint {stack.endpoint} did not start: {reason}")
        time.sleep(POLL_SECONDS)
