import socket
import socketserver
import threading
import time
from typing import Any

import pytest

from scones_local.ministack import functions


class Places:
    """An account with room for some invocations."""

    def __init__(self, free: int, limit: str = "account") -> None:
        self.free = free
        self.limit = limit

    def acquire(self, function: Any, config: Any) -> tuple[str | None, str | None]:
        if self.free == 0:
            return None, self.limit
        self.free -= 1
        return "place", None

    def release(self, place: str | None) -> None:
        self.free += 1


def test_an_invocation_waits_for_a_place() -> None:
    places, freed = Places(free=1), threading.Condition()
    acquire = functions._wait_for_concurrency(places.acquire, freed)
    release = functions._notify_release(places.release, freed)
    assert acquire({}, {}) == ("place", None)
    results: list[Any] = []
    waiting = threading.Thread(target=lambda: results.append(acquire({}, {})))
    waiting.start()
    time.sleep(0.05)
    assert results == []
    release("place")
    waiting.join(5)
    assert results == [("place", None)]


def test_without_a_place_it_is_throttled_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_CONCURRENCY_WAIT_SECONDS", 0.05)
    acquire = functions._wait_for_concurrency(Places(free=0).acquire, threading.Condition())
    assert acquire({}, {}) == (None, "account")


def test_a_functions_own_limit_throttles_at_once() -> None:
    class Freed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            raise AssertionError("it waits")

    acquire = functions._wait_for_concurrency(Places(free=0, limit="function").acquire, Freed())
    assert acquire({}, {}) == (None, "function")


def test_who_wakes_and_is_refused_does_not_keep_the_place_from_others() -> None:
    places, freed = Places(free=0), threading.Condition()
    limited: set[str] = set()

    def acquire(function: str, config: Any) -> tuple[str | None, str | None]:
        if function in limited:
            return None, "function"
        return places.acquire(function, config)

    results: list[Any] = []
    waiting = [
        threading.Thread(
            target=lambda name=name: results.append(  # type: ignore[misc]
                functions._wait_for_concurrency(acquire, freed)(name, {})
            ),
            daemon=True,
        )
        for name in ("limited", "other")
    ]
    for thread in waiting:
        thread.start()
        # In this order they wait.
        while len(freed._waiters) < waiting.index(thread) + 1:  # type: ignore[attr-defined]
            time.sleep(0.001)
    limited.add("limited")
    functions._notify_release(places.release, freed)("place")
    for thread in waiting:
        thread.join(functions._CONCURRENCY_WAIT_SECONDS / 3)
    assert sorted(results, key=str) == [("place", None), (None, "function")]


def test_a_worker_s_server_sleeps_until_a_connection_or_its_end() -> None:
    server = functions._QuietServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    looks: list[float] = []
    server.service_actions = lambda: looks.append(time.monotonic())  # type: ignore[method-assign]
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    time.sleep(0.3)
    assert looks == []
    socket.create_connection(server.server_address, timeout=5).close()  # type: ignore[arg-type]
    deadline = time.monotonic() + 10
    while not looks and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(looks) == 1
    ending = threading.Thread(target=server.shutdown, daemon=True)
    ending.start()
    serving.join(10)
    assert not serving.is_alive()
    server.server_close()
