"""How a run came to its end: whether it says so, and whether anything was done twice."""

from collections import Counter

from agentcheck.trace import Trace
from agentcheck.wording import leaves


def unclear(run: Trace, good: Trace) -> str | None:
    """Why nobody can tell from the end of `run` that it did not do its job as `good` did; None where one can."""
    ended = run.finished
    if ended is None or run.status in ("timeout", "killed") or run.first("killed", after=ended) is not None:
        return "it never ended of itself"
    if run.status in ("exited", "stalled"):
        return "its process went away without a result" if run.status == "exited" else "it stopped without a result"
    if run.status != "finished":
        return None  # it waits for a human, or raised an exception that says what happened
    usual = set(leaves(good.finished["result"])) if good.finished is not None else set()
    if any(leaf.strip() and leaf not in usual for leaf in leaves(ended["result"])):
        return None
    return f"its result {_brief(ended['result'])} says nothing of it"


def cut_off(run: Trace) -> bool:
    """Whether agentcheck had to end a run that would not end."""
    return run.status == "timeout" or run.first("killed") is not None


def done_twice(run: Trace) -> str | None:
    """A tool that had more effects than the model decided on; None where there is none."""
    decided = Counter(e["tool"] for e in run.of("tool_called") if e["decision"] is not None)
    had = Counter(e["tool"] for e in run.of("effect", after=run.first("model_reply")))  # not what it does of itself
    return next((tool for tool, count in had.items() if 0 < decided[tool] < count), None)


def done_more_often(run: Trace, good: Trace) -> str | None:
    """A tool that had more effects in `run` than in `good`; None where there is none."""
    more = Counter(e["tool"] for e in run.of("effect")) - Counter(e["tool"] for e in good.of("effect"))
    return next(iter(more), None)


def _brief(result: object) -> str:
    text = repr(result)
    return text if len(text) <= 120 else text[:119] + "…"
