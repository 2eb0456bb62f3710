"""A loopback server that plays the model to any process in any language, and writes down what crosses."""

from agentcheck.gateway.answering import Answer, Answering, Played, Scripted
from agentcheck.gateway.faulty import Faulty
from agentcheck.gateway.handled import Handled
from agentcheck.gateway.passed import Passed
from agentcheck.gateway.server import Gateway, GatewayError

__all__ = ["Answer", "Answering", "Faulty", "Gateway", "GatewayError", "Handled", "Passed", "Played", "Scripted"]
