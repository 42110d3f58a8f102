#!/usr/bin/python3
"""User-space instructions per hit, and calls to the allocator, counted by valgrind's callgrind: the same on every run of the same
binary, whatever else the machine does. README.md says what it does not count.

Each server answers WARM_UP requests, then FEW, then MANY over one kept-alive connection; the difference between the last two, over
the difference of their numbers, is the cost of one request.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import hits
import load
import servers

WARM_UP, FEW, MANY = 200, 500, 2500
START_DEADLINE_S = 120
ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # of Chrome
ALLOCATOR = ("malloc", "calloc", "realloc", "free")
CALL = re.compile(r"^calls=(\d+)")
CALLED = re.compile(r"^cfn=\((\d+)\)(?: (.*))?")
FUNCTION = re.compile(r"^fn=\((\d+)\)(?: (.*))?")
RECURSION = re.compile(r"'\d+$")


class Sluice(servers.Sluice):
    """Without its observer, which looks once a second: under callgrind, where seconds hold a hundredth of the requests, that would
    count as theirs."""

    module = servers.ROOT / "build/sluice-no-observer.so"


def read_dump(path):
    """The instructions of one of callgrind's files, and the calls of each function. A name stands where its number first occurs."""
    names, calls, total, called = {}, Counter(), 0, None
    for line in path.read_text(errors="replace").splitlines():
        if found := CALLED.match(line) or FUNCTION.match(line):
            if found[2]:
                names[found[1]] = RECURSION.sub("", found[2])
            if line.startswith("cfn="):
                called = found[1]
        elif found := CALL.match(line):
            calls[called] += int(found[1])
        elif line.startswith(("totals:", "summary:")):
            total = int(line.split()[1])
    by_name = Counter()
    for number, count in calls.items():
        by_name[names[number]] += count
    return total, by_name


def counted(server_class):
    """The server, run under callgrind."""

    class Counted(server_class):
        def command(self):
            words = super().command()
            if words[0] == str(servers.Sluice.starter):
                loader = servers.ROOT / "build/sluice-loader.so"
                words = ["env", f"LD_PRELOAD={loader}", *self.valgrind(), servers.program("h2o"), *words[1:]]
            else:
                words = [*self.valgrind(), *words]
            return words

        def valgrind(self):
            return ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={self.folder}/callgrind.out"]

        def control(self, option):
            done = subprocess.run(["callgrind_control", option, str(self.popen.pid)], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"callgrind_control: {done.stdout}{done.stderr}")

        def count(self, requests, options):
            """What so many requests take, all of them answered, on the event loop of their connection: the busiest thread. What others do
            once a second would count for more the longer valgrind takes."""
            self.control("-z")
            ask(self, requests, options)
            dumps = set(self.folder.glob("callgrind.out.*"))
            self.control("-d")
            return max((read_dump(dump) for dump in set(self.folder.glob("callgrind.out.*")) - dumps), key=lambda read: read[0])

    return Counted


def ask(server, requests, options):
    done = subprocess.run(
        ["h2load", f"-n{requests}", "-c1", "-t1", *options, server.url("picture")], capture_output=True, text=True
    )
    if f"{requests} succeeded" not in done.stdout:
        raise SystemExit(f"{server.name}: not all requests succeeded:\n{done.stdout}{done.stderr}")


def per_request(server, options):
    """Instructions, and {function: calls}"""
    ask(server, WARM_UP, options)
    few, few_calls = server.count(FEW, options)
    many, many_calls = server.count(MANY, options)
    calls = {name: (many_calls[name] - few_calls[name]) / (MANY - FEW) for name in ALLOCATOR}
    return (many - few) / (MANY - FEW), calls


def measure(files, folder, size):
    """{(what is asked for, server's name): (instructions, calls)}"""

    pictures = hits.Pictures(files, ["picture"], size)
    costs = {}
    for each in (Sluice, servers.Constant, servers.FileDir):
        server = counted(each)(folder, files, load.Cores.usable())
        try:
            server.start()
            if isinstance(server, servers.Sluice):
                pictures.serve(hits.find_rendition(server, "picture", len(pictures.body)))
            etag = load.fetch(server, "picture", "h1").headers["etag"]
            costs["200, HTTP/1.1", server.name] = per_request(server, ("--h1",))
            costs["200, HTTP/2", server.name] = per_request(server, ())
            if each is not servers.Constant:
                costs["304, HTTP/1.1", server.name] = per_request(server, ("--h1", "-H", f"If-None-Match: {etag}"))
            if isinstance(server, servers.Sluice):
                costs["200, Accept", server.name] = per_request(server, ("--h1", "-H", f"Accept: {ACCEPT}"))
                server.pattern += "&auto=format"
                costs["200, auto=format", server.name] = per_request(server, ("--h1", "-H", f"Accept: {ACCEPT}"))
        finally:
            server.stop()
    return costs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=20, help="of the picture, in KB (default: 20)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave callgrind's files there, for callgrind_annotate")
    options = parser.parse_args()
    servers.START_DEADLINE_S = START_DEADLINE_S
    with hits.folder_in_memory() as folder:
        if options.keep:
            folder = options.keep
            folder.mkdir()
        costs = measure(folder / "files", folder, options.size)
    print(f"{'':17}{'':10}{'instructions':>14}{'over constant':>15}" + "".join(f"{name:>9}" for name in ALLOCATOR))
    for (what, name), (cost, calls) in sorted(costs.items()):
        ceiling = costs.get((what, servers.Constant.name))
        over = f"{cost - ceiling[0]:+15,.0f}" if ceiling else f"{'-':>15}"
        print(f"{what:17}{name:10}{cost:14,.0f}{over}" + "".join(f"{calls[each]:9.2f}" for each in ALLOCATOR))
    return 0


if __name__ == "__main__":
    sys.exit(main())
