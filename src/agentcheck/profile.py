"""What a level means, frozen on a date: the checks that count, their severity, and the levels.

A profile is never edited once it is released. Checks that are added later are judged and reported,
but count only from the next profile on, so that nobody's score falls because agentcheck has grown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agentcheck.check import Severity


@dataclass(frozen=True, slots=True)
class Level:
    """A rung: reached when its own factors, and those of every level below, are verified."""

    number: int
    name: str
    factors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """The checks that count, by id, and the levels in rising order, beginning with level 0."""

    id: str
    checks: Mapping[str, Severity]
    levels: tuple[Level, ...]


def _table(text: str) -> Mapping[str, Severity]:
    rows = (line.split() for line in text.splitlines() if line)
    return MappingProxyType({id: Severity(severity) for severity, id in rows})


PROFILE_2026_11: Final = Profile(
    id="2026-11",
    levels=(
        Level(0, "Unproven"),
        Level(1, "Inspectable", (1, 2, 3, 4)),
        Level(2, "Recoverable", (5, 6, 8, 9)),
        Level(3, "Operable", (7, 10, 11)),
        Level(4, "Stateless", (12,)),
    ),
    checks=_table("""
MUST   F01-call-matches-schema
MUST   F01-invalid-arguments-are-refused
MUST   F01-unknown-tool-is-refused
MUST   F01-malformed-json-is-refused
MUST   F01-prose-acts-on-nothing
MUST   F02-prompt-is-owned
SHOULD F02-prompt-is-versioned
MUST   F02-prompt-is-stable
SHOULD F02-prompt-varies-only-as-declared
SHOULD F02-prompt-is-locked
MUST   F02-prompt-holds-no-secret
MUST   F03-context-is-printable
MUST   F03-tool-result-reaches-model
MUST   F03-calls-and-results-pair
MUST   F03-large-result-is-bounded
MUST   F03-sessions-do-not-leak
SHOULD F03-context-grows-linearly
SHOULD F03-context-is-accounted
MUST   F04-schema-is-valid
SHOULD F04-tool-is-described
MUST   F04-accepted-arguments-run
SHOULD F04-intent-needs-no-function
SHOULD F04-catalog-is-stable
MUST   F05-state-is-single
MUST   F05-status-is-derived
MUST   F05-effects-match-state
MUST   F05-forks-are-independent
SHOULD F05-history-is-complete
MUST   F06-snapshot-is-data
MUST   F06-resume-continues
MUST   F06-crash-loses-nothing
MUST   F06-pause-before-effect
MUST   F06-resume-is-consumed-once
MUST   F06-finished-stays-finished
MUST   F06-corrupt-snapshot-is-refused
SHOULD F06-old-snapshot-loads
MUST   F07-human-is-a-tool
MUST   F07-contact-pauses
MUST   F07-answer-reaches-model
MUST   F07-approval-gates-effect
MUST   F07-rejection-is-honoured
MUST   F07-approval-binds-arguments
MUST   F07-silence-is-not-consent
MUST   F08-loop-is-bounded
MUST   F08-model-outage-is-survived
SHOULD F08-retry-after-is-honoured
MUST   F08-run-can-be-interrupted
MUST   F08-truncated-reply-acts-on-nothing
SHOULD F08-spend-is-capped
SHOULD F08-step-can-be-guarded
MUST   F09-error-reaches-model
MUST   F09-error-is-compact
SHOULD F09-error-names-the-tool
MUST   F09-error-holds-no-secret
MUST   F09-error-is-not-retried-silently
MUST   F09-repeated-errors-escalate
MUST   F09-counter-resets-on-success
MUST   F09-hang-times-out
MUST   F09-agent-recovers
SHOULD F10-tool-count-is-small
SHOULD F10-run-is-short
SHOULD F10-prompt-is-small
SHOULD F10-failure-is-contained
MUST   F11-launch-is-plain-data
MUST   F11-channels-agree
MUST   F11-duplicate-delivery-is-once
SHOULD F11-reply-returns-to-channel
MUST   F12-reduce-is-pure
MUST   F12-replay-rebuilds-state
MUST   F12-instances-hold-no-state
MUST   F12-run-is-deterministic
MAY    F13-predictable-fetch-is-prefetched
"""),
)
CURRENT: Final = PROFILE_2026_11
