"""What a project says about its agent: `[tool.agentcheck]` of pyproject.toml, or agentcheck.toml."""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from agentcheck.catalog import closest
from agentcheck.target import DECLARED, Limits

FILE: Final = "agentcheck.toml"
TABLE: Final = "[tool.agentcheck]"
# Names that tell no agent from another.
_GENERIC: Final = frozenset(
    ("target", "targets", "agent", "agents", "run", "main", "app", "src", "reducer", "host", "graph")
)


Model = TypeVar("Model", bound=BaseModel)


class ConfigError(ValueError):
    """The configuration is not usable; the message says where and how to mend it, in one sentence."""


def _importable(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", text):
        raise ValueError("not module:object")
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from None
    return text


Importable = Annotated[str, AfterValidator(_importable)]
Expression = Annotated[str, AfterValidator(_expression)]
_TOOL: Final = 'text like "module:function", or a table of bind, inject, key, returns, allow, repeatable'
_OBJECT: Final = 'text like "package.module:object"'


def _key(expected: str, default: Any = None, **more: Any) -> Any:
    return Field(default, description=expected, **more)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ToolTable(_Table):
    """`[tool.agentcheck.tools.NAME]`: see `agentcheck.target.ToolBinding`."""

    bind: Importable | None = _key(_OBJECT)
    inject: Importable | Literal["http"] | None = _key(f'{_OBJECT}, or "http"')
    key: str | None = _key("the name of a parameter")
    returns: Any = _key("any value")
    allow: bool = _key("true or false", False)
    repeatable: bool | None = _key("true or false")


_LIMITS: Final = {
    f.name: (f.type, _key("a number, 0 or more", f.default, ge=0)) for f in Limits.__dataclass_fields__.values()
}
LimitsTable: Final = create_model("LimitsTable", __base__=_Table, **cast(Any, _LIMITS))


class Config(_Table):
    """The agent under test and what its project says of it; the keys are those of `Target`, and:

    Args:
        target: the agent, as "package.module:object".
        reducer, run, host: likewise, where a target is made of several objects.
        reports: folder of the reports, relative to the project.
        python: the interpreter that runs the target.
        environment: environment variables that the target gets in addition.
        crash_points: which of a host's crash points are tried, "sample" or "all".
    """

    target: Importable | None = _key(_OBJECT)
    reducer: Importable | None = _key(_OBJECT)
    run: Importable | None = _key(_OBJECT)
    host: Importable | None = _key(_OBJECT)
    name: str = _key("text", "")
    tools: dict[str, Importable | ToolTable] = _key(f"a table of tools, each {_TOOL}", {})
    human: list[str] | None = _key("an array of tool names")
    high_stakes: list[str] | None = _key("an array of tool names")
    approve: Importable | None = _key(_OBJECT)
    channels: dict[str, Importable] | list[str] | None = _key(
        'an array of channel names, or a table of channel = "module:function"'
    )
    envelopes: dict[str, str | dict[str, Any]] = _key("a table of channel = envelope, each text or a table", {})
    finish: str | None = _key("the name of a tool or an intent")
    volatile: list[Expression] = _key("an array of regular expressions", [])
    owned: list[str] = _key("an array of paths", [])
    context: Importable | None = _key(_OBJECT)
    guard: Importable | None = _key(_OBJECT)
    has: dict[str, bool] = _key("a table of fact = true or false, such as resume or subagents", {})
    scenario: str | dict[str, Any] | None = _key("the path of a scenario file, or a table")
    recordings: list[str] = _key("an array of paths", [])
    snapshots: list[str] = _key("an array of paths", [])
    limits: LimitsTable = _key("a table of limits", LimitsTable())  # type: ignore[valid-type]
    reports: str = _key("the path of a folder", "reports")
    python: str = _key("the path of a Python interpreter", sys.executable)
    crash_points: Literal["sample", "all"] = _key('"sample" or "all"', "sample")
    environment: dict[str, str] = _key("a table of variable = text", {})

    def declarations(self) -> dict[str, Any]:
        """What the user said of the agent, and only that, as JSON-ready data with the keys of `Target`."""
        return self.model_dump(mode="json", include={*DECLARED, "limits"}, exclude_unset=True)

    def budgets(self) -> Limits:
        """The limits, as checks hold them."""
        limits: BaseModel = self.limits
        return Limits(**limits.model_dump())

    def having(self, **changes: Any) -> Self:
        """This configuration with some keys changed, validated again. Raises ConfigError."""
        return _validate(type(self), {**self.model_dump(exclude_unset=True), **changes}, "the command line")

    @property
    def named(self) -> bool:
        """Whether there is anything to judge."""
        return any((self.target, self.reducer, self.run, self.host, self.recordings))

    @property
    def label(self) -> str:
        """A name fit for a folder: the declared one, else one made of module and object."""
        path = self.target or self.host or self.run or self.reducer or "recordings:run"
        module, _, item = path.partition(":")
        telling = [part for part in module.split(".") if part not in _GENERIC] or [module]
        plain = self.name or (telling[-1] if item in _GENERIC else f"{telling[-1]}-{item}")
        return re.sub(r"[^\w.-]+", "-", plain).strip("-.") or "target"


def load(rootdir: Path, *, target: str | None = None, **overrides: Any) -> Config:
    """The configuration of the project at `rootdir`; `target` and other overrides win over the files.

    Raises:
        ConfigError: a file is not TOML, has an unknown key or a wrong type, or both files configure.
    """
    data, where = _read(rootdir)
    config = _validate(Config, data, where)
    changes = {k: v for k, v in {"target": target, **overrides}.items() if v is not None}
    if target and any(part in data for part in ("reducer", "run", "host")):
        changes.update(dict.fromkeys(("reducer", "run", "host")))
    return config.having(**changes) if changes else config


def _read(rootdir: Path) -> tuple[dict[str, Any], str]:
    own, shared = rootdir / FILE, rootdir / "pyproject.toml"
    table = _parse(shared).get("tool", {}).get("agentcheck") if shared.is_file() else None
    if not own.is_file():
        return table or {}, f"pyproject.toml {TABLE}"
    if table is not None:
        raise ConfigError(f"both {FILE} and {TABLE} of pyproject.toml configure agentcheck: keep one of them")
    data = _parse(own)
    match data.pop("tool", None):
        case {"agentcheck": dict(pasted), **rest} if not rest:
            return _joined(data, pasted), FILE
        case None:
            return data, FILE
    raise ConfigError(f"{FILE}: the keys stand at the top of this file or under {TABLE}, and nothing else does")


def _joined(top: dict[str, Any], pasted: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The keys at the top of agentcheck.toml with those that were pasted as if into pyproject.toml."""
    whole = dict(top)
    for key, value in pasted.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = _joined(whole[key], value, f"{name}{key}.")
        elif whole.setdefault(key, value) != value:
            raise ConfigError(f"{FILE}: {name}{key} is set at the top and under {TABLE}: keep one of them")
    return whole


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path.name} is not TOML: {error}") from None


def _validate(kind: type[Model], data: Mapping[str, Any], where: str) -> Model:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        found = [(_walk(data, e["loc"]), e["type"] == "extra_forbidden") for e in error.errors()]
        path, unknown = max(found, key=lambda f: (f[1], len(f[0])))
    raise ConfigError(f"{where}: {_sentence(data, path, unknown=unknown)}")


def _walk(data: Any, location: tuple[int | str, ...]) -> list[int | str]:
    """The part of an error's location that is found in the data: the rest are names of types."""
    path = []
    for part in location:
        if part in (data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()):
            path.append(part)
            data = data[part]
    return path


def _sentence(data: Mapping[str, Any], path: list[int | str], *, unknown: bool) -> str:
    table, depth = _home(path)
    path, keys = path[:depth], table.model_fields
    name = str(path[-1])
    if unknown:
        return f"unknown key {_dotted(path)!r}{closest(name, keys)}; the keys are {', '.join(keys)}"
    expected = _TOOL if table is ToolTable and depth == 2 else keys[name].description
    return f"{_dotted(path)} must be {expected}, not {_shorten(_at(data, path))}"


def _home(path: list[int | str]) -> tuple[type[BaseModel], int]:
    """The table that a path leads into, and how deep the key at fault lies."""
    match path:
        case ["limits", _, *_]:
            return LimitsTable, 2
        case ["tools", _]:
            return ToolTable, 2
        case ["tools", _, _, *_]:
            return ToolTable, 3
        case _:
            return Config, 1


def _dotted(path: list[int | str]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def _at(data: Any, path: list[int | str]) -> Any:
    for part in path:
        data = data[part]
    return data


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
