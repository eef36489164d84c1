"""Models of a few hundred bytes for the real inference server: bright or dark, or broken."""

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper
from PIL import Image

from tests.integration.cloud.tiny_app import TinyApp, allow

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scones-training:latest"
SIDE = 16


def photo(brightness: int) -> bytes:
    """Draw a photo whose first class gets the probability `brightness` / 255."""
    packed = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (brightness,) * 3).save(packed, "PNG")
    return packed.getvalue()


def archive(*, broken: bool = False) -> bytes:
    """Pack a model of two classes; a broken one fails at every photo."""
    files = {
        "model.onnx": _graph(broken=broken),
        "model.json": json.dumps({"image_shape": f"3,{SIDE},{SIDE}"}).encode(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _graph(*, broken: bool) -> bytes:
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", SIDE, SIDE, 3])
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])
    nodes = [
        helper.make_node("Cast", ["pictures"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["sums"], keepdims=0),
        helper.make_node("Div", ["sums", "most"], ["bright"]),
        helper.make_node("Unsqueeze", ["bright", "last"], ["first"]),
        helper.make_node("Sub", ["one", "first"], ["second"]),
        helper.make_node("Concat", ["first", "second"], ["both"], axis=1),
        # An index that is known at run time only, and out of range where it is to fail.
        helper.make_node("Cast", ["bright"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "none"], ["nowhere"]),
        helper.make_node("Add", ["nowhere", "index"], ["chosen"]),
        helper.make_node("Gather", ["both", "chosen"], ["picked"], axis=0),
        helper.make_node("Mul", ["picked", "zero"], ["nothing"]),
        helper.make_node("Add", ["both", "nothing"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("most", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("none", TensorProto.INT64, [], [0]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("index", TensorProto.INT64, [], [99 if broken else 0]),
    ]
    graph = helper.make_graph(nodes, "tiny", [pictures], [answer], constants)
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@dataclass
class TinyModels:
    """A bucket with models and photos, and a role that may read and write it."""

    app: TinyApp
    bucket: str
    role: str

    @classmethod
    def made(cls, app: TinyApp) -> "TinyModels":
        bucket = app.bucket()
        role = app.role(
            "sagemaker.amazonaws.com",
            allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/*"),
            allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
            allow(["logs:*", "ecr:*"]),
        )
        models = cls(app, bucket, role)
        models.put("good.tar.gz", archive())
        models.put("broken.tar.gz", archive(broken=True))
        return models

    def put(self, key: str, content: bytes) -> str:
        self.app.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        return self.uri(key)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def read(self, key: str) -> bytes:
        answer = self.app.client("s3").get_object(Bucket=self.bucket, Key=key)
        return bytes(answer["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        listed = self.app.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def container(self, which: str = "good") -> dict[str, Any]:
        return {"Image": IMAGE, "ModelDataUrl": self.uri(f"{which}.tar.gz")}

    def model(self, which: str = "good") -> str:
        name = self.app.name(f"model-{which}")
        self.app.client("sagemaker").create_model(
            ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=self.container(which)
        )
        return name

    def config(self, which: str = "good") -> str:
        name = self.app.name(f"config-{which}")
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": self.model(which),
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        self.app.client("sagemaker").create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )
        return name
