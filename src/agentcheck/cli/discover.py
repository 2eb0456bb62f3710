"""Find the agent in a project by reading its syntax trees: nothing is imported, nothing runs."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agentcheck.cli.source import Function, Module, dotted, read, sources

# What a model call looks like, whichever client object it is made on: the ends of the dotted name.
_CALLS: Final = (
    "chat.completions.create", "chat.completions.parse", "chat.completions.stream", "responses.create",
    "responses.parse", "messages.create", "messages.stream", "models.generate_content",
    "models.generate_content_stream", "chat.complete", "litellm.completion", "litellm.acompletion",
    "ollama.chat", "converse", "converse_stream", "invoke_model",
)  # fmt: skip
# Raw HTTP: the paths of the providers' endpoints.
_PATHS: Final = ("/chat/completions", "/v1/messages", "/v1/responses", ":generateContent", "/api/chat")
# A framework's own loop: what starts it, and the import that tells it from other methods of the name.
_RUNNERS: Final = {
    "pydantic_ai": ("run", "run_sync", "iter"),
    "agents": ("Runner.run", "Runner.run_sync"),
    "langgraph": ("invoke", "ainvoke"),
    "langchain": ("invoke", "ainvoke"),
    "crewai": ("kickoff", "kickoff_async"),
    "autogen_agentchat": ("run", "run_stream"),
    "smolagents": ("run",),
    "llama_index": ("run", "chat"),
    "strands": (),
}
_NAMES: Final = ("run", "agent", "main", "answer", "ask", "handle", "chat", "solve", "loop")


@dataclass(frozen=True, slots=True)
class Found:
    """An agent, or what looks like one. `obstacle` says why it cannot be named as a target as it is."""

    path: str
    why: str
    score: int
    tools: dict[str, str] = field(default_factory=dict)
    obstacle: str = ""


def discover(root: Path) -> list[Found]:
    """All that looks like an agent under `root`, the most likely first."""
    modules = [module for file in sources(root) if (module := read(file, root))]
    calling = _calling(modules)
    found = [f for m in modules for f in (*_declared(m), *_shaped(m), *_loops(m, calling))]
    places, by_name = _places(modules), {m.name: m for m in modules}
    equipped = [_with_tools(f, by_name, places) for f in found]
    return sorted(equipped, key=lambda f: (bool(f.obstacle), -f.score - 10 * bool(f.tools), f.path.count("."), f.path))


# --- who calls a model ------------------------------------------------------------------------


def _calls_model(node: ast.AST, module: Module) -> str:
    """How this very node calls a model; empty where it does not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return next((f"posts to {p}" for p in _PATHS if node.value.endswith(p)), "")
    if not isinstance(node, ast.Call):
        return ""
    name = dotted(node.func)
    known = module.imports.get(name, name)
    if any(known == call or known.endswith(f".{call}") for call in _CALLS):
        return f"calls {name}"
    runners = [r for framework, names in _RUNNERS.items() if framework in module.roots for r in names]
    return f"calls {name}" if any(name.endswith(f".{r}") or ("." in r and name == r) for r in runners) else ""


def _direct(node: ast.AST, module: Module) -> str:
    return next((how for inner in ast.walk(node) if (how := _calls_model(inner, module))), "")


def _calling(modules: list[Module]) -> dict[str, str]:
    """Functions that call a model, themselves or through other functions of the project: path → how."""
    functions = {f"{m.name}.{name}": (m, node) for m in modules for name, node in m.functions().items()}
    calling = {path: how for path, (m, node) in functions.items() if (how := _direct(node, m))}
    while True:
        new = {
            path: f"calls {callee.rpartition('.')[2]}, which {calling[callee]}"
            for path, (m, node) in functions.items()
            if path not in calling
            for callee in _callees(node, m, path)
            if callee in calling
        }
        if not new:
            return calling
        calling |= new


def _callees(node: ast.AST, module: Module, path: str) -> Iterator[str]:
    """The project's functions that a function calls, as far as their names tell."""
    owner = path.removeprefix(f"{module.name}.").rpartition(".")[0]
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and (name := dotted(inner.func)):
            first, _, rest = name.partition(".")
            if first in ("self", "cls") and owner:
                yield f"{module.name}.{owner}.{rest}"
            elif first in module.imports:
                yield f"{module.imports[first]}.{rest}".rstrip(".")
            else:
                yield f"{module.name}.{name}"


# --- what looks like an agent -----------------------------------------------------------------


def _declared(module: Module) -> Iterator[Found]:
    for name, maker in module.instances().items():
        if module.imports.get(maker, "").startswith("agentcheck.") and maker.endswith("Target"):
            yield Found(f"{module.name}:{name}", f"{module.file} declares it as a Target of agentcheck", 100)


def _shaped(module: Module) -> Iterator[Found]:
    """Hosts and reducers: classes known by their methods."""
    makers = {maker: name for name, maker in module.instances().items()}
    shapes = (({"launch", "resume"}, "a host", 50), ({"start", "reduce"}, "a reducer", 45))
    for name, methods in module.classes().items():
        for wanted, noun, score in shapes:
            if wanted <= methods:
                item = makers.get(name, name)
                why = f"{name} in {module.file} has {' and '.join(sorted(wanted))}, as {noun} has"
                obstacle = "" if name in makers else f"{name} is a class: make an instance of it at module level"
                yield Found(f"{module.name}:{item}", why, score, obstacle=obstacle)


def _loops(module: Module, calling: dict[str, str]) -> Iterator[Found]:
    """Functions that call a model, those with a loop around the call first."""
    makers = {maker: name for name, maker in module.instances().items()}
    for name, node in module.functions().items():
        path = f"{module.name}.{name}"
        if path not in calling or node.name.startswith("_"):
            continue
        looped = _loop_around(node, module, path, calling)
        owner, _, method = name.rpartition(".")
        item = f"{makers[owner]}.{method}" if owner in makers else name
        missing = owner and owner not in makers
        obstacle = f"{name} is a method: make an instance of {owner} at module level" if missing else ""
        why = f"{module.file}:{node.lineno} {calling[path]}{' in a loop' if looped else ''}"
        yield Found(f"{module.name}:{item}", why, _score(node, looped=looped, method=bool(owner)), obstacle=obstacle)


def _loop_around(node: Function, module: Module, path: str, calling: dict[str, str]) -> bool:
    loops = [inner for inner in ast.walk(node) if isinstance(inner, ast.For | ast.AsyncFor | ast.While)]
    return any(_direct(loop, module) or any(c in calling for c in _callees(loop, module, path)) for loop in loops)


def _score(node: Function, *, looped: bool, method: bool) -> int:
    required = len(node.args.args) - len(node.args.defaults) - method
    named = len(_NAMES) - _NAMES.index(node.name) if node.name in _NAMES else 0
    return 20 * looped + 5 * (required == 1) - 3 * abs(required - 1) + named


# --- its tools --------------------------------------------------------------------------------


def _places(modules: list[Module]) -> dict[str, list[str]]:
    """Module-level functions by bare name."""
    places: dict[str, list[str]] = {}
    for module in modules:
        for name in module.functions():
            if "." not in name:
                places.setdefault(name, []).append(f"{module.name}:{name}")
    return places


def _with_tools(found: Found, modules: dict[str, Module], places: dict[str, list[str]]) -> Found:
    """The tools that the agent's module, and the modules it imports, describe to the model or keep in a table."""
    home = modules[found.path.partition(":")[0]]
    near = [home, *(m for name, m in modules.items() if m is not home and _imported(name, home))]
    tools: dict[str, str] = {}
    for module in near:
        for tool, function in _tables(module):
            tools.setdefault(tool, _resolve(function, module, places))
        for tool in _schemas(module):
            tools.setdefault(tool, _resolve(tool, module, places))
    bound = {tool: where for tool, where in tools.items() if where and tool.isidentifier()}
    return Found(found.path, found.why, found.score, bound, found.obstacle)


def _imported(name: str, home: Module) -> bool:
    return any(source == name or source.startswith(f"{name}.") for source in home.imports.values())


def _schemas(module: Module) -> Iterator[str]:
    """Names in literals such as {"name": "deploy", "parameters": {…}}."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Dict):
            keys = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
            name = keys.get("name")
            if keys.keys() & {"parameters", "input_schema", "inputSchema"} and isinstance(name, ast.Constant):
                yield str(name.value)


def _tables(module: Module) -> Iterator[tuple[str, str]]:
    """Pairs in literals such as {"deploy_backend": deploy}, whose values are all names of functions."""
    known = module.functions().keys() | module.imports.keys()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Dict) and node.keys and all(dotted(v).partition(".")[0] in known for v in node.values):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Name | ast.Attribute):
                    yield str(key.value), dotted(value)


def _resolve(function: str, module: Module, places: dict[str, list[str]]) -> str:
    """Where a function is found, as module:function; empty where that is not certain."""
    first, _, rest = function.partition(".")
    full = f"{module.imports[first]}.{rest}".rstrip(".") if first in module.imports else f"{module.name}.{function}"
    bare = full.rpartition(".")[2]
    exact = [place for place in places.get(bare, ()) if place.replace(":", ".") == full]
    if exact:
        return exact[0]
    return places[bare][0] if len(places.get(bare, ())) == 1 and first == bare else ""
