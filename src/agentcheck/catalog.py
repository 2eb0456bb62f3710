"""All checks that are installed: those of the package, and those of other distributions."""

import difflib
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Final

from agentcheck.check import Check, checks
from agentcheck.finding import HarnessError

BUNDLED: Final = "agentcheck.checks"
GROUP: Final = "agentcheck.checks"  # the entry-point group of third parties: any name = their module


class UnknownCheck(ValueError):
    """No check has this id; the message names the closest."""


def load_all() -> list[Check]:
    """Import every module of checks, and return all checks by factor.

    Raises:
        HarnessError: a module of another distribution cannot be imported.
    """
    package = import_module(BUNDLED)
    for module in sorted(found.name for found in iter_modules(package.__path__)):
        import_module(f"{BUNDLED}.{module}")
    for entry in entry_points(group=GROUP):
        _load(entry)
    return list(checks())


def select(known: Iterable[Check], *, ids: Sequence[str] = (), factors: Sequence[int] = ()) -> list[Check]:
    """The checks of these ids or factors; all where neither is given. Raises UnknownCheck."""
    known = list(known)
    wanted = {find(id, known).id for id in ids}
    return [c for c in known if not (ids or factors) or c.id in wanted or c.factor in factors]


def find(id: str, known: Iterable[Check]) -> Check:
    """The check of this id. Raises UnknownCheck, naming the closest."""
    by_id = {check.id: check for check in known}
    if id in by_id:
        return by_id[id]
    begun = [known for known in by_id if id and known.startswith(id.upper())]
    near = f" (it begins {', '.join(begun)})" if begun else closest(id, by_id)
    raise UnknownCheck(f"no check {id!r}{near}; `agentcheck list` shows all {len(by_id)}")


def closest(word: str, choices: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no choice comes near."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _load(entry: EntryPoint) -> None:
    try:
        entry.load()
    except Exception as error:
        owner = entry.dist.name if entry.dist else "another distribution"
        raise HarnessError(f"the checks {entry.value!r} of {owner} cannot be loaded: {error!r}") from error
