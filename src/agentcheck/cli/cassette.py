"""Show recordings of a model's traffic, check them, take credentials out, convert from and to vcrpy's YAML."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentcheck import __version__
from agentcheck.cli.errors import UserError

if TYPE_CHECKING:
    from agentcheck.cassette import Exchange

_WRITTEN: Final = (".jsonl", ".yaml", ".yml")
_READ: Final = (*_WRITTEN, ".json", ".toml")


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    shown = actions.add_parser("show", help="list what was asked and decided")
    shown.add_argument("file", metavar="FILE", type=Path)
    shown.add_argument("--call", type=int, metavar="N", help="print the exact messages and the reply of exchange N")
    checked = actions.add_parser(
        "check",
        help="one line for each recording; exit 1 where one is unreadable, torn or holds a credential",
    )
    checked.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="a file, or a folder to search")
    scrubbed = actions.add_parser("scrub", help="take credentials out, and every header that is not needed")
    scrubbed.add_argument("file", metavar="FILE", type=Path)
    scrubbed.add_argument("-o", "--output", metavar="OUT", type=Path, help="write there (default: FILE itself)")
    converted = actions.add_parser("convert", help="read any format; write agentcheck's (.jsonl) or vcrpy's (.yaml)")
    converted.add_argument("source", metavar="IN", type=Path)
    converted.add_argument("output", metavar="OUT", type=Path, help="must not exist yet")


def run(options: argparse.Namespace) -> int:
    from agentcheck.wire import CassetteError

    try:
        return _ACTIONS[options.action](options)
    except CassetteError as error:
        raise UserError(str(error)) from None


# --- show ------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    from agentcheck.cassette import Cassette
    from agentcheck.render import recording
    from agentcheck.render.text import Paper

    cassette = Cassette.read(options.file, lenient=True)
    for warning in cassette.warnings:
        print(f"agentcheck: {warning}", file=sys.stderr)
    if options.call is None:
        print("\n".join(recording.listing(cassette, paper=Paper.of(sys.stdout))))
        return 0
    try:
        print(recording.call(cassette, options.call))
    except LookupError as error:
        raise UserError(f"{options.file}: {error.args[0]}") from None
    return 0


# --- check -----------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    count = bad = 0
    for path in options.paths:
        for file in _files(path):
            line, problem = _state(file, named=file == path)
            if line:
                print(line, flush=True)
                count, bad = count + 1, bad + problem
    if not count:
        raise UserError(f"there is no recording in {', '.join(map(str, options.paths))}")
    return 1 if bad else 0


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or what in a folder may be recordings, `cassettes/<module>/<test>.yaml` among them."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if not hidden and file.is_file() and file.name.lower().removesuffix(".gz").endswith(_READ):
            yield file


def _state(path: Path, *, named: bool) -> tuple[str, bool]:
    """A line about one file, empty where it is something else, and whether it has a problem."""
    from agentcheck.cassette import Cassette
    from agentcheck.foreign import NotARecording
    from agentcheck.wire import CassetteError

    try:
        cassette = Cassette.read(path, lenient=True)
    except NotARecording as error:
        return (f"PROBLEM {error}", True) if named else ("", False)
    except CassetteError as error:
        return f"PROBLEM {error}", True
    said = "; ".join([_contents(cassette.exchanges), *_remarks(cassette.exchanges)])
    if cassette.warnings:
        more = len(cassette.warnings) - 1
        return f"PROBLEM {cassette.warnings[0]}{f' (and {more} more)' if more else ''}; {said}", True
    return f"ok      {path}: {said}", False


def _contents(exchanges: Sequence["Exchange"]) -> str:
    from agentcheck.dialects import dialect_of
    from agentcheck.render.recording import counted

    names = [dialect.name for e in exchanges if (dialect := dialect_of(e.request))]
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))
    return counted(len(exchanges), "exchange") + (f" ({kinds})" if kinds else "")


def _remarks(exchanges: Sequence["Exchange"]) -> Iterator[str]:
    """What is no fault of the recording, and good to know."""
    from agentcheck.dialects import dialect_of, unread

    strange = Counter(f for e in exchanges if dialect_of(e.request) is None and (f := unread(e.request.url)))
    for format, count in sorted(strange.items()):
        yield f"{count} in {format} format, which agentcheck does not read"
    seen = Counter((e.request.method, e.request.url, e.request.body, e.reply.body) for e in exchanges)
    repeated = sum(count - 1 for count in seen.values())
    if repeated:
        yield f"{repeated} recorded twice, request and reply alike"


# --- scrub and convert -----------------------------------------------------------------


def _scrub(options: argparse.Namespace) -> int:
    from agentcheck import clean
    from agentcheck.cassette import Cassette

    output = options.output or options.file
    before = Cassette.read(options.file, lenient=True)
    if before.torn:
        raise UserError(before.warnings[0])
    if not before.ours or options.output:
        _insist_on_ending(output)
    after = Cassette.write(output, before.exchanges, provenance=before.provenance).exchanges
    for number, (old, new) in enumerate(zip(before.exchanges, after, strict=True), 1):
        for removed in clean.removed(old, new):
            print(f"exchange {number}: {removed}")
    print(f"{output}: {'as above' if before.exchanges != after else 'nothing was to be removed'}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from agentcheck.cassette import Cassette
    from agentcheck.render.recording import counted

    source, output = options.source, options.output
    _insist_on_ending(output)
    if output.exists():
        raise UserError(f"{output} exists already; delete it, or name another file")
    cassette = Cassette.read(source, lenient=True)
    for warning in cassette.warnings:
        print(f"agentcheck: {warning}", file=sys.stderr)
    told = cassette.provenance or {"converted": source.name, "by": f"agentcheck {__version__}"}
    written = Cassette.write(output, cassette.exchanges, provenance=told)
    print(f"{output}: {counted(len(written.exchanges), 'exchange')}, without credentials and needless headers")
    return 0


def _insist_on_ending(path: Path) -> None:
    if path.suffix not in _WRITTEN:
        raise UserError(
            f"{path} cannot be written: the name ends in .jsonl for agentcheck's format, in .yaml for vcrpy's; "
            "name another file"
        )


_ACTIONS: Final = {"show": _show, "check": _check, "scrub": _scrub, "convert": _convert}
