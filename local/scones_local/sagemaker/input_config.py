"""What a training container finds in ``/opt/ml/input/config``."""

import json
from pathlib import Path
from typing import Any


def write_configuration(folder: Path, job: dict[str, Any]) -> None:
    """Write the three files of a job.

    Parameters
    ----------
    folder
        Where to.
    job
        Members of DescribeTrainingJob's answer.
    """
    mode = job["AlgorithmSpecification"]["TrainingInputMode"]
    instance = job["ResourceConfig"].get("InstanceType", "")
    channels = {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in job.get("InputDataConfig") or []
    }
    resources = {
        "current_host": "algo-1",
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": instance,
                "hosts": ["algo-1"],
            }
        ],
        "network_interface_name": "lo",
    }
    contents = {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": channels,
        "resourceconfig": resources,
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
