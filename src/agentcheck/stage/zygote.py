"""A process that has imported the target and forks one child for each run.

Started as `python -m agentcheck.stage.zygote FD`; FD is a socket to the lab. The first message
holds the specification; then each message with a file descriptor starts one run in a fork.
"""

import contextlib
import gc
import os
import platform
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agentcheck import framing
from agentcheck.adapters.keeper import adopt_orphans, end_descendants, stand_above, waited
from agentcheck.stage import clock, learning
from agentcheck.stage.guard import Guard
from agentcheck.stage.link import Link
from agentcheck.stage.subject import BadTarget, declarations, module_of, resolve, signature, suffix
from agentcheck.stage.surroundings import settle
from agentcheck.stage.warm import warm_up
from agentcheck.target import Target

_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
guard = Guard()
_sleeps: list[float] = []
_at_import: list[dict[str, str]] = []  # what the guard refused while the target was imported
_on_sleep = [_sleeps.append]


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    stand_above(control)
    spec = framing.receive(control)
    adopt_orphans()
    _first_to_go()
    platform.platform(), platform.processor()  # these start a process the first time; HTTP clients ask for them
    clock.hasten(lambda seconds: _on_sleep[0](seconds))
    sys.path[:0] = [p for p in spec["path"] if p not in sys.path]
    guard.project = tuple(spec["project"])
    guard.writable = (spec["sandbox"],)
    guard.install()
    resource.setrlimit(resource.RLIMIT_FSIZE, (spec["largest_file"], spec["largest_file"]))
    try:
        with _as_it_was():
            target = _import(spec)
    except BadTarget as error:
        framing.send(control, {"bad": str(error)})
        return
    described = {**_described(target), "suffix": suffix(spec), "pid": os.getpid(), "left": end_descendants()}
    framing.send(control, described)
    _prepare(target)
    with contextlib.suppress(framing.Closed):
        _serve(control, target)


def _import(spec: Mapping[str, Any]) -> Target:
    refused: list[str] = []
    guard.report = lambda what, detail, where: _note(what, detail, where, refused)
    guard.armed = True
    try:
        with clock.held_at(spec.get("clock")):
            return resolve(spec)
    except BadTarget as error:
        raise BadTarget(f"{error}{'; agentcheck had refused ' + refused[0] if refused else ''}") from None
    finally:
        guard.armed = False


def _note(what: str, detail: str, where: str, refused: list[str]) -> None:
    refused.append(f"{what} {detail} ({where})")
    _at_import.append({"what": what, "detail": detail, "where": where})


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """What importing the target does to the process as a whole must not keep the zygote from its work."""
    zygote = os.getpid()
    limits = {number: resource.getrlimit(number) for number in _LIMITS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        yield
    finally:
        if os.getpid() != zygote:
            os._exit(0)  # a fork made by the import, which would go on as a second zygote
        for number, (soft, hard) in limits.items():
            _restore(number, soft, hard)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # then nobody would learn how a run ended
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _restore(number: int, soft: int, hard: int) -> None:
    """Take back that a limit was lowered, as far as the system lets us."""
    now, top = resource.getrlimit(number)
    if now == soft or now == resource.RLIM_INFINITY or now > soft > resource.RLIM_INFINITY:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(number, (top, top))
        resource.setrlimit(number, (soft, hard))


def _first_to_go() -> None:
    """Where memory runs out, let the system end the agent, and not who tests it (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _described(target: Target) -> dict[str, Any]:
    part = target.run or target.host or target.reducer
    return {
        "kinds": target.kinds,
        "declared": declarations(target),
        "module": getattr(module_of(target), "__file__", None) or "",
        "parameters": signature(target.run) if target.run is not None else [],
        "framework": target.framework or _framework(part),
        "files": sorted(guard.files_read),
        "sources": _sources(sys.modules),
        "refused": _at_import[:],
        "threads": [t.name for t in threading.enumerate() if t is not threading.main_thread()],
        "has": {
            "interrupt": callable(getattr(target.host, "interrupt", None)),
            "guard": target.guard is not None,
            "context": target.context is not None,
        },
    }


def _framework(part: Any) -> str:
    """The installed package whose class the target's object is of; nothing for the user's own and plain functions."""
    module = sys.modules.get(type(part).__module__)
    path = str(getattr(module, "__file__", "") or "")
    return type(part).__module__.partition(".")[0] if "site-packages" in path else ""


def _sources(names: Iterable[str]) -> list[str]:
    """The files of these modules, as far as they have any."""
    files = (getattr(sys.modules.get(name), "__file__", None) for name in list(names))
    return sorted({file for file in files if isinstance(file, str)})


def _prepare(target: Target) -> None:
    """Import what every run needs."""
    import agentcheck.stage.perform
    import agentcheck.stage.reducing
    import agentcheck.stage.writes

    if target.run is not None or target.host is not None:
        agentcheck.stage.intercept.prepare()
        agentcheck.stage.writes.holders()
    _set_apart()


def _set_apart() -> None:
    """Warm up what is imported, and keep the garbage collector off what all forks share."""
    with contextlib.suppress(Exception):  # an SDK of another version than we know starts cold
        warm_up()
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket, target: Target) -> None:
    while True:
        job, fd = framing.receive_with_fd(control)
        if job.get("import"):
            learning.import_all(job["import"])
            _set_apart()
            continue
        pid = _forked(control)
        if pid == 0:
            control.close()
            _perform(job, fd, target)
        os.close(fd)
        framing.send(control, {"pid": pid})
        over = waited(pid)
        left = end_descendants()
        if over is not None:
            framing.send(control, {"code": over.code, "stopped": over.stopped, "left": left})


def _forked(control: socket.socket) -> int:
    """Fork; where the target has started threads, which no fork would have, run in this very process instead."""
    if learning.in_the_way():
        framing.send(control, {"pid": os.getpid()})
        return 0
    return os.fork()


def _perform(job: Mapping[str, Any], fd: int, target: Target) -> None:
    """In the forked child: set the stage, play, and leave without running anybody's exit handlers."""
    code = 0
    try:
        named = _settle_in(job)
        link = Link(socket.socket(fileno=fd))
        before = set(sys.modules)
        guard.report = lambda what, detail, where: _tell(link, what, detail, where)
        if not named:
            link.ask("probe", name="host_name_kept", value=job["host_name"])
        guard.writable = (job["sandbox"], *job.get("writable", ()))
        guard.files_read = set()
        slept = _note_sleeps(link)
        guard.armed = True
        if job["kind"] == "R":
            from agentcheck.stage.reducing import serve

            serve(link, target, guard, job)
        else:
            from agentcheck.stage.perform import Performance

            Performance(link, target, module_of(target), guard, job).play()
        guard.armed = False
        fresh = sorted(set(sys.modules) - before)
        read = sorted(guard.files_read)
        link.ask("done", modules=fresh, sources=_sources(fresh), files=read, slept=len(slept))
    except framing.Closed:
        code = 70
    except BaseException as error:
        guard.armed = False
        print(f"agentcheck stage: {type(error).__name__}: {error}", file=sys.__stderr__)
        code = 71
    finally:
        os._exit(code)


def _tell(link: Link, what: str, detail: str, where: str) -> None:
    link.ask("refused", what=what, detail=detail, where=where)


def _note_sleeps(link: Link) -> list[float]:
    noted: list[float] = []

    def note(seconds: float) -> None:
        noted.append(seconds)
        if len(noted) <= 200:
            link.ask("probe", name="slept", value=seconds)

    _on_sleep[0] = note
    return noted


def _settle_in(job: Mapping[str, Any]) -> bool:
    """Whether all of the surroundings that the job asks for could be had."""
    with contextlib.suppress(PermissionError):  # not forked: it leads its session already
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number, path in ((0, os.devnull), (1, job["stdout"]), (2, job["stderr"])):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    named = settle(job)
    os.chdir(job["sandbox"])
    _limit(job)
    return named


def _limit(job: Mapping[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], job["largest_file"]))
    if job.get("memory"):
        resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))


if __name__ == "__main__":
    # The module's name is __main__ here; the one that others import must be the same object.
    sys.modules.setdefault("agentcheck.stage.zygote", sys.modules["__main__"])
    sys.argv[0] = str(Path(sys.argv[0]).name)
    main()
