"""Where the instructions on the wire come from: the user's own files, other people's, or nobody knows.

Text is compared by rows of words, so that a template is found piece by piece, whatever was put into it.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from agentcheck.finding import NotReached, Untestable
from agentcheck.instructions import facts, instructions
from agentcheck.lab import Lab
from agentcheck.passages import SHINGLE, Gap, Passage, rows, words
from agentcheck.plan import HERE
from agentcheck.sources import MOST_BYTES, TEXT, Source, package_folders, walk, within

DATA: Final = "data"
LONGEST_VALUE: Final = 25  # words that a template's blank may be filled with
_CLOSE: Final = (8, 4, 3)  # words of a window, from one window to the next, and of each those that are looked for
_COARSE: Final = (24, 24, 6)
_MOST_WINDOWS: Final = 12  # looked for in files that nobody has touched, of which there may be many
_WORTH_NAMING: Final = 8  # unclaimed words in a row for which other people's files are searched


@dataclass(frozen=True, slots=True)
class Provenance:
    """Characters of instruction text by where they come from.

    `owned` and `foreign` name files; `unknown` stands in no file; `excerpts` shows some of each that is not owned.
    """

    owned: Mapping[Path, int]
    foreign: Mapping[Path, int]
    unknown: int
    excerpts: Mapping[Path | None, str]

    @property
    def total(self) -> int:
        return sum(self.owned.values()) + sum(self.foreign.values()) + self.unknown

    def share(self, characters: int) -> float:
        return characters / self.total if self.total else 0.0


class Project:
    """The files of a target's own project, and those of the packages that it loads."""

    def __init__(self, lab: Lab):
        self._lab = lab
        self._sources: dict[Path, Source] = {}

    def source(self, path: Path, *, touched: bool = False) -> Source:
        return self._sources.setdefault(path, Source(path, touched=touched))

    @cached_property
    def folders(self) -> list[Path]:
        """The project, what is listed in `owned`, and where the target is, if that is neither."""
        own = [self._lab.root, *self.declared]
        own += [f for p in self._lab.stages.project_folders() if self._module.is_relative_to(f := Path(p))]
        if within(self._module, own) or not self._module.name:
            return own
        beside = self._module.parent
        return [*own, self._module if beside.name in ("site-packages", "dist-packages") else beside]

    @cached_property
    def declared(self) -> list[Path]:
        places = [(self._lab.root / given, self._module.parent / given) for given in self._lab.target.owned]
        return [Path(os.path.realpath(next((p for p in both if p.exists()), both[0]))) for both in places]

    @cached_property
    def _module(self) -> Path:
        return Path(os.path.realpath(self._lab.described["module"])) if self._lab.described["module"] else Path()

    def _touched(self) -> Iterator[Path]:
        """Files that the agent read or loaded, the ones that it read first."""
        stage = self._lab.stages.on(HERE)
        read = [*self._lab.described["files"], *self._lab.happy().files, str(self._module)]
        loaded = [*self._lab.described["sources"], *sorted(stage.sources)]
        sandbox = str(self._lab.stages.folder)
        for file in dict.fromkeys(os.path.realpath(f) for f in [*read, *loaded]):
            if not file.startswith(sandbox) or within(Path(file), self.declared):
                yield Path(file)

    def own(self) -> Iterator[Source]:
        """The user's files: first those that the agent read or loaded, then what is declared, then all others."""
        touched = dict.fromkeys(path for path in self._touched() if within(path, self.folders))
        yield from (self.source(path, touched=True) for path in touched)
        yield from (self.source(path) for path in dict.fromkeys(self._untouched()) if path not in touched)

    def _untouched(self) -> Iterator[Path]:
        for place in self.declared:
            yield from [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
        reports = {self._lab.traces.parent.name, Path(getattr(self._lab.config, "reports", "") or "reports").name}
        for folder in self.folders:
            yield from [folder] if folder.is_file() else walk(folder, skipped=reports)

    def others(self) -> Iterator[Source]:
        """Other people's files: those that were read or loaded, then the text files of loaded packages."""
        touched = [path for path in self._touched() if not within(path, self.folders)]
        yield from map(self.source, touched)
        for folder in package_folders(touched):
            yield from (self.source(path) for path in walk(folder, suffixes=TEXT))


_projects: WeakKeyDictionary[Lab, Project] = WeakKeyDictionary()
_found: WeakKeyDictionary[Lab, dict[str, Provenance]] = WeakKeyDictionary()


def project_of(lab: Lab) -> Project:
    """The files of the lab's target; each is read once."""
    return _projects.setdefault(lab, Project(lab))


def provenance(lab: Lab) -> Provenance:
    """Where the instructions of the undisturbed run come from. Raises NotReached where there are none."""
    known = _found.setdefault(lab, {})
    if lab.kind not in known:
        run = lab.happy()
        passages = [Passage(i.text) for i in instructions(run)]
        attribute(lab, passages, facts(run))
        known[lab.kind] = _summed(passages, project_of(lab))
    if not known[lab.kind].total:
        raise NotReached("the agent sends the model no instructions of its own", trace=lab.happy())
    return known[lab.kind]


def attribute(
    lab: Lab, passages: Sequence[Passage], known: Iterable[str], *, foreign: bool = True, mostly_data: bool = False
) -> None:
    """Give each word of the passages an owner: `DATA`, the path of a file, or None where it stands in none.

    In passages that are `mostly_data`, known names such as list_tags or v1 are data before anybody is asked for them.
    """
    data = [words(text) for text in known]
    long, short_ones = rows(data), rows((d for d in data if len(d) < SHINGLE), whole=1)
    names = rows((d for d in data if len(d) == 1 and not d[0].isalpha()), whole=1)
    project = project_of(lab)
    for passage in passages:
        passage.claim(DATA, long)
        if mostly_data:
            passage.claim(DATA, names)
    near = _search(passages, project.own())
    if foreign:
        _name(passages, project.others(), least=SHINGLE + 1 if mostly_data else _WORTH_NAMING)
    for passage in passages:
        passage.claim(DATA, short_ones)
        for source in near:
            passage.claim(str(source.path), source.short_rows)
        _fill(passage, {str(source.path) for source in near})


def _search(passages: Sequence[Passage], sources: Iterable[Source]) -> list[Source]:
    """Let each of the user's sources claim its words until none are left; the sources that had some."""
    holders, read = [], 0
    close, coarse = _anchors(passages, SHINGLE)
    for source in sources:
        if not close or read > MOST_BYTES:
            break
        read += len(source.text)
        if source.may_hold(close if source.touched else coarse) and _claimed(passages, source):
            holders.append(source)
            close, coarse = _anchors(passages, SHINGLE)
    return holders


def _name(passages: Sequence[Passage], sources: Iterable[Source], *, least: int) -> None:
    """Let other people's sources claim what is left, those first that hold the most of it."""
    _, coarse = _anchors(passages, least)
    wanted = {row for passage in passages for row in passage.unclaimed()} if coarse else set()
    read, holding = 0, []
    for source in sources if wanted else ():
        read += len(source.text)
        if read > MOST_BYTES:
            break
        held = wanted & source.raw_rows.of.get(SHINGLE, set()) if source.may_hold(coarse) else ()
        holding += [(len(held), source)] if held else []
    for _, source in sorted(holding, key=lambda found: -found[0]):
        for passage in passages:
            passage.claim(str(source.path), source.raw_rows)


def _claimed(passages: Sequence[Passage], source: Source) -> bool:
    before = _left(passages)
    for passage in passages:
        passage.claim(str(source.path), source.rows)
    return _left(passages) < before


def _anchors(passages: Sequence[Passage], least: int) -> tuple[list[list[str]], list[list[str]]]:
    """The telling words of windows into what nobody has claimed: all of small windows, some of large ones."""
    left = [p.words[g.first : g.last] for p in passages for g in p.gaps() if g.last - g.first >= least]
    close = [window for row in left for window in _windows(row, *_CLOSE)]
    coarse = [window for row in left for window in _windows(row, *_COARSE)]
    return close, coarse[:: 1 + len(coarse) // _MOST_WINDOWS]


def _windows(row: Sequence[str], size: int, step: int, telling: int) -> Iterator[list[str]]:
    for at in range(0, max(1, len(row) - size + 1), step):
        yield sorted(set(row[at : at + size]), key=lambda w: (-len(w), w))[:telling]


def _left(passages: Iterable[Passage]) -> int:
    return sum(p.weight(None) for p in passages)


def _fill(passage: Passage, own: set[str]) -> None:
    """Short unknown text beside the user's own is what a blank was filled with, as long as it is the lesser part.

    A few words between values are too little to be an instruction, whoever wrote them.
    """
    values, known = 0, passage.weight() - passage.weight(None)
    for gap in list(passage.gaps()):
        length, size = gap.last - gap.first, sum(len(w) for w in passage.words[gap.first : gap.last])
        beside = passage.neighbours(gap) & own
        if (length < SHINGLE or (beside and length <= LONGEST_VALUE)) and values + size <= known:
            passage.fill(gap, DATA)
            values += size


def _summed(passages: Sequence[Passage], project: Project) -> Provenance:
    weights: dict[str, int] = {}
    excerpts: dict[Path | None, str] = {}
    for passage in passages:
        for owner in dict.fromkeys(o for o in passage.owners if o not in (None, DATA)):
            weights[str(owner)] = weights.get(str(owner), 0) + passage.weight(owner)
            excerpts.setdefault(Path(str(owner)), _first(passage, owner))
        for gap in passage.gaps():
            excerpts.setdefault(None, passage.excerpt(gap))
    paths = {Path(owner): weight for owner, weight in sorted(weights.items(), key=lambda item: -item[1])}
    owned = {path: weight for path, weight in paths.items() if within(path, project.folders)}
    foreign = {path: weight for path, weight in paths.items() if path not in owned}
    return Provenance(owned, foreign, _left(passages), excerpts)


def foreign_words(lab: Lab, passages: Sequence[Passage], *, least: int) -> Iterator[tuple[Path, int, int, str]]:
    """Where words of others stand (path, line), how many characters they have, and an excerpt of them."""
    project = project_of(lab)
    for passage in passages:
        for owner in dict.fromkeys(o for o in passage.owners if o not in (None, DATA)):
            path, excerpt = Path(str(owner)), _first(passage, owner)
            if passage.owners.count(owner) >= least and not within(path, project.folders):
                yield path, project.source(path).line_of(excerpt), passage.weight(owner), excerpt


def _first(passage: Passage, owner: str | None) -> str:
    """The first row of words that an owner has."""
    first = passage.owners.index(owner)
    last = next((n for n in range(first, len(passage.owners)) if passage.owners[n] != owner), len(passage.owners))
    return passage.excerpt(Gap(first, last))


def short(path: Path, lab: Lab) -> str:
    """A path for people: within the project, or within the package that it belongs to."""
    marks = [n for n, part in enumerate(path.parts) if part in ("site-packages", "dist-packages")]
    if path.is_relative_to(lab.root) and not marks:
        return str(path.relative_to(lab.root))
    return "/".join(path.parts[marks[-1] + 1 :]) if marks else "/".join(path.parts[-2:])


def place_of(lab: Lab, path: Path | None, excerpt: str | None) -> str:
    """A file with the line in which an excerpt stands."""
    if path is None or excerpt is None:
        return "nowhere"
    line = project_of(lab).source(path).line_of(excerpt)
    return f"{short(path, lab)}:{line}" if line else short(path, lab)


# --- version control ---------------------------------------------------------------------------


def untracked(files: Sequence[Path]) -> list[Path]:
    """Those of the files that git does not track. Raises Untestable where one is in no repository."""
    return [file for file in files if not _is_tracked(file)]


def _is_tracked(file: Path) -> bool:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(file.parent), "ls-files", "--error-unmatch", "--", file.name]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Untestable(f"git cannot be asked: {error}", mend="install git") from None
    if asked.returncode not in (0, 1):
        said = (asked.stderr.strip().splitlines() or ["no answer"])[0]
        raise Untestable(f"{file} is in no repository that git can read: {said}", mend="git init, git add, git commit")
    return asked.returncode == 0


def spread(files: Mapping[Path, int], lab: Lab, most: int = 3) -> str:
    """Files with their characters, for people."""
    named = [f"{weight:,} characters in {short(path, lab)}" for path, weight in list(files.items())[:most]]
    more = len(files) - len(named)
    return ", ".join(named) + (f" and {more} more files" if more > 0 else "")
