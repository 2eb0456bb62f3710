"""Recordings and requests, spoilt in every way: python mutated.py COUNT [SEED]

Each is read as agentcheck reads it, and must end in a recording, a request, or an error of one sentence, soon and
within bounds of memory. Prints what came of them; the exit status is 1 where anything else happened.
"""

import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentcheck import dialects
from agentcheck.cassette import Cassette
from agentcheck.wire import CassetteError, Exchange, WireError, WireReply

ROOT = Path(__file__).parents[1]
SLOW = 10.0  # seconds for one, on a machine that others use too
LARGE = 1 << 30  # bytes of memory beyond what was there at the start
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, "", "\x00", "\ud800", [], {}, [[]], [{}], {"a": {}}, "x" * 5000, "{", "null",
    {"role": "tool"}, [{"type": "text"}], {"base64": "%%%"}, {"string": None}, 10**40,
)  # fmt: skip
BYTES = (b"\x00", b"\xff\xfe", b"&a [*a]", b"!!python/object/apply:os.system ['true']", b"\n", b"{", b"]", b'"', b"\t")


def seeds() -> list[Path]:
    """Small recordings in every format that is at hand."""
    shared = ROOT.parent / "shared" / "cassettes"
    found = [*(ROOT / "cassettes").glob("*.jsonl"), *shared.rglob("*.yaml"), *shared.rglob("*.yaml.gz")]
    return sorted(path for path in found if path.stat().st_size < 20_000)


def spoilt_bytes(raw: bytes, dice: random.Random) -> bytes:
    """Bytes flipped, cut, repeated, put in."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0 if data:
                data[at % len(data)] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 200)]
            case 2:
                data[at:at] = dice.choice(BYTES)
            case 3:
                data[at:at] = data[at : at + dice.randint(1, 200)] * dice.randint(1, 3)
            case _:
                del data[at:]
    return bytes(data)


def spoilt_json(node: Any, dice: random.Random) -> Any:
    """One value somewhere in a document replaced, left out or doubled."""
    places = list(_places(node))
    if not places:
        return dice.choice(ODD)
    holder, key = dice.choice(places)
    match dice.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(holder[key])
        case 2 if isinstance(holder, dict):
            holder[str(dice.choice(ODD))[:20]] = holder.pop(key)
        case _:
            holder[key] = dice.choice(ODD)
    return node


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


# --- what is done with them ---------------------------------------------------------------


def read_recording(raw: bytes, path: Path) -> str:
    """How a file of these bytes is read: as a recording, or refused."""
    path.write_bytes(raw)
    try:
        cassette = Cassette.read(path, lenient=True)
    except CassetteError as error:
        return one_sentence(error)
    player = cassette.player()
    for exchange in cassette.exchanges[:5]:
        player.answer(exchange.request)
        read_exchange(exchange)
    return "a recording"


def read_exchange(exchange: Exchange) -> str:
    """How an exchange is read by the dialect that takes it for its own."""
    dialect = dialects.dialect_of(exchange.request)
    if dialect is None:
        return "no model call"
    try:
        request = dialect.parse(exchange.request)
        [dialect.schema_error(tool.parameters) for tool in request.tools]
        dialect.messages_json(exchange.request)
        dialect.parse_reply(exchange.reply)
    except WireError as error:
        return one_sentence(error)
    return "a model call"


def one_sentence(error: Exception) -> str:
    said = str(error)
    assert said.strip(), "an error without words"
    assert len(said.splitlines()) <= 1 or len(said) < 2000, f"an error of {len(said)} characters"
    return "refused"


def spoilt_recording(pool: list[Path], dice: random.Random, folder: Path) -> str:
    path = dice.choice(pool)
    return read_recording(spoilt_bytes(path.read_bytes(), dice), folder / f"spoilt{''.join(path.suffixes[-2:])}")


def spoilt_exchange(pool: list[Exchange], dice: random.Random, folder: Path) -> str:
    exchange = dice.choice(pool)
    request, reply = exchange.request, exchange.reply
    if dice.random() < 0.5:
        return read_exchange(replace(exchange, request=replace(request, body=spoilt_body(request.body, dice))))
    chunks = [spoilt_body(chunk, dice) if dice.random() < 0.5 else chunk for chunk in reply.chunks]
    return read_exchange(replace(exchange, reply=WireReply(reply.status, reply.headers, tuple(chunks))))


def spoilt_body(body: bytes, dice: random.Random) -> bytes:
    try:
        return json.dumps(spoilt_json(json.loads(body), dice)).encode()
    except ValueError:
        return spoilt_bytes(body, dice)


def model_calls(pool: list[Path]) -> list[Exchange]:
    """One exchange of each recording, so that every dialect is there."""
    found: list[Exchange] = []
    for path in pool:
        exchanges = Cassette.read(path, lenient=True).exchanges
        found += [e for e in exchanges if dialects.dialect_of(e.request)][:2]
    return found


def main(count: int, seed: int = 0) -> int:
    dice, paths = random.Random(seed), seeds()
    calls = model_calls(paths)
    start = _memory()
    came: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(count):
            kind: Callable[..., str] = spoilt_recording if number % 4 == 0 else spoilt_exchange
            began = time.monotonic()
            try:
                came[f"{kind.__name__}: {kind(paths if number % 4 == 0 else calls, dice, Path(name))}"] += 1
            except Exception as error:
                wrong.append(f"number {number} of seed {seed}: {type(error).__name__}: {str(error)[:200]}")
            if time.monotonic() - began > SLOW:
                wrong.append(f"number {number} of seed {seed} took longer than {SLOW:.0f} s")
    if _memory() - start > LARGE:
        wrong.append(f"memory grew by {(_memory() - start) >> 20} MiB")
    print(json.dumps({"came": came, "wrong": wrong[:20], "wrong_in_all": len(wrong)}, indent=1))
    return int(bool(wrong))


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
