"""What breaks, where, and how often: frozen descriptions that read as sentences.

ToolFails("deploy_backend", Http(503), times=2) & ModelFails(Http(429, retry_after=1))
"""

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Raises:
    """An exception with this message; `kind` is the name of a built-in exception."""

    message: str = "the tool broke"
    kind: str = "RuntimeError"


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP error status; `retry_after` in seconds is sent as the Retry-After header."""

    status: int
    body: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset by the peer."""


@dataclass(frozen=True, slots=True)
class Hangs:
    """No answer ever comes."""


@dataclass(frozen=True, slots=True)
class TimesOut:
    """A time-out; of a tool, after the effect has taken place where `after_effect`."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Returns:
    """No failure to the eye: the tool returns this instead (empty, malformed, huge, not UTF-8)."""

    value: Any


@dataclass(frozen=True, slots=True)
class CutStream:
    """The model's reply is cut off in the middle by a dropped connection."""


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """The model's reply ends at its length limit, in the middle of the last call's arguments.

    `missing` is how many characters of them are cut off (of the text, where there is no call);
    None: a third of the arguments, half of the text.
    """

    missing: int | None = None


@dataclass(frozen=True, slots=True)
class StallStream:
    """The model's reply stops in the middle, and nothing more ever comes."""


@dataclass(frozen=True, slots=True)
class EmptyReply:
    """The model says nothing and calls nothing, and ends as if that were an answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The provider's filter stops the model: a refusal takes the place of its decision."""


@dataclass(frozen=True, slots=True)
class UnknownFinish:
    """The reply ends for a reason that no client has heard of."""


@dataclass(frozen=True, slots=True)
class SameIds:
    """Two calls of one reply have the same id."""


@dataclass(frozen=True, slots=True)
class DoubleEncoded:
    """The arguments of each call are a JSON string inside a JSON string."""


ToolFailure: TypeAlias = Raises | Http | Reset | Hangs | TimesOut | Returns
Broken: TypeAlias = Http | Reset | TimesOut | CutStream | StallStream
Spoilt: TypeAlias = LengthLimit | EmptyReply | Refusal | UnknownFinish | SameIds | DoubleEncoded
ModelFailure: TypeAlias = Broken | Spoilt


class _Combines:
    __slots__ = ()

    def __and__(self, other: "Fault | Faults") -> "Faults":
        return Faults((self,)) & other  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ToolFails(_Combines):
    """Calls of `tool` ("*": any) fail: `times` of them (None: all), after the first `after`, each `every`th."""

    tool: str
    how: ToolFailure
    times: int | None = 1
    after: int = 0
    every: int = 1

    def strikes(self, tool: str, nth: int, overall: int) -> bool:
        """Whether the nth call of this tool (from 1), the `overall`th of all calls, is hit."""
        place = overall if self.tool == "*" else nth
        return self.tool in ("*", tool) and _strikes(place - self.after, self.every, self.times)


@dataclass(frozen=True, slots=True)
class ModelFails(_Combines):
    """Model requests fail: `times` of them (None: all), after the first `after`."""

    how: ModelFailure
    times: int | None = 1
    after: int = 0

    def strikes(self, nth: int) -> bool:
        """Whether the nth model request (from 1) is hit."""
        return _strikes(nth - self.after, 1, self.times)


Fault: TypeAlias = ToolFails | ModelFails


@dataclass(frozen=True, slots=True)
class Faults:
    """Several faults in one run; the first that strikes wins."""

    faults: tuple[Fault, ...] = ()

    def __and__(self, other: "Fault | Faults") -> "Faults":
        return Faults(self.faults + (other.faults if isinstance(other, Faults) else (other,)))

    def on_tool(self, tool: str, nth: int, overall: int) -> ToolFails | None:
        return next((f for f in self.faults if isinstance(f, ToolFails) and f.strikes(tool, nth, overall)), None)

    def on_model(self, nth: int) -> ModelFails | None:
        return next((f for f in self.faults if isinstance(f, ModelFails) and f.strikes(nth)), None)


NO_FAULTS = Faults()


def faults(*described: "Fault | Faults") -> Faults:
    """One `Faults` of any number of descriptions."""
    combined = NO_FAULTS
    for fault in described:
        combined = combined & fault
    return combined


def _strikes(nth: int, every: int, times: int | None) -> bool:
    if nth < 1 or (nth - 1) % every:
        return False
    return times is None or (nth - 1) // every < times
