"""Impure calls are named with file, line and chain, wherever they hide; their harmless neighbours are not."""

import importlib
import sys

import pytest

from agentcheck.stage.guard import Guard
from agentcheck.stage.purity import Purity

HELPER = """
import asyncio, builtins, copy, dataclasses, datetime, enum, functools, io, json, logging, multiprocessing, os, random
import re, secrets, socket, subprocess, sys, threading, time, uuid, warnings, zoneinfo
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone
import pydantic

LIMIT = 3
NAIVE = datetime.datetime(2026, 1, 1)
ZONED = datetime.datetime(2026, 1, 1, tzinfo=timezone.utc)
log = logging.getLogger("helper")
WORD = re.compile("a+")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int = 1
    names: tuple = ("a",)


class Model(pydantic.BaseModel):
    point: Point = Point()
    tags: list[str] = []


@functools.lru_cache
def square(n): return n * n


@functools.lru_cache
def born(): return time.time()


async def nothing(): return None


def deed():
    return {deed}


class Holder:
    @property
    def shown(self):
        return deed()


def stream():
    yield deed()


"""
AGENT = """
import json
from copy import deepcopy
import helper


class Odd:
    def __deepcopy__(self, memo):
        return helper.deed()


def reduce():
    return {call}
"""
IMPURE = {
    "time.time()": "the clock (time.time)",
    "time.perf_counter()": "the clock",
    "time.gmtime()": "the clock",
    "time.strftime('%Y')": "the clock",
    "time.sleep(0)": "the clock",
    "time.localtime(0)": "the local time zone (time.localtime)",
    "time.mktime((2026, 1, 1, 0, 0, 0, 0, 0, 0))": "the local time zone",
    "datetime.datetime.now(timezone.utc)": "the clock (datetime.now)",
    "datetime.datetime.utcnow()": "the clock",
    "datetime.datetime.fromtimestamp(0)": "the local time zone (datetime.fromtimestamp)",
    "datetime.date.fromtimestamp(0)": "the local time zone (date.fromtimestamp)",
    "NAIVE.astimezone()": "the local time zone (datetime.astimezone of a datetime without zone)",
    "NAIVE.astimezone(timezone.utc)": "the local time zone",
    "ZONED.astimezone()": "the local time zone",
    "NAIVE.timestamp()": "the local time zone",
    "random.gauss(0, 1)": "randomness",
    "random.sample('abc', 2)": "randomness",
    "uuid.uuid1()": "randomness (uuid.uuid1)",
    "uuid.uuid4()": "randomness (uuid.uuid4)",
    "secrets.randbelow(3)": "randomness (secrets.randbelow)",
    "os.getenv('HOME')": "the environment",
    "dict(os.environ)": "the environment",
    "len(os.environ)": "the environment",
    "os.path.expanduser('~')": "the environment",
    "os.cpu_count()": "the operating system (os.cpu_count)",
    "open('/dev/null').close()": "a file (open /dev/null",
    "io.open('/dev/null').close()": "a file",
    "socket.socket().close()": "the network (socket.socket)",
    "socket.gethostname()": "the network (socket.gethostname)",
    "subprocess.run(['true'])": "a process (subprocess.run)",
    "subprocess.Popen(['true']).wait()": "a process (subprocess.Popen)",
    "threading.Thread(target=int).start()": "a thread",
    "threading.get_ident()": "a thread",
    "threading.current_thread()": "a thread",
    "list(ThreadPoolExecutor(1).map(int, ['1']))": "a thread",
    "asyncio.run(nothing())": "a task of asyncio (asyncio.run)",
    "asyncio.new_event_loop().close()": "a task of asyncio",
    "multiprocessing.Queue()": "a process (multiprocessing.",
    "sys.stdout.write('x')": "output",
    "log.warning('x')": "output (logging)",
    "born()": "the clock (time.time)",
}
PURE = (
    "time.gmtime(0)",
    "time.strftime('%Y', time.gmtime(0))",
    "datetime.datetime.strptime('2026', '%Y')",
    "datetime.datetime.fromtimestamp(0, timezone.utc)",
    "datetime.datetime.fromtimestamp(0, tz=timezone.utc)",
    "datetime.datetime.fromisoformat('2026-01-01T00:00:00+00:00').timestamp()",
    "ZONED.astimezone(timezone.utc)",
    "ZONED.astimezone(zoneinfo.ZoneInfo('Asia/Tokyo')).isoformat()",
    "random.Random(7).sample('abc', 2)",
    "[r.setstate(random.Random(7).getstate()) or r.random() for r in [random.Random(8)]]",
    "uuid.uuid5(uuid.NAMESPACE_URL, 'x')",
    "secrets.compare_digest('a', 'b')",
    "sorted({'a', 'b'}), len({'a'}), 'a' in {'a'}, {'a'} == {'b'}, {'a'} | {'b'}",
    "hash('a'), id(LIMIT)",
    "{Point(): 1}[Point()], hash(Point()), repr(Point())",
    "copy.deepcopy({'a': [Point(), Model()]})",
    "json.loads(json.dumps({'a': [1.5, None]}))",
    "dataclasses.replace(Point(), x=2), dataclasses.asdict(Point())",
    "Model.model_validate_json(Model(tags=['a']).model_dump_json()).model_copy(deep=True)",
    "pydantic.TypeAdapter(Model).validate_python({})",
    "square(3)",
    "Colour('red').value, Colour.RED.name",
    "re.compile('b+' + str(LIMIT)).search('abb'), WORD.match('aa')",
    "log.debug('x'), log.isEnabledFor(10)",
    "LIMIT, Point.x, io.StringIO().write('x')",
    "os.path.join('a', 'b'), os.path.basename('a/b'), os.fspath('a')",
    "threading.Lock().acquire(), subprocess.list2cmdline(['a'])",
    "socket.htons(1), asyncio.iscoroutinefunction(nothing)",
    "functools.reduce(lambda a, b: a + b, [1, 2])",
)
WAYS = {
    "helper.deed()": ["helper.py:{deed} in deed", "agent.py:13 in reduce"],
    "(lambda: helper.deed())()": ["helper.py:{deed} in deed", "agent.py:13 in <lambda>", "agent.py:13 in reduce"],
    "helper.Holder().shown": ["helper.py:{deed} in deed", "helper.py:{shown} in shown", "agent.py:13 in reduce"],
    "sorted('ab', key=lambda c: str(helper.deed()))": [
        "helper.py:{deed} in deed", "agent.py:13 in <lambda>", "agent.py:13 in reduce",
    ],
    "next(helper.stream())": ["helper.py:{deed} in deed", "helper.py:{stream} in stream", "agent.py:13 in reduce"],
    "deepcopy(Odd())": ["helper.py:{deed} in deed", "agent.py:9 in __deepcopy__", "agent.py:13 in reduce"],
    "json.loads('{{}}', object_hook=lambda d: helper.deed())": [
        "helper.py:{deed} in deed", "agent.py:13 in <lambda>", "agent.py:13 in reduce",
    ],
}  # fmt: skip


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """What a call, made by the deed of a helper module, is seen to do, in two calls as the stage makes them."""
    monkeypatch.syspath_prepend(tmp_path)

    def look(deed, call="helper.deed()"):
        (tmp_path / "helper.py").write_text(HELPER.replace("{deed}", deed))
        (tmp_path / "agent.py").write_text(AGENT.replace("{call}", call))
        for name in ("helper", "agent"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        agent = importlib.import_module("agent")
        guard = Guard()
        guard.project = (str(tmp_path),)
        purity = Purity(agent, guard)
        purity.begin()
        purity.first(agent.reduce)
        impure = purity.second(agent.reduce)[1]
        return impure, purity.changed(agent.reduce)

    return look


def line_of(text):
    return HELPER.split("\n").index(text) + 1


LINES = {
    "deed": line_of("    return {deed}"),
    "shown": line_of("        return deed()"),
    "stream": line_of("    yield deed()"),
}


@pytest.mark.parametrize("deed", IMPURE)
def test_an_impure_call_is_named_with_the_lines_of_the_user(seen, deed):
    first = seen(deed)[0][0]
    assert first["what"].startswith(IMPURE[deed])
    if deed != "born()":
        assert first["chain"] == f"helper.py:{LINES['deed']} in deed < agent.py:13 in reduce"


@pytest.mark.parametrize("deed", PURE)
def test_its_harmless_neighbours_are_left_alone(seen, deed):
    assert seen(deed) == ([], [])


@pytest.mark.parametrize("call", WAYS)
def test_the_chain_leads_to_it_however_it_is_reached(seen, call):
    expected = [line.format(**LINES) for line in WAYS[call]]
    assert seen("time.time()", call.replace("{{}}", "{}"))[0][0]["chain"] == " < ".join(expected)


@pytest.mark.parametrize("deed", ["[time.time() for _ in 'a']", "max(time.time() for _ in 'a')"])
def test_a_comprehension_is_in_the_chain(seen, deed):
    chain = seen(deed)[0][0]["chain"].split(" < ")
    assert chain[0].startswith(f"helper.py:{LINES['deed']} in ")
    assert chain[-1] == "agent.py:13 in reduce"


def test_what_happens_in_the_first_call_alone_is_named_by_its_functions(seen):
    first = seen("born()")[0][0]
    assert first["what"] == "the clock (time.time), once and not again,"
    assert first["chain"].split(" < ")[0] == f"helper.py:{line_of('@functools.lru_cache') + 4} in born"


def test_the_clock_is_seen_even_where_an_extension_reads_it(tmp_path, monkeypatch):
    code = (
        "import datetime, pydantic\n"
        "class Seen(pydantic.BaseModel):\n"
        "    at: datetime.datetime = pydantic.Field(default_factory=datetime.datetime.now)\n"
        "def reduce():\n"
        "    return Seen()\n"
    )
    (tmp_path / "stamped.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "stamped", raising=False)
    guard = Guard()
    guard.project = (str(tmp_path),)
    stamped = importlib.import_module("stamped")
    first = Purity(stamped, guard).clock_in_c(stamped.reduce)[0]
    assert first["what"] == "the clock (read by an extension)"
    assert first["chain"] == "stamped.py:5 in reduce"
