"""Python source files as syntax trees, with what a module defines and imports: nothing is executed."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SKIPPED: Final = frozenset(("build", "dist", "node_modules", "site-packages", "tests", "test", "venv", "reports"))
_LARGEST: Final = 1_000_000  # bytes of a source file
_MOST_FILES: Final = 5_000

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its tree, and what its names were imported from."""

    name: str
    file: str
    tree: ast.Module
    imports: dict[str, str]

    @property
    def roots(self) -> set[str]:
        return {source.partition(".")[0] for source in self.imports.values()}

    def functions(self) -> dict[str, Function]:
        """Functions and methods by qualified name."""
        found: dict[str, Function] = {}
        for node in self.tree.body:
            if isinstance(node, Function):
                found[node.name] = node
            if isinstance(node, ast.ClassDef):
                found |= {f"{node.name}.{item.name}": item for item in node.body if isinstance(item, Function)}
        return found

    def classes(self) -> dict[str, set[str]]:
        """Classes, each with the names of its methods."""
        return {
            node.name: {item.name for item in node.body if isinstance(item, Function)}
            for node in self.tree.body
            if isinstance(node, ast.ClassDef)
        }

    def instances(self) -> dict[str, str]:
        """Module-level names that are made by calling something: name → dotted name of what is called."""
        found: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {t.id: dotted(node.value.func) for t in targets if isinstance(t, ast.Name)}
        return found


def sources(root: Path) -> Iterator[Path]:
    """The project's own Python files: no tests, no environments, nothing hidden."""
    count = 0
    for folder, folders, files in os.walk(root):
        kept = [f for f in folders if f not in _SKIPPED and not f.startswith((".", "__"))]
        folders[:] = sorted(f for f in kept if not Path(folder, f, "pyvenv.cfg").exists())
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith(("test_", "conftest")) and not name.endswith("_test.py"):
                count += 1
                if count > _MOST_FILES:
                    return
                yield Path(folder, name)


def read(file: Path, root: Path) -> Module | None:
    """A parsed source file; None where it is not Python that this interpreter understands."""
    parts = file.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" and len(parts) > 1 else parts
    parts = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    if not all(part.isidentifier() for part in parts):
        return None
    try:
        tree = ast.parse(file.read_bytes()) if file.stat().st_size <= _LARGEST else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    name = ".".join(parts)
    return Module(name, str(file.relative_to(root)), tree, _imports(tree, name)) if tree else None


def dotted(node: ast.expr) -> str:
    """`client.chat.completions.create` of that expression; calls and subscripts inside are left out."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{dotted(node.value)}.{node.attr}".lstrip(".")
        case ast.Call():
            return dotted(node.func)
        case _:
            return ""


def _imports(tree: ast.Module, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.partition(".")[0]: a.name for a in node.names}
        if isinstance(node, ast.ImportFrom):
            package = name.split(".")[: -node.level] if node.level else []
            source = ".".join([*package, *([node.module] if node.module else [])])
            found |= {a.asname or a.name: f"{source}.{a.name}" for a in node.names}
    return found
