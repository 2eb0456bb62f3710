"""What a recording shows: the runs in it as traces, and the decisions that the model made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentcheck.cassette import Cassette
from agentcheck.dialects import dialect_of
from agentcheck.finding import HarnessError, Untestable
from agentcheck.messages import Decision, Request, ToolCall
from agentcheck.scenario import Call, Scenario, Turn
from agentcheck.trace import Trace
from agentcheck.wire import CassetteError, Dialect, Exchange, WireError


@dataclass(slots=True)
class _Turn:
    """One exchange with a model: what was asked, and what came back (None: a failure)."""

    request: Request
    exchange: Exchange
    decision: Decision | None
    failure: str = ""


@dataclass(slots=True)
class _Session:
    turns: list[_Turn] = field(default_factory=list)


def traces(path: Path) -> list[Trace]:
    """The runs in a recording, ours or of vcrpy and its kin, in the order in which they began.

    A run goes on as long as a request contains the one before it, or the reply to it.
    Raises CassetteError in one sentence, or Untestable where nothing tells them apart.
    """
    return [_trace(session, f"{path.stem}-{n}", label) for n, (label, session) in enumerate(_labelled(path), 1)]


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
    return [turn.decision for turn in _turns(cassette) if turn.decision is not None]


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


def _labelled(path: Path) -> Iterator[tuple[str, _Session]]:
    """Each run with how to call it for people."""
    sessions = _sessions(path)
    for number, session in enumerate(sessions, 1):
        yield path.name if len(sessions) == 1 else f"{path.name}, run {number}", session


def _sessions(path: Path) -> list[_Session]:
    sessions: list[_Session] = []
    for turn in _turns(Cassette.read(path)):
        session = _continued(sessions, turn.request)
        if session is None:
            session = _Session()
            sessions.append(session)
        session.turns.append(turn)
    _insist_on_runs(sessions, path)
    return sessions


def _insist_on_runs(sessions: Sequence[_Session], path: Path) -> None:
    """An agent that writes its whole history anew for every request leaves nothing to tell its runs apart by."""
    alone = len(sessions) > 1 and all(len(session.turns) == 1 for session in sessions)
    decided = [session.turns[0].decision for session in sessions]
    if alone and all(decision and (decision.calls or decision.text.startswith("{")) for decision in decided):
        raise Untestable(f"where a run ends in {path.name} cannot be told: no request contains the one before it")


def _turns(cassette: Cassette) -> Iterator[_Turn]:
    for exchange in cassette.exchanges:
        dialect = dialect_of(exchange.request)
        if dialect is not None:
            yield _turn(dialect, exchange, cassette.path)


def _turn(dialect: Dialect, exchange: Exchange, path: Path) -> _Turn:
    try:
        request = dialect.parse(exchange.request)
    except WireError as error:
        raise CassetteError(f"{path} holds a model request that cannot be read: {error}") from None
    try:
        return _Turn(request, exchange, dialect.parse_reply(exchange.reply))
    except WireError as error:
        return _Turn(request, exchange, None, str(error))


def _continued(sessions: Sequence[_Session], request: Request) -> _Session | None:
    """The run whose next request this is: it shows the reply to the last one, contains it, or tries it again.

    Of runs at the same time, one whose own decision is in the request comes first.
    """
    for continues in (_echoes, _grew):
        for session in reversed(sessions):
            if continues(session.turns[-1], request):
                return session
    return None


def _grew(last: _Turn, request: Request) -> bool:
    """Whether the messages are those of before with more after them, or with more in the last one.

    The same messages again are another try after a failure, and another run after a reply.
    """
    then, now = last.request.messages, request.messages
    if then == now:
        return last.decision is None
    if not then or len(now) < len(then) or tuple(now[: len(then) - 1]) != tuple(then[:-1]):
        return False
    old, new = then[-1], now[len(then) - 1]
    return old == new or (old.role == new.role and new.calls == old.calls and new.text.startswith(old.text))


def _echoes(last: _Turn, request: Request) -> bool:
    """Whether the request holds the decision of the last turn, wherever its window begins."""
    if last.decision is None:
        return False
    fresh = _said(request) - _said(last.request)
    return bool(fresh & _parts(last.decision.text, last.decision.calls))


def _said(request: Request) -> set[str]:
    said: set[str] = set()
    for message in request.messages:
        if message.role == "assistant":
            said |= _parts(message.text, message.calls)
    return said


def _parts(text: str, calls: Sequence[ToolCall]) -> set[str]:
    return {text.strip()} - {""} | {call.id for call in calls} - {""}


# --- runs to traces --------------------------------------------------------------------


def _trace(session: _Session, name: str, label: str, path: Path | None = None) -> Trace:
    trace = Trace(path, run=name)
    trace.append("launched", kind="W", recording=label)
    for number, turn in enumerate(session.turns, 1):
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
