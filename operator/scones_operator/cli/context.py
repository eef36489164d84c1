"""Where a command is at work: which stack, through which session, on which screen."""

import functools
import inspect
import os
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from botocore.exceptions import BotoCoreError, ClientError

from scones_operator.aws.session import (
    aws_session,
    caller_name,
    local_session,
    selects_local_cloud,
)
from scones_operator.aws.stack import DEFAULT_STACK_NAME, Stack
from scones_operator.cli.hints import copyable
from scones_operator.cli.output import Output
from scones_operator.cli.plain_text import make_console
from scones_operator.errors import OperationError, PreconditionError, format_aws_error
from scones_operator.escaping import escape

if TYPE_CHECKING:
    import boto3

EXIT_OK, EXIT_UNSUCCESSFUL, EXIT_USAGE, EXIT_ERROR = 0, 1, 2, 3
"""Exit codes: done as asked, it came out otherwise, wrong usage, a fault."""


@dataclass(frozen=True)
class Options:
    """What is the same for all commands; may be given before a command or after it."""

    stack: Annotated[
        str | None,
        typer.Option(
            envvar="SCONES_STACK", help=f"Name of the stack (default: {DEFAULT_STACK_NAME})."
        ),
    ] = None
    profile: Annotated[str | None, typer.Option(help="Profile of your AWS configuration.")] = None
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None
    local: Annotated[
        bool | None,
        typer.Option(
            "--local/--no-local",
            help="Use the local cloud that `make up` started, or AWS (default: AWS; "
            "SCONES_LOCAL=1, or the folder of its state, selects the local cloud).",
            show_default=False,
        ),
    ] = None
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the result as JSON; progress goes to standard error."),
    ] = False

    def with_defaults(self, defaults: "Options") -> "Options":
        """Return these options, and the others where nothing is given here."""
        names = [field.name for field in fields(self)]
        chosen = {name: getattr(self, name) or getattr(defaults, name) for name in names}
        # Of all options only this one can be switched off.
        chosen["local"] = defaults.local if self.local is None else self.local
        return Options(**chosen)


class CommandContext:
    """Where a command is at work.

    Parameters
    ----------
    options
        What the user chose.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        out, err = make_console(), make_console(stderr=True)
        self.format_commands = copyable(
            {name: getattr(options, name) for name in ("stack", "profile", "region", "local")}
        )
        self.output = Output(out, err, as_json=options.json, format_commands=self.format_commands)

    @cached_property
    def session(self) -> "boto3.Session":
        """Session for AWS or for the local cloud."""
        return self.connect()

    def connect(self) -> "boto3.Session":
        """Go there anew, for those who stay so long that credentials are renewed meanwhile."""
        if self._options.local:
            return local_session()
        return aws_session(self._options.profile, self._options.region)

    def connect_as(self, profile: str | None, region: str | None) -> "boto3.Session":
        """Return a session for another profile or region than those of `session`."""
        if self._options.local:
            raise typer.BadParameter(
                "--local cannot be combined with `scones copy`: the local cloud has one account"
            )
        return aws_session(profile or self._options.profile, region or self._options.region)

    @property
    def is_local(self) -> bool:
        """Whether the session talks to the local cloud."""
        return bool(self._options.local)

    @property
    def stack_name(self) -> str:
        """Name of the stack, which may not exist."""
        return self._options.stack or DEFAULT_STACK_NAME

    @cached_property
    def stack(self) -> Stack:
        """What the stack is made of."""
        return Stack.read(self.session, self.stack_name)

    @cached_property
    def user(self) -> str:
        """Who is at work, for those who are told."""
        return caller_name(self.session)


def store_options(context: typer.Context, options: Options) -> None:
    """Keep the options that were given before the command."""
    context.obj = options.with_defaults(Options(local=selects_local_cloud(os.environ)))


def pass_command_context(command: Callable[..., None]) -> Callable[..., None]:
    """Make a function of a `CommandContext` and more into one that takes the options of `Options`.

    What goes wrong is said in one line, and told by the exit code.
    """
    shared = _parameters(keep_environment=False)
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @functools.wraps(command)
    def run(context: typer.Context, **arguments: Any) -> None:
        options = Options(**{name: arguments.pop(name) for name in shared}).with_defaults(
            context.obj
        )
        if options.local and (options.profile or options.region):
            raise typer.BadParameter(
                "--local cannot be combined with --profile or --region: leave them out, or give "
                "--no-local (SCONES_LOCAL may be set)"
            )
        ctx = CommandContext(options)
        try:
            command(ctx, **arguments)
        except typer.BadParameter as error:
            error.message = escape(error.message)
            raise
        except PreconditionError as error:
            _exit_with_error(ctx.format_commands(str(error)), EXIT_UNSUCCESSFUL)
        except OperationError as error:
            _exit_with_error(ctx.format_commands(str(error)), EXIT_ERROR)
        except (BotoCoreError, ClientError) as error:
            _exit_with_error(format_aws_error(error), EXIT_ERROR)
        except BrokenPipeError:
            raise  # whoever reads has read enough
        except OSError as error:
            _exit_with_error(_format_os_error(error), EXIT_UNSUCCESSFUL)

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [context, *own, *shared.values()]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return run


def with_options(callback: Callable[..., None]) -> Callable[..., None]:
    """Make a function that takes a context and `Options` into one that takes them one by one."""
    shared = _parameters(keep_environment=True)

    @functools.wraps(callback)
    def run(context: typer.Context, **arguments: Any) -> None:
        callback(context, Options(**arguments))

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *shared.values()])  # type: ignore[attr-defined]
    return run


def _parameters(*, keep_environment: bool) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(Options, include_extras=True)
    parameters = {}
    for field in fields(Options):
        kind, option = hints[field.name].__origin__, copy(hints[field.name].__metadata__[0])
        if not keep_environment:
            # Read once, before the command, where what is given there goes before it.
            option.envvar = None
        parameters[field.name] = inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[kind, option],
        )
    return parameters


def _format_os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _exit_with_error(error: str, code: int) -> None:
    typer.echo(f"error: {escape(error)}", err=True)
    raise typer.Exit(code)
