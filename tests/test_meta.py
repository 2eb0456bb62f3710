"""The house itself: layers, exports, what a wheel holds, documents in step with the code."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import agentcheck
from agentcheck import catalog
from agentcheck.fixtures import twins

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "agentcheck"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = {"agentcheck": SOURCE, "agentcheck.checks": ROOT / "checks", "agentcheck.fixtures": ROOT / "fixtures"}
FACTS = {"messages", "plain", "trace", "finding", "check", "score", "profile"}
STANDARD = sys.stdlib_module_names


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere, type-checking blocks left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("name", sorted(FACTS))
def test_facts_and_judgement_need_the_standard_library_only(name):
    allowed = {f"agentcheck.{other}" for other in FACTS} | {"agentcheck"}
    outside = {
        m
        for m in imports(SOURCE / f"{name}.py")
        if m.partition(".")[0] not in STANDARD and not any(m == a or m.startswith(f"{a}.") for a in allowed)
    }
    assert outside == set()


def test_nothing_in_the_library_imports_the_checks_or_pytest_but_who_may():
    may = {"plugin.py", "judging.py", "collect.py", "progress.py", "fuzzing.py"}
    guilty = {}
    for path in SOURCE.rglob("*.py"):
        wrong = {m for m in imports(path) if m.startswith("agentcheck.checks")}
        if path.name not in may and not {"cli", "testing"} & set(path.parts):
            wrong |= {m for m in imports(path) if m.partition(".")[0] in ("pytest", "_pytest")}
        if wrong:
            guilty[path.name] = wrong
    assert guilty == {}


def test_what_runs_beside_the_agent_needs_little():
    for path in (SOURCE / "stage").glob("*.py"):
        wrong = {m for m in imports(path) if m.startswith(("agentcheck.lab", "agentcheck.world", "agentcheck.config"))}
        assert wrong == set(), path.name


@pytest.mark.parametrize("name", agentcheck.__all__)
def test_every_public_name_exists_and_says_what_it_is(name):
    found = getattr(agentcheck, name)
    assert found.__doc__
    assert not found.__doc__.startswith(f"{name}(")


def test_every_check_says_why_and_how():
    for check in catalog.load_all():
        assert check.why.endswith("."), check.id
        assert check.source.startswith("https://github.com/humanlayer/12-factor-agents/"), check.id
        assert len({check.title, check.failure, check.remedy, check.reaches}) == 4, check.id


def test_the_listed_packages_are_those_of_the_tree():
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    found = set()
    for package, folder in FOLDERS.items():
        for init in folder.rglob("__init__.py"):
            parts = init.parent.relative_to(folder).parts
            found.add(".".join((package, *parts)))
    assert listed == found


def test_the_wheel_holds_what_the_tree_holds(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    copy = tmp_path / "tree"
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("no git checkout to compare the wheel with")
    files = [f for f in tracked.stdout.splitlines() if (ROOT / f).is_file()]
    for name in files:
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([*command, "-w", str(tmp_path)], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {n for n in wheel.namelist() if ".dist-info/" not in n}
    moved = {"src/": "", "checks/": "agentcheck/checks/", "fixtures/": "agentcheck/fixtures/"}
    wanted = {new + f.removeprefix(old) for f in files for old, new in moved.items() if f.startswith(old)}
    assert held == wanted


def test_the_pages_of_the_checks_are_in_step():
    done = subprocess.run([sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_documents_link_to_what_exists():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_version_is_said_once():
    assert PROJECT["project"]["version"] == agentcheck.__version__


def test_the_plugin_is_registered_under_a_name_of_its_own():
    assert PROJECT["project"]["entry-points"]["pytest11"] == {"pytest-agentcheck": "_agentcheck_plugin"}


def test_twins_are_modules_of_their_factor():
    for path in Path(twins.__path__[0]).glob("factor_*.py"):
        factor = path.stem.removeprefix("factor_")
        module = import_module(f"{twins.__name__}.{path.stem}")
        own = [v for v in vars(module).values() if isinstance(v, twins.Twin)]
        assert own, path.name
        assert {t.check[1:3] for t in own} == {factor}


COMMANDS = [
    ("list",),
    ("list", "--json"),
    ("explain", "F09-error-is-compact"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_of_the_readme_run_and_fit_the_terminal(words):
    command = [str(Path(sys.executable).with_name("agentcheck")), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if "--json" not in words:
        links = [line for line in done.stdout.splitlines() if "http" not in line]
        assert max(map(len, links)) <= 80
