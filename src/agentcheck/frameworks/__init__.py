"""The adapters of known frameworks, and those that other distributions register; chosen by the object."""

import importlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Final

from agentcheck.adapter import GROUP, Adapter

# The package that an object's class comes from → the module here that drives it, and the extra that it needs.
_KNOWN: Final = {
    "langgraph": "langgraph",
    "langchain": "langgraph",
    "agents": "openai_agents",
    "pydantic_ai": "pydantic_ai",
    "crewai": "crewai",
    "autogen_agentchat": "autogen",
    "smolagents": "smolagents",
}


class BadAdapter(Exception):
    """An adapter is registered that is none, or breaks; the message says which, and how to mend it."""


def adapter_for(agent: Any) -> Adapter | None:
    """The adapter that drives this object, if there is one. Raises BadAdapter."""
    return next((one for one in _candidates(agent) if _accepts(one, agent)), None)


def _candidates(agent: Any) -> Iterator[Adapter]:
    yield from _registered()
    packages = dict.fromkeys(kind.__module__.partition(".")[0] for kind in type(agent).__mro__)
    for module in dict.fromkeys(_KNOWN[package] for package in packages if package in _KNOWN):
        yield importlib.import_module(f"{__name__}.{module}").adapter


def _registered() -> Iterator[Adapter]:
    """The adapters that other distributions bring."""
    for point in entry_points(group=GROUP):
        try:
            found = point.load()
            made = found() if isinstance(found, type) else found
        except Exception as error:
            raise BadAdapter(
                f"the adapter {point.name!r} ({point.value}) does not load: {type(error).__name__}: {error}; "
                "mend or uninstall the distribution that registers it"
            ) from None
        if not isinstance(made, Adapter):
            raise BadAdapter(
                f"the adapter {point.name!r} ({point.value}) is none: it needs name, packages, accepts and target"
            )
        yield made


def _accepts(adapter: Adapter, agent: Any) -> bool:
    try:
        return bool(adapter.accepts(agent))
    except Exception as error:
        raise BadAdapter(
            f"the adapter {adapter.name!r} raised {type(error).__name__} when it was asked whether it drives this: "
            f"{type(agent).__name__}: {error}; its `accepts` must answer for any object"
        ) from None
