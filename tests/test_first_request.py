"""The first request of a run, made comparable: what the model is shown counts, what it is routed by does not."""

import json
from types import SimpleNamespace

import pytest

from agentcheck.first_request import difference

LAB = SimpleNamespace(target=SimpleNamespace(volatile=()), stages=SimpleNamespace(sandboxes="/sandbox-[0-9]+"))


def sent(**body):
    return {"raw": {"body": json.dumps({"input": "Deploy.", **body})}}


@pytest.mark.parametrize("field", ["prompt_cache_key", "safety_identifier", "user"])
def test_what_the_model_never_sees_makes_no_difference(field):
    assert difference(LAB, sent(**{field: "run:1"}), sent(**{field: "run:2"})) is None


@pytest.mark.parametrize("field", ["instructions", "temperature", "metadata"])
def test_all_else_does(field):
    assert difference(LAB, sent(**{field: "run:1"}), sent(**{field: "run:2"})) is not None
