"""The inference server: a photo in, calibrated probabilities and a familiarity out.

The standard library's threading server answers: behind SageMaker's own front a request is
one short POST, and a framework would only add start-up time.
"""

import json
import os
import signal
import socketserver
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from scones.photos import ImageShape, UnusablePhoto, prepare
from scones_training.familiarity import Familiarity
from scones_training.paths import Paths

CONTENT_TYPES = ("image/png", "image/jpeg", "application/x-image")
EXTRA_KEYS = ("class_map", "embedding")
"""What a request may ask for in its header: ``Accept: application/json; include=class_map``."""

MAX_BODY_BYTES = 6_291_456
"""Bytes; SageMaker's own limit for an invocation."""

IDLE_TIMEOUT_SECONDS = 65
"""How long a connection may be silent: longer than SageMaker's 60 s for an answer."""


DRAIN_SECONDS = 20
"""How long requests in work may take when the server is told to stop; SageMaker kills after 30."""


@dataclass(frozen=True)
class Prediction:
    """What a model returns for one photo.

    Attributes
    ----------
    probabilities
        One per class in the order of the class indices, 0 to 1.
    familiarity
        Above 0 and up to 1, or None if the model has none: it was made by an earlier version.
    extras
        The other outputs of the ONNX model by name, see `scones_training.classifier.Output`.
    """

    probabilities: list[float]
    familiarity: float | None
    extras: dict[str, npt.NDArray[np.float32]]

    def document(self, include: Sequence[str] = ()) -> dict[str, Any]:
        """Return the JSON object of a reply, with those of `EXTRA_KEYS` that are asked for.

        Parameters
        ----------
        include
            Names of extras. One that the model does not have is left out.
        """
        document: dict[str, Any] = {"prediction": self.probabilities}
        if self.familiarity is not None:
            document["familiarity"] = self.familiarity
        # Six significant digits: more than the model knows.
        included = {name: self.extras[name] for name in include if name in self.extras}
        return document | {
            name: [[float(f"{value:.6g}") for value in row] for row in np.atleast_2d(values)]
            if values.ndim > 1
            else [float(f"{value:.6g}") for value in values]
            for name, values in included.items()
        }


class Model:
    """A trained model, ready for photos from any number of threads.

    Parameters
    ----------
    folder
        With ``model.onnx`` and ``model.json`` as `export` writes them, and the file of
        `familiarity` unless an earlier version made the model.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        metadata = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.shape = ImageShape.parse(metadata["image_shape"])
        options = onnxruntime.SessionOptions()
        # A request keeps one core busy, and as many run at once as there are cores.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._familiarity = Familiarity.load(folder)
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    def predict(self, photo: bytes) -> Prediction:
        """Return what the model makes of a photo.

        Raises
        ------
        scones.photos.UnusablePhoto
            If it can't be read as a photo.
        """
        with self._cores:
            image = np.asarray(prepare(photo, self.shape))
            results = self._session.run(self._outputs, {"pictures": image[np.newaxis]})
            outputs = dict(zip(self._outputs, results, strict=True))
            familiarity = self._measure_familiarity(outputs)
        probabilities = [float(probability) for probability in outputs.pop("probabilities")[0]]
        return Prediction(
            probabilities, familiarity, {name: values[0] for name, values in outputs.items()}
        )

    def _measure_familiarity(self, outputs: dict[str, npt.NDArray[np.float32]]) -> float | None:
        if self._familiarity is None:
            return None
        embeddings = np.hstack([outputs["embedding"], outputs["reference"]])
        return float(self._familiarity.p_values(embeddings)[0])


@dataclass(frozen=True)
class Response:
    """What is answered to a request."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "application/json"

    @classmethod
    def error(cls, status: HTTPStatus, message: str) -> "Response":
        """Tell what is wrong with a request, as a JSON object with a ``message``."""
        return cls(status, json.dumps({"message": message}).encode())


def invoke(model: Model, photo: bytes, content_type: str, accept: str) -> Response:
    """Answer one invocation.

    Parameters
    ----------
    model
        Gives the probabilities.
    photo
        The request's body.
    content_type, accept
        The headers of these names, empty where there are none.

    Returns
    -------
    Reply
        A JSON object with ``prediction``, ``familiarity`` and what ``Accept`` asks to include;
        one line of JSON if JSON lines are accepted. A model without familiarity, of which nothing
        more is asked, replies as the built-in algorithm: a bare list, but in a batch transform.
    """
    if content_type.split(";", maxsplit=1)[0].strip().lower() not in CONTENT_TYPES:
        return Response.error(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The content type is {content_type!r}: send one of {', '.join(CONTENT_TYPES)}.",
        )
    include = _requested_fields(accept)
    if unknown := [name for name in include if name not in EXTRA_KEYS]:
        return Response.error(
            HTTPStatus.NOT_ACCEPTABLE,
            f"The Accept header asks to include {unknown[0]!r}: there are {', '.join(EXTRA_KEYS)}.",
        )
    try:
        prediction = model.predict(photo)
    except UnusablePhoto as error:
        return Response.error(HTTPStatus.BAD_REQUEST, str(error))
    document = prediction.document(include)
    if "application/jsonlines" in accept.lower():
        line = json.dumps(document) + "\n"
        return Response(HTTPStatus.OK, line.encode(), "application/jsonlines")
    is_batch = os.environ.get("SAGEMAKER_BATCH", "").lower() == "true"
    bare = document.keys() == {"prediction"} and not is_batch
    return Response(
        HTTPStatus.OK, json.dumps(document["prediction"] if bare else document).encode()
    )


def _requested_fields(accept: str) -> list[str]:
    """Return the names in the ``include`` parameters of an Accept header, ``+`` between them."""
    message = Message()
    names: list[str] = []
    for media_range in accept.split(","):
        del message["Accept"]
        message["Accept"] = media_range.strip()
        value = message.get_param("include", "", "Accept")
        names += [name for name in str(value).split("+") if name]
    return names


class Server(ThreadingHTTPServer):
    """Serves one model until `shutdown`, then finishes the requests it has begun."""

    request_queue_size = 128
    daemon_threads = True  # a silent kept-alive connection must not hold up the end

    def __init__(self, model: Model, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.model = model
        self._busy = 0
        self._idle = threading.Condition()

    def server_bind(self) -> None:
        """Bind without asking DNS for this host's name, as `http.server.HTTPServer` does.

        That can take many seconds, and nothing here needs the name.
        """
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def request_started(self) -> None:
        """Note that a request is being answered."""
        with self._idle:
            self._busy += 1

    def request_ended(self) -> None:
        """Note that a request was answered."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until no request is being answered, and say whether that was in time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, seconds)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_SECONDS
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        known = self.path == "/ping"
        self._send(Response(HTTPStatus.OK) if known else self._not_found())

    def do_POST(self) -> None:
        self.server.request_started()
        try:
            self._send(self._invoked() if self.path == "/invocations" else self._not_found())
        finally:
            self.server.request_ended()

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # the client waits for it before it sends the body
        return True

    def _invoked(self) -> Response:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return Response.error(HTTPStatus.LENGTH_REQUIRED, "Send a Content-Length header.")
        if int(length) > MAX_BODY_BYTES:
            self._skip(int(length))
            return Response.error(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body has {length} bytes: {MAX_BODY_BYTES} are the most.",
            )
        photo = self.rfile.read(int(length))
        content_type = self.headers.get("Content-Type", "")
        accept = self.headers.get("Accept", "")
        try:
            return invoke(self.server.model, photo, content_type, accept)
        except Exception:
            traceback.print_exc()
            message = "The server failed: its log says why."
            return Response.error(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _skip(self, length: int) -> None:
        """Read a body that is too large, so that its sender hears the answer, but not for ever."""
        self.close_connection = True
        remaining = min(length, 8 * MAX_BODY_BYTES)
        while remaining > 0 and (part := self.rfile.read(min(remaining, 65_536))):
            remaining -= len(part)

    def _not_found(self) -> Response:
        self.close_connection = True  # a body may follow that nobody reads
        return Response.error(HTTPStatus.NOT_FOUND, "There are GET /ping and POST /invocations.")

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)
        self.wfile.flush()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/ping":  # asked every few seconds
            super().log_request(code, size)


def run(paths: Paths, host: str, port: int) -> int:
    """Serve the model under ``paths`` until SIGTERM or SIGINT.

    Parameters
    ----------
    paths
        Where the model is.
    host, port
        Where to listen; port 0 takes a free one. The address is printed.

    Returns
    -------
    int
        The exit status: 0, or 1 where there is no model.
    """
    try:
        model = Model(paths.model)
    except FileNotFoundError as error:
        print(f"No model to serve: {error.filename} is missing.", flush=True)
        return 1
    server = Server(model, host, port)

    def stop(number: int, frame: FrameType | None) -> None:
        # `shutdown` waits for the loop that this very thread runs.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"Serving {model.shape} on {host}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.drain(DRAIN_SECONDS)
    server.server_close()
    return 0
