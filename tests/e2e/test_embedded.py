"""The module in a program of its own, which stops it: every thread ends before what it uses goes. h2o's server never gets there."""

from pathlib import Path

from harness import MODULE, compile_c, environment, run

SOURCE = Path(__file__).parent / "modules" / "embedder.c"


def test_start_and_stop_again_and_again(tmp_path):
    program = compile_c(SOURCE, tmp_path / "embedder", "-lh2o-evloop")
    done = run([str(program), str(MODULE)], env=environment())
    assert done.returncode == 0, done
    log = done.stdout + done.stderr
    assert log.count("at most") == 60 and log.count("sluice: shutdown:") >= 1, log
