"""What transforms take, each in a process of its own, beside what is reserved for them: never more."""

import os
import re
import subprocess

import pytest

from harness import ROOT

KINDS = "jpeg-420,jpeg-progressive,jpeg-cmyk,jpeg-turned,png-rgb,png-interlaced,png-16,webp-l,webp-alpha,gif-frames,tiff-strips"


@pytest.fixture(scope="session")
def program():
    env = {name: value for name, value in os.environ.items() if name not in ("SANITIZER", "MAKEFLAGS", "LD_PRELOAD")}
    subprocess.run(["make", "-s", "build/bench-estimates"], cwd=ROOT, env=env, check=True)


def measure(**options):
    """Rows of size, output, MB taken and MB estimated, by source."""
    options = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(["/usr/bin/python3", ROOT / "bench/estimates.py", *options], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    rows = re.findall(r"^(\S+) +(\S+) +(\S+) +([\d.]+) +([\d.]+) +[\d.]+", done.stdout, re.MULTILINE)
    return done.returncode, {(kind, output): (float(taken), float(estimate)) for kind, _, output, taken, estimate in rows}


def test_sources(program):
    code, rows = measure(kinds=KINDS, sizes=6, outputs="300:jpg")
    assert code == 0 and len(rows) >= len(KINDS.split(","))
    for (kind, _), (taken, estimate) in rows.items():
        assert taken <= estimate, kind
        # a plane of alpha may hide as much as a lossless picture, which this one does not
        if "alpha" not in kind:
            assert estimate <= 1.3 * taken + 6.3, kind
    # coefficients of 4:2:0, and pixels: a measurement that misses them is none
    assert rows["jpeg-progressive", "300:jpg"][0] >= 18 and rows["png-interlaced", "300:jpg"][0] >= 18


def test_answers(program):
    outputs = "1200:jpg:cover,1200:png:contain,1200:webp,1200:jpg@95,600:gif,600:avif,600:avif@95"
    code, rows = measure(kinds="jpeg-420,png-rgba,avif", sizes=1, outputs=outputs)
    assert code == 0 and len(rows) >= 3 * len(outputs.split(","))
    assert all(taken <= estimate for taken, estimate in rows.values())
