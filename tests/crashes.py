"""Writers that are killed at random moments: python crashes.py record|rewrite FOLDER TIMES SEED

Each child tells over a pipe what it has been told is on disk, and is killed (SIGKILL) a random while later.
Prints JSON: how often a line was torn, and every loss, which is a sentence.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from agentcheck.cassette import Cassette
from agentcheck.wire import WireReply, WireRequest

Say = Callable[[int], None]
LONG = 30_000  # bytes of a reply


def exchange(number: int) -> tuple[WireRequest, WireReply]:
    request = WireRequest("POST", "http://x/v1/chat/completions", {}, b"%d" % number)
    return request, WireReply(200, {}, (b"ok " * (LONG // 3 if number % 5 == 0 else 20),))


def record(path: Path, say: Say) -> None:
    """Go on with the recording, and tell each exchange that is recorded."""
    cassette = Cassette.open(path, provenance={"a": 1})
    for number in range(len(cassette.exchanges), 10_000):
        cassette.append(*exchange(number))
        say(number)


def rewrite(path: Path, say: Say) -> None:
    """Record an exchange and one to be dropped, drop the latter, and tell after each which one is on disk."""
    cassette = Cassette.open(path, provenance={"a": 1})
    for number in range(len(numbers(cassette)), 10_000):
        cassette.append(*exchange(number))
        cassette.append(WireRequest("POST", "http://x/v1/models", {}, b"to drop"), WireReply(200, {}, ()))
        say(number)
        cassette.keep(n for n, e in enumerate(cassette.exchanges) if e.request.body != b"to drop")
        say(number)


def numbers(cassette: Cassette) -> list[int]:
    return [int(e.request.body) for e in cassette.exchanges if e.request.body != b"to drop"]


def killed(write: Callable[[Path, Say], None], path: Path, chance: random.Random) -> list[int]:
    """What a child was told is on disk before it died."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        write(path, lambda number: os.write(theirs, b"%d\n" % number) and None)
        os._exit(0)
    os.close(theirs)
    with open(ours) as said:
        told = [int(said.readline()) for _ in range(chance.randrange(1, 4))]
        until = time.perf_counter() + chance.random() * 0.002
        while time.perf_counter() < until:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return told + [int(line) for line in said.read().split()]


def losses(path: Path, told: list[int]) -> Iterator[str]:
    read = Cassette.read(path, lenient=True)
    held = numbers(read)
    if held[: max(told) + 1] != list(range(max(told) + 1)):
        yield f"{max(told)} was told, and the file holds {held}"
    if any(
        (e.request, e.reply) != exchange(int(e.request.body)) for e in read.exchanges if e.request.body != b"to drop"
    ):
        yield "an exchange is not what was recorded"
    if read.provenance != {"a": 1}:
        yield f"the header says {read.provenance}"


def main(how: str, folder: str, times: str, seed: str) -> None:
    chance, torn, lost = random.Random(int(seed)), 0, []
    for number in range(int(times)):
        path = Path(folder) / f"{number // 10}.jsonl"  # ten lives for each file
        told = killed({"record": record, "rewrite": rewrite}[how], path, chance)
        torn += bool(Cassette.read(path, lenient=True).warnings)
        lost += list(losses(path, told))
        Cassette.open(path, provenance={}).close()
        lost += list(losses(path, told))
    print(json.dumps({"torn": torn, "lost": lost}))


if __name__ == "__main__":
    main(*sys.argv[1:])
