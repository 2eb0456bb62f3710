"""Finding what the user named: a Target, a reducer, a host, or a plain callable."""

import importlib
import inspect
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from agentcheck.target import DECLARED, Limits, Target, ToolBinding


class BadTarget(Exception):
    """The target is not usable; the message says what, where, and how to mend it."""


def resolve(spec: Mapping[str, Any]) -> Target:
    """The target that the configuration names, its declarations overlaid. Raises BadTarget."""
    base = as_target(load(spec["target"]), spec["target"]) if spec.get("target") else Target()
    parts = {part: load(spec[part]) for part in ("reducer", "run", "host") if spec.get(part)}
    declared = {k: v for k, v in spec.get("declared", {}).items() if k in DECLARED}
    if "tools" in declared:
        declared["tools"] = {**base.tools, **{n: _binding(base, n, b) for n, b in declared["tools"].items()}}
    limits = replace(base.limits, **spec.get("declared", {}).get("limits", {}))
    target = replace(base, **parts, **declared, limits=limits)
    if not target.kinds.strip("W"):
        raise BadTarget(
            "recordings alone are not judged: name the agent that they are of too, as "
            'target = "package.module:object", '
            "or judge them with `agentcheck audit PATH`"
        )
    _insist_on_parts(target, spec)
    return target if target.name else replace(target, name=_name(spec))


def _insist_on_parts(target: Target, spec: Mapping[str, Any]) -> None:
    """Raises BadTarget where a part is not what it is declared to be, or a declared function is not there."""
    if target.run is not None and not callable(target.run):
        raise BadTarget(f"{spec.get('run') or spec.get('target')} cannot be called; run is a function: run(task)")
    needed = {"reducer": ("start", "reduce"), "host": ("launch", "resume")}
    for part, methods in needed.items():
        found = getattr(target, part)
        missing = [m for m in methods if found is not None and not hasattr(found, m)]
        if missing:
            named = spec.get(part) or spec.get("target")
            raise BadTarget(f"{named} has no `{missing[0]}`, so it is no {part}; a {part} has {' and '.join(methods)}")
    channels = target.channels.values() if isinstance(target.channels, Mapping) else ()
    for function in filter(None, (target.approve, target.guard, target.context, *channels)):
        load(function)


def _binding(base: Target, tool: str, data: Any) -> ToolBinding:
    """What is declared of a tool, on top of what the target says of it."""
    given: dict[str, Any] = data if isinstance(data, dict) else {"bind": data}
    mixed = "" if given.get("bind") else base.binding(tool).mixed
    return replace(base.binding(tool), **given, mixed=mixed)


def _name(spec: Mapping[str, Any]) -> str:
    named = str(spec.get("target") or spec.get("run") or spec.get("host") or spec.get("reducer") or "agent")
    return named.replace(":", ".")


def load(reference: str) -> Any:
    """The object of "package.module:attribute". Raises BadTarget in one sentence."""
    module_name, _, path = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise BadTarget(f"{reference}: there is no module {error.name!r} in {_looked_in(error.name)}") from None
        raise BadTarget(f"{reference}: importing it failed: {error}; install {error.name!r}") from None
    except BaseException as error:
        raise BadTarget(f"{reference}: importing it raised {_said(error)}") from None
    found: Any = module
    for part in path.split(".") if path else ():
        if not hasattr(found, part):
            names = ", ".join(n for n in dir(found) if callable(getattr(found, n, None)) and not n.startswith("_"))
            raise BadTarget(f"{reference}: {module_name} has no {part!r}; it has {names[:200] or 'nothing callable'}")
        found = getattr(found, part)
    return found


def _looked_in(name: str) -> str:
    """The project's folders, in which modules were sought, and the module there whose name is nearest."""
    here = Path.cwd()  # the stage's own folder, which is nobody's project
    folders = [Path(p) for p in dict.fromkeys(sys.path[:2]) if p and Path(p) != here]
    kept = [f for f in folders if f.is_dir()] or folders
    near = get_close_matches(name, [m.name for m in pkgutil.iter_modules([str(f) for f in kept])], n=1)
    return (" or ".join(map(str, kept)) or "the current directory") + (f"; did you mean {near[0]!r}?" if near else "")


def _said(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen ")]
    own = [f for f in frames if f.filename not in (__file__, importlib.__file__)]
    where = f" (at {Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}{': ' + text[0][:300] if text else ''}{where}{_missing(error)}"


def _missing(error: BaseException) -> str:
    """The mend, where an environment variable is what a target misses."""
    name = error.args[0] if isinstance(error, KeyError) and error.args else None
    asked = any(
        f.name == "__getitem__" and f.filename == "<frozen os>" for f in traceback.extract_tb(error.__traceback__)
    )
    return f'; give it in the configuration: environment = {{{name} = "…"}}' if asked else ""


def as_target(found: Any, reference: str) -> Target:
    """A Target for whatever object was named, told by its shape. Raises BadTarget."""
    if inspect.ismodule(found) and isinstance(getattr(found, "target", None), Target):
        found = found.target
    if isinstance(found, Target):
        of_adapter = found.framework and not found.home
        return replace(found, home=reference.partition(":")[0]) if of_adapter else found
    if hasattr(found, "start") and hasattr(found, "reduce"):
        return Target(reducer=found() if isinstance(found, type) else found)
    if hasattr(found, "launch") and hasattr(found, "resume"):
        return Target(host=found() if isinstance(found, type) else found)
    by_adapter = None if inspect.isroutine(found) or isinstance(found, type) else _of_a_framework(found, reference)
    if by_adapter is not None:
        return by_adapter
    if isinstance(found, type) or _lacks_self(found):
        what, name, method = _of_a_class(found)
        raise BadTarget(
            f"{reference} is a {what}, which cannot be run alone: make an object, as in {name.lower()} = {name}(…), "
            f"and name its method, as in {found.__module__}:{name.lower()}.{method}"
        )
    if callable(found):
        return Target(run=found)
    kind = "a module" if inspect.ismodule(found) else _a(type(found).__name__)
    raise BadTarget(
        f"{reference} is {kind}, which cannot be run; name a function `run(task)`, "
        "an object with `launch` and `resume`, one with `start` and `reduce`, "
        "or an agent of a framework that has an adapter (docs/adapters.md)"
    )


def _of_a_framework(found: Any, reference: str) -> Target | None:
    """The target that an adapter makes of the object, where one drives it. Raises BadTarget."""
    from agentcheck.frameworks import BadAdapter, adapter_for

    try:
        adapter = adapter_for(found)
    except BadAdapter as error:
        raise BadTarget(f"{reference}: {error}") from None
    if adapter is None:
        return None
    try:
        made = adapter.target(found)
    except ImportError as error:
        raise BadTarget(f"{reference}: {error}") from None
    except Exception as error:
        raise BadTarget(f"{reference}: the adapter for {adapter.name} raised {_said(error)}") from None
    if not isinstance(made, Target):
        raise BadTarget(
            f"{reference}: the adapter for {adapter.name} made {_a(type(made).__name__)} of it; "
            "its `target` must return the Target that `agentcheck.adapter.adapted` makes"
        )
    return replace(made, home=reference.partition(":")[0])


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _lacks_self(found: Any) -> bool:
    """Whether this is a method as its class has it, without an object."""
    return (
        inspect.isfunction(found)
        and "." in found.__qualname__
        and [*inspect.signature(found).parameters][:1] == ["self"]
    )


def _of_a_class(found: Any) -> tuple[str, str, str]:
    """What it is, the name of its class, and the method to name."""
    if isinstance(found, type):
        return "class", found.__name__, next((m for m in ("run", "invoke", "ask") if hasattr(found, m)), "run")
    return "method", found.__qualname__.split(".")[-2], found.__name__


def suffix(spec: Mapping[str, Any]) -> str:
    """What follows the target's reference in code that uses a part of it."""
    found = load(spec["target"]) if spec.get("target") else None
    if isinstance(found, Target):
        return ".{part}"
    if inspect.ismodule(found):
        return ":target.{part}" if isinstance(getattr(found, "target", None), Target) else ""
    return "()" if isinstance(found, type) else ""


def declarations(target: Target) -> dict[str, Any]:
    """What the target says of itself, as JSON."""
    said = {name: getattr(target, name) for name in DECLARED}
    said["tools"] = {tool: _told(target.binding(tool)) for tool in target.tools}
    said["limits"] = {f: getattr(target.limits, f) for f in Limits.__dataclass_fields__}
    return json.loads(json.dumps(said, default=os.fspath))  # type: ignore[no-any-return]


def _told(binding: ToolBinding) -> dict[str, Any]:
    bound = binding.bind if isinstance(binding.bind, (str, type(None))) else getattr(binding.bind, "__qualname__", "?")
    return {
        "bind": bound,
        "inject": binding.inject,
        "key": binding.key,
        "returns": binding.returns,
        "allow": binding.allow,
        "repeatable": binding.repeatable,
        "mixed": binding.mixed,
    }


def signature(run: Any) -> list[dict[str, Any]]:
    """The parameters of a callable that must be given: name, and what it wants."""
    try:
        parameters = inspect.signature(run).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        {"name": p.name, "required": p.default is p.empty, "positional": p.kind is not p.KEYWORD_ONLY}
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def module_of(target: Target) -> Any:
    """The module in which to look for the target's tools."""
    if target.home:
        return sys.modules[target.home]
    part = next(p for p in (target.run, target.host, target.reducer) if p is not None)
    name = part.__name__ if inspect.ismodule(part) else getattr(part, "__module__", None) or type(part).__module__
    return sys.modules.get(name) or sys.modules["__main__"]
