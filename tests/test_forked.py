"""What a target did at import must not stand in a fork's way: the temporary folder, and threads that come back."""

from agents import lab_of, written

from agentcheck.lab import HERE


def test_a_fork_has_a_temporary_folder_of_its_own(tmp_path):
    written(
        tmp_path,
        """
        import os, tempfile

        tempfile.gettempdir()  # kept by the standard library from here on

        def run(task):
            loop(task)
            with tempfile.NamedTemporaryFile() as file:
                return str(os.path.dirname(file.name) == os.environ["TMPDIR"])
        """,
    )
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert run.finished["result"] == "True"
    assert not run.of("refused")


def test_a_thread_that_its_owner_restarts_does_not_keep_a_run_from_being_forked(tmp_path):
    written(
        tmp_path,
        """
        import os, threading

        HOME = os.getpid()
        threading.Thread(target=threading.Event().wait, name="OtelBatchSpanRecordProcessor", daemon=True).start()

        def run(task):
            loop(task)
            return str(os.getpid() != HOME)
        """,
    )
    with lab_of(tmp_path) as lab:
        run = lab.happy()
    assert run.finished["result"] == "True"


def test_a_module_that_starts_a_thread_is_not_learned_by_the_zygote(tmp_path):
    """A fork may import it; the zygote must not, or every later run would be a new process."""
    installed = tmp_path / "env" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "quiet_one.py").write_text("")
    (installed / "starts_one.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    written(
        tmp_path,
        f"""
        import os, sys

        sys.path.append({str(installed)!r})
        HOME = os.getpid()

        def run(task):
            import quiet_one, starts_one
            loop(task)
            return str(os.getpid() != HOME)
        """,
    )
    with lab_of(tmp_path) as lab:
        assert lab.happy().finished["result"] == "True"
        later = lab.run(lab.call())
        known = lab.stages.on(HERE).known
    assert {"quiet_one", "starts_one"} <= known
    assert later.finished["result"] == "True"
