"""`--agentcheck-fuzz`: one pytest item for each kind that the target is, beside the checks."""

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from agentcheck.finding import HarnessError, Undecided
from agentcheck.judging import JUDGING, Judging
from agentcheck.lab import Lab
from agentcheck.render.text import Paper

PREFIX: Final = "agentcheck-fuzz"
PROPERTY: Final = "agentcheck_fuzz"
EXAMPLES: Final = 200
_KINDS: Final = {"R": "reducer", "C": "callable", "H": "host"}


class LawsBroken(Exception):
    """Stories that break laws; the text tells them."""


class NotPlayed(Exception):
    """The fuzzer could not play at all."""


class FuzzItem(pytest.Item):
    """Plays stories on the target as one kind."""

    def __init__(self, *, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind = kind
        # What hooks of users and of other plugins read off every item, as though all were functions.
        self.fixturenames: list[str] = []
        self.funcargs: dict[str, Any] = {}
        self.cls, self.function, self.module = None, type(self).runtest, sys.modules[__name__]
        self.add_marker("agentcheck")

    def runtest(self) -> None:
        judging = self.config.stash[JUDGING]
        try:
            lab = judging.lab
            if not isinstance(lab, Lab) or self.kind not in lab.kinds:
                pytest.skip(f"the target is no {_KINDS[self.kind]}")
            session = Session(judging, lab, self.kind, seed=self.config.option.agentcheck_fuzz_seed or 0)
            session.play(self.config.option.agentcheck_fuzz_examples or EXAMPLES)
        except Undecided as error:
            raise NotPlayed(str(error)) from None
        self.user_properties.append((PROPERTY, json.dumps(session.document())))
        if session.stories:
            raise LawsBroken("\n\n".join("\n".join(lines) for lines in session.stories))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (LawsBroken, NotPlayed)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.config.rootpath / PREFIX, 0, f"fuzz as a {_KINDS[self.kind]}"


class Session:
    """One session of the fuzzer, with the stories that earlier ones have kept."""

    def __init__(self, judging: Judging, lab: Lab, kind: str, *, seed: int = 0):
        from agentcheck.fuzz.session import Fuzz

        self.judging = judging
        self.fuzz = Fuzz(lab, kind, seed=seed, told=lab.progressed)
        self.examples = EXAMPLES
        self.stories: list[list[str]] = []
        self.mended: list[str] = []

    def play(self, examples: int) -> None:
        """First the kept stories, then new ones. Raises HarnessError where a kept one cannot be read."""
        self.examples = examples
        with self.fuzz:
            self._again()
            self.fuzz.run(examples)
            for failure in self.fuzz.found.failures:
                path = self._keep(failure)
                self.fuzz.replay(failure.moves, self._trace(failure.check))
                self._tell(failure, path)
        self.fuzz.lab.progressed("")

    def _again(self) -> None:
        from agentcheck.fuzz.kept import FOLDER, StoryError, known
        from agentcheck.fuzz.session import Failure

        try:
            stories = known(self.judging.rootdir / FOLDER, self.judging.config.label, self.fuzz.kind)
        except StoryError as error:
            raise HarnessError(str(error)) from None
        for one in stories:
            broken, _ = self.fuzz.replay(one.failure.moves)
            if broken is None:
                one.path.unlink(missing_ok=True)
                self.mended.append(one.path.name)
            else:
                self._tell(Failure(self.fuzz.kind, broken.check, broken.message, one.failure.moves), one.path)
                self.fuzz.settle(broken.check)

    def _keep(self, failure: Any) -> Path:
        from agentcheck.fuzz.kept import FOLDER, keep

        judging = self.judging
        return keep(judging.rootdir / FOLDER, failure, label=judging.config.label, target=judging.explicit)

    def _trace(self, check: str) -> Path:
        path: Path = self.fuzz.lab.traces / f"fuzz-{self.fuzz.kind}-{check}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def _tell(self, failure: Any, path: Path) -> None:
        from agentcheck.fuzz.tables import told

        where = os.path.relpath(path, Path.cwd())
        self.stories.append(list(told(failure, where, Paper())))

    def document(self) -> dict[str, Any]:
        from agentcheck.fuzz import tables

        found = self.fuzz.found
        return {
            **tables.document(found),
            "kept": len(self.stories) - len(found.failures),
            "mended": self.mended,
            "reproduce": self._command(),
            "tables": [tables.coverage(found), tables.legend(found), tables.vacuity(found)],
        }

    def _command(self) -> str:
        """What plays the same stories again."""
        which = f"--agentcheck-fuzz-seed={self.fuzz.seed} --agentcheck-fuzz-examples={self.examples}"
        named = self.judging.explicit and f" --agentcheck-target={shlex.quote(self.judging.explicit)}"
        return f"pytest --agentcheck-only --agentcheck-fuzz {which}{named or ''}"


def items(parent: pytest.Session, judging: Judging) -> Iterator[FuzzItem]:
    """An item for each kind that the fuzzer knows; those that the target is not are skipped when they run."""
    for kind in _KINDS:
        named = {"R": judging.config.reducer, "C": judging.config.run, "H": judging.config.host}
        if judging.config.target or named[kind]:
            yield FuzzItem.from_parent(parent, name=f"{PREFIX}-{kind}", nodeid=f"{PREFIX}::{kind}", kind=kind)


def summary(found: dict[str, Any]) -> Iterator[str]:
    """A session for the terminal: its tables, and what was never reached."""
    spoken = f"{found['examples']} stories of seed {found['seed']}, {found['moves']} moves, {found['seconds']:g} s"
    broken = len(found["failures"]) + found["kept"]
    yield ""
    yield from Paper().wrap(f"Fuzzed as a {_KINDS[found['kind']]}: {spoken}; {broken} invariants broken")
    for name in found["mended"]:
        yield f"fixed, and removed: {name}"
    for table in found["tables"]:
        yield ""
        for line in str(table).splitlines():
            yield from Paper().wrap(line)
    yield ""
    never, vacuous = (", ".join(found[part]) or "nothing" for part in ("never", "vacuous"))
    yield from Paper().wrap(f"never done: {never}")
    yield from Paper().wrap(f"never anything to bite on: {vacuous}")
    command, *options = found["reproduce"].split(" --agentcheck-fuzz-seed")
    yield "the same stories again:"
    yield f"  {command} \\"
    yield f"    --agentcheck-fuzz-seed{options[0]}"


def save(found: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write the sessions beside the report."""
    several = [{k: v for k, v in one.items() if k != "tables"} for one in found]
    (folder / "fuzz.json").write_text(json.dumps(several, indent=1) + "\n", encoding="utf-8")
