"""A check: one requirement of one factor, with the function that judges it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from agentcheck.audit.recording import Recording
    from agentcheck.lab import Lab

Judge: TypeAlias = Callable[["Lab"], str | None]  # what was found where it holds; None: the title says it
Reader: TypeAlias = Callable[["Recording"], str | None]  # likewise, of wire traffic alone


class Severity(StrEnum):
    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


FACTORS: Final = {
    1: "Natural language to tool calls",
    2: "Own your prompts",
    3: "Own your context window",
    4: "Tools are structured outputs",
    5: "Unify execution and business state",
    6: "Launch, pause, resume",
    7: "Contact humans with tool calls",
    8: "Own your control flow",
    9: "Compact errors into the context window",
    10: "Small, focused agents",
    11: "Trigger from anywhere",
    12: "Stateless reducer",
    13: "Pre-fetch the context you might need",
}
KINDS: Final = {"R": "reducer", "C": "callable", "H": "host", "W": "recording"}
_PAGES: Final = {
    1: "factor-01-natural-language-to-tool-calls",
    2: "factor-02-own-your-prompts",
    3: "factor-03-own-your-context-window",
    4: "factor-04-tools-are-structured-outputs",
    5: "factor-05-unify-execution-state",
    6: "factor-06-launch-pause-resume",
    7: "factor-07-contact-humans-with-tools",
    8: "factor-08-own-your-control-flow",
    9: "factor-09-compact-errors",
    10: "factor-10-small-focused-agents",
    11: "factor-11-trigger-from-anywhere",
    12: "factor-12-stateless-reducer",
    13: "appendix-13-pre-fetch",
}
_ID: Final = re.compile(r"F(\d\d)-[a-z0-9]+(-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Check:
    """The metadata of a check and its judge.

    `title` says what is so when it passes, `failure` when it fails; `remedy` how to mend it;
    `reaches` what a run must have come to before the check may pass. `reader` judges wire traffic alone:
    each recording, or all `together`.
    """

    id: str
    severity: Severity
    kinds: str
    title: str
    failure: str
    remedy: str
    reaches: str
    judge: Judge
    reader: Reader | None = None
    together: bool = False

    @property
    def factor(self) -> int:
        return int(self.id[1:3])

    @property
    def why(self) -> str:
        """Why it matters in production: the judge's docstring."""
        return (self.judge.__doc__ or "").strip()

    @property
    def source(self) -> str:
        return f"https://github.com/humanlayer/12-factor-agents/blob/main/content/{_PAGES[self.factor]}.md"


_registry: dict[str, Check] = {}


def check(
    id: str, severity: Severity, kinds: str, *, title: str, failure: str, remedy: str, reaches: str
) -> Callable[[Judge], Judge]:
    """Register the decorated function as the judge of check `id`.

    Args:
        id: `Fnn-statement-that-can-be-true`; never renamed or reused.
        severity: what a failure means: MUST, SHOULD or MAY.
        kinds: the kinds of target on which it can be judged, of R, C, H and W.
        title: what is so when it passes.
        failure: what is so when it fails.
        remedy: how to mend a failure.
        reaches: what a run must have come to before the check may pass.

    Raises:
        ValueError: a part is missing, malformed or a duplicate.
    """

    def register(judge: Judge) -> Judge:
        _validate(id, kinds, judge, title=title, failure=failure, remedy=remedy, reaches=reaches)
        _registry[id] = Check(id, Severity(severity), kinds, title, failure, remedy, reaches, judge)
        return judge

    return register


def on_recordings(id: str, *, together: bool = False) -> Callable[[Reader], Reader]:
    """Register the decorated function as the judge of check `id` on recordings, where no agent can be run.

    Args:
        together: it is asked once about how the runs of all recordings begin, not about each recording.

    Raises:
        ValueError: the check is not registered, or is not of kind W.
    """

    def register(reader: Reader) -> Reader:
        if id not in _registry or "W" not in _registry[id].kinds:
            raise ValueError(f"{reader.__name__}: {id!r} is no check that is judged on recordings (kind W)")
        _registry[id] = replace(_registry[id], reader=reader, together=together)
        return reader

    return register


def checks() -> Iterator[Check]:
    """All registered checks, in the order of their ids' factors and of their definition."""
    return iter(sorted(_registry.values(), key=lambda c: c.factor))


def _validate(id: str, kinds: str, judge: Judge, **texts: str) -> None:
    match = _ID.fullmatch(id)
    if not match or int(match[1]) not in FACTORS:
        raise ValueError(f"check id {id!r}: expected F01-words-joined-by-hyphens to F13-…")
    if id in _registry and _registry[id].judge.__code__.co_filename != judge.__code__.co_filename:
        raise ValueError(f"check id {id!r} is already taken by {_registry[id].judge.__module__}")
    if not kinds or set(kinds) - set(KINDS):
        raise ValueError(f"{id}: kinds {kinds!r}: expected some of {', '.join(KINDS)}")
    if not (judge.__doc__ or "").strip():
        raise ValueError(f"{id}: {judge.__name__} needs a docstring that says why it matters in production")
    for name, text in texts.items():
        if not text.strip():
            raise ValueError(f"{id}: {name} is empty")
