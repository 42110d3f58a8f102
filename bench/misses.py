#!/usr/bin/python3
"""What a picture costs that is in no cache: Sluice beside ipx with sharp. README.md says how it measures and how to read it."""

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import hits
import ipx
import load
import quality
import servers

WIDTH = 300
ORIGIN = servers.ROOT / "tests/e2e/storm_origin.py"
MIB = 1 << 20

# quality is what Sluice is asked for, where its default makes another trade between bytes and likeness than that of sharp
Cell = namedtuple("Cell", "name file output quality", defaults=[None])
CELLS = (
    Cell("jpeg-6", "jpeg-6.jpg", "jpg"),
    Cell("jpeg-24", "jpeg-24.jpg", "jpg"),
    Cell("jpeg-24-progressive", "jpeg-24-progressive.jpg", "jpg"),
    Cell("jpeg-6-profile", "jpeg-6-profile.jpg", "jpg"),
    Cell("png-png", "rgb-6.png", "png"),
    Cell("png-jpeg", "rgb-6.png", "jpg"),
    Cell("png-alpha-png", "rgba-6.png", "png"),
    Cell("webp-webp", "lossy-6.webp", "webp", 80),
    Cell("jpeg-webp", "jpeg-6.jpg", "webp", 80),
    Cell("jpeg-avif", "jpeg-6.jpg", "avif", 53),
    Cell("avif-jpeg", "avif-1.5.avif", "jpg"),
)
SIZES = {"24": (6000, 4000), "6": (3000, 2000), "1.5": (1500, 1000)}
Sample = namedtuple("Sample", "requests seconds cpu_seconds peak_bytes speed")


# --- the pictures


def vips(*words):
    subprocess.run(["vips", *map(str, words)], check=True, env={**os.environ, "VIPS_WARNING": "0"})


def photo_of(folder, photo, megapixels):
    """An uncompressed picture of that many megapixels: a photo, filled up with the noise of a sensor, or a painted one."""
    width, height = SIZES[megapixels]
    target = folder / f"{megapixels}.v"
    if photo is None:
        subprocess.run([servers.ROOT / "build/bench-estimates", "source", folder, "png-rgb", str(width), str(height)], check=True)
        vips("copy", folder / f"png-rgb-{width}x{height}", target)
        return target
    scaled, noise, sum_ = (folder / f"{name}.v" for name in ("scaled", "noise", "sum"))
    vips("thumbnail", photo, scaled, width, "--height", height, "--size", "both", "--crop", "centre")
    vips("gaussnoise", noise, width, height, "--sigma", 5)
    vips("add", scaled, noise, sum_)
    vips("cast", sum_, target, "uchar")
    for file in (scaled, noise, sum_):
        file.unlink()
    return target


def make_pictures(folder, photo, names):
    raw = {megapixels: photo_of(folder, photo, megapixels) for megapixels in SIZES if any(f"-{megapixels}" in n for n in names)}
    alpha = folder / "alpha.v"
    for name in names:
        source, target = raw[re.search(r"-([\d.]+)[-.]", name)[1]], folder / "files" / name
        if name.startswith("rgba"):
            vips("extract_band", source, folder / "band.v", 1)
            vips("bandjoin", f"{source} {folder / 'band.v'}", alpha)
            vips("pngsave", alpha, target, "--compression", 6, "--filter", "all")
        elif name.endswith(".png"):
            vips("pngsave", source, target, "--compression", 6, "--filter", "all")
        elif name.endswith(".webp"):
            vips("webpsave", source, target, "--Q", 80)
        elif name.endswith(".avif"):
            vips("heifsave", source, target, "--compression", "av1", "--Q", 60, "--effort", 2)
        else:
            options = ("--interlace",) if "progressive" in name else ("--profile", "srgb") if "profile" in name else ()
            vips("jpegsave", source, target, "--Q", 90, *options)


def make_reference(folder, file):
    """The whole picture, decoded without a shortcut, and scaled by one convolution, with colours weighted by alpha."""
    whole, ready, scaled, target = (folder / name for name in ("whole.v", "ready.v", "scaled.v", f"{file.name}.reference.png"))
    vips("copy", file, whole)
    width, bands = (int(quality.ask("vipsheader", "-f", field, whole)) for field in ("width", "bands"))
    has_alpha = bands in (2, 4)
    vips("premultiply", whole, ready) if has_alpha else vips("cast", whole, ready, "float")  # integers are rounded on every step
    vips("resize", ready, scaled, WIDTH / width, "--gap", 0, "--kernel", "lanczos3")
    vips("unpremultiply" if has_alpha else "copy", scaled, ready)
    vips("round", ready, scaled, "rint")
    vips("cast", scaled, ready, "uchar")
    vips("copy", ready, target)
    return quality.pixels(target)


class Origin:
    """A process of its own, outside of what is measured: serves each file under as many names as are asked for."""

    def __enter__(self):
        self.popen = subprocess.Popen([sys.executable, ORIGIN, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.popen.stdout.readline())
        return self

    def __init__(self, folder):
        self.folder = folder

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()


# --- the servers


def processes(pid):
    """A process and its living descendants."""
    found = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += processes(int(child))
    return found


class Sluice(servers.Sluice):
    """Its cache is small, so that the peak of its memory is what work takes, and not what it keeps."""

    def __init__(self, folder, origin):
        super().__init__(folder, folder, load.Cores.usable())
        self.origin, self.workers = origin, 1

    def first_lines(self):
        return {"load-module": str(self.module), "pressure.budget": "2GB", "image-cache.capacity": "32MB",
                "image-cache.max-object-size": "32MB"}  # fmt: skip

    def config(self):
        return {"hosts": {"default": {"paths": {"/images": {"image.origin": self.origin.url("/plain/")}}}}}

    def target(self, cell, number):
        quality_ = f"&q={cell.quality}" if cell.quality else ""
        return f"/images/{number}/{cell.file}?w={WIDTH}&output={cell.output}{quality_}"


class SluiceAgain(Sluice):
    """The same once more: the difference between the two is what the noise of this run can do."""

    name = "sluice again"


class Ipx(ipx.Ipx):
    """On the same interface as a Server."""

    name = "ipx"

    class NoGroup:
        popen = staticmethod(subprocess.Popen)

    def __init__(self, folder, origin):
        super().__init__(folder, self.NoGroup, origin)
        self.origin = origin

    def start(self):
        return self.__enter__()

    def stop(self):
        self.__exit__()

    def cpu_seconds(self):
        return servers.cpu_seconds(self.popen.pid)

    def target(self, cell, number):
        kind = "jpeg" if cell.output == "jpg" else cell.output
        return f"/w_{WIDTH},f_{kind}/{self.origin.url('/plain/')}{number}/{cell.file}"


SERVERS = (Sluice, SluiceAgain, Ipx)
numbers = itertools.count(1)


# --- the load


def fetch(connection, server, cell):
    connection.request("GET", server.target(cell, next(numbers)))
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{server.name} answers {answer.status} in cell {cell.name}: {body[:300]!r}")
    return body


def ask_once(server, cell):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        return fetch(connection, server, cell)


def ask(server, cell, seconds, connections):
    """Each connection asks for one picture after the other that nobody has asked for before, until the time is over; answers that
    are under way then are waited for, and count. Returns their number, and how long it took."""
    failed, counts, began = [], [], time.perf_counter()

    def client():
        count, connection = 0, http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while time.perf_counter() - began < seconds and not failed:
                fetch(connection, server, cell)
                count += 1
        except BaseException as problem:
            failed.append(problem)
        finally:
            connection.close()
            counts.append(count)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(str(failed[0]))
    return sum(counts), time.perf_counter() - began


def peak_bytes(pid):
    text = [Path(f"/proc/{each}/status").read_text() for each in processes(pid)]
    return sum(int(re.search(r"VmHWM:\s+(\d+)", each)[1]) for each in text) << 10


def take_sample(server, cell, cores, options):
    tries = []
    for _ in range(1 + options.retries):
        before = cores.speed()
        os.sched_setaffinity(0, cores.both)  # which measuring has changed
        for each in processes(server.popen.pid):
            Path(f"/proc/{each}/clear_refs").write_text("5")
        used = server.cpu_seconds()
        count, took = ask(server, cell, options.seconds, options.connections)
        used = server.cpu_seconds() - used
        peak = peak_bytes(server.popen.pid)
        tries.append(Sample(count, took, used, peak, min(before, cores.speed())))
        os.sched_setaffinity(0, cores.both)
        if cores.is_full(tries[-1].speed):
            break
    return max(tries, key=lambda sample: sample.speed)


def measure(cell, folder, origin, cores, options):
    """{server's name: (samples, an answer)}"""
    classes = [each for each in SERVERS if each is not Ipx or options.ipx]
    results = {}
    with contextlib.ExitStack() as stack:
        running = []
        for each in classes:
            here = folder / f"{cell.name}-{each.name}".replace(" ", "-")
            here.mkdir()
            here.chmod(0o755)
            server = each(here, origin)
            stack.callback(server.stop)
            server.start()
            running.append(server)
        for server in running:
            results[server.name] = ([], ask_once(server, cell))
            ask(server, cell, 1, options.connections)
        for _ in range(options.rounds):
            random.shuffle(running)
            for server in running:
                results[server.name][0].append(take_sample(server, cell, cores, options))
    return results


# --- the report


def per_second(sample):
    return sample.requests / sample.seconds


def cpu_ms(sample):
    return sample.cpu_seconds / sample.requests * 1e3


def ratio(results, one, other, figure):
    """The median, the least and the largest of the ratios within a round."""
    pairs = [figure(a) / figure(b) for a, b in zip(results[one][0], results[other][0])]
    return statistics.median(pairs), min(pairs), max(pairs)


def judge(body, output, reference, folder):
    file = folder / f"answer.{output}"
    file.write_bytes(body)
    return round(quality.ssim(quality.pixels(file), reference), 4), round(float(quality.psnr(quality.pixels(file), reference)), 2)


def report(cell, results, reference, folder, cores):
    size = (folder / "files" / cell.file).stat().st_size
    print(f"{cell.name}: {cell.file}, {size / 1e6:.1f} MB -> {cell.output}, {WIDTH} wide")
    print(f"{'':14}{'per s':>8}{'CPU ms':>9}{'peak MiB':>10}{'bytes':>9}{'SSIM':>9}{'PSNR':>8}{'full speed':>12}")
    rows = {}
    for name, (samples, body) in results.items():
        likeness, noise = judge(body, cell.output, reference, folder)
        rows[name] = row = {
            "per_second": statistics.median(map(per_second, samples)), "cpu_ms": statistics.median(map(cpu_ms, samples)),
            "peak_bytes": max(sample.peak_bytes for sample in samples), "bytes": len(body), "ssim": likeness, "psnr": noise,
            "at_full_speed": sum(cores.is_full(sample.speed) for sample in samples), "samples": [s._asdict() for s in samples],
        }  # fmt: skip
        print(
            f"{name:14}{row['per_second']:>8.1f}{row['cpu_ms']:>9.1f}{row['peak_bytes'] / MIB:>10.0f}{row['bytes']:>9}{likeness:>9.4f}"
            f"{noise:>8.2f}{row['at_full_speed']:>8}/{len(samples)}"
        )
    for other in ("ipx", "sluice again"):
        if other in results:
            speed, cpu = (ratio(results, "sluice", other, figure) for figure in (per_second, cpu_ms))
            rows[other].update(speed_ratio=speed, cpu_ratio=cpu)
            print(f"sluice / {other}: {speed[0]:.2f} x as many a second ({speed[1]:.2f} to {speed[2]:.2f}), "
                  f"{cpu[0]:.2f} x the CPU time ({cpu[1]:.2f} to {cpu[2]:.2f})")  # fmt: skip
    print(flush=True)
    return rows


def table(facts):
    lines = ["| | a second | CPU ms | SSIM | bytes | ipx: a second | CPU ms | SSIM | bytes | ratio |", "|---" * 10 + "|"]
    for name, rows in facts.items():
        each = [rows[server] for server in ("sluice", "ipx")]
        figures = [f"{r['per_second']:.0f} | {r['cpu_ms']:.1f} | {r['ssim']:.3f} | {r['bytes']}" for r in each]
        lines.append(f"| {name} | {' | '.join(figures)} | {rows['ipx']['speed_ratio'][0]:.2f} |")
    return "\n".join(lines)


def parse_options():
    names = [cell.name for cell in CELLS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=hits.choices(names), default=names, help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="samples per server (5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a sample (3)")
    parser.add_argument("--connections", type=int, default=4, help="that ask at the same time (4)")
    parser.add_argument("--retries", type=int, default=1, help="for a sample in which a core was slow (1)")
    parser.add_argument("--photo", type=Path, help="blown up for the sources; default: a painted picture")
    parser.add_argument("--no-ipx", dest="ipx", action="store_false", help="Sluice alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    return parser.parse_args()


def main():
    options = parse_options()
    missing = ipx.install() if options.ipx else "not asked for"
    if missing:
        print(f"without ipx: {missing}")
        options.ipx = False
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cores, facts = load.Cores(), {}
    os.sched_setaffinity(0, cores.both)
    cells = [cell for cell in CELLS if cell.name in options.cells]
    with hits.folder_in_memory() as folder:
        (folder / "files").mkdir()
        make_pictures(folder, options.photo, sorted({cell.file for cell in cells}))
        with Origin(folder / "files") as origin:
            for cell in cells:
                reference = make_reference(folder, folder / "files" / cell.file)
                facts[cell.name] = report(cell, measure(cell, folder, origin, cores, options), reference, folder, cores)
    if options.ipx:
        print(f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections; {ipx.version()}\n\n{table(facts)}")
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
