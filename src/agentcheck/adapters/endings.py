"""What an agent may do to the conversation with it, and the words for how its process came to an end."""

import socket
from collections.abc import Mapping
from typing import Any, Final

from agentcheck import framing
from agentcheck.process import Fork
from agentcheck.world import World

LOST: Final = 70  # the exit status of a process on the stage that can no longer reach the lab

CLOSED: Final = "lost its connection to agentcheck: it closed or replaced a file descriptor that is not its own"


class Broken(Exception):
    """The conversation cannot go on; the text says what the agent did, as in "the agent …"."""


def heard(channel: socket.socket, pid: int) -> dict[str, Any]:
    """The next message of this process. Raises Broken where somebody else wrote it, framing.Closed at the end."""
    try:
        message = framing.receive(channel)
    except RecursionError:
        raise _garbled("it is nested too deep") from None
    except framing.Closed as closed:
        if "message" in str(closed):
            raise _garbled(str(closed)) from None
        raise
    if not isinstance(message.get("op"), str):
        raise _garbled("the message asks for nothing")
    if message["op"] in ("done", "finished") and message.get("pid") != pid:
        raise Broken("forked its process behind agentcheck's back, and both went on")
    return message


def _garbled(why: str) -> Broken:
    return Broken(f"wrote into agentcheck's own connection ({why})")


def handled(world: World, message: Mapping[str, Any]) -> dict[str, Any]:
    """The world's answer. Raises Broken where what the agent made of its store cannot be read."""
    try:
        return world.handle(message)
    except RecursionError:
        if world.store is None:
            raise
        raise Broken("made folders in its store that lie too deep to be read") from None
    except OSError as error:
        if world.store is None or not str(error.filename or "").startswith(str(world.store)):
            raise
        raise Broken(f"made of its store what cannot be read ({error.strerror})") from None


def why_ended(fork: Fork) -> str:
    """What the agent did that ended its process, as in "the agent …"; empty where its exit status says all."""
    if fork.broke:
        return fork.broke
    if fork.ended.stopped:
        return "stopped itself with a signal, and was ended"
    if fork.ended.code == LOST:
        return CLOSED
    return ""
