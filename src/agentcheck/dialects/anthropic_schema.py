"""What is wrong with a tool's parameters for Anthropic, which takes less than JSON Schema allows.

Source: what the API answers with status 400: "input_schema.type: Field required", "input_schema does not support
oneOf, allOf, or anyOf at the top level", "Property keys should match pattern".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from agentcheck.dialects.reading import mapping
from agentcheck.dialects.schema import json_schema_error

_UNIONS: Final = ("anyOf", "oneOf", "allOf")
_KEY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def schema_error(parameters: Mapping[str, Any]) -> str | None:
    """One sentence, or None when valid. A union without properties may be the schema of a reply, which can be one."""
    if found := json_schema_error(parameters):
        return found
    if parameters.get("type") != "object":
        return '/: the top level must be of "type": "object", also for a tool without arguments'
    properties = mapping(parameters.get("properties"))
    union = next((key for key in _UNIONS if key in parameters), None)
    if union and properties:
        return f"/{union}: Anthropic takes no union at the top level"
    odd = next((key for key in properties if not _KEY.fullmatch(key)), None)
    return None if odd is None else f"/properties: Anthropic takes no name but of {_KEY.pattern}, found {odd!r:.80}"
