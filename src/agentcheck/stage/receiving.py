"""What `run` receives: the trigger in the form that its signature asks for."""

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

TASK = "Please do the job that you are made for."


class BadTrigger(TypeError):
    """The callable's parameters and the scenario's trigger do not fit."""


def call_run(run: Callable[..., Any], trigger: Any) -> Any:
    """Call the user's function with the trigger in the form that its signature asks for."""
    parameters = _required(run)
    names = [p.name for p in parameters]
    if not names:
        return run() if not _takes_one(run) else run(_shaped(_first(run), trigger))
    if len(names) == 1:
        return (
            run(_shaped(parameters[0], trigger))
            if parameters[0].kind is not parameters[0].KEYWORD_ONLY
            else run(**{names[0]: _shaped(parameters[0], trigger)})
        )
    if isinstance(trigger, dict) and set(names) <= set(trigger):
        return run(**trigger)
    wanted = ", ".join(f'{n} = "…"' for n in names)
    raise BadTrigger(
        f"{getattr(run, '__name__', 'run')} takes {len(names)} parameters; give them in the scenario: "
        f"trigger = {{{wanted}}}, or in the configuration: scenario = {{trigger = {{{wanted}}}}}"
    )


def _required(run: Callable[..., Any]) -> list[inspect.Parameter]:
    return [
        p
        for p in inspect.signature(run).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _takes_one(run: Callable[..., Any]) -> bool:
    return any(p.kind is not p.VAR_KEYWORD for p in inspect.signature(run).parameters.values())


def _first(run: Callable[..., Any]) -> inspect.Parameter:
    return next(iter(inspect.signature(run).parameters.values()))


def _shaped(parameter: inspect.Parameter, trigger: Any) -> Any:
    kind = parameter.annotation
    if isinstance(kind, str):
        kind = getattr(builtins_types, kind, None) or _evaluated(kind, parameter)
    task = TASK if trigger is None else trigger
    if hasattr(kind, "model_validate"):
        return _model(kind, task)
    if kind is dict or typing.get_origin(kind) is dict:
        return task if isinstance(task, dict) else {parameter.name: task}
    if kind is str and isinstance(task, dict) and len(task) == 1:
        return next(iter(task.values()))
    return task


builtins_types = types.SimpleNamespace(str=str, dict=dict)


def _evaluated(annotation: str, parameter: inspect.Parameter) -> Any:
    for module in list(sys.modules.values()):
        found = getattr(module, "__dict__", {}).get(annotation)
        if isinstance(found, type) and hasattr(found, "model_validate"):
            return found
    return dict if annotation.startswith(("dict", "Dict")) else None


def _model(kind: Any, task: Any) -> Any:
    from agentcheck.jsonvalues import example

    made = task if isinstance(task, dict) else example(kind.model_json_schema(), text=str(task))
    try:
        return kind.model_validate(made)
    except ValueError as error:
        said = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, said["loc"])) or "all of it"
        raise BadTrigger(
            f"the trigger makes no {kind.__name__}: {where}: {said['msg']}; "
            f"give one that does in the configuration: scenario = {{trigger = {{…}}}}"
        ) from None
