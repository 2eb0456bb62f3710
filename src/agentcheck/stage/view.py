"""The agent's own view of its context window, asked for after a run: `context` of the target."""

import inspect
import os
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentcheck.stage.bind import CannotBind
from agentcheck.stage.tools import named, plain


def of_host(reference: str, store: Path) -> dict[str, Any]:
    """The view of a host, which finds the run in its store."""
    return _shown(reference, lambda view: view(store) if _parameter(view) else view())


def of_callable(reference: str, result: Any) -> dict[str, Any]:
    """The view of a callable, which is given what the run returned where it takes anything."""
    return _shown(reference, lambda view: view(result) if _parameter(view) else view())


def of_reducer(reference: str, state: Any, data: Any, *, has_host: bool) -> dict[str, Any]:
    """The view of a reducer, which is given the state: as an object where it is annotated so, else as JSON."""

    def call(view: Callable[..., Any]) -> Any:
        parameter = _parameter(view)
        kind = _kind(view, parameter) if parameter else None
        if parameter is None or kind in (str, Path, os.PathLike) or (kind is None and has_host):
            raise _NotReached(f"{reference} takes no state: it is the host's view")
        return view(state if isinstance(kind, type) and isinstance(state, kind) else data)

    return _shown(reference, call)


class _NotReached(Exception):
    """The view is of another kind of target."""


def _shown(reference: str, call: Callable[[Any], Any]) -> dict[str, Any]:
    try:
        return {"shown": plain(call(named(reference)))}
    except _NotReached as error:
        return {"other": str(error)}
    except CannotBind as error:
        return {"missing": str(error)}
    except Exception as error:  # the view is the user's code
        return {"broken": f"{reference} raised {type(error).__name__}: {error}"[:300]}


def _parameter(view: Callable[..., Any]) -> inspect.Parameter | None:
    """The one parameter that must or may be given."""
    parameters = inspect.signature(view).parameters.values()
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return taken[0] if taken and taken[0].default is inspect.Parameter.empty else None


def _kind(view: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    try:
        return typing.get_type_hints(view).get(parameter.name)
    except Exception:  # a forward reference that cannot be resolved
        return None
