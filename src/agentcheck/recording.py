"""Recording the undisturbed run of a scenario with the live model, before anything is judged: `--agentcheck-record`.

| mode | asked of the live model | what becomes of the recording |
|---|---|---|
| none | nothing | it stays as it is |
| new | what is not recorded yet | that is added, exchange by exchange |
| changed | the same | the same; at the end what no request asked for is dropped |
| all | everything | a new one replaces it once the run has ended well |
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agentcheck import __version__
from agentcheck.cassette import Cassette
from agentcheck.dialects import dialect_of
from agentcheck.finding import HarnessError, Undecided
from agentcheck.lab import Lab, Run
from agentcheck.live import Live, LiveError
from agentcheck.model import Replay
from agentcheck.planted import is_secret, planted_secrets
from agentcheck.replay import Player
from agentcheck.wire import CassetteError, Exchange, WireRequest

MODES: Final = ("none", "new", "changed", "all")
PATIENCE: Final = 600.0  # seconds for a run: a live model takes its time
_ONE_PIECE: Final = 120.0  # seconds until the next piece of a reply
_SHORTEST: Final = 6  # characters of a secret: a shorter value would be found everywhere
_WELL: Final = ("finished", "waiting")
# What clients ask beside the calls of a model: embeddings, lists of models, counts of tokens.
_BESIDE: Final = re.compile(
    r"/(embeddings|models(/[^/]+)?|moderations|rerank|tokenize|count_tokens|api/(embed|embeddings|tags|show))/?$"
    r"|:(embedContent|batchEmbedContents|countTokens)$"
)


def renew(mode: str, config: Any, rootdir: Path) -> str:
    """Record the scenario of this configuration anew, as the mode has it; a sentence on what was done.

    Raises:
        HarnessError: there is nothing to record into, the model could not be asked, or the run did not end well;
            one sentence, which says what became of the recording.
    """
    secret = _secrets(config)
    dummies = {name: value for name, value in planted_secrets().items() if name not in secret}
    known = [value for value in (*secret.values(), *dummies.values()) if len(value) >= _SHORTEST]
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentcheck-")))
            lab = stack.enter_context(Lab(config, rootdir=rootdir, reports=scratch, live=_unset, planted=dummies))
            path = _path(lab)
            into = path.with_name(path.name + ".part") if mode == "all" else path
            if mode == "all":
                into.unlink(missing_ok=True)
            cassette = stack.enter_context(Cassette.open(into, provenance=_provenance(config, lab), secrets=known))
            return _Session(mode, lab, cassette, path, stack.enter_context(_upstreams())).record()
    except (CassetteError, LiveError) as error:
        raise HarnessError(str(error)) from None
    except OSError as error:
        raise HarnessError(f"nothing was recorded: {error.filename}: {error.strerror}") from None


def _unset() -> Replay:
    raise AssertionError("the model of a recording is set before a run")


def _secrets(config: Any) -> dict[str, str]:
    """The real secrets that the agent's environment holds, by the names of their variables."""
    given = {**os.environ, **(getattr(config, "environment", None) or {})}
    return {name: value for name, value in given.items() if is_secret(name)}


def _path(lab: Lab) -> Path:
    """The recording that the scenario names. Raises HarnessError."""
    path = lab.scenario.cassette
    if path is None:
        raise HarnessError(
            'there is nothing to record into: write cassette = "run.jsonl" in the scenario of '
            f"{lab.target.name}, or leave --agentcheck-record out"
        )
    if lab.scenario.turns is not None:
        raise HarnessError(f"the scenario {lab.scenario.name!r} names both decisions and a recording; keep one of them")
    if path.suffix != ".jsonl":
        raise HarnessError(
            f"{path} cannot be recorded into: recordings are written as .jsonl; "
            f"first run: agentcheck cassette convert {path} {path.with_suffix('.jsonl')}, and name that in the scenario"
        )
    return path


def _provenance(config: Any, lab: Lab) -> dict[str, Any]:
    return {
        "recorded": datetime.now(UTC).date().isoformat(),
        "agent": config.target or lab.target.name,
        "kind": lab.kinds,
        "scenario": lab.scenario.name,
        "by": f"agentcheck {__version__}",
        "again": "pytest --agentcheck --agentcheck-record=all",
    }


# --- one recording ---------------------------------------------------------------------


@dataclass(slots=True)
class _Session:
    mode: str
    lab: Lab
    cassette: Cassette
    path: Path
    upstreams: "_Upstreams"
    used: set[int] = field(default_factory=set)
    recorded: int = 0

    def record(self) -> str:
        limits = self.lab.target.limits
        self.lab.target = replace(self.lab.target, limits=replace(limits, seconds=max(limits.seconds, PATIENCE)))
        kinds = [kind for kind in self.lab.kinds if kind in "CH"]
        if not kinds:
            raise HarnessError(f"{self.lab.target.name} is a reducer, which has no wire to record: name its host")
        before = len(self.cassette.exchanges)
        runs = [self._run(kind) for kind in kinds]
        self.recorded = len(self.cassette.exchanges) - before
        ill = [run for run in runs if run.status not in _WELL]
        return self._concluded(ill[0] if ill else None)

    def _run(self, kind: str) -> Run:
        recorder = Recorder(self.cassette, self.upstreams, masks=self.lab.target.volatile)
        self.lab.answered_by(lambda: Replay(recorder))
        self.lab.begin(kind)
        try:
            run = self.lab.happy()
        except Undecided as error:
            raise HarnessError(f"{error.message}; {self._kept()}") from None
        self.used |= recorder.used()
        return run

    def _kept(self) -> str:
        """What becomes of the recording after a run that broke off."""
        count = _exchanges(len(self.cassette.exchanges))
        if self.mode == "all":
            return f"{self.path} is as it was, and {self.cassette.path} holds {count} of this run"
        return f"{self.path} holds {count}, those before it broke off"

    def _concluded(self, ill: Run | None) -> str:
        said = f"{self.path.name}: {_exchanges(self.recorded)} recorded"
        if self.mode == "all":
            if ill is not None:
                raise HarnessError(f"the run ended as {ill.status!r}, so nothing was replaced: {self._kept()}")
            self.cassette.close()
            self.cassette.path.replace(self.path)
            return f"{said} anew"
        dropped = len(self.cassette.exchanges) - len(self.used)
        said += f", {len(self.used) - self.recorded} replayed"
        if self.mode == "changed" and ill is not None:
            return f"{said}, none dropped, since the run ended as {ill.status!r}"
        if self.mode == "changed" and dropped:
            self.cassette.keep(self.used)
            return f"{said}, {dropped} dropped that no request asked for"
        return "; ".join([said, *self.cassette.warnings])


def _exchanges(count: int) -> str:
    return f"{count} exchange" + ("" if count == 1 else "s")


class Recorder(Player):
    """Deals what is recorded; the rest it asks of the live model, and records before the agent sees it."""

    def __init__(self, cassette: Cassette, upstreams: "_Upstreams", *, masks: Any = ()):
        super().__init__(cassette.exchanges, masks=masks)
        self._cassette = cassette
        self._upstreams = upstreams
        self._before = len(cassette.exchanges)

    def exchange(self, request: WireRequest) -> Exchange | None:
        """As `Player.exchange`. Raises HarnessError where the live model cannot be asked, or refuses the key."""
        found = super().exchange(request)
        if found is not None or not self._may_ask(request):
            return found
        try:
            live = self._upstreams.exchange(request)
            return self._cassette.append(live.request, live.reply, times=live.times)
        except (LiveError, CassetteError) as error:
            raise HarnessError(str(error)) from None

    def used(self) -> set[int]:
        """The numbers (from 0) of the exchanges that requests have asked for, those just recorded among them."""
        return set(range(len(self._cassette.exchanges))) - set(self.left())

    def _may_ask(self, request: WireRequest) -> bool:
        return dialect_of(request) is not None or bool(_BESIDE.search(request.path)) or self.knows(request)


class _Upstreams:
    """The live models, by the address that the agent's client asks."""

    def __init__(self) -> None:
        self._open: dict[str, Live] = {}

    def exchange(self, request: WireRequest) -> Exchange:
        parts = urlsplit(request.url)
        base = f"{parts.scheme}://{parts.netloc}"
        if base not in self._open:
            self._open[base] = Live(base, timeout=_ONE_PIECE)
        exchange = self._open[base].exchange(request)
        if exchange.reply.status in (401, 403):
            raise LiveError(
                f"the model at {base} refused the key (status {exchange.reply.status}): "
                "put the real one into the environment of pytest"
            )
        return exchange

    def close(self) -> None:
        for live in self._open.values():
            live.close()


@contextmanager
def _upstreams() -> Iterator[_Upstreams]:
    upstreams = _Upstreams()
    try:
        yield upstreams
    finally:
        upstreams.close()


__all__ = ["MODES", "Recorder", "renew"]
