"""What a recording shows: the runs in it as traces, and the decisions that the model made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from agentcheck.cassette import Cassette
from agentcheck.dialects import dialect_of
from agentcheck.finding import HarnessError, Untestable
from agentcheck.messages import Decision, Message, Request, ToolCall
from agentcheck.scenario import Call, Scenario, Turn
from agentcheck.trace import Trace
from agentcheck.wire import CassetteError, Dialect, Exchange, WireError

_OPEN: Final = 100  # runs that may be going on at the same time; older ones are over


@dataclass(slots=True)
class Step:
    """One exchange with a model: what was asked, and what came back (no decision: a failure).

    `number` is its place among all exchanges of the recording, from 1.
    """

    number: int
    dialect: Dialect
    request: Request
    exchange: Exchange
    decision: Decision | None
    failure: str = ""
    said: frozenset[str] = field(init=False)  # by the model, as the request tells it

    def __post_init__(self) -> None:
        self.said = frozenset(_said(self.request.messages))


Session = list[Step]


def traces(path: Path) -> list[Trace]:
    """The runs in a recording, ours or of vcrpy and its kin, in the order in which they began.

    A run goes on as long as a request contains the one before it, or the reply to it.
    Raises CassetteError in one sentence, or Untestable where nothing tells them apart.
    """
    return [_trace(session, f"{path.stem}-{n}", label) for n, (label, session) in enumerate(_labelled(path), 1)]


def sessions(steps: Iterable[Step]) -> list[Session]:
    """The runs that these exchanges belong to, in the order in which they began."""
    found: list[Session] = []
    for step in steps:
        session = _continued(found[-_OPEN:], step)
        if session is None:
            found.append([step])
        else:
            session.append(step)
    return found


def indistinct(found: Sequence[Session]) -> bool:
    """Whether nothing tells where one run ends and the next begins.

    An agent that writes its whole history anew for every request leaves nothing to tell its runs apart by.
    """
    alone = len(found) > 1 and all(len(session) == 1 for session in found)
    decided = [session[0].decision for session in found]
    return alone and all(decision and (decision.calls or decision.text.startswith("{")) for decision in decided)


def written(paths: Sequence[Path], folder: Path, *, prefix: str) -> list[Trace]:
    """The runs of all these recordings, each also as a file in `folder`, to be shown.

    Raises:
        Untestable: nothing tells where one run ends and the next begins.
        HarnessError: a recording cannot be read, or a trace not be written; one sentence.
    """
    found: list[Trace] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for label, session in [run for path in paths for run in _labelled(path)]:
            name = f"{prefix}{len(found) + 1:03d}"
            (folder / f"{name}.jsonl").unlink(missing_ok=True)
            found.append(_trace(session, name, label, folder / f"{name}.jsonl"))
    except CassetteError as error:
        raise HarnessError(str(error)) from None
    except OSError as error:
        raise HarnessError(f"{folder}: cannot be written: {error.strerror}") from None
    return found


def decisions(cassette: Cassette) -> list[Decision]:
    """What the model decided in a recording, in order; failures left out."""
    return [step.decision for step in _steps(cassette) if step.decision is not None]


def completed(scenario: Scenario) -> tuple[Scenario, Cassette | None]:
    """The scenario with the decisions of its recording, and the recording. Raises HarnessError."""
    if scenario.cassette is None:
        return scenario, None
    if scenario.turns is not None:
        raise HarnessError(f"the scenario {scenario.name!r} names both decisions and a recording; keep one of them")
    try:
        cassette = Cassette.read(scenario.cassette)
    except CassetteError as error:
        raise HarnessError(str(error)) from None
    made = tuple(_scripted(decision) for decision in decisions(cassette))
    if not made:
        raise HarnessError(f"{scenario.cassette} holds no reply of a model in a format that agentcheck knows")
    return replace(scenario, turns=made), cassette


def _scripted(decision: Decision) -> Turn:
    calls = tuple(Call(call.name, call.arguments, call.id or None) for call in decision.calls)
    return Turn(calls, decision.text, verbatim=True)


# --- exchanges to runs -----------------------------------------------------------------


def _labelled(path: Path) -> Iterator[tuple[str, Session]]:
    """Each run with how to call it for people."""
    found = sessions(_steps(Cassette.read(path)))
    if indistinct(found):
        raise Untestable(f"where a run ends in {path.name} cannot be told: no request contains the one before it")
    for number, session in enumerate(found, 1):
        yield path.name if len(found) == 1 else f"{path.name}, run {number}", session


def _steps(cassette: Cassette) -> Iterator[Step]:
    for number, exchange in enumerate(cassette.exchanges, 1):
        dialect = dialect_of(exchange.request)
        if dialect is None:
            continue
        try:
            yield step(number, dialect, exchange)
        except WireError as error:
            raise CassetteError(f"{cassette.path} holds a model request that cannot be read: {error}") from None


def step(number: int, dialect: Dialect, exchange: Exchange) -> Step:
    """One exchange in canonical form. Raises WireError where the request cannot be read."""
    request = dialect.parse(exchange.request)
    try:
        return Step(number, dialect, request, exchange, dialect.parse_reply(exchange.reply))
    except WireError as error:
        return Step(number, dialect, request, exchange, None, str(error))


def _continued(found: Sequence[Session], step: Step) -> Session | None:
    """The run whose next request this is: it shows the reply to the last one, contains it, or tries it again.

    Of runs at the same time, one whose own decision is in the request comes first.
    """
    for continues in (echoes, _grew):
        for session in reversed(found):
            if continues(session[-1], step):
                return session
    return None


def _grew(last: Step, step: Step) -> bool:
    """Whether the messages are those of before with more after them, or with more in the last one.

    The same messages again are another try after a failure, and another run after a reply.
    """
    then, now = last.request.messages, step.request.messages
    if then == now:
        return last.decision is None
    if not then or len(now) < len(then) or now[: len(then) - 1] != then[:-1]:
        return False
    old, new = then[-1], now[len(then) - 1]
    return old == new or (old.role == new.role and new.calls == old.calls and new.text.startswith(old.text))


def echoes(last: Step, step: Step) -> bool:
    """Whether the request holds the decision of an earlier step, wherever its window begins."""
    if last.decision is None:
        return False
    return any(part in step.said and part not in last.said for part in _parts(last.decision.text, last.decision.calls))


def _said(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        if message.role == "assistant":
            yield from _parts(message.text, message.calls)


def _parts(text: str, calls: Sequence[ToolCall]) -> set[str]:
    return {text.strip()} - {""} | {call.id for call in calls} - {""}


# --- runs to traces --------------------------------------------------------------------


def _trace(session: Session, name: str, label: str, path: Path | None = None) -> Trace:
    trace = Trace(path, run=name)
    trace.append("launched", kind="W", recording=label)
    for number, turn in enumerate(session, 1):
        wire = turn.exchange.request
        raw = {"method": wire.method, "url": wire.url, "headers": dict(wire.headers), "body": _text(wire.body)}
        trace.append("model_request", n=number, request=turn.request, raw=raw)
        if turn.decision is not None:
            trace.append("model_reply", n=number, decision=turn.decision)
        else:
            trace.append("model_failed", failure=turn.failure)
    trace.close()
    return trace


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
