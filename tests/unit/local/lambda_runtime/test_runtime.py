import io
import stat
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from scones_local.lambda_runtime import RUNTIME, PythonRuntime


def archive(files: dict[str, str], mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as contents:
        for name, text in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            contents.writestr(member, text)
    return packed.getvalue()


@pytest.fixture
def runtime(tmp_path: Path) -> PythonRuntime:
    return PythonRuntime(tmp_path)


def test_the_template_accepts_the_runtime() -> None:
    template = yaml_parse((Path(__file__).parents[4] / "template.yaml").read_text("utf-8"))
    allowed = template["Parameters"]["Runtime"]["AllowedValues"]
    assert RUNTIME in allowed
    assert "python3.11" not in allowed  # its glibc is too old for the photo decoders


def test_a_later_layer_overwrites_an_earlier(runtime: PythonRuntime) -> None:
    layers = [archive({"python/a.py": "1", "python/b.py": "1"}), archive({"python/a.py": "2"})]
    opt = runtime.folders(archive({"app.py": ""}), layers).opt
    assert (opt / "python" / "a.py").read_text() == "2"
    assert (opt / "python" / "b.py").read_text() == "1"
    assert runtime.folders(archive({"app.py": ""}), layers[::-1]).opt != opt


def test_the_same_content_is_extracted_once(runtime: PythonRuntime) -> None:
    code, layer = archive({"app.py": "x"}), archive({"python/a.py": "1"})
    first = runtime.folders(code, [layer])
    (first.task / "mark").touch()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: runtime.folders(code, [layer]), range(16)))
    assert found == {first}
    assert (first.task / "mark").exists()


def test_an_interrupted_extraction_is_done_again(runtime: PythonRuntime) -> None:
    with pytest.raises(zipfile.BadZipFile):
        runtime.folders(b"no archive", [])
    code = archive({"app.py": "x"})
    folder = runtime.folders(code, []).task
    partial = folder.with_name(f"{folder.name}.partial")
    folder.rename(partial)
    assert (runtime.folders(code, []).task / "app.py").read_text() == "x"


def test_programs_of_a_layer_can_be_run(runtime: PythonRuntime) -> None:
    opt = runtime.folders(archive({"app.py": ""}), [archive({"bin/tool": ""}, 0o755)]).opt
    assert stat.S_IMODE((opt / "bin" / "tool").stat().st_mode) & 0o111


def test_a_process_finds_the_runtime_and_nothing_of_ours(
    runtime: PythonRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    folders = runtime.folders(archive({"app.py": ""}), [])
    scratch = runtime.scratch("one")
    environment = runtime.environment(folders, scratch, {"AWS_REGION": "us-east-1"})
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{RUNTIME}"
    # The interpreter of a function's process, with code that stands for the process's.
    interpreter, *options = runtime.command("app.handler", 0)[:3]
    code = (
        "import importlib.util as u; "
        "print([n for n in ('boto3', 'awslambdaric', 'ministack', 'local', 'pytest')"
        " if u.find_spec(n)])"
    )
    found = subprocess.run(
        [interpreter, *options, "-c", code],
        env=environment,
        cwd=folders.task,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found.strip() == "['boto3', 'awslambdaric']"


def test_off_linux_this_machines_builds_come_before_a_layers(
    runtime: PythonRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    described = f"python/pillow-{metadata.version('pillow')}.dist-info"
    layer = archive(
        {
            "python/PIL/__init__.py": "raise ImportError('compiled for another system')",
            f"{described}/METADATA": f"Name: pillow\nVersion: {metadata.version('pillow')}\n",
            f"{described}/WHEEL": "Root-Is-Purelib: false\n",
        }
    )
    folders = runtime.folders(archive({"app.py": ""}), [layer])
    environment = runtime.environment(folders, runtime.scratch("one"), {})
    interpreter, *options = runtime.command("app.handler", 0)[:3]
    code = "import PIL._imaging; print(PIL.__file__)"
    found = subprocess.run(
        [interpreter, *options, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert folders.host is not None
    assert found.strip() == str(folders.host / "PIL" / "__init__.py")
