"""The same loop on the SDKs of six providers, streamed and not: the verdicts are the loop's, whatever the wire."""

import shutil
from pathlib import Path

import pytest
from agents import lab_of

from agentcheck import catalog
from agentcheck.finding import Outcome

LOOPS = Path(__file__).with_name("loops")
DESERVED = {
    "F03-large-result-is-bounded",
    "F09-error-holds-no-secret",
    "F09-hang-times-out",
    "F09-repeated-errors-escalate",
}
# In botocore's default mode of retries no header is looked at: it waits a random time, at times long enough.
BEDROCK = ("bedrock_loop", "bedrock_stream_loop", "bedrock_beta_stream_loop")
BY_CHANCE = {name: {"F08-retry-after-is-honoured"} for name in BEDROCK}
MALFORMED = "F01-malformed-json-is-refused"
# Their replies carry arguments as an object, or in a stream that was checked: what is malformed cannot arrive.
OBJECTS = {"anthropic_loop", "gemini_loop", "gemini_stream_loop", "bedrock_loop", "ollama_loop"}
CHECKED = {"anthropic_stream_loop", "anthropic_helper_loop", "bedrock_stream_loop"}
# Asks for unchecked arguments, and lets its SDK close what is not whole.
REPAIRS = {"anthropic_beta_helper_loop"}


@pytest.mark.parametrize("name", sorted(path.stem for path in LOOPS.glob("*_loop.py")))
def test_a_loop_has_the_verdicts_that_it_deserves_on_every_sdk(tmp_path, name):
    for path in LOOPS.glob("*.py"):
        shutil.copy(path, tmp_path)
    with lab_of(tmp_path, f"{name}:run", limits={"seconds": 8}) as lab:
        found = {c.id: lab.judge(c) for c in catalog.load_all() if "C" in c.kinds}
    outcomes = {id: finding.outcome for id, finding in found.items()}
    failed = {id: finding.message for id, finding in found.items() if finding.outcome == Outcome.FAIL}
    assert failed.keys() - BY_CHANCE.get(name, set()) == DESERVED | ({MALFORMED} if name in REPAIRS else set()), failed
    assert [f"{id}: {found[id].message}" for id, o in outcomes.items() if o == Outcome.ERROR] == []
    refuses = Outcome.NOT_APPLICABLE if name in OBJECTS | CHECKED else Outcome.PASS
    assert outcomes[MALFORMED] == (Outcome.FAIL if name in REPAIRS else refuses)
    assert outcomes["F08-model-outage-is-survived"] == Outcome.PASS
    assert sum(o == Outcome.PASS for o in outcomes.values()) >= 32
