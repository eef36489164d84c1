"""Runs one function in Lambda's own container image, with `sam local invoke`, on Docker.

A function must reach the local cloud, which answers on this machine's loopback alone; that of a
container is another (and SAM CLI 1.167 does nothing of what ``--docker-network host`` says). So
connections are relayed, as long as the function runs, from the address that this machine has in
Docker's bridge network, where nobody else sees it.
"""

import asyncio
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_dump, yaml_parse

from scones_local.cloud.lifecycle import Cloud
from scones_local.lambda_runtime import HOST_PYTHON
from scones_local.run.deploy import host_parameters
from scones_operator.aws.stack import DEFAULT_STACK_NAME


class InvocationError(Exception):
    """The container's way to the local cloud can't be made; the message says why."""


def invoke(
    running: Cloud, built: Path, function: str, event: Path, options: Sequence[str] = ()
) -> int:
    """Run a function once.

    Parameters
    ----------
    running
        Where the application is deployed.
    built
        The template that was deployed.
    function
        Logical id of the function.
    event
        A file with its input.
    options
        More options of `sam local invoke`.

    Returns
    -------
    int
        Exit status of SAM CLI: 0 even where the function raised.

    Raises
    ------
    InvocationError
        If Docker does not answer, or its bridge has no address on this machine, as is so where
        Docker runs in a virtual machine.
    """
    return asyncio.run(_invoke(running, built, [function, "--event", str(event), *options]))


async def _invoke(running: Cloud, built: Path, arguments: Sequence[str]) -> int:
    address = _docker_bridge_address()
    cloud = urlsplit(running.endpoint)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(cloud.hostname, cloud.port)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    try:
        server = await asyncio.start_server(relay, address, 0)
    except OSError as error:
        raise InvocationError(
            f"Docker's bridge {address} is no address of this machine ({error.strerror}): this "
            "needs Docker on Linux, not in a virtual machine"
        ) from None
    async with server:
        endpoint = f"http://{address}:{server.sockets[0].getsockname()[1]}"
        template = write_template(running, built, endpoint)
        sam = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "sam"),
            *("local", "invoke", "--template", str(template), *arguments),
            # What is set here goes before what the template declares.
            env=running.environ() | {"AWS_ENDPOINT_URL": endpoint},
        )
        return await sam.wait()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what comes until it ends, or either side breaks off."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def _docker_bridge_address() -> str:
    try:
        bridge = docker.from_env().networks.get("bridge")
    except docker.errors.DockerException as error:
        raise InvocationError(f"Docker does not answer; is it running? ({error})") from None
    config = bridge.attrs["IPAM"]["Config"][0]
    # Some engines leave the gateway out until the first container runs: it is the first address.
    return str(config.get("Gateway") or next(ip_network(config["Subnet"]).hosts()))


def write_template(running: Cloud, built: Path, endpoint: str) -> Path:
    """Write a copy of the built template for `sam local invoke` into the cloud's folder.

    SAM CLI gives a function those variables only that the template declares, and knows nothing of
    what a `!Ref` came to in a deployment. So the copy has the deployed functions' variables, and
    the one that leads their AWS SDK to the local cloud.

    Parameters
    ----------
    running
        Where the application is deployed.
    built
        The template that was deployed.
    endpoint
        URL of the local cloud as a container sees it.

    Returns
    -------
    pathlib.Path
        The copy.
    """
    template = yaml_parse(built.read_text(encoding="utf-8"))
    for name, value in {**host_parameters(), "Runtime": HOST_PYTHON}.items():
        template["Parameters"][name]["Default"] = value
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = str(built.parent / properties["ContentUri"])
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = str(built.parent / properties["CodeUri"])
            variables = _variables(running, name) | {"AWS_ENDPOINT_URL": endpoint}
            properties["Environment"] = {"Variables": variables}
    copy = running.state / "template.yaml"
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    copy.write_text(yaml_dump(template), encoding="utf-8")
    return copy


def _variables(running: Cloud, function: str) -> dict[str, Any]:
    session = running.session()
    resource = session.client("cloudformation").describe_stack_resource(
        StackName=DEFAULT_STACK_NAME, LogicalResourceId=function
    )["StackResourceDetail"]
    configuration = session.client("lambda").get_function_configuration(
        FunctionName=resource["PhysicalResourceId"]
    )
    return dict(configuration["Environment"]["Variables"])
