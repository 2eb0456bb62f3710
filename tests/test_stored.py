"""Stores read and spoiled without knowing their format."""

import json
import pickle
import sqlite3
from collections import OrderedDict

import pytest

from agentcheck.damage import DAMAGES, UNKNOWN, versions
from agentcheck.stored import code, files, is_sqlite, text

BY_NAME = {damage.name: damage for damage in DAMAGES}


def database(path, *statements, wal=False):
    connection = sqlite3.connect(path, isolation_level=None)
    if wal:
        connection.execute("PRAGMA journal_mode = WAL")
    for statement in statements:
        connection.execute(statement)
    return connection


RUNS = (
    "CREATE TABLE about (key TEXT, value TEXT)",
    "INSERT INTO about VALUES ('version', '2'), ('run', 'r1')",
    "CREATE TABLE log (n INTEGER, body TEXT)",
    """INSERT INTO log VALUES (1, '{"said": "caf\\u00e9"}'), (2, 'two'), (3, 'three')""",
)


def test_cells_and_files_are_read_with_their_escapes_undone(tmp_path):
    database(tmp_path / "run.db", *RUNS).close()
    (tmp_path / "log.jsonl").write_text('{"a": "na\\u00efve"}\n{"b": "second line"}\n')
    held = text(tmp_path)
    assert all(part in held for part in ("café", "three", "naïve", "second line"))


def test_what_only_a_write_ahead_log_holds_is_read_and_nothing_changes(tmp_path):
    open_still = database(tmp_path / "run.db", *RUNS, wal=True)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
    assert "three" in text(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")} == before
    open_still.close()


def test_side_files_and_empty_files_are_no_files_of_a_store(tmp_path):
    database(tmp_path / "run.db", *RUNS, wal=True).close()
    for name in ("run.db-wal", "run.lock", "nothing.json"):
        (tmp_path / name).touch()
    assert [p.name for p in files(tmp_path)] == ["run.db"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (pickle.dumps(OrderedDict(a=1)), "collections.OrderedDict"),
        (pickle.dumps(OrderedDict(a=1), protocol=0), "OrderedDict"),
        (json.dumps({"blob": pickle.dumps(OrderedDict(a=1)).hex()}).encode(), "collections.OrderedDict"),
        (b"head" + pickle.dumps(OrderedDict(a=1)), "collections.OrderedDict"),
        (b'{"py/object": "m.C"}', "jsonpickle"),
        (b"a: !!python/object:m.C {}\n", "YAML"),
    ],
)
def test_code_in_a_file_is_named(tmp_path, content, named):
    (tmp_path / "state").write_bytes(content)
    assert named in str(code(tmp_path))


@pytest.mark.parametrize("content", [pickle.dumps({"a": [1, "x"]}), b'{"a": 1}', b"(free text)", b"\x80\x04", b"]["])
def test_plain_data_is_no_code(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    assert code(tmp_path) is None


def test_code_in_a_cell_is_named_with_its_file(tmp_path):
    rows = database(tmp_path / "run.db", "CREATE TABLE log (body BLOB)")
    rows.execute("INSERT INTO log VALUES (?)", (pickle.dumps(OrderedDict()),))
    rows.close()
    assert str(code(tmp_path)).startswith("run.db holds a pickle of collections.OrderedDict")


def test_versions_are_small_whole_numbers_under_a_telling_name(tmp_path):
    database(
        tmp_path / "a.db",
        *RUNS,
        "PRAGMA user_version = 3",
        "CREATE TABLE t (id TEXT, version INTEGER, x TEXT)",
        "INSERT INTO t VALUES ('a', 7, ''), ('b', 7, '')",
        "CREATE TABLE tags (version TEXT, a TEXT, b TEXT)",
        "INSERT INTO tags VALUES ('v1.2.3', '', '')",
    ).close()
    assert versions(tmp_path / "a.db") == {
        ("PRAGMA",): 3,
        ("about", "key", "value", "version"): "2",
        ("t", "version"): 7,
    }
    (tmp_path / "a.json").write_text('{"version": 1, "v": true, "schema": "two", "messages": []}')
    assert versions(tmp_path / "a.json") == {("version",): 1}


def test_an_unknown_version_is_set_everywhere(tmp_path):
    database(tmp_path / "a.db", *RUNS, "PRAGMA user_version = 3").close()
    assert BY_NAME["of an unknown version"].apply(tmp_path / "a.db", tmp_path / "none")
    with sqlite3.connect(tmp_path / "a.db") as rows:
        assert rows.execute("PRAGMA user_version").fetchone() == (UNKNOWN,)
        assert rows.execute("SELECT value FROM about WHERE key = 'version'").fetchone() == (str(UNKNOWN),)
        assert rows.execute("SELECT value FROM about WHERE key = 'run'").fetchone() == ("r1",)


def test_a_number_that_counts_is_no_version(tmp_path):
    (tmp_path / "a.json").write_text('{"version": 4}')
    (tmp_path / "later.json").write_text('{"version": 9}')
    assert not BY_NAME["of an unknown version"].apply(tmp_path / "a.json", tmp_path / "later.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"version": 4}


def test_a_database_without_its_schema_lacks_its_largest_table(tmp_path):
    database(tmp_path / "a.db", *RUNS, wal=True).close()
    assert BY_NAME["without its schema"].apply(tmp_path / "a.db", tmp_path / "none")
    with sqlite3.connect(tmp_path / "a.db") as rows:
        names = {name for (name,) in rows.execute("SELECT name FROM sqlite_master")}
    assert names == {"about", "another_log"}


def test_a_document_without_its_schema_keeps_its_content_under_other_names(tmp_path):
    (tmp_path / "a.json").write_text('{"messages": [1], "status": "x"}')
    assert BY_NAME["without its schema"].apply(tmp_path / "a.json", tmp_path / "none")
    assert json.loads((tmp_path / "a.json").read_text()) == {"another_messages": [1], "another_status": "x"}


@pytest.mark.parametrize("name", ["truncated", "empty", "unparsable"])
def test_any_file_can_be_spoiled(tmp_path, name):
    path = tmp_path / "a.bin"
    path.write_bytes(b"0123456789" * 9)
    assert BY_NAME[name].apply(path, tmp_path / "none")
    assert path.read_bytes() != b"0123456789" * 9


def test_what_is_no_document_has_no_version_and_no_schema(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x01\x02")
    for name in ("of an unknown version", "without its schema"):
        assert not BY_NAME[name].apply(tmp_path / "a.bin", tmp_path / "none")
    assert not is_sqlite(tmp_path / "a.bin")
