import asyncio
from collections.abc import Callable
from threading import Event

import pytest
from botocore.exceptions import EndpointConnectionError

from scones_operator.console import background
from scones_operator.console.background import ReviewResumer
from scones_operator.errors import OperationError


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks go on until something is so."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_it_is_done_once_for_all_who_ask_and_again_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def finish() -> list[str]:
        tries.append(f"trouble {len(tries)}")
        return tries[-1:]

    async def look() -> None:
        shared = ReviewResumer(finish)
        assert [shared.start_if_due(), shared.start_if_due()] == [[], []]
        await until(lambda: shared.start_if_due() == ["trouble 0"])
        monkeypatch.setattr(background, "monotonic", lambda: last + 59)
        assert shared.start_if_due() == ["trouble 0"]
        await asyncio.sleep(0.05)
        assert len(tries) == 1
        monkeypatch.setattr(background, "monotonic", lambda: last + 61)
        shared.start_if_due()
        await until(lambda: shared.start_if_due() == ["trouble 1"])

    last = 1000.0
    monkeypatch.setattr(background, "monotonic", lambda: last)
    asyncio.run(look())
    assert len(tries) == 2


def test_nobody_waits_for_it() -> None:
    done = Event()

    def finish() -> list[str]:
        assert done.wait(10)
        return ["trouble"]

    async def look() -> None:
        shared = ReviewResumer(finish)
        for _ in range(3):
            assert shared.start_if_due() == []
            await asyncio.sleep(0.001)
        done.set()
        await until(lambda: shared.start_if_due() == ["trouble"])

    asyncio.run(look())


def test_what_is_known_stays_when_aws_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "INTERVAL_SECONDS", 0)
    mended = True
    tries = 0

    def finish() -> list[str]:
        nonlocal tries
        tries += 1
        if not mended:
            raise EndpointConnectionError(endpoint_url="https://aws")
        return ["trouble"] if tries == 1 else []

    async def look() -> None:
        nonlocal mended
        shared = ReviewResumer(finish)
        shared.start_if_due()
        await until(lambda: tries == 1)
        mended = False
        await until(lambda: shared.start_if_due() == ["trouble"] and tries > 2)
        mended = True
        await until(lambda: shared.start_if_due() == [])

    asyncio.run(look())
    assert caplog.text == ""


def test_a_function_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "INTERVAL_SECONDS", 0)
    failing = True

    def finish() -> list[str]:
        if failing:
            raise OperationError("the function failed (502)\u202e")
        return []

    async def look() -> None:
        nonlocal failing
        shared = ReviewResumer(finish)
        await until(lambda: shared.start_if_due() == ["the function failed (502)\\u202e"])
        failing = False
        await until(lambda: shared.start_if_due() == [])

    asyncio.run(look())
