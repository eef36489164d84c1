"""Watch the sources of what is deployed, and make each saved change live."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import watchfiles

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.run import deploy
from scones_local.run.output import Output
from scones_local.run.reload import Reloader, ReloadError
from scones_local.run.sources import Source, Sources, read_sources
from scones_operator.aws.stack import DEFAULT_STACK_NAME

_POLL_MS = 500
"""Milliseconds between two checks that the local cloud still runs."""

_DEBOUNCE_MS = 20
"""Maximum number of milliseconds between files that are saved together."""

DeployedState = Callable[[list[Source]], None]


class Watcher:
    """Makes changed sources of a running local cloud live.

    Parameters
    ----------
    running
        Where the application is deployed.
    work
        Folder that is built in.
    output
        Where to show each change.
    template
        The SAM template; None takes the one that is deployed.
    """

    def __init__(
        self, running: Cloud, work: Path, output: Output, template: Path | None = None
    ) -> None:
        self._running = running
        self._work = work
        self._screen = output
        self._template = template or deploy.template()
        self._state = StateFolder(running.state)
        self._template_written = _modified_at(self._template)
        self._deployed = ""
        self._failed_sources: set[Source] = set()
        self._reloader = self._made()

    def catch_up(self) -> None:
        """Make live what was saved since the last deployment began."""
        since = self._state.deployed.stat().st_mtime
        with deploy.lock_folder(self._work):
            self._refresh()
            self._reload(self._reloader.changed_since(since))

    def reload_all(self) -> None:
        """Make all sources live that are not, after a deployment.

        CloudFormation updates nothing that is the same as in the deployment before, not even if
        it was reloaded in between. What a condition of the template excludes stays out.
        """
        with deploy.lock_folder(self._work):
            self._refresh()
            self._reload(self._reloader.deployed())

    def watch(self) -> None:
        """Make each saved change live until the local cloud is stopped, or Ctrl-C is pressed."""
        self._screen.say(describe_sources(self._reloader.sources))
        try:
            self._watch()
        except KeyboardInterrupt:
            self._screen.say("Watching ended: `make watch` continues it.")

    def _watch(self) -> None:
        for changes in watchfiles.watch(
            *self._reloader.sources.folders(),
            step=_DEBOUNCE_MS,
            rust_timeout=_POLL_MS,
            yield_on_timeout=True,
        ):
            if not self._state.is_locked():
                self._screen.say("The local cloud was stopped.")
                return
            self.apply_changes({Path(path) for _, path in changes})
            self._check_template()

    def apply_changes(self, paths: Iterable[Path]) -> None:
        """Make changed files live, and print which ones have no effect until they are deployed."""
        changed = set(paths)
        if not changed:
            return
        with deploy.lock_folder(self._work):
            self._refresh()
            affected = self._reloader.affected(changed)
            self._reload(affected)
        for path in sorted(changed):
            if not path.is_file() or path.suffix not in (".py", ".json"):
                continue
            if not any(source.has(path) for source in affected):
                self._screen.say(
                    f"{format_path(path)} belongs to no resource of template.yaml: "
                    "name it there, then "
                    "run `make redeploy`"
                )

    def _check_template(self) -> None:
        # Editors replace files, after which a watch of the file itself sees nothing.
        modified_at = _modified_at(self._template)
        if modified_at != self._template_written:
            self._template_written = modified_at
            self._screen.say("template.yaml changed: `make redeploy` deploys it")

    def _reload(self, sources: Iterable[Source]) -> None:
        for source in sources:
            started = time.monotonic()
            try:
                changed = self._reloader.reload(source)
            except ReloadError as error:
                self._failed_sources.add(source)
                self._screen.failed(f"{error}. The previous {source.name} stays live.")
                continue
            if changed or source in self._failed_sources:
                reloaded = "Reloaded" if changed else "Back to what is live:"
                self._screen.done(f"{reloaded} {source.name}", time.monotonic() - started)
            self._failed_sources.discard(source)

    def _refresh(self) -> None:
        """Read the template and the stack again if that was deployed since."""
        if self._deployment() != self._deployed:
            self._reloader = self._made()

    def _made(self) -> Reloader:
        self._deployed = self._deployment()
        sources = read_sources(self._template)
        return Reloader(self._running.session(), sources, self._state.substitutions)

    def _deployment(self) -> str:
        described = (
            self._running.session()
            .client("cloudformation")
            .describe_stacks(StackName=DEFAULT_STACK_NAME)["Stacks"][0]
        )
        return str(described.get("LastUpdatedTime") or described["CreationTime"])


def describe_sources(sources: Sources) -> str:
    """Return what is watched, for people."""
    folders = ", ".join(f"{format_path(folder)}/" for folder in sources.folders())
    return (
        f"Watching {folders}: a saved change is live at once. "
        "Ctrl-C ends watching; everything keeps running until `make down`."
    )


def _modified_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def format_path(path: Path) -> str:
    """Return a path relative to the current folder if it is in there."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
