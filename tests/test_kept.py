"""Snapshots kept of one version, and resumed by the code of the next."""

import json

import pytest
from agents import written
from test_crash_points import host_lab
from test_resume import HOST

from agentcheck import catalog
from agentcheck.cli import main
from agentcheck.finding import HarnessError, Outcome
from agentcheck.kept import home, keep, kept
from agentcheck.lab import Lab

CONFIG = """
target = "my_agent:host"
name = "looker"
human = ["ask_boss"]
high_stakes = []
[tools.look]
repeatable = true
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    written(tmp_path, HOST)
    (tmp_path / "agentcheck.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def old_snapshots(lab: Lab):
    return lab.judge(next(c for c in catalog.load_all() if c.id == "F06-old-snapshot-loads"))


def test_runs_in_flight_are_kept_and_go_on(project, capsys):
    assert main(["snapshots", "list"]) == 0
    assert "nothing is kept in snapshots/looker" in capsys.readouterr().out
    assert main(["snapshots", "keep", "--name", "v1"]) == 0
    assert "snapshots in snapshots/looker/v1: commit them" in capsys.readouterr().out
    assert main(["snapshots", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert "snapshots/looker/v1/H/02-before-look" in listed
    assert {path.name for path in (project / "snapshots/looker").iterdir()} == {"v1"}
    with host_lab(project, name="host") as lab:
        assert old_snapshots(lab).outcome is Outcome.PASS
    with host_lab(project, name="host") as lab:
        object.__setattr__(lab.target, "name", "another")
        assert old_snapshots(lab).mend.startswith("agentcheck snapshots keep")


def test_code_that_does_not_know_the_old_state_fails_with_the_snapshot_named(project):
    assert main(["snapshots", "keep", "--name", "v1"]) == 0
    written(project, HOST.replace('"version"', '"format"'))
    with host_lab(project, human=["ask_boss"]) as lab:
        finding = old_snapshots(lab)
    assert finding.outcome is Outcome.FAIL
    assert "snapshots/looker/v1/H/" in finding.message
    assert "KeyError: 'format'" in finding.message


def test_a_name_is_used_once(project, capsys):
    assert main(["snapshots", "keep", "--name", "v1"]) == 0
    assert main(["snapshots", "keep", "--name", "v1"]) == 2
    assert "give these another name with --name" in capsys.readouterr().err


def test_what_is_kept_and_spoilt_is_one_sentence(project):
    with host_lab(project) as lab:
        place, points = keep(lab, "v1")
        assert place == home(lab) / "v1"
        index = place / "kept.json"
        sound = json.loads(index.read_text())
        assert sound["points"] == points
        index.write_text("{")
        with pytest.raises(HarnessError, match="is not what `agentcheck snapshots keep` writes"):
            kept(lab)
        index.write_text(json.dumps({**sound, "points": ["H/gone"]}))
        with pytest.raises(HarnessError, match=r"is gone, and kept\.json beside it names it"):
            kept(lab)


def test_a_callable_keeps_nothing(project, capsys):
    (project / "agentcheck.toml").write_text('target = "my_agent:loop"\n')
    assert main(["snapshots", "keep"]) == 2
    assert "keeps no state: only a reducer or a host has snapshots" in capsys.readouterr().err
