"""One request delivered by every channel of a target, and what each of them made of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from agentcheck.boundary import marker
from agentcheck.envelopes import Envelope, UnknownChannel, envelope
from agentcheck.finding import NotApplicable, Untestable
from agentcheck.trace import Event, Trace
from agentcheck.wording import decoded, leaves

if TYPE_CHECKING:
    from agentcheck.lab import Lab
    from agentcheck.plan import Run

REFERENCE = marker("request")
_MARKERS: Final = re.compile(r"agentcheck-[0-9a-f]{10}|\bcall_\w+")
_TELLING: Final = re.compile(r"[0-9@/]")
_LONGEST_ID: Final = 80
_MOMENTS: Final = ("2026-05-28", "28 may 2026", "20:26:40")  # when every envelope was sent
_WORD: Final = re.compile(r"[\w.-]*\w")
_SENTENCE: Final = "Please do the job that you are made for."
_MEND: Final = '[tool.agentcheck.channels]\nslack = "module:function"  # envelope -> trigger; or channels = []'


# --- delivering ----------------------------------------------------------------------------------


def delivered(lab: "Lab") -> "Run":
    """A run with one session per channel, named after it, all started by the same request.

    Raises NotApplicable or Untestable where no channel is declared, or its envelope is not known.
    """
    turns = (lab.call(),) if lab.ordinary_tools else ()
    return lab.run(*turns, triggers=envelopes(lab))


def envelopes(lab: "Lab") -> dict[str, Envelope]:
    """Channel → the envelope in which it delivers the request."""
    channels = lab.target.channels
    if channels is None:
        raise Untestable("where requests come from is not said", mend=_MEND)
    if not channels:
        raise NotApplicable("declared: the agent has no channels (channels = [])")
    text = request_text(lab)
    converts: Mapping[str, str | None] = channels if isinstance(channels, Mapping) else dict.fromkeys(channels)
    return {name: _envelope(lab, name, text, convert) for name, convert in converts.items()}


def request_text(lab: "Lab") -> str:
    """What is asked, in two paragraphs: what the scenario asks, and a reference that nothing else contains."""
    trigger = lab.scenario.trigger
    asked = max(leaves(trigger), key=len) if trigger else _SENTENCE
    return f"{asked}\n\nReference: {REFERENCE} (Zoë)"


def _envelope(lab: "Lab", name: str, text: str, convert: str | None) -> Envelope:
    try:
        made = envelope(name, text, template=lab.target.envelopes.get(name))
    except UnknownChannel as error:
        raise Untestable(f"{error}: show it yours", mend=_shown(name)) from None
    return replace(made, convert=convert)


def _shown(name: str) -> str:
    return f'[tool.agentcheck.envelopes.{name}]\ntext = "{{text}}"  # and its other fields; {{reply_to}}, {{delivery}}'


def unreadable(run: Trace, envelope: Envelope) -> str | None:
    """Why a channel's function could not read what its provider sends; None where it could.

    Raises Untestable where no provider fixes what is sent, and the function reads none of the usual forms.
    """
    name = envelope.channel
    problem = run.first("probe", name="unopened", session=name)
    opened = run.first("probe", name="opened", session=name)
    carried = opened is not None and _half_of(envelope.text, leaves(opened["value"]))
    if not envelope.fixed and not carried and envelope.convert is not None:
        said = f": {problem['value']['kind']}: {problem['value']['message']}" if problem else ""
        raise Untestable(
            f"{envelope.convert} reads none of the usual forms of a {name} request{said}", mend=_shown(name), trace=run
        )
    return f"{problem['value']['kind']}: {problem['value']['message']}" if problem else None


def _half_of(text: str, texts: Iterable[str]) -> bool:
    """Whether at least half of the words of a text are found in these."""
    words, found = _words([text]), _words(texts)
    return sum(word in found for word in words) * 2 >= len(words)


# --- comparing -----------------------------------------------------------------------------------


def opening(run: Trace, envelope: Envelope) -> Event:
    """The first model request of a channel. Raises NotReached where there is none."""
    name = envelope.channel
    return run.reach("model_request", session=name, why=f"a request by {name} never came to the model")


def lost(asked: Event, envelope: Envelope) -> list[str]:
    """The words of the request that its first model request does not hold."""
    held = _words([decoded(m.text) for m in asked.request.messages])
    return [w for w in _words([envelope.text]) if w not in held]


def decision(run: Trace, envelope: Envelope) -> tuple[Any, ...]:
    """What a channel's request led to first: the tools on offer, and the first call that ran."""
    asked = opening(run, envelope)
    called = run.first("tool_called", session=envelope.channel)
    return (
        sorted(spec.name for spec in asked.request.tools),
        called and called["tool"],
        called and called["decided"],
    )


def facts(state: Any, sent: Iterable[Envelope]) -> set[str]:
    """The texts in a state that speak neither of the request nor of any envelope, in one spelling."""
    exact, within = _around(sent)
    said = (leaf.casefold() for leaf in _texts(state))
    return {_spelled(leaf) for leaf in said if leaf not in exact and not any(part in leaf for part in within)}


def _around(sent: Iterable[Envelope]) -> tuple[set[str], set[str]]:
    """What envelopes hold: whole texts of them, and parts that are found in nothing else."""
    exact, within = set(), {REFERENCE, *_MOMENTS}
    for one in sent:
        held = {leaf.casefold() for form in one.forms for leaf in leaves(form)}
        exact |= held
        within |= {leaf for leaf in held if 4 <= len(leaf) <= _LONGEST_ID and _TELLING.search(leaf)}
        within |= {part.casefold() for part in (one.channel, one.sender, one.delivery, *one.ways_back)}
    return exact, within


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value; its numbers may count what the envelope holds."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def says_way_back(result: Any, envelope: Envelope) -> bool:
    """Whether an answer carries an address by which it finds its way."""
    return any(way in leaf for leaf in leaves(result) for way in envelope.ways_back)


def _spelled(text: str) -> str:
    return " ".join(_MARKERS.sub("‹id›", text).split())


def _words(texts: Iterable[str]) -> dict[str, None]:
    """The words of some texts, each once, in order and in one spelling."""
    return dict.fromkeys(w.casefold() for text in texts for w in _WORD.findall(text))
