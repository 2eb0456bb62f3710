"""What a pure function may not do, watched while it runs and named with the line that did it.

| what | how it is seen |
|---|---|
| clock, randomness, environment, process id, folder, terminal, standard streams, log | calls, by a profile |
| the local zone: `fromtimestamp` without tz, `mktime`, `astimezone` and `timestamp` of a naive datetime | the same |
| files, network, processes | the same, and audit events |
| threads, asyncio, multiprocessing | calls that make one |
| globals, attributes of classes, functions and the reducer, mutable defaults, closures | compared (`pure_world`) |
| the state, the event or the trigger, changed in place | compared (`pure_given`) |
| NaN, infinity, datetimes without zone, in the new state or a command | looked for in the result (`pure_data`) |
| order of sets, `id()`, `hash()` | suspects (`pure_suspects`): offences where another hash seed gives another result |

Of a call the user's innermost line on the stack is named, and its callers in the user's code. For what shows
only afterwards the call is made again, line by line, until a line is found after which it shows (`pure_locate`).

Watching every call exactly costs seven times the call. So a profiler in C screens it first; only where that
leaves a doubt is the second call, which is made anyway to compare results, watched exactly. What happened in
the first call alone (a cache was filled) is named by functions, since a profile has no lines.

Not impure, though state is written: what `functools.lru_cache`, `cache` and `cached_property` keep. They
keep results of a function, which is itself watched; a pure one's results are the same wherever they come
from. A memo by hand is a global that is written: nothing tells it from any other.

Not seen: what a C extension does by itself (numpy's shared generator, a clock in Rust), other than the time
by way of `time_machine`; attributes that are read (`time.timezone`, `sys.argv`); what a library keeps in its
own objects; state deeper than four levels in the user's objects, or beyond the 500th item there. Of these
the two results of one event tell, where they differ, and F12-replay-rebuilds-state.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from agentcheck.stage.guard import Guard
from agentcheck.stage.pure_data import Found, is_odd, oddities, seeded_sets
from agentcheck.stage.pure_lines import Lines, item
from agentcheck.stage.pure_locate import Locator, Look
from agentcheck.stage.pure_suspects import Suspects
from agentcheck.stage.pure_watch import Screen, Watch
from agentcheck.stage.pure_world import World
from agentcheck.stage.pure_writers import Writers

__all__ = ["Purity", "Watch", "World"]

Seen = list[dict[str, str]]


class Purity:
    """Looks at the calls of one reducer."""

    def __init__(self, reducer: Any, guard: Guard):
        self._guard = guard
        self._lines = Lines(guard.project)
        self._world = World(reducer, guard.project)
        self._screen = Screen(guard, self._lines)

    def begin(self) -> None:
        """Look at the world for the first time."""
        self._world.begin()

    def first(self, work: Callable[[], Any]) -> Any:
        """The first call, screened."""
        with self._screen:
            return work()

    def second(self, work: Callable[[], Any]) -> tuple[Any, Seen]:
        """The second call, and what the two did that a pure function may not; what it raises is left aside."""
        heard, doubts = self._screen.seen, self._screen.doubts
        if not doubts and not heard:
            return work(), []
        result, watch = None, Watch(self._guard, self._lines)
        with watch:
            result = work()
        return result, self._together(watch, heard, doubts)

    def of_failed(self, work: Callable[[], Any]) -> Seen:
        """What a call did that raised: where there is a doubt, it is made again to be watched."""
        heard, doubts = self._screen.seen, self._screen.doubts
        watch = Watch(self._guard, self._lines)
        if doubts or heard:
            with contextlib.suppress(Exception), watch:
                work()
        return self._together(watch, heard, doubts)

    def _together(self, watch: Watch, heard: Seen, doubts: set[str]) -> Seen:
        once = self._screen.unexplained(watch.considered) if doubts - watch.considered else []
        return [*watch.seen, *(one for one in heard if one not in watch.seen), *once]

    def clock_in_c(self, work: Callable[[], Any]) -> Seen:
        """Where an extension in C reads the clock: seen while `time_machine` stands in front of it."""
        import time_machine

        watch = Watch(self._guard, self._lines)
        with time_machine.travel(time.time(), tick=True), contextlib.suppress(Exception), watch:
            work()
        return watch.seen

    def changed(self, work: Callable[[], Any]) -> list[str]:
        """The names that were written, the first with the line that writes it."""
        changes = self._world.changed()
        if not changes:
            return []
        name, look = changes[0]
        at = self.at(work, lambda frame, returned: look()) or self._where_written(work, name)
        return [f"{name}{at}", *(other for other, _ in changes[1:])]

    def odd(self, step: Any, work: Callable[[], Any]) -> Seen:
        """What the new state and the commands hold that plain data may not."""
        found = next(_in_parts(step, oddities), None)
        if found is None:
            return []
        what, path = found
        at = self.at(work, lambda frame, returned: is_odd(returned) or is_odd(frame.f_locals))
        return [item(f"{what} ({path}),", at.removeprefix(" at ").split(" < ") if at else [path])]

    def suspects(self, work: Callable[[], Any]) -> tuple[Any, Seen]:
        """What a call gives, and the lines on which the hash seed could have its way."""
        suspects = Suspects(self._lines)
        with suspects:
            step = work()
        return step, suspects.seen or [item(what, [path]) for what, path in _in_parts(step, seeded_sets)]

    def at(self, work: Callable[[], Any], look: Look) -> str:
        """The line after which `look` sees something else, as " at line < caller"; empty where none does."""
        locator = Locator(self._lines, look)
        self._again(work, locator)
        return _said(locator.chain)

    def _where_written(self, work: Callable[[], Any], name: str) -> str:
        """The line that writes a name, as its source says: what is written twice is no other the second time."""
        writers = Writers(self._lines, name.rpartition(".")[2])
        self._again(work, writers)
        return _said(writers.chain)

    def _again(self, work: Callable[[], Any], tracer: Locator | Writers) -> None:
        with contextlib.suppress(Exception), tracer:
            work()
        self._world.learn()


def _said(chain: list[str]) -> str:
    return f" at {' < '.join(chain)}" if chain else ""


def _in_parts(step: Any, look: Callable[[Any, str], Iterator[Found]]) -> Iterator[Found]:
    """What `look` finds in a step, in its state and then in its commands."""
    yield from look(step.state, "state")
    for number, command in enumerate(step.commands):
        yield from look(command, f"commands[{number}]")
