"""Write reports/audit-sample.md: 20 findings of an audit, drawn by a seed, each beside the raw bytes that decide it.

python -m tools.audit_sample FOLDER            prints the sample, with what stands in the raw requests
python -m tools.audit_sample FOLDER --write    writes the page, with the verdicts of tools/audit_sample.toml

The excerpts are taken from the recorded bytes by the JSON library alone: no dialect of agentcheck reads them.
"""

import json
import random
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from agentcheck import catalog
from agentcheck.audit import Audit, File
from agentcheck.audit.judgement import Ruling
from agentcheck.cassette import Cassette, Exchange
from agentcheck.finding import Outcome
from agentcheck.render.markdown import escape, fenced

SEED: Final = 20261125
SIZE: Final = 20
ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "reports" / "audit-sample.md"
VERDICTS: Final = Path(__file__).with_suffix(".toml")
_MOST: Final = 900  # characters of one excerpt
_TEXTS: Final = 5  # of one finding
_SECRETS: Final = re.compile(rb"sk-|AKIA|ASIA|gh[pousr]_|AIza|xox[abp]-|PRIVATE KEY|[Bb]earer |eyJ[A-Za-z0-9]")
_FAILING: Final = re.compile(r'"is_error": true|(?<!is_)error', re.IGNORECASE)
_PAIRING: Final = re.compile(
    rb'"(?:type|role|id|call_id|tool_call_id|tool_use_id|toolUseId|functionCall|functionResponse|function_call|name)":'
    rb'\s*(?:"[^"]*"|\{)'
)
_TOOLS: Final = ("tools", "toolConfig", "functions")


def sample(audit: Audit) -> list[tuple[File, Ruling]]:
    """Decided findings in a random order, of which those come first that show a check, an outcome or a format anew;
    every other one a failure where there are any left."""
    decided = [(f, r) for f in audit.judged for r in f.rulings if r.outcome in (Outcome.PASS, Outcome.FAIL)]
    random.Random(SEED).shuffle(decided)
    seen: set[tuple[str, str]] = set()
    chosen: list[tuple[File, Ruling]] = []
    for outcome in (Outcome.FAIL, Outcome.PASS):
        for file, found in decided:
            shown = {("format", f"{name} {outcome}") for name in file.traffic.formats} | {
                ("check", f"{found.check} {outcome}")
            }
            if found.outcome is outcome and not shown <= seen:
                seen |= shown
                chosen.append((file, found))
    return (chosen + [pair for pair in decided if pair not in chosen])[:SIZE]


def excerpts(found: Ruling, exchanges: list[Exchange]) -> Iterator[str]:
    """What of the raw requests decides a finding: equal texts once, with the numbers of their interactions."""
    cited = sorted({item["interaction"] for item in found.evidence}) or range(1, len(exchanges) + 1)
    same: dict[str, list[str]] = {}
    for number in cited:
        body, status = exchanges[number - 1].request.body, exchanges[number - 1].reply.status
        told = _decisive(found.check, body) if body else "no body"
        if not found.check.startswith("F09") or _FAILING.search(told):
            same.setdefault(told, []).append(f"{number} ({len(body):,} bytes, answered {status})")
    most = 12 if found.check == "F03-context-grows-linearly" else _TEXTS
    for told, numbers in list(same.items())[:most]:
        yield _cut(f"interaction {', '.join(numbers[:6])}{', …' if len(numbers) > 6 else ''}: {told}")
    if len(same) > most:
        yield f"… and {len(same) - most} more"


def _decisive(check: str, body: bytes) -> str:
    raw = json.loads(body)
    match check:
        case "F02-prompt-holds-no-secret":
            return f"marks of credentials: {[hit.decode() for hit in _SECRETS.findall(body)]}"
        case "F03-calls-and-results-pair":
            return " ".join(hit.decode() for hit in _PAIRING.findall(json.dumps(_messages(raw)).encode()))
        case "F03-context-grows-linearly" | "F10-run-is-short":
            return f"{len(_messages(raw))} messages, the last: {json.dumps(_messages(raw)[-1])[:200]}"
        case "F03-context-is-printable" | "F10-prompt-is-small":
            return json.dumps(_messages(raw), ensure_ascii=False)[:500]
        case "F09-error-reaches-model" | "F09-error-is-compact" | "F09-error-names-the-tool":
            return json.dumps(_messages(raw)[-1:], ensure_ascii=False)
        case "F04-catalog-is-stable" | "F10-tool-count-is-small":
            offered = {name: raw[name] for name in _TOOLS if name in raw}
            return f"tools {re.findall(r'.name.: .([^,}]*).[,}]', json.dumps(offered))}"
    return json.dumps(_tools(raw), ensure_ascii=False)


def _messages(raw: Any) -> Any:
    found = next((raw[name] for name in ("messages", "contents", "input") if name in raw), raw)
    return found if isinstance(found, list) else [found]


def _tools(raw: Any) -> Any:
    return next((raw[name] for name in _TOOLS if name in raw), raw.get("response_format") or raw.get("text"))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text) - _MOST:,} more characters)"


def page(folder: Path) -> str:
    audit = Audit([folder], catalog.load_all(), start=folder)
    verdicts = tomllib.loads(VERDICTS.read_text(encoding="utf-8")) if VERDICTS.exists() else {}
    chosen = sample(audit)
    rulings = [r for f in audit.judged for r in f.rulings]
    told = [_one(number, *pair, folder, verdicts) for number, pair in enumerate(chosen, 1)]
    right = sum(verdicts.get(_key(*pair), {}).get("verdict") == "right" for pair in chosen)
    return "\n\n".join([*_head(rulings, len(audit.judged), right), *told]) + "\n"


def _head(rulings: list[Ruling], judged: int, right: int) -> Iterator[str]:
    yield "# Twenty findings of the audit, held against the raw bytes"
    counts = {o: sum(r.outcome is o for r in rulings) for o in (Outcome.PASS, Outcome.FAIL, Outcome.UNTESTABLE)}
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    yield (
        f"Drawn with the seed {SEED} from the {counts[Outcome.PASS] + counts[Outcome.FAIL]:,} decided findings on "
        f"{judged} recordings of real providers ({said}), those first that show a check, an outcome or a format anew. "
        "Made by `python -m tools.audit_sample FOLDER --write`; the excerpts are read from the recorded bytes without "
        "any dialect of agentcheck, and the verdicts (tools/audit_sample.toml) were given by hand."
    )
    yield f"**{right} of {SIZE} are right.**"


def _one(number: int, file: File, found: Ruling, folder: Path, verdicts: dict[str, Any]) -> str:
    exchanges = Cassette.read(folder / file.label, lenient=True).exchanges
    given = verdicts.get(_key(file, found), {})
    places = "; ".join(item["text"].removeprefix(f"{file.label}, ") for item in found.evidence) or "all interactions"
    return "\n\n".join(
        [
            f"## {number}. {found.check}: {found.outcome}",
            f"- File: {escape(file.label)}\n- Format: {', '.join(file.traffic.formats)}\n- Where: {escape(places)}\n"
            f"- Found: {escape(found.message)}",
            fenced("\n".join(excerpts(found, exchanges)), "text"),
            f"Verdict: **{given.get('verdict', 'not given')}**. {escape(given.get('why', ''))}",
        ]
    )


def _key(file: File, found: Ruling) -> str:
    return f"{found.check} {file.label}"


def main() -> int:
    folder = Path(sys.argv[1])
    text = page(folder)
    if "--write" in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
