"""Runs that are stopped, killed, left, resumed and forked, on a small host that keeps its messages in a file."""

import pytest
from agents import lab_of, written

from agentcheck.conditions import Stop
from agentcheck.finding import NotApplicable, Outcome, Untestable
from agentcheck.lab import ELSEWHERE, HERE
from agentcheck.pauses import CAN_PAUSE, answers, crossings, parked, resting, stopped_at_a_choice, stops
from agentcheck.reducer import Denied, Text

HOST = """
import os, signal
from pathlib import Path
from agentcheck.messages import ToolCall
from agentcheck.reducer import Finished, Paused, Question

PARAMETERS = {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]}
ASK = {"type": "function", "function": {"name": "ask_boss", "description": "Ask.", "parameters": PARAMETERS}}


class Host:
    def launch(self, trigger, store):
        state = {"version": 1, "messages": [{"role": "user", "content": str(trigger)}]}
        self.save(state, store)
        return self.go_on(state, store)

    def resume(self, store, answers):
        state = self.load(store)
        pending = self.pending(state)
        if pending and pending[0]["function"]["name"] == "ask_boss":
            said = [a.answer for a in answers if a.id == pending[0]["id"]]
            if said:
                self.tell(state, pending[0], str(said[0]))
                self.save(state, store)
        return self.go_on(state, store)

    def load(self, store):
        state = json.loads((Path(store) / "state.json").read_text())
        if state["version"] != 1:
            raise ValueError(f"version {state['version']} is not known")
        return state

    def save(self, state, store):
        new = Path(store) / "state.new"
        new.write_text(json.dumps(state))
        new.replace(Path(store) / "state.json")

    def pending(self, state):
        told = {m.get("tool_call_id") for m in state["messages"]}
        return [c for m in state["messages"] for c in m.get("tool_calls") or () if c["id"] not in told]

    def tell(self, state, call, content):
        state["messages"].append({"role": "tool", "tool_call_id": call["id"], "content": content})

    def go_on(self, state, store):
        asked = []
        signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
        for _ in range(20):
            last, pending = state["messages"][-1], self.pending(state)
            if last["role"] == "assistant" and not pending:
                return Finished(last["content"])
            if asked:
                return Paused()
            if pending and pending[0]["function"]["name"] == "ask_boss":
                question, id = pending[0]["function"], pending[0]["id"]
                call = ToolCall(question["name"], question["arguments"], id)
                return Paused([Question(id, "question", question["arguments"], call)])
            if pending:
                self.tell(state, pending[0], look(**json.loads(pending[0]["function"]["arguments"])))
            else:
                state["messages"].append(ask(state["messages"], [*TOOLS, ASK]))
            self.save(state, store)
        return Finished("too many steps")


host = Host()


class Forgetful(Host):
    def launch(self, trigger, store):
        return super().launch(trigger, store)

    def load(self, store):
        try:
            return super().load(store)
        except ValueError:
            return {"version": 1, "messages": [{"role": "user", "content": "start again"}]}


forgetful = Forgetful()


class Unwilling(Host):
    def resume(self, store, answers):
        raise NotImplementedError("not yet")


unwilling = Unwilling()


class Again(Host):
    def resume(self, store, answers):
        for message in self.load(store)["messages"]:
            for call in message.get("tool_calls") or ():
                if call["function"]["name"] == "look":
                    look(**json.loads(call["function"]["arguments"]))
        return super().resume(store, answers)


again = Again()
"""


@pytest.fixture
def folder(tmp_path):
    written(tmp_path, HOST)
    return tmp_path


def host_lab(folder, name="host", **declared):
    tools = {"look": {"repeatable": True}}
    return lab_of(folder, f"my_agent:{name}", **{"tools": tools, "human": ["ask_boss"], "high_stakes": [], **declared})


def test_a_kill_is_planned_and_the_run_goes_on_from_its_store(folder):
    with host_lab(folder) as lab:
        happy = lab.happy()
        run = lab.run(stop=Stop(2, "after"))
        assert [e["planned"] for e in run.of("killed")] == [True]
        assert len(run.of("resumed")) == 1
        assert run.status == happy.status == "finished"
        assert len(run.of("effect")) == len(happy.of("effect")) + 1


def test_a_call_whose_result_nobody_heard_gets_the_same_result_again(folder):
    with host_lab(folder) as lab:
        run = lab.run(stop=Stop(2, "after"))
        assert [e["value"] for e in run.of("tool_returned")] == [e["value"] for e in lab.happy().of("tool_returned")]


def test_a_second_stop_strikes_during_the_recovery(folder):
    with host_lab(folder) as lab:
        run = lab.run(stop=Stop(2, "after", then=Stop(3)))
        assert [e["point"] for e in run.of("killed")] == [
            "after look took effect, before that was saved",
            "before look took effect",
        ]
        assert run.status == "finished"


def test_a_stop_that_is_asked_for_reaches_the_agent_once_and_changes_nothing(folder):
    with host_lab(folder) as lab:
        happy = lab.happy()
        for nth in range(1, len(crossings(lab, happy)) + 1):
            run = lab.run(stop=Stop(nth, ask=True))
            assert len(run.of("probe", name="asked_to_stop")) == 1
            assert lab.difference(happy, run) is None
        assert [nth for nth, _ in stops(lab)] == [1, 2]


def test_a_run_is_left_where_it_stopped(folder):
    with host_lab(folder) as lab:
        run = lab.run(stop=Stop(1, ask=True), leave=True)
        assert run.status == "waiting"
        assert not run.of("resumed")
        assert lab.resume(run, answers={}).status == "finished"


def test_equal_resumptions_share_one_run_and_those_of_a_store_do_not(folder):
    with host_lab(folder) as lab:
        run = parked(lab)
        assert lab.resume(run, answers={}) is lab.resume(run, answers={})
        store = lab.copied_store(run)
        assert lab.resume(run, answers={}, store=store) is not lab.resume(run, answers={}, store=store)


def test_a_resumption_counts_on(folder):
    with host_lab(folder) as lab:
        run = parked(lab)
        again = lab.resume(run, answers=answers(lab, run))
        assert [e["n"] for e in again.requests()] == [len(run.requests()) + 1]


def test_forks_of_one_run_hear_what_is_said_to_each(folder):
    with host_lab(folder) as lab:
        run = parked(lab)
        (id,) = answers(lab, run)
        forked = lab.fork(run, {id: Text("the first")}, {id: Denied("the second")})
        said = {s: forked.requests(s)[0].request.messages[-1].text for s in ("main", "fork")}
        assert "the first" in said["main"]
        assert "the second" in said["fork"]
        assert len({e.pid for e in forked.of("finished")}) == 1


def test_two_at_once_use_two_processes_on_one_store(folder):
    with host_lab(folder) as lab:
        run = parked(lab)
        store = lab.copied_store(run)
        both = lab.at_once(
            lambda: lab.resume(run, answers={}, store=store, on=HERE),
            lambda: lab.resume(run, answers={}, store=store, on=ELSEWHERE),
        )
        assert [r.status for r in both] == ["waiting", "waiting"]
        assert both[0].finished.pid != both[1].finished.pid


def test_a_choice_is_stopped_before_the_deed_and_not_made_again(folder):
    with host_lab(folder) as lab:
        run, chosen, called = stopped_at_a_choice(lab)
        assert run.of("resumed", after=chosen, before=called)
        assert not run.of("model_request", after=chosen, before=called)


def test_nobody_to_wait_for_is_not_applicable_and_the_run_rests_elsewhere(folder):
    with host_lab(folder, human=[]) as lab:
        with pytest.raises(NotApplicable):
            parked(lab)
        assert resting(lab).status == "waiting"


def test_what_is_not_said_of_humans_is_untestable(folder):
    with host_lab(folder, human=None, high_stakes=None) as lab, pytest.raises(Untestable) as undecided:
        parked(lab)
    assert undecided.value.mend == CAN_PAUSE


def verdicts(folder, name, *ids, **declared):
    from agentcheck.catalog import find, load_all

    with host_lab(folder, name, **declared) as lab:
        return {id: lab.judge(find(id, load_all())) for id in ids}


def test_a_host_that_saves_each_step_is_found_sound(folder):
    ids = (
        "F05-effects-match-state",
        "F06-resume-continues",
        "F06-crash-loses-nothing",
        "F06-corrupt-snapshot-is-refused",
    )
    assert {f.outcome for f in verdicts(folder, "host", *ids).values()} == {Outcome.PASS}


def test_a_silent_fresh_start_is_found_with_the_damage_that_led_to_it(folder):
    found = verdicts(folder, "forgetful", "F06-corrupt-snapshot-is-refused")["F06-corrupt-snapshot-is-refused"]
    assert found.outcome is Outcome.FAIL
    assert "state.json truncated" in found.message


def test_what_was_done_before_a_pause_is_not_done_again_after_it(folder):
    asked = [{"call": "look", "arguments": {"where": "here"}}, {"call": "ask_boss", "arguments": {"question": "Now?"}}]
    id = "F06-resume-continues"
    found = verdicts(folder, "again", id, scenario={"trigger": "go", "model": asked})[id]
    assert found.outcome is Outcome.FAIL
    assert "look ran again" in found.message


def test_a_host_that_does_not_resume_fails_once(folder):
    root = "F06-resume-continues"
    others = ("F05-forks-are-independent", "F06-crash-loses-nothing", "F06-finished-stays-finished")
    found = verdicts(folder, "unwilling", root, *others, "F06-corrupt-snapshot-is-refused", "F06-snapshot-is-data")
    assert found.pop(root).outcome is Outcome.FAIL
    assert {f.outcome for f in found.values()} == {Outcome.UNTESTABLE}
    assert all(f.message.startswith(f"follows from {root}") for f in found.values())


REDUCER = """
from agentcheck.messages import Message
from agentcheck.reducer import CallModel, CallTool, Finish, ModelReplied, Step, Tool

LOOK = Tool("look", "Look.", TOOLS[0]["function"]["parameters"])


class Bot:
    tools = (LOOK,)
    seen = {}

    def start(self, trigger):
        return self.ask({"said": [["user", str(trigger)]]})

    def ask(self, state):
        window = [Message(role, self.seen.get(text, text)) for role, text in state["said"]]
        return Step(state, [CallModel(window, self.tools)])

    def reduce(self, state, event):
        said = state["said"]
        if not isinstance(event, ModelReplied):
            return self.ask({"said": [*said, ["user", self.kept(len(said), event.value)]]})
        state = {"said": [*said, ["assistant", event.text or "I look."]]}
        call = next(iter(event.calls), None)
        return Step(state, [Finish(event.text) if call is None else CallTool(call, call.parsed())])

    def kept(self, number, value):
        return value


class Aside(Bot):
    def kept(self, number, value):
        self.seen[f"see note {number}"] = value
        return f"see note {number}"


bot, aside = Bot(), Aside()
"""


@pytest.mark.parametrize(("name", "outcome"), [("bot", Outcome.PASS), ("aside", Outcome.FAIL)])
def test_what_a_reducer_keeps_beside_its_state_is_missed_after_a_single_tool(tmp_path, name, outcome):
    from agentcheck.catalog import find, load_all

    written(tmp_path, REDUCER)
    with lab_of(tmp_path, f"my_agent:{name}") as lab:
        found = [lab.judge(find(id, load_all())) for id in ("F05-state-is-single", "F06-resume-continues")]
    assert {f.outcome for f in found} == {outcome}
