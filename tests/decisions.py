"""Decisions to write and read back: of any text, any arguments, one call or several."""

import json
from typing import Any

from hypothesis import strategies as st

from agentcheck.messages import Decision, ToolCall

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=60)
NAMES = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


def calls(ids: bool = True) -> st.SearchStrategy[tuple[ToolCall, ...]]:
    one = st.builds(lambda name, value: (name, json.dumps(value, ensure_ascii=False)), NAMES, ARGUMENTS)
    return st.lists(one, max_size=3).map(
        lambda several: tuple(
            ToolCall(name, text, f"call_{n}" if ids else "") for n, (name, text) in enumerate(several)
        )
    )


def decisions(ids: bool = True) -> st.SearchStrategy[Decision]:
    """Ordinary decisions: text, calls, or both, with the finish that goes with them."""
    return st.builds(lambda text, several: Decision(text, several, "calls" if several else "stop"), WORDS, calls(ids))


def plain(decision: Decision) -> tuple[Any, ...]:
    """What a decision says, arguments as values."""
    return decision.text, [(c.name, c.parsed()) for c in decision.calls], decision.finish
