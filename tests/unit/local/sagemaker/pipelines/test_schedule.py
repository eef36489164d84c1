import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.pipelines.definition import Branch, Dependency, Step
from scones_local.sagemaker.pipelines.schedule import Schedule


def step(name: str, *needs: str | Dependency, branch: Branch | None = None) -> Step:
    given = tuple(Dependency(need) if isinstance(need, str) else need for need in needs)
    return Step(name, "Processing", {}, branch=branch, needs=given)


def startable(*steps: Step, outcomes: dict[str, bool] | None = None, **statuses: str) -> list[str]:
    return Schedule({s.name: s for s in steps}, statuses, outcomes or {}).startable()


def test_what_waits_for_nothing_starts() -> None:
    assert startable(step("A"), step("B", "A"), step("C")) == ["A", "C"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Executing", []), ("Stopping", []), ("Succeeded", ["B"]), ("Failed", []), ("Stopped", [])],
)
def test_a_step_waits_for_what_it_needs(status: str, expected: list[str]) -> None:
    assert startable(step("A"), step("B", "A"), A=status) == expected


@pytest.mark.parametrize(
    ("trigger", "status", "starts"),
    [
        ("Completed", "Succeeded", True),
        ("Failed", "Failed", True),
        ("Failed", "Succeeded", False),
        ("Failed", "Stopped", False),
        ("Stopped", "Stopped", True),
        ("Any", "Succeeded", True),
        ("Any", "Failed", True),
        ("Any", "Executing", False),
    ],
)
def test_triggers(trigger: str, status: str, starts: bool) -> None:
    found = startable(step("A"), step("B", Dependency("A", trigger)), A=status)
    assert found == (["B"] if starts else [])


def test_one_branch_starts() -> None:
    steps = (
        step("C"),
        step("Then", branch=Branch("C", outcome=True)),
        step("Else", branch=Branch("C", outcome=False)),
        step("AfterElse", "Else"),
        step("AfterBoth", "Then", "Else"),
    )
    assert startable(*steps) == ["C"]
    assert startable(*steps, C="Succeeded", outcomes={"C": True}) == ["Then"]
    done = {"C": "Succeeded", "Then": "Succeeded"}
    assert startable(*steps, **done, outcomes={"C": True}) == []
    done = {"C": "Succeeded", "Else": "Succeeded"}
    assert startable(*steps, **done, outcomes={"C": False}) == ["AfterElse"]


def test_nothing_starts_after_a_failure_but_what_waits_for_it() -> None:
    steps = (
        step("A"),
        step("B"),
        step("Free", "A"),
        step("Handles", Dependency("B", "Failed")),
        step("AfterHandles", "Handles", "A"),
    )
    assert startable(*steps, A="Succeeded", B="Executing") == ["Free"]
    assert startable(*steps, A="Succeeded", B="Failed") == ["Handles"]
    done = {"A": "Succeeded", "B": "Failed", "Handles": "Succeeded"}
    assert startable(*steps, **done) == ["AfterHandles"]


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 12))
    names = [f"S{number}" for number in range(count)]
    return [
        step(name, *draw(st.sets(st.sampled_from(names[:number]))) if number else ())
        for number, name in enumerate(names)
    ]


@given(graphs(), st.randoms(use_true_random=False))
def test_every_step_runs_once_after_what_it_needs(steps: list[Step], random: st.DataObject) -> None:
    by_name = {s.name: s for s in steps}
    statuses: dict[str, str] = {}
    while ready := Schedule(by_name, statuses, {}).startable():
        name = random.choice(ready)  # type: ignore[attr-defined]
        assert name not in statuses
        assert all(statuses.get(need.step) == "Succeeded" for need in by_name[name].needs)
        statuses[name] = "Succeeded"
    assert set(statuses) == set(by_name)


def test_wide_graphs_are_decided_quickly() -> None:
    layers = 40
    steps = [step("S0a"), step("S0b")]
    for layer in range(1, layers):
        before = (f"S{layer - 1}a", f"S{layer - 1}b")
        steps += [step(f"S{layer}a", *before), step(f"S{layer}b", *before)]
    steps.append(step("Failed"))
    statuses = {s.name: "Succeeded" for s in steps[:-3]} | {"Failed": "Failed"}
    assert startable(*steps, **statuses) == []
