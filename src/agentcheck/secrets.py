"""Credentials by their shape: found, and taken out of what is about to be written.

Shapes as the issuers publish them (GitHub's list of secret scanning patterns names most of them).
A loose shape (bearer tokens, passwords in URLs) that holds an obvious placeholder is left alone.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

# Where a token may begin: not inside a longer word, though right after an escape of JSON (\n, \u000a).
_START: Final = r"(?:(?<![A-Za-z0-9_+/-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
_NAMES: Final = r"(?:[a-z_-]*api[_-]?key|key|[a-z_-]*token|client_secret|sig|signature|password|x-amz-signature)"
_KEY_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"redact|filter|scrub|dummy|fake|mock|placeholder|example|sample|your|test|changeme|secret|passw|xxx|\*\*|\.\.\.|"
    r"^(?:user|pass|pwd|postgres|root|admin|guest)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of credential. `hints`: lower-case text, one of which every match holds (it spares the search).

    Where the pattern has a group, that is the secret and the rest is context that stays.
    """

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    loose: bool = False

    def spans(self, text: str, lowered: str) -> Iterator[tuple[int, int]]:
        if not any(hint in lowered for hint in self.hints):
            return
        for match in self.pattern.finditer(text):
            group = 1 if self.pattern.groups else 0
            if not (self.loose and _is_placeholder(match[group])):
                yield match.span(group)


def _shape(kind: str, hints: str, pattern: str, *, loose: bool = False, flags: int = 0) -> Shape:
    return Shape(kind, tuple(hints.split()), re.compile(pattern.replace("START", _START), flags), loose)


SHAPES: Final = (
    _shape(
        "private key",
        "private key",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
        r"(?:[^-\"]{40,20000}?-----END [A-Z ]{0,20}PRIVATE KEY-----|"
        r"(?:\s|\\+[nr])*(?:[A-Za-z0-9+/]{30,}={0,2}(?:\s|\\+[nr])*)+)",
    ),
    _shape("Anthropic key", "sk-ant-", r"STARTsk-ant-[A-Za-z0-9_-]{20,}"),
    _shape("OpenAI-style key", "sk-", r"STARTsk-(?!ant-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"),
    _shape("AWS access key", "akia asia", r"START(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9+/=_-])"),
    _shape(
        "AWS secret key",
        "secret",
        r"aws_?secret_?(?:access_?)?key[^A-Za-z0-9/+]{1,8}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        flags=re.IGNORECASE,
    ),
    _shape("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"STARTgh[pousr]_[A-Za-z0-9]{36,}"),
    _shape("GitHub token", "github_pat_", r"STARTgithub_pat_[A-Za-z0-9_]{22,}"),
    _shape("Google key", "aiza", r"STARTAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _shape("Google token", "ya29.", r"STARTya29\.[A-Za-z0-9_-]{20,}"),
    _shape("Slack token", "xox", r"STARTxox[abeoprs]-(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{10,}"),
    _shape("Hugging Face token", "hf_", r"STARThf_[A-Za-z0-9]{34,}"),
    _shape("Groq key", "gsk_", r"STARTgsk_[A-Za-z0-9]{40,}"),
    _shape("Stripe key", "k_live_", r"START[sr]k_live_[A-Za-z0-9]{20,}"),
    _shape("JSON web token", "eyj", r"STARTeyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _shape(
        "bearer token", "bearer", r"(?i:\bbearer)[ +]+((?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{20,})", loose=True
    ),
    _shape(
        "basic credentials",
        "basic",
        r"(?i:authorization)[^A-Za-z0-9]{1,8}(?i:basic) +([A-Za-z0-9+/]{12,}={0,2})",
        loose=True,
    ),
    _shape(
        "password in a URL",
        "://",
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'\\<>\[]{0,99}:([^\s/:@\"'\\<>\[{$]{3,99})@",
        loose=True,
    ),
    _shape("key in a query", "=", rf"[?&]{_NAMES}=([^&\s\"'\\<>\[{{$#]{{12,}})", loose=True, flags=re.IGNORECASE),
)


def find(text: str, *, known: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Each credential in `text` as (kind, where); `where` shows its place and first characters, never the whole.

    `known` are values that are secret whatever their shape.
    """
    return [(kind, f"{text[a : a + 4]}… at character {a}, {b - a} long") for kind, a, b in _all(text, known)]


def scrub(text: str, *, known: Iterable[str] = ()) -> str:
    """`text` with each credential replaced by its kind in brackets; nothing is left for `find`."""
    for _ in range(3):  # taking one out can lay bare the next
        pieces, end = [], 0
        for kind, a, b in _all(text, known):
            pieces += [text[end:a], f"[{kind} removed]"]
            end = b
        if not pieces:
            break
        text = "".join([*pieces, text[end:]])
    return text


def scrub_url(url: str, *, known: Iterable[str] = ()) -> str:
    """`url` without user and password, and with the value of every query parameter named like a key removed."""
    parts = urlsplit(url)
    query = parts.query
    if any(_KEY_NAME.fullmatch(name) for name, _ in parse_qsl(query)):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(name, "removed" if _KEY_NAME.fullmatch(name) else value) for name, value in pairs])
    return scrub(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query)), known=known)


def _all(text: str, known: Iterable[str]) -> list[tuple[str, int, int]]:
    """In order, overlaps merged into the one that begins first."""
    lowered = text.lower()
    spans = [(a, -b, shape.kind) for shape in SHAPES for a, b in shape.spans(text, lowered)]
    for form in {form for value in known for form in _forms(value)}:
        spans += [(m.start(), -m.end(), "known secret") for m in re.finditer(re.escape(form), text)]
    found: list[tuple[str, int, int]] = []
    for a, negative, kind in sorted(spans):
        if not found or a >= found[-1][2]:
            found.append((kind, a, -negative))
        elif -negative > found[-1][2]:
            found[-1] = (found[-1][0], found[-1][1], -negative)
    return found


def _forms(value: str) -> set[str]:
    """A known value as it stands, inside JSON, and inside a URL."""
    return {value, json.dumps(value)[1:-1], quote(value, safe="")} if value else set()


def _is_placeholder(value: str) -> bool:
    return bool(_PLACEHOLDER.search(value)) or len(set(value)) < 4
