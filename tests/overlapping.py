"""Agents whose sessions keep apart, or do not, once two of them are in flight; see test_overlap.py."""

STACKED = """
import contextlib
current = None

@contextlib.contextmanager
def running(messages):
    global current
    before, current = current, messages
    try:
        yield
    finally:
        current = before

def run(task):
    with running([{"role": "user", "content": str(task)}]):
        for _ in range(10):
            said = ask(current)
            current.append(said)
            if not said.get("tool_calls"):
                return said["content"]
            for call in said["tool_calls"]:
                result = look(**json.loads(call["function"]["arguments"]))
                current.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""

ASYNC = """
import asyncio, openai
client = openai.AsyncOpenAI(api_key="k", base_url="http://localhost:9/v1", max_retries=0)

async def look(where: str) -> str:
    raise AssertionError("the real tool ran")

async def complete(messages):
    reply = await client.chat.completions.create(model="m", messages=messages, tools=TOOLS)
    return reply.choices[0].message.model_dump(exclude_none=True)

async def converse(messages):
    for _ in range(10):
        said = await complete(messages)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            result = await look(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

async def run(task):
    return await converse([{"role": "user", "content": str(task)}])
"""

ASYNC_STACKED = (
    ASYNC
    + """
current = None

async def run(task):
    global current
    before, current = current, [{"role": "user", "content": str(task)}]
    try:
        for _ in range(10):
            said = await complete(current)
            current.append(said)
            if not said.get("tool_calls"):
                return said["content"]
            for call in said["tool_calls"]:
                result = await look(**json.loads(call["function"]["arguments"]))
                current.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    finally:
        current = before
"""
)

BUSY = """
busy = False

def run(task):
    global busy
    if busy:
        raise RuntimeError("at work already")
    busy = True
    try:
        return loop(task)
    finally:
        busy = False
"""

GOOD = {
    "plain": "run = loop",
    "a lock over the whole run": """
import threading
lock = threading.Lock()

def run(task):
    with lock:
        return loop(task)
""",
    "a lock over each call of the model": """
import threading
lock, ask_model = threading.Lock(), ask

def ask(*args):
    with lock:
        return ask_model(*args)

run = loop
""",
    "the state of a thread": """
import threading
state = threading.local()

def run(task):
    state.messages = [{"role": "user", "content": str(task)}]
    while True:
        said = ask(state.messages)
        state.messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            result = look(**json.loads(call["function"]["arguments"]))
            state.messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
""",
    "a pool that all share": """
from concurrent.futures import ThreadPoolExecutor
pool, ask_model = ThreadPoolExecutor(4), ask

def ask(*args):
    return pool.submit(ask_model, *args).result()

run = loop
""",
    "threads of its own": """
import threading
ask_model = ask

def ask(*args):
    said = []
    thread = threading.Thread(target=lambda: said.append(ask_model(*args)))
    thread.start()
    thread.join()
    return said[0]

run = loop
""",
    "the openai SDK": """
import openai
client = openai.OpenAI(api_key="k", base_url="http://localhost:9/v1", max_retries=0)

def ask(messages):
    reply = client.chat.completions.create(model="m", messages=messages, tools=TOOLS)
    return reply.choices[0].message.model_dump(exclude_none=True)

run = loop
""",
    "httpx": """
import httpx
client = httpx.Client()

def ask(messages):
    body = {"model": "m", "messages": messages, "tools": TOOLS}
    return client.post("http://localhost:9/v1/chat/completions", json=body).json()["choices"][0]["message"]

run = loop
""",
    "coroutines": ASYNC,
    "coroutines and aiohttp": ASYNC
    + """
import aiohttp

async def complete(messages):
    body = {"model": "m", "messages": messages, "tools": TOOLS}
    async with aiohttp.ClientSession() as http, http.post("http://localhost:9/v1/chat/completions", json=body) as reply:
        return (await reply.json())["choices"][0]["message"]
""",
    "coroutines and a context variable": ASYNC
    + """
from contextvars import ContextVar
current = ContextVar("current")

async def run(task):
    current.set([{"role": "user", "content": str(task)}])
    while True:
        said = await complete(current.get())
        current.get().append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            result = await look(**json.loads(call["function"]["arguments"]))
            current.get().append({"role": "tool", "tool_call_id": call["id"], "content": result})
""",
    "coroutines and one at a time": ASYNC
    + """
one_at_a_time = asyncio.Semaphore(1)

async def run(task):
    async with one_at_a_time:
        return await converse([{"role": "user", "content": str(task)}])
""",
    "coroutines and one call at a time": ASYNC
    + """
one_at_a_time, complete_now = asyncio.Lock(), complete

async def complete(messages):
    async with one_at_a_time:
        return await complete_now(messages)
""",
    "coroutines that call several tools at once": ASYNC
    + """
async def converse(messages):
    async def look_at(place):
        messages.append({"role": "user", "content": await look(where=place)})

    said = await complete(messages)
    messages.append(said)
    await asyncio.gather(*(look_at(f"window {n}") for n in range(4)))
    return (await complete(messages)).get("content")
""",
    "coroutines that work in threads": ASYNC
    + """
async def complete(messages):
    return await asyncio.to_thread(ask, messages)
""",
    "coroutines that block": ASYNC
    + """
async def complete(messages):
    return ask(messages)

def look(where: str) -> str:
    raise AssertionError("the real tool ran")

async def converse(messages):
    return loop(messages[0]["content"])
""",
}

NOT_DECIDED = {
    "a signal handler": """
import signal

def run(task):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        return loop(task)
    finally:
        signal.signal(signal.SIGTERM, before)
""",
    "a connection of the main thread": """
import sqlite3
rows = sqlite3.connect(":memory:")
rows.execute("CREATE TABLE tasks (task TEXT)")

def run(task):
    rows.execute("INSERT INTO tasks VALUES (?)", (str(task),))
    return loop(task)
""",
    "one worker for all": """
import queue, threading
jobs, ask_model = queue.Queue(), ask
worker = None

def work():
    while True:
        args, done = jobs.get()
        done.put(ask_model(*args))

def ask(*args):
    global worker
    if worker is None:
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
    done = queue.Queue()
    jobs.put((args, done))
    return done.get()

run = loop
""",
}
