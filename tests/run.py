#!/usr/bin/python3
"""Runs every check of the project, one after the other, and ends with "N passed, N failed".

A check is a command. Unit tests (cmocka) and end-to-end tests (pytest, varnishtest) count as many tests as they ran; every other
check (a build, the format, the documentation) counts as one. What a check prints is shown when it fails, or always with -v.
Names given on the command line run only the checks whose names contain one of them.
"""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ASAN = "SANITIZER=address,undefined"
JOBS = f"-j{os.cpu_count() or 1}"


def make(*words):
    return ["make", "--no-print-directory", JOBS, *words]


def programs(folder, pattern):
    names = sorted(path.stem for path in (TOP / "tests").glob(pattern))
    return [[str(TOP / folder / name)] for name in names]


def fuzz_targets():
    return sorted(path.stem.removeprefix("fuzz_") for path in (TOP / "tests/fuzz").glob("fuzz_*.c"))


def pytest(*words):
    return ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x" if "-x" in sys.argv else "-rf", *words]


def library(name):
    return subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()


# the server under the sanitizers is the stock binary, which is not instrumented: the runtime has to be preloaded, and the leak
# check is run by tests/e2e/leak_check.c when the server exits. The runtime must not follow __tls_get_addr: of a program that it is
# preloaded into it gets the blocks wrong, and the leak check then reads where nothing is mapped
def sanitized():
    options = f"suppressions={TOP}/tests/e2e/lsan.supp:print_suppressions=0"
    return {
        "SLUICE_BUILD": "build/asan",
        "SLUICE_EXTRA_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')} {TOP}/build/asan/leak-check.so",
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:intercept_tls_get_addr=0",
        "LSAN_OPTIONS": options,
    }


def checks():
    yield "format", [make("check-format")], {}
    yield "includes", [make("check-includes")], {}
    yield "documentation", [make("check-docs")], {}
    yield "build with clang", [make("CC=clang", "WERROR=1", "B=build/clang", "build/clang/sluice.so", "build/clang/sluice-loader.so", "units", "stress")], {}
    yield "build with gcc", [make("CC=gcc", "WERROR=1", "all", "units", "stress", "build/bench_lookup", "build/bench_policies")], {}
    yield "build for sanitizers", [make("WERROR=1", ASAN, "all", "units", "build/asan/leak-check.so"),
                                   make("WERROR=1", "SANITIZER=thread", "units", "stress")], {}
    yield "unit tests", programs("build/tests", "unit/test_*.c"), {}
    yield "unit tests, address and undefined-behaviour sanitizers", programs("build/asan/tests", "unit/test_*.c"), {}
    yield "corpora of the fuzz targets", [make("fuzzers"), *([f"build/fuzz/{name}", "-runs=0", f"tests/fuzz/corpus/{name}"] for name in fuzz_targets())], {}
    yield "thread tests, thread sanitizer", [
        *programs("build/tsan/tests", "unit/test_worker_pool*.c"), *programs("build/tsan/tests", "unit/test_pressure_[!l]*.c"),
        *programs("build/tsan/tests", "unit/test_pressure_listeners.c"), *programs("build/tsan/tests", "unit/test_health_slow.c"),
        *programs("build/tsan/tests", "unit/test_image_cache_[flors]*.c"), *programs("build/tsan/tests", "stress/stress_*.c"),
        *programs("build/tsan/tests", "unit/test_metadata_cache.c")], {"TSAN_OPTIONS": "halt_on_error=1"}
    yield "end to end", [pytest("tests/e2e")], {}
    yield "end to end, sanitizers", [pytest(*(f"tests/e2e/test_{name}.py" for name in ("pictures", "http", "conditional", "cache_status", "deadlines", "errors", "origin_errors", "origin_guard", "freshness", "coalescing", "shared_decoding", "clients", "hits", "purge", "admin", "signature", "events", "drain", "slow_requests", "simulate", "soak")))], sanitized()


def count(output, ok):
    """tests that passed and failed, as the runner's own closing lines say; a check without such lines is one test"""
    cmocka_passed = sum(int(n) for n in re.findall(r"^\[  PASSED  \] (\d+) test", output, re.M))
    cmocka_failed = sum(int(n) for n in re.findall(r"^\[  FAILED  \] .*?(\d+) test\(s\)", output, re.M))
    last = output.strip().splitlines()[-1] if output.strip() else ""
    pytest_passed = re.search(r"(\d+) passed", last)
    pytest_failed = sum(int(n) for n in re.findall(r"(\d+) (?:failed|errors?)", last))
    passed, failed = cmocka_passed, cmocka_failed
    if pytest_passed or pytest_failed:
        passed, failed = int(pytest_passed.group(1)) if pytest_passed else 0, pytest_failed
    if not ok and failed == 0:
        failed = 1
    if ok and passed == 0:
        passed = 1
    return passed, failed


def run(command, environment):
    done = subprocess.run(command, cwd=TOP, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode == 0, done.stdout


def main():
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    passed = failed = 0
    for name, commands, environment in checks():
        if wanted and not any(word in name for word in wanted):
            continue
        start = time.monotonic()
        print(f"== {name}", flush=True)
        here = [0, 0]
        for command in commands:
            ok, output = run(command, environment)
            p, f = count(output, ok)
            here[0] += p
            here[1] += f
            if f or "-v" in sys.argv:
                print(output, flush=True)
            if f:
                print(f"^^ failed: {' '.join(command)}", flush=True)
        print(f"   {here[0]} passed, {here[1]} failed ({time.monotonic() - start:.0f} s)", flush=True)
        passed += here[0]
        failed += here[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
