"""A storm: many clients that want large pictures of a server whose memory cgroup has a hard limit, and what came of it.

    files = storm.files(folder, 10)
    with storm.Origin(folder) as origin, storm.group_for(budget) as group:
        outcome = storm.over_sluice(another_folder, origin, storm.Order(files), budget, group)

Origin (storm_origin.py), clients (storm_clients.py says what they do) and prober (storm_prober.py) are processes of their own, outside
of that cgroup. bench/torture.py and test_torture.py decide what an outcome has to be.
"""

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

import cgroups
import clients
import harness
import pictures

HERE = Path(__file__).parent
MIB = 1 << 20
HEADROOM = 1.1  # the hard limit, of the budget

# how often askers want what: in per cent of the large pictures
WEIGHTS = {"progressive-jpeg": 30, "interlaced-png": 20, "webp": 20, "baseline-jpeg": 15, "plain-png": 15}
# and of a hundred requests, how many are not just for one of these
SPECIAL = {"shared": 10, "hang-up": 4, "stall-head": 1, "stall-body": 1, "small": 6}
# what can be decoded beside the server itself within a small budget; in larger ones it is all of them
FITTING = {128 * MIB: ("progressive-jpeg", "webp", "baseline-jpeg", "plain-png")}
SMALL = ("baseline.jpg", "rgb.png", "lossy.webp", "rgba.png")
WIDTH = 300
BIG, BIG_WIDTH = "noise.jpg", 2000  # of which a rendition of its own size has several megabytes


def files(folder, count):
    """Puts `count` large pictures, some small ones and BIG into a folder; returns the large ones' names by kind."""
    by_kind = {kind: [] for kind in pictures.LARGE_KINDS}
    for number, path in enumerate(pictures.large(count)):
        by_kind[pictures.LARGE_KINDS[number % len(by_kind)]].append(path.name)
        Path(folder, path.name).symlink_to(path)
    for name in SMALL:
        Path(folder, name).symlink_to(pictures.tests() / name)
    noise = Image.effect_noise((BIG_WIDTH, BIG_WIDTH * 3 // 4), 80)
    Image.merge("RGB", (noise, noise.transpose(Image.FLIP_LEFT_RIGHT), noise)).save(Path(folder, BIG), quality=90)
    return by_kind


def fitting(budget_bytes):
    """The kinds of large pictures that have to be served within a budget."""
    return FITTING.get(budget_bytes, tuple(WEIGHTS))


def may_be_too_large(budget_bytes):
    """What may be answered 413."""
    others = tuple(kind for kind in WEIGHTS if kind not in fitting(budget_bytes))
    return (*others, "shared", "stall-head", "stall-body") if others else ()


@dataclasses.dataclass
class Order:
    """What storm_clients.py is told."""

    files: dict
    url: str = ""  # with {path}, {width} and {quality}
    port: int = 0
    seed: int = 1
    connections: int = 64
    seconds: float = 20
    drain_s: float = 10  # so long the last answers are waited for; then the clients hang up
    requests: int = None  # per connection; None: as many as there is time for
    keep: str = None
    keep_each: int = 20
    weights: dict = dataclasses.field(default_factory=lambda: WEIGHTS)
    special: dict = dataclasses.field(default_factory=lambda: SPECIAL)
    small: tuple = SMALL
    width: int = WIDTH
    big: str = BIG
    big_width: int = BIG_WIDTH
    may_be_too_large: tuple = ()

    def json(self):
        return json.dumps(dataclasses.asdict(self))


# --- the processes


class Origin:
    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        command = [sys.executable, HERE / "storm_origin.py", self.folder]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.popen.stdout.readline())
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class Sluice(harness.Sluice):
    """In a memory cgroup of its own, if `group` is one."""

    group = None

    def command(self, *options):
        command = super().command(*options)
        return self.group.inside(command) if self.group else command


def config(origin, budget_bytes=None, **settings):
    """The defaults but for the budget; clients see what they see by default."""
    paths = {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    budget = {"pressure.budget": budget_bytes} if budget_bytes else {}
    return {**budget, **settings, "hosts": {"default": {"paths": paths}}}


SLUICE_URL = "/images/{path}?w={width}&q={quality}"


def group_for(budget_bytes, skip=False):
    return cgroups.MemoryGroup(int(budget_bytes * HEADROOM), skip=skip)


# --- what is watched meanwhile


def peak_bytes(pid):
    """The most that was ever resident; None if there is no such process any more."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) << 10 if found else None


class Watch(clients.Background):
    """Looks at the server twice a second, in a thread of its own: the peak of its resident set, and what /metrics says if there is
    one (a harness.Sluice)."""

    PERIOD_S = 0.5
    GAUGES = (
        "sluice_images_in_progress", "sluice_transform_queued", "sluice_origin_fetches_in_progress", "sluice_requests_in_progress",
        'sluice_pressure_reserved_bytes{class="source"}', 'sluice_pressure_reserved_bytes{class="decode"}', "sluice_pressure_level",
        "sluice_pressure_resident_bytes", "sluice_image_cache_bytes", "sluice_image_cache_pinned_bytes", "sluice_libvips_memory_bytes",
    )  # fmt: skip

    def __init__(self, pid, server=None):
        self.pid, self.server = pid, server
        self.peak, self.rows = 0, []
        super().__init__()

    def _run(self):
        began = time.monotonic()
        while True:
            self.peak = max(self.peak, peak_bytes(self.pid) or 0)
            if self.server:
                with contextlib.suppress(Exception):  # it may be gone; the verdict says so
                    values = clients.metrics(self.server)
                    gauges = {name: values[name] for name in self.GAUGES if name in values}
                    self.rows.append((round(time.monotonic() - began, 2), gauges))
            if self.stopped.wait(self.PERIOD_S):
                break
        self.peak = max(self.peak, peak_bytes(self.pid) or 0)

    def mean(self, name):
        values = [row[name] for _, row in self.rows if name in row]
        return sum(values) / len(values) if values else 0

    def share_without(self, name):
        """How often it was 0, of all times it was looked at."""
        values = [row[name] for _, row in self.rows if name in row]
        return sum(not value for value in values) / len(values) if values else 0


class Prober:
    """storm_prober.py while the block runs; `report` is what it said."""

    def __init__(self, *targets):
        self.targets, self.report = targets, None

    def __enter__(self):
        command = [sys.executable, HERE / "storm_prober.py", *self.targets]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        out = self.popen.communicate()[0]
        self.report = json.loads(out) if self.popen.returncode == 0 else {}


# --- the storm


def rain(order, judged=True):
    """Runs the clients to their end; their report, with the answers that could not be decoded among the faults. A server that is not
    judged is only counted."""
    with tempfile.TemporaryDirectory() as folder:
        order = dataclasses.replace(order, keep=folder)
        command = [sys.executable, HERE / "storm_clients.py"]
        deadline_s = order.seconds + order.drain_s + 60
        done = harness.run(command, input=order.json(), timeout=deadline_s)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        for number, path in enumerate(report["kept"] if judged else []):
            wrong = what_is_wrong(path, Path(folder, str(number)).read_bytes(), order.width)
            if wrong:
                report["faults"].append(f"{path}: {wrong}")
                report["num_faults"] += 1
    return report


def what_is_wrong(path, body, width):
    """With the answer to a large picture, or None."""
    number = int(re.search(r"large-(\d+)", path)[1])
    try:
        image = pictures.decode(body).convert("RGB")
    except ValueError as problem:
        return str(problem)
    if image.size != (width, round(width * 2 / 3)):
        return f"{image.size} instead of {width} pixels wide"
    seen, wanted = image.getpixel((image.width // 2, image.height // 2)), pictures.colour_of_large(number)
    if max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) > 8:  # as much as JPEG may take
        return f"shows {seen} in the middle instead of {wanted}"
    return None


def warm(order):
    """Puts into the cache what hits are made of."""
    for file in order.small:
        path = order.url.format(path=f"plain/warm/{file}", width=100, quality=80)
        done = harness.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{order.port}{path}"])
        assert done.stdout == "200", (path, done.stdout, done.stderr)


@dataclasses.dataclass
class Outcome:
    """Of one storm against one server."""

    report: dict
    probes: dict
    watch: Watch
    alive: bool
    cpu_s: float
    budget_bytes: int = None
    kills: int = 0
    group_peak_bytes: int = None
    left_over: dict = dataclasses.field(default_factory=dict)

    def per_second(self):
        return self.report["pictures_timely"] / max(self.report["seconds"], 0.001)

    def asked(self):
        """How often askers asked for what."""
        total = {"hang-up": self.report["hung_up"].get("at random", 0)}
        for name, count in self.report["answers"].items():
            what = name.partition(" ")[0]
            if what not in ("warm", "slow"):
                total[what] = total.get(what, 0) + count
        return total

    def by_status(self):
        """{"200": number of answers, "503 no-room": ..., "no answer": ...}"""
        total = {}
        for name, count in self.report["answers"].items():
            status = name.partition(" ")[2]
            total[status] = total.get(status, 0) + count
        return dict(sorted(total.items()))


def over_sluice(folder, origin, order, budget_bytes=None, group=None, **settings):
    """One storm over a Sluice of its own, in `group` if that is one. Returns the Outcome."""
    server = Sluice(folder, config(origin, budget_bytes, **settings))
    server.group = group
    with server:
        order = dataclasses.replace(order, port=server.port, url=SLUICE_URL, may_be_too_large=may_be_too_large(budget_bytes))
        warm(order)
        cpu_s = server.cpu_seconds()
        with Watch(server.process.pid, server) as watch:
            with Prober(f"health:{server.port}:/api/health") as prober:
                report = rain(order)
        outcome = Outcome(report, prober.report, watch, server.process.is_alive(), 0, budget_bytes)
        if outcome.alive:
            outcome.cpu_s = server.cpu_seconds() - cpu_s
            outcome.left_over = rest_of(server)
        if group:
            outcome.kills, outcome.group_peak_bytes = group.oom_kills(), group.peak_bytes()
        return outcome


def rest_of(server, deadline_s=40):
    """What is still held some time after the last client has left: {} if nothing."""
    with contextlib.suppress(AssertionError, OSError):
        harness.wait_for(lambda: not clients.left_over(server), deadline_s, "")
        return {}
    with contextlib.suppress(OSError):
        return clients.left_over(server)
    return {"server": "does not answer"}
