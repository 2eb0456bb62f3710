"""The user's source, parsed once for each file."""

import ast
import functools
import linecache


@functools.cache
def parsed(file: str) -> ast.Module:
    """The syntax tree of a file; an empty one where its source is not to be had."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
