"""The scripts of vtc/, each a play of clients and an origin, run by varnishtest against a server of its own.

Besides varnishtest's own macros they have
    ${sluice}, ${url}   the server, as "address port" and as the beginning of a URL; /images is the origin, /api/health is there
    ${origin}           where the origin has to listen
    ${pictures}         the folder of test pictures
    ${await} NAME N     a shell command: waits until /api/health says that N operations of that name are under way
"""

from pathlib import Path

import pytest

import pictures
from harness import free_port, run

AWAIT = """#!/bin/sh
# await NAME N
for i in $(seq 500); do
    curl -sS '{url}/api/health' | grep -q "\\"$1\\":$2[,}}]" && exit
    sleep 0.02
done
echo "not within the deadline: $2 $1" >&2
exit 1
"""


@pytest.mark.parametrize("script", sorted(path.stem for path in (Path(__file__).parent / "vtc").glob("*.vtc")))
def test_vtc(sluice, tmp_path, script):
    port = free_port()
    paths = {"/images": {"image.origin": f"http://127.0.0.1:{port}/"}, "/api": {"health.api": "ON"}}
    server = sluice({"image.error-ttl": 0, "hosts": {"default": {"paths": paths}}})
    url = server.url("")
    (tmp_path / "await").write_text(AWAIT.format(url=url))
    macros = {
        "sluice": f"127.0.0.1 {server.port}",
        "url": url,
        "origin": f"127.0.0.1 {port}",
        "pictures": pictures.tests(),
        "await": f"sh {tmp_path}/await",
    }
    definitions = [f"-D{name}={value}" for name, value in macros.items()]
    done = run(["varnishtest", "-t", "40", *definitions, Path(__file__).parent / "vtc" / f"{script}.vtc"], timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
