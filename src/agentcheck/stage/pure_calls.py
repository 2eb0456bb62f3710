"""Which calls a pure function may not make. One table per kind; all of it is read while the call is under way.

Three kinds of names: *plain* ones are impure whoever calls them and however; *conditional* ones depend
on how they are called (`gmtime()` reads the clock, `gmtime(0)` does not); *direct* ones only count
where the user's own line makes them, since libraries use them without anything of it showing.
"""

import datetime
import opcode
import random
import re
import sys
from types import FrameType
from typing import Any, Final

CLOCK, ZONE, RANDOM, SYSTEM = "the clock", "the local time zone", "randomness", "the operating system"
FILE, PROCESS, NETWORK, THREAD, OUTPUT = "a file", "a process", "the network", "a thread", "output"

_PURE_TIME: Final = {"strptime", "struct_time", "get_clock_info"}
_TIME_OF: Final = {"gmtime": 0, "localtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}  # arguments that mean "now"
_ZONED_TIME: Final = {"localtime", "ctime", "mktime", "tzset"}
_PURE_SYSTEM: Final = {"fspath", "strerror", "_path_normpath", "_path_splitroot", "_path_splitroot_ex", "_inputhook"}
_SYSTEM: Final = {
    **dict.fromkeys(("urandom", "getrandom"), RANDOM),
    **dict.fromkeys(("stat", "lstat", "access", "listdir", "scandir", "readlink", "open", "read", "write"), FILE),
    **dict.fromkeys(("statvfs", "fstat", "close"), FILE),
    **dict.fromkeys(("putenv", "unsetenv"), "the environment"),
    **dict.fromkeys(("fork", "forkpty", "system", "posix_spawn", "execv", "execve", "kill"), PROCESS),
    "getpid": "the process id",
    "getppid": "the process id",
    "getcwd": "the working directory",
}
_BUILTINS: Final = {"input": "the terminal", "print": OUTPUT}
_PURE_SOCKET: Final = re.compile(r"^(inet_\w+|[hn]to[hn][sl]|CMSG_\w+|getdefaulttimeout)$")
_THREADS: Final = {"start_new_thread", "start_new", "start_joinable_thread"}
_THREAD_IDS: Final = {"get_ident", "get_native_id", "current_thread", "main_thread", "active_count", "enumerate"}
_UNIQUE_IDS: Final = {"uuid1", "uuid4", "uuid6", "uuid7", "getnode"}  # the others are made of what they are given
_PURE_ASYNC: Final = ("asyncio.coroutines", "asyncio.exceptions", "asyncio.constants", "asyncio.log", "asyncio.mixins")
_NOW: Final = {"now", "utcnow", "today"}
_STREAM_WRITES: Final = {"write", "writelines", "flush"}
_SHARED: Final = random.random.__self__  # type: ignore[attr-defined]  # the generator behind the module's functions
_SAID: Final = re.compile(r"<built-in method (?:([\w.]+)\.)?(\w+)(?: of .*)?>|<method '(\w+)' of '(.+)' objects>")
_DOUBTFUL_METHODS: Final = {
    **dict.fromkeys(("random", "getrandbits"), "_random.Random"),
    **dict.fromkeys(("astimezone", "timestamp"), "datetime.datetime"),
    **dict.fromkeys(_STREAM_WRITES, "_io.TextIOWrapper"),
}


# --- functions of C ---------------------------------------------------------------------------


def of_module(module: str | None, name: str) -> str | None:
    """What a C function of a module is impure by, whoever calls it with whatever."""
    if module == "time":
        return None if name in _PURE_TIME or name in _TIME_OF or name in _ZONED_TIME else f"{CLOCK} (time.{name})"
    if module in ("posix", "nt"):
        harmless = name in _PURE_SYSTEM or name.startswith(("W", "major", "minor", "makedev"))
        return None if harmless else f"{_SYSTEM.get(name, SYSTEM)} ({'' if name in _BARE else 'os.'}{name})"
    if module == "builtins" and name in _BUILTINS:
        return f"{_BUILTINS[name]} ({name})"
    if module == "_socket" and not _PURE_SOCKET.match(name):
        return f"{NETWORK} (socket.{name})"
    return f"{THREAD} (_thread.{name})" if module == "_thread" and name in _THREADS else None


_BARE: Final = {"urandom", "getrandom", "getpid", "getcwd"}


def of_zone(module: str | None, name: str, given: int | None) -> str | None:
    """What a function of `time` is impure by, with so many arguments; None is as many as one likes."""
    if module != "time":
        return None
    if _TIME_OF.get(name, -1) == given:
        return f"{CLOCK} (time.{name})"
    return f"{ZONE} (time.{name})" if name in _ZONED_TIME else None


def of_method(function: Any, frame: FrameType) -> str | None:
    """What a method of C is impure by: those of dates and of streams."""
    owner, name = function.__self__, function.__name__
    if isinstance(owner, type):
        return _of_date_class(owner, name, frame) if issubclass(owner, datetime.date) else None
    if isinstance(owner, datetime.datetime):
        return _of_datetime(owner, name, frame)
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    if name in _STREAM_WRITES and any(owner is stream for stream in streams):
        return f"{OUTPUT} ({name} to a standard stream)"
    return None


def _of_date_class(kind: type, name: str, frame: FrameType) -> str | None:
    if name in _NOW:
        return f"{CLOCK} ({_shown(kind)}.{name})"
    dated = not issubclass(kind, datetime.datetime)  # a date is always cut by the local midnight
    if name == "fromtimestamp" and (dated or given(frame) == 1):
        return f"{ZONE} ({_shown(kind)}.{name})"
    return None


def _shown(kind: type) -> str:
    return "datetime" if issubclass(kind, datetime.datetime) else "date"


def _of_datetime(owner: datetime.datetime, name: str, frame: FrameType) -> str | None:
    naive = owner.tzinfo is None
    if (name == "timestamp" and naive) or (name == "astimezone" and (naive or given(frame) == 0)):
        return f"{ZONE} (datetime.{name}{' of a datetime without zone' if naive else ''})"
    return None


def given(frame: FrameType) -> int | None:
    """With how many arguments the call that this frame is making is made; None where the code does not say."""
    code, at = frame.f_code.co_code, frame.f_lasti
    name = opcode.opname[code[at]]
    return code[at + 1] if name in ("CALL", "PRECALL", "CALL_KW") else None


# --- functions of Python ----------------------------------------------------------------------


def of_python(module: str, qualname: str) -> str | None:
    """What a function written in Python is impure by, whoever calls it."""
    name = qualname.rpartition(".")[2]
    if module == "os":
        return "the environment (os.environ)" if qualname.startswith("_Environ.") and name != "decode" else None
    if module == "uuid":
        return f"{RANDOM} (uuid.{name})" if name in _UNIQUE_IDS else None
    if module == "logging":
        return f"{OUTPUT} (logging)" if qualname == "Logger._log" else None
    if module == "socket" and qualname == "socket.__init__":
        return f"{NETWORK} (socket.socket)"
    if name.startswith("_") or "<" in name:
        return _of_construction(module, qualname)
    return _of_package(module, name)


def _of_construction(module: str, qualname: str) -> str | None:
    return f"{PROCESS} (subprocess.Popen)" if module == "subprocess" and qualname == "Popen.__init__" else None


def _of_package(module: str, name: str) -> str | None:
    package = module.partition(".")[0]
    if module == "secrets":
        return f"{RANDOM} (secrets.{name})"
    if module == "subprocess" and name != "list2cmdline":
        return f"{PROCESS} (subprocess.{name})"
    if module == "threading" and name in ("start", "run"):
        return f"{THREAD} (threading.{name})"
    if package == "multiprocessing":
        return f"{PROCESS} (multiprocessing.{name})"
    if package == "asyncio" and module not in _PURE_ASYNC:
        return f"a task of asyncio (asyncio.{name})"
    if module == "concurrent.futures.thread" and name == "submit":
        return f"{THREAD} (concurrent.futures.{name})"
    return f"{CLOCK} (read by an extension)" if module == "time_machine" else None


# --- where the user's own line makes the call ---------------------------------------------------


def of_direct(module: str | None, name: str) -> str | None:
    """What only the user's own lines may not ask for, since libraries do so unseen (`repr` asks for its thread)."""
    if module in ("_thread", "threading") and name in _THREAD_IDS:
        return f"{THREAD} (threading.{name})"
    return None


# --- randomness -----------------------------------------------------------------------------------


class Chance:
    """Randomness, unless it comes from a generator that this very call has made and seeded with a value."""

    def __init__(self) -> None:
        self._seeded: list[random.Random] = []

    def of_builtin(self, owner: Any, name: str) -> str | None:
        drawn = isinstance(owner, random.Random) and name in ("random", "getrandbits")
        return f"{RANDOM} (random.{name})" if drawn and not self._is_seeded(owner) else None

    def of_function(self, frame: FrameType) -> str | None:
        generator, name = frame.f_locals.get("self"), frame.f_code.co_name
        if not isinstance(generator, random.Random) or name.startswith("__") or self._is_seeded(generator):
            return None
        if generator is not _SHARED and self._seeds(name, frame.f_locals):
            self._seeded.append(generator)
            return None
        return f"{RANDOM} (random.{name})"

    @staticmethod
    def _seeds(name: str, arguments: dict[str, Any]) -> bool:
        return (name == "seed" and arguments.get("a") is not None) or name == "setstate"

    def _is_seeded(self, generator: random.Random) -> bool:
        return any(generator is one for one in self._seeded)


# --- as a profiler in C tells it ----------------------------------------------------------------


def doubtful(said: str) -> tuple[str, str | None] | None:
    """A C function as the profiler describes it: its name, and what it is impure by; None where it is pure.

    Without its arguments and its owner some can only be doubted: then there is no telling by what.
    """
    match = _SAID.search(said)
    if match is None:
        return None
    module, name, method, owner = match.groups()
    if method:
        return (method, None) if _DOUBTFUL_METHODS.get(method) == owner else None
    if module is None:  # a method of a class, of which no more is said
        return (name, None) if name in _NOW or name == "fromtimestamp" else None
    what = of_module(module, name)
    conditional = (module == "time" and (name in _TIME_OF or name in _ZONED_TIME)) or of_direct(module, name)
    return (name, what) if what or conditional else None
