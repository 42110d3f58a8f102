#!/usr/bin/python3
"""User-space instructions per hit, counted by valgrind's callgrind: the same on every run of the same binary, whatever else the
machine does. README.md says what it does not count.

Each server answers WARM_UP requests, then FEW, then MANY over one kept-alive connection; the difference between the last two, over
the difference of their numbers, is the cost of one request.
"""
import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hits
import servers

WARM_UP, FEW, MANY = 200, 500, 2500
START_DEADLINE_S = 120


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
            return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.folder}/callgrind.out"]

        def control(self, option):
            done = subprocess.run(["callgrind_control", option, str(self.popen.pid)], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"callgrind_control: {done.stdout}{done.stderr}")

        def instructions(self, requests):
            """What so many requests take, all of them answered."""
            self.control("-z")
            load(self, requests)
            dumps = set(self.folder.glob("callgrind.out.*"))
            self.control("-d")
            [dump] = set(self.folder.glob("callgrind.out.*")) - dumps
            totals = [line for line in dump.read_text().splitlines() if line.startswith(("totals:", "summary:"))]
            return int(totals[-1].split()[1])

    return Counted


def load(server, requests):
    done = subprocess.run(["h2load", f"-n{requests}", "-c1", "-t1", "--h1", server.url()], capture_output=True, text=True)
    if f"{requests} succeeded" not in done.stdout:
        raise SystemExit(f"{server.name}: not all requests succeeded:\n{done.stdout}{done.stderr}")


def per_request(server):
    load(server, WARM_UP)
    few, many = server.instructions(FEW), server.instructions(MANY)
    return (many - few) / (MANY - FEW)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=20, help="of the picture, in KB (default: 20)")
    options = parser.parse_args()
    servers.START_DEADLINE_S = START_DEADLINE_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        subprocess.run([servers.ROOT / "build/make-pictures", "bench", files], check=True, stdout=subprocess.DEVNULL)
        body = (files / f"{options.size}k.jpg").read_bytes()
        costs = {}
        for each in (servers.Sluice, servers.Constant, servers.FileDir):
            server = counted(each)(folder, files, 0)
            try:
                server.start()
                if isinstance(server, servers.Sluice):
                    body = hits.find_rendition(server, len(body))
                    (files / "picture.jpg").write_bytes(body)
                costs[server.name] = per_request(server)
            finally:
                server.stop()
        for label, cost in costs.items():
            print(f"{label:10} {cost:8,.0f} instructions per hit   {cost - costs['constant']:+8,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
