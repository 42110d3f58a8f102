"""What transforms take, each in a process of its own, beside what is reserved for them: never more."""

import os
import re
import subprocess

import pytest

import pictures
from clients import Asked, metrics, operations
from harness import ROOT, wait_for

KINDS = "jpeg-420,jpeg-progressive,jpeg-progressive-cmyk,jpeg-cmyk,png-rgb,png-interlaced,webp-lossless,gif,tiff-strips"


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
    assert code == 0 and len(rows) == len(KINDS.split(","))
    for (kind, _), (taken, estimate) in rows.items():
        assert taken <= estimate, kind
        assert estimate <= 1.3 * taken + 6.3, kind
    # coefficients, and pixels: a measurement that misses them is none
    assert rows["jpeg-progressive-cmyk", "300:jpg"][0] >= 48 and rows["png-interlaced", "300:jpg"][0] >= 18


def test_progressive_jpeg_takes_less_for_small_answers(program):
    """Its coefficients are 18 MB, of which an eighth of the size needs no more than those of the colours that count."""
    code, rows = measure(kinds="jpeg-progressive,jpeg-progressive-444,jpeg-scans", sizes=6, outputs="375:jpg,376:jpg")
    assert code == 0 and len(rows) == 6
    for (kind, output), (taken, estimate) in rows.items():
        assert taken <= estimate, (kind, output)
        assert taken >= 18 if output == "376:jpg" else estimate <= 9, (kind, output)


def test_answers(program):
    outputs = "800:jpg:cover,800:png:contain,800:webp,800:jpg@95,400:gif,400:avif"
    code, rows = measure(kinds="jpeg-420,png-rgba,avif", sizes=1, outputs=outputs)
    assert code == 0 and len(rows) == 3 * len(outputs.split(","))
    assert all(taken <= estimate for taken, estimate in rows.values())


def test_what_is_turned_searched_and_trimmed(program):
    outputs = (
        "800:jpg:cover:a=entropy,800:png:cover:a=attention:ro=90,800:webp:inside:ro=30,800:jpg:inside:ro=90,800:webp:contain:cbg=80ff0000,"
        "w=9&h=9&fit=fill&trim=10&output=png,w=400&precrop&cx=300&cw=500&ro=180&output=jpg,800:png:outside:trim=10:ro=45:flip"
    )
    kinds = "jpeg-420,jpeg-turned,png-grey,png-rgba,png-16,webp-busy-alpha"
    code, rows = measure(kinds=kinds, sizes=1, outputs=outputs)
    assert code == 0 and len(rows) == len(kinds.split(",")) * len(outputs.split(","))
    assert all(taken <= estimate for taken, estimate in rows.values())


# --- the histogram of what was taken


@pytest.fixture
def server(sluice, origin):
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/http": {"image.origin": origin.url("/")},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
    }
    return sluice({"hosts": {"default": {"paths": paths}}})


def counts(server):
    values = metrics(server)
    return {name: int(values[f'sluice_transform_memory_ratio_count{{format="{name}"}}']) for name in ("jpeg", "png", "webp", "gif")}


def test_transforms_that_are_alone_are_counted(server):
    for path in ("baseline.jpg?w=100", "progressive.jpg?w=100", "rgb.png?w=100"):
        assert server.get(f"/images/{path}").status == 200
    assert counts(server) == {"jpeg": 2, "png": 1, "webp": 0, "gif": 0}
    values = metrics(server)
    assert values['sluice_transform_memory_ratio_bucket{format="jpeg",le="1.25"}'] == 2
    assert values["sluice_transform_overruns_total"] == 0
    # neither what is in the cache already, nor what could not be made
    assert server.get("/images/baseline.jpg?w=100").status == 200
    assert server.get("/images/truncated.jpg?w=100").status == 422
    assert counts(server)["jpeg"] == 2


def test_transforms_beside_other_work_are_not(server, origin):
    origin.hold("/rgb.png")
    waiting = Asked(server, "/http/rgb.png?w=100")
    wait_for(lambda: operations(server)["fetches"] == 1, 10, "a fetch is under way")
    assert server.get("/images/baseline.jpg?w=101").status == 200
    assert counts(server)["jpeg"] == 0
    origin.release("/rgb.png")
    assert waiting.answer().status == 200
    assert server.get("/images/baseline.jpg?w=102").status == 200
    assert counts(server)["jpeg"] == 1
