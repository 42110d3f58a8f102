#!/usr/bin/python3
"""Memory of single transforms beside the estimate that is reserved for them: see bench/README.md."""

import argparse
import fnmatch
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/bench-estimates"
SIZES = {"small": (120, 80), "1": (1200, 800), "6": (3000, 2000), "24": (6000, 4000), "wide": (16000, 1500), "tall": (1500, 16000)}
MB = 1e6
SPARE = 6 * 2**20  # that an estimate may be above 1.3 times what was measured


def query(output, size):
    """"300:jpg", "2000:webp@90:cover", "full:png", "300:jpg:cover:a=entropy:ro=90" -> the query of an URL, which may be given itself"""
    if "=" in output.split(":")[0]:
        return output
    side, form, fit, *more = [*output.split(":"), *["inside"] * (output.count(":") < 2)]
    form, _, quality = form.partition("@")
    width, height = size
    words = [f"output={form}", f"fit={fit}", *([f"q={quality}"] if quality else []), *more]
    if side == "full":
        words.append(f"w={width}")
    elif fit == "inside":
        words.append(f"w={side}" if width <= 4 * height else f"h={int(side) // 4}")
    else:
        words += [f"w={side}", f"h={side}"]
    return "&".join(words)


def source(folder, kind, size):
    width, height = SIZES[size]
    subprocess.run([PROGRAM, "source", folder, kind, str(width), str(height)], check=True)
    return folder / f"{kind}-{width}x{height}"


def measure(folder, kind, size, output, runs):
    small = source(folder, kind, "small")
    large = source(folder, kind, size)
    command = [PROGRAM, "run", large, query(output, SIZES[size]), small]
    worst = (0, 0, 0)
    for _ in range(runs):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            return None
        worst = max(worst, tuple(map(int, done.stdout.split())))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/estimates", help="where the sources are kept")
    parser.add_argument("--kinds", default="*", help="patterns of names as of files, separated by commas; see the program's list")
    parser.add_argument("--sizes", default="6,24", help="of " + ",".join(SIZES))
    parser.add_argument("--outputs", default="300:jpg", help="side:format[@quality][:fit[:option=value...]], or a query, separated by commas; the side may be full")
    parser.add_argument("--runs", type=int, default=1, help="of each case, of which the worst counts")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    kinds = subprocess.run([PROGRAM, "kinds"], check=True, capture_output=True, text=True).stdout.split()
    low = high = 0
    print(f"{'source':24} {'size':>5} {'output':18} {'taken MB':>9} {'estimate':>9} {'ratio':>6}", flush=True)
    for kind in kinds:
        if not any(fnmatch.fnmatch(kind, pattern) for pattern in args.kinds.split(",")):
            continue
        for size in args.sizes.split(","):
            for output in args.outputs.split(","):
                result = measure(args.folder, kind, size, output, args.runs)
                if result is None:
                    print(f"{kind:24} {size:>5} {output:18} {'refused':>9}", flush=True)
                    continue
                taken, estimate, _ = result
                verdict = "LOW" if taken > estimate else "high" if size not in "1" and estimate > 1.3 * taken + SPARE else ""
                low += verdict == "LOW"
                high += verdict == "high"
                print(f"{kind:24} {size:>5} {output:18} {taken / MB:9.1f} {estimate / MB:9.1f} {taken / estimate:6.2f} {verdict}", flush=True)
    print(f"{low} estimates too low, {high} above 1.3 times the memory taken + 6 MiB")
    return low != 0


if __name__ == "__main__":
    sys.exit(main())
