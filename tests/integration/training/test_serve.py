import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scones_training import serve
from scones_training.paths import Paths
from tests.unit.training.jobs import Trained, picture


def png(class_index: int = 0, seed: int = 5) -> bytes:
    buffer = BytesIO()
    picture(class_index, seed).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg() -> bytes:
    buffer = BytesIO()
    picture(1, 5).resize((640, 480)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[serve.Server]:
    with serve.Server(serve.Model(trained.job.paths.model), "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server: serve.Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    yield connection
    connection.close()


def invoke(
    client: http.client.HTTPConnection,
    body: bytes,
    content_type: str = "image/png",
    accept: str = "",
) -> tuple[int, str, str]:
    headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
    client.request("POST", "/invocations", body, headers)
    response = client.getresponse()
    return response.status, response.headers["Content-Type"], response.read().decode()


def test_ping_answers(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/ping")

    assert client.getresponse().status == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        (jpeg(), "application/x-image"),
        (png(), "IMAGE/PNG; charset=binary"),
    ],
)
@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_a_photo_gets_a_prediction_and_a_familiarity(
    client: http.client.HTTPConnection, body: bytes, content_type: str, accept: str
) -> None:
    status, replied_type, text = invoke(client, body, content_type, accept)

    assert (status, replied_type) == (200, "application/json")
    document = json.loads(text)
    assert document.keys() == {"prediction", "familiarity"}
    assert len(document["prediction"]) == 3
    assert sum(document["prediction"]) == pytest.approx(1, abs=1e-5)
    assert 0 < document["familiarity"] <= 1


def test_json_lines_get_the_same_on_a_line(client: http.client.HTTPConnection) -> None:
    document = json.loads(invoke(client, png())[2])

    status, replied_type, text = invoke(client, png(), accept="application/jsonlines")

    assert (status, replied_type) == (200, "application/jsonlines")
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert json.loads(text) == document


def test_a_batch_transform_gets_the_same(
    client: http.client.HTTPConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(invoke(client, png())[2])
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")

    assert json.loads(invoke(client, png())[2]) == document


def test_photos_unlike_the_training_photos_are_unfamiliar(
    client: http.client.HTTPConnection,
) -> None:
    known = [json.loads(invoke(client, png(0, seed))[2])["familiarity"] for seed in range(20, 30)]
    flat = BytesIO()
    Image.new("RGB", (24, 16), "orange").save(flat, "PNG")

    assert json.loads(invoke(client, flat.getvalue())[2])["familiarity"] < max(known)


@pytest.mark.parametrize(
    ("accept", "names"),
    [
        ("application/json; include=class_map", {"class_map"}),
        ("application/json;include=embedding", {"embedding"}),
        ("application/json; include=class_map+embedding", {"class_map", "embedding"}),
        ('application/json; include="embedding+class_map"', {"class_map", "embedding"}),
        ("application/jsonlines; include=class_map", {"class_map"}),
        ("application/json; include=", set()),
        ("application/json; include=class_map, */*", {"class_map"}),
        ("application/json; q=0.5", set()),
    ],
)
def test_a_request_may_ask_for_more(
    client: http.client.HTTPConnection, accept: str, names: set[str]
) -> None:
    status, _, text = invoke(client, png(), accept=accept)

    assert status == 200
    document = json.loads(text)
    assert document.keys() == {"prediction", "familiarity"} | names
    if "class_map" in names:
        # The last feature map of 16 x 24 pixels.
        assert np.shape(document["class_map"]) == (2, 3)
    if "embedding" in names:
        assert np.shape(document["embedding"]) == (256,)


def test_the_class_map_is_that_of_the_predicted_class(
    client: http.client.HTTPConnection, trained: Trained
) -> None:
    accept = "application/json; include=class_map+embedding"
    document = json.loads(invoke(client, png(), accept=accept)[2])

    weights = torch.load(trained.job.paths.model / "weights.pt")
    logits = weights["head.weight"] @ torch.tensor(document["embedding"]) + weights["head.bias"]
    predicted = int(np.argmax(document["prediction"]))
    assert int(logits.argmax()) == predicted
    assert np.mean(document["class_map"]) == pytest.approx(float(logits[predicted]), abs=1e-3)


@pytest.mark.parametrize("include", ["heatmap", "class_map+heatmap"])
def test_asking_for_what_there_is_not_is_refused(
    client: http.client.HTTPConnection, include: str
) -> None:
    status, _, text = invoke(client, png(), accept=f"application/json; include={include}")

    assert status == 406
    message = json.loads(text)["message"]
    assert include.removeprefix("class_map+") in message
    assert "there are class_map, embedding" in message
    assert invoke(client, png())[0] == 200


def test_a_pretrained_model_serves_the_same(pretrained: Trained) -> None:
    model = serve.Model(pretrained.job.paths.model)

    familiar = []
    for number in range(9):
        photo = png(number % 3, 70 + number)
        reply = serve.invoke(model, photo, "image/png", "application/json; include=class_map")
        document = json.loads(reply.body)
        assert reply.status == 200
        assert np.argmax(document["prediction"]) == number % 3
        # 16 x 24 pixels are scaled to 128 x 192.
        assert np.shape(document["class_map"]) == (4, 6)
        familiar.append(document["familiarity"])
    assert np.median(familiar) > 0.2


def test_the_classes_are_told_apart(client: http.client.HTTPConnection) -> None:
    replies = [json.loads(invoke(client, png(kind, 7))[2])["prediction"] for kind in range(3)]

    chosen = [probabilities.index(max(probabilities)) for probabilities in replies]
    assert len(set(chosen)) > 1


@pytest.mark.parametrize("content_type", ["text/csv", "application/json", ""])
def test_another_content_type_is_refused(
    client: http.client.HTTPConnection, content_type: str
) -> None:
    status, _, text = invoke(client, png(), content_type)

    assert status == 415
    assert repr(content_type) in json.loads(text)["message"]


@pytest.mark.parametrize("body", [b"", b"no photo", png()[:60]])
def test_an_unreadable_photo_is_refused(client: http.client.HTTPConnection, body: bytes) -> None:
    status, replied_type, text = invoke(client, body)

    assert (status, replied_type) == (400, "application/json")
    assert json.loads(text)["message"]
    assert invoke(client, png())[0] == 200


def test_a_body_over_the_limit_is_refused(client: http.client.HTTPConnection) -> None:
    status, _, text = invoke(client, bytes(serve.MAX_BODY_BYTES + 1))

    assert status == 413
    assert "6291457" in json.loads(text)["message"]
    assert invoke(client, png())[0] == 200


def test_a_body_of_the_limit_is_read(client: http.client.HTTPConnection) -> None:
    assert invoke(client, bytes(serve.MAX_BODY_BYTES))[0] == 400


def test_a_body_without_a_length_is_refused(client: http.client.HTTPConnection) -> None:
    client.putrequest("POST", "/invocations")
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders()

    assert client.getresponse().status == 411


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/ping"), ("GET", "/invocations")]
)
def test_another_path_is_not_found(
    client: http.client.HTTPConnection, method: str, path: str
) -> None:
    client.request(method, path)

    response = client.getresponse()
    assert response.status == 404
    assert "POST /invocations" in json.loads(response.read())["message"]


def test_a_body_for_another_path_is_not_taken_for_the_next_request(
    client: http.client.HTTPConnection,
) -> None:
    client.request("POST", "/other", png())
    client.getresponse().read()

    assert invoke(client, png())[0] == 200


def test_a_fault_is_answered_and_not_the_end(
    client: http.client.HTTPConnection, server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: bytes) -> serve.Prediction:
        raise ZeroDivisionError

    with monkeypatch.context() as context:
        context.setattr(server.model, "predict", broken)
        assert invoke(client, png())[0] == 500

    assert invoke(client, png())[0] == 200


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(server: serve.Server) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        body = png()
        head = (
            f"POST /invocations HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: {len(body)}"
        )
        connection.sendall(f"{head}\r\nExpect: 100-continue\r\n\r\n".encode())

        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_many_clients_at_once_get_their_own_answers(server: serve.Server) -> None:
    def ask(number: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        kind = number % 3
        status, _, text = invoke(connection, png(kind))
        connection.close()
        assert status == 200
        return kind, text

    with ThreadPoolExecutor(20) as pool:
        replies = set(pool.map(ask, range(60)))

    assert len(replies) == 3


def test_starting_asks_no_dns(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getfqdn(name: str = "") -> str:
        asked.append(name)
        return name

    monkeypatch.setattr(socket, "getfqdn", getfqdn)

    with serve.Server(serve.Model(trained.job.paths.model), "127.0.0.1", 0) as started:
        assert started.server_port == started.socket.getsockname()[1]

    assert asked == []


def test_no_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.run(Paths(tmp_path), "127.0.0.1", 0) == 1

    assert "model.json is missing" in capsys.readouterr().out


def test_the_process_serves_without_pytorch_and_ends_on_sigterm(trained: Trained) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; sys.modules['pydantic'] = None; "
        "from scones_training.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    root = str(trained.job.paths.root)
    command = [sys.executable, "-u", "-c", program, "serve", "--root", root]
    command += ["--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        assert invoke(client, png())[0] == 200
        # The connection stays open, and must not hold up the end.
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        client.close()
