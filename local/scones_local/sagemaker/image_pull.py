"""Pull a container image: nothing comes of it here, but a role that may not fails as on AWS."""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from scones_local.sagemaker.objects import DataError
from scones_local.sagemaker.platform import Platform

_IMAGE = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.[^/]+/(?P<repository>[^:@]+)(:(?P<tag>.+))?")
_BUILT_IN = ("image-classification", "sagemaker-scikit-learn", "sagemaker-xgboost")
# Of a layer that no image has.
_DIGEST = f"sha256:{0:064}"
_DENIED_CODES = ("AccessDenied", "AccessDeniedException")


def pull_image(platform: Platform, role: str, image: str) -> None:
    """Ask ECR for an image as a Docker client does, with a role's permissions.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html has the
    actions of a pull. SageMaker pulls its own images with credentials of its own:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html.

    Raises
    ------
    DataError
        If the role may not pull it.
    """
    images = _IMAGE.fullmatch(image)
    if images is None or images["repository"] in _BUILT_IN:
        return
    named = {"registryId": images["registry"], "repositoryName": images["repository"]}
    client = platform.client("ecr", role)
    _call_ecr(client.get_authorization_token, {})
    _call_ecr(
        client.batch_get_image, named | {"imageIds": [{"imageTag": images["tag"] or "latest"}]}
    )
    _call_ecr(client.batch_check_layer_availability, named | {"layerDigests": [_DIGEST]})
    _call_ecr(client.get_download_url_for_layer, named | {"layerDigest": _DIGEST})


def _call_ecr(call: Callable[..., Any], parameters: dict[str, Any]) -> None:
    try:
        call(**parameters)
    except ClientError as error:
        # The repository does not exist here: code of this machine stands for its images.
        if error.response["Error"]["Code"] in _DENIED_CODES:
            raise DataError(
                "Cannot pull algorithm container. Either the image does not exist or its "
                f"permissions are incorrect. {error}"
            ) from None
