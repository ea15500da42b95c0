"""The program ``striate``: its commands, its exit codes, and how it reports what went wrong.

Exit codes: 0 done, 1 failed, 2 the command line is invalid, 130 stopped with Ctrl-C. Errors are one line on stderr;
``--debug`` shows the traceback.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

import striate
from striate.cli.architectures import architectures
from striate.cli.evaluate import evaluate
from striate.cli.export import export
from striate.cli.kernels import kernels
from striate.cli.open import open_file
from striate.cli.output import complain, say
from striate.cli.predict import predict
from striate.cli.studio import studio
from striate.cli.summary import summary
from striate.cli.train import train
from striate.errors import StriateError


@dataclass
class Settings:
    """The options before the command."""

    debug: bool = False


# Plain help, because the coloured one takes GitHub's and others' logs for terminals.
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"striate {striate.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    """Convolutional networks as a glass box: train, draw, and see every number.

    Without a command, the studio opens: draw a digit, and see every layer's output.
    """
    context.obj.debug = debug
    if context.invoked_subcommand is None:
        studio()


app.command("open")(open_file)
for command in (studio, train, evaluate, predict, export, summary, architectures, kernels):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, and return its exit code.

    Arguments:
        arguments: those after ``striate``; default: those of this process.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without × or — gets escapes, not a traceback
            stream.reconfigure(errors="backslashreplace")
    settings = Settings()
    try:
        code = app(arguments, prog_name="striate", standalone_mode=False, obj=settings) or 0
        sys.stdout.flush()
    except typer.TyperException as error:
        return _fail(error, settings, f"{error.format_message().rstrip('.')}. See striate --help.", error.exit_code)
    except BrokenPipeError:  # whoever read our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(error, settings, f"{error.filename or 'output'}: {error.strerror or error}", 1)
    except StriateError as error:
        return _fail(error, settings, str(error), 1)
    except Exception as error:  # a bug
        return _fail(error, settings, f"{type(error).__name__}: {error}. Run striate --debug, and report this.", 1)
    return int(code)


def _fail(error: Exception, settings: Settings, message: str, code: int) -> int:
    if settings.debug:
        raise error
    complain(message)
    return code


if __name__ == "__main__":
    sys.exit(main())
