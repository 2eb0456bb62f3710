"""The pieces of agentcheck for one's own tests: the fixtures' work, turns of the model, and the suite for adapters.

    def test_a_failed_deployment_is_told(run_agent, faults):
        run = run_agent(call("deploy", {"tag": "v1"}), faults=faults.ToolFails("deploy", faults.Http(503)))
        assert "503" in run.requests()[-1].request.messages[-1].text

`lab`, `run_agent`, `faults` and `cassette` are fixtures of every pytest session; `docs/testing.md` has more.
"""

from agentcheck.scenario import call as call
from agentcheck.scenario import finish as finish
from agentcheck.scenario import say as say
from agentcheck.scenario import together as together
from agentcheck.testing.conformance import adapter_conformance as adapter_conformance
from agentcheck.testing.pieces import RunAgent as RunAgent
from agentcheck.testing.pieces import cassettes as cassettes
from agentcheck.testing.pieces import open_lab as open_lab

__all__ = ["RunAgent", "adapter_conformance", "call", "cassettes", "finish", "open_lab", "say", "together"]
