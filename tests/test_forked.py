"""What a target did at import must not stand in a fork's way: the temporary folder, and threads that come back."""

from agents import lab_of, written


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
