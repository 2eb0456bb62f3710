"""Performing one run of a callable or a host inside the forked process."""

import asyncio
import base64
import contextlib
import contextvars
import gc
import inspect
import os
import signal
import sysconfig
import threading
import traceback
import types
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentcheck import reducer as vocabulary
from agentcheck.stage import beneath, clock, saves, together, veto, view
from agentcheck.stage.channels import opened
from agentcheck.stage.flight import Tools, flight
from agentcheck.stage.guard import Guard
from agentcheck.stage.intercept import intercepted
from agentcheck.stage.link import Link, running, session
from agentcheck.stage.receiving import TASK, call_run
from agentcheck.stage.tools import Toolbox, answer_input, plain
from agentcheck.stage.turns import REPLY, REQUEST
from agentcheck.target import Target

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
PATIENCE = 1 / 3  # of the time that a run may take: how long one session waits for another at most


class Performance:
    """One process of the agent: its sessions, its boundaries, and how each session ended."""

    def __init__(self, link: Link, target: Target, module: types.ModuleType, guard: Guard, job: Mapping[str, Any]):
        self.target = target
        self.job = job
        self.guard = guard
        self.flight = flight(job, self._entry, patience=target.limits.seconds * PATIENCE)
        self.link: Any = link if self.flight is None else self.flight.link(link)
        self.toolbox = self._toolbox(module)
        self.results: dict[str, Any] = {}  # session -> what it returned
        self._one_request = threading.RLock()  # a request, and what the lab asks back before its answer
        link.on_stop = self.ask_to_stop

    @property
    def _entry(self) -> Any:
        """What the sessions call."""
        if self.job["kind"] == "C":
            return self.target.run
        return self.target.host.resume if self.job["sessions"][0].get("resume") else self.target.host.launch

    def _toolbox(self, module: types.ModuleType) -> Toolbox:
        subject = self.target.host if self.job["kind"] == "H" else self.target.run
        if self.flight is None:
            return Toolbox(self.link, self.target, subject, module, self.guard)
        tools = Tools(self.link, self.target, subject, module, self.guard)
        tools.flight = self.flight
        return tools

    def _note_veto(self) -> None:
        self.link.ask("probe", name="vetoed", value=self.job["veto"]["tool"])

    def play(self) -> None:
        """Run the job's sessions and tell the lab how each ended."""
        answer_input(self.link)
        self.toolbox.bind_approval()
        veto.install(self.target.guard, self.job.get("veto"), self._note_veto)
        self.toolbox.place_all(self.job["known"])
        self.link.ask("bound_early", tools={tool: self.toolbox.bind(tool) for tool in self.job["bind"]})
        if self.job.get("together"):
            together.begin(self.link, self.job["store"])
        elif self.job.get("saves"):
            saves.begin(self.link, self.job["store"])
        with warnings.catch_warnings(record=True) as caught, clock.held_at(self.job.get("clock")):
            warnings.simplefilter("always")
            with intercepted(self.ask_model):
                self.perform()
                gc.collect()
        never = [str(w.message) for w in caught if "was never awaited" in str(w.message)]
        if never:
            self.link.ask("probe", name="never_awaited", value=never[0])
        if self.job.get("context") and self.target.context:
            self._show_context()

    def _show_context(self) -> None:
        first = self.job["sessions"][0]["name"]
        if self.job["kind"] == "H":
            shown = view.of_host(str(self.target.context), Path(self.job["store"]))
        else:
            shown = view.of_callable(str(self.target.context), self.results.get(first))
        self.link.ask("probe", name="context", value=shown)

    def perform(self) -> None:
        """All sessions: one after the other, each in a context of its own, or in flight at once."""
        if self.flight is None:
            for one in self.job["sessions"]:
                running[:] = [one["name"]]
                contextvars.copy_context().run(self._perform, one)
            return
        sessions = {one["name"]: one for one in self.job["sessions"]}
        play = self._perform_async if self.flight.tasks else self._perform
        with self.flight.watched():
            self.flight.play(lambda name: play(sessions[name]))
        running[:] = [*sessions][:1]
        self.link.ask("probe", name="in_flight", value=self.flight.facts())

    def _perform(self, one: Mapping[str, Any]) -> None:
        with self._session(one):
            result = self._call(one)
            if inspect.isawaitable(result):
                result = asyncio.run(_wait(result))
            self._end(one, result)

    async def _perform_async(self, one: Mapping[str, Any]) -> None:
        with self._session(one):
            self._end(one, await self._call(one))

    @contextlib.contextmanager
    def _session(self, one: Mapping[str, Any]) -> Iterator[None]:
        """What is done in this block is the session's; an error ends it."""
        session.set(one["name"])
        try:
            yield
        except BaseException as error:
            self.link.ask("finished", status="failed", **failure(error))

    def _end(self, one: Mapping[str, Any], result: Any) -> None:
        self.results[one["name"]] = result
        self.link.ask("finished", **ending(result))

    def _call(self, one: Mapping[str, Any]) -> Any:
        if self.job["kind"] == "C":
            return call_run(self.target.run, self._trigger(one))
        store = Path(one["store"])
        if one.get("resume"):
            answers = [vocabulary.HumanAnswered(a["id"], vocabulary.answer_from(a["answer"])) for a in one["answers"]]
            return self.target.host.resume(store, answers)
        return self.target.host.launch(self._trigger(one), store)

    def _trigger(self, one: Mapping[str, Any]) -> Any:
        """What starts the session; an envelope is opened by the function of its channel."""
        if not one.get("envelope"):
            return TASK if one["trigger"] is None and self.job["kind"] == "H" else one["trigger"]
        found = opened(one["envelope"])
        if found.error is not None:
            self.link.ask("probe", name="unopened", value=failure(found.error)["error"])
            raise found.error
        self.link.ask("probe", name="opened", value=plain(found.trigger))
        return found.trigger

    def ask_to_stop(self) -> None:
        """Ask the agent to stop in its own way: the host's `interrupt` where it has one, else SIGTERM."""
        interrupt = getattr(self.target.host, "interrupt", None)
        if self.job["kind"] == "H" and callable(interrupt):
            interrupt()
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def ask_model(self, method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        """What the lab says to one HTTP request; binding tools first where the lab asks for it."""
        failure = self.toolbox.http_failure()
        if failure is not None:
            return beneath.http_answer(failure)
        if self.flight is None:
            return self._said(method, url, headers, body)
        with self.flight.owners.known():
            self.flight.cross(REQUEST)
            reply = self._said(method, url, headers, body)
            if not reply.get("broken"):  # what is refused is no model, and a tool that asks it holds what is the lab's
                self.flight.cross(REPLY)
        return reply

    def _said(self, method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        with self._one_request:
            reply: dict[str, Any] = self.link.ask(
                "http", method=method, url=url, headers=headers, body=base64.b64encode(body).decode()
            )
            while reply["do"] == "bind":
                reply = self.link.ask("bound", tools={tool: self.toolbox.bind(tool) for tool in reply["tools"]})
            return reply


async def _wait(awaitable: Any) -> Any:
    return await awaitable


def ending(result: Any) -> dict[str, Any]:
    """How a session ended, from what the agent returned."""
    if type(result).__name__ == "Paused" and hasattr(result, "questions"):
        return {"status": "waiting", "questions": [_question(q) for q in result.questions]}
    if type(result).__name__ == "Finished" and hasattr(result, "result"):
        result = result.result
    return {"status": "finished", "result": plain(result), "plain": is_plain(result)}


def _question(question: Any) -> dict[str, Any]:
    call = getattr(question, "call", None)
    return {
        "id": question.id,
        "kind": question.kind,
        "text": question.text,
        "call": {"name": call.name, "arguments": call.arguments, "id": call.id} if call is not None else None,
        "deadline": getattr(question, "deadline", None),
    }


def is_plain(result: Any) -> bool:
    """Whether an answer is data that could be sent on: JSON types, dataclasses, models."""
    if result is None or isinstance(result, (str, int, float, bool)):
        return True
    if isinstance(result, (list, tuple)):
        return all(is_plain(item) for item in result)
    if isinstance(result, dict):
        return all(isinstance(k, str) and is_plain(v) for k, v in result.items())
    return hasattr(result, "model_dump") or hasattr(result, "__dataclass_fields__")


def failure(error: BaseException) -> dict[str, Any]:
    """An exception that ended a session, for people: kind, message, and the line in their code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parents[1])
    theirs = [f for f in frames if not f.filename.startswith(ours) or "fixtures" in f.filename]
    own = [f for f in theirs if not f.filename.startswith((*_INSTALLED, "<frozen "))]  # not of an SDK, for instance
    last = next(reversed(own or theirs), None)
    return {
        "error": {
            "kind": type(error).__name__,
            "message": str(error)[:2000],
            "where": f"{Path(last.filename).name}:{last.lineno}" if last else "",
        }
    }
