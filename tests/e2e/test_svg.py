"""Drawings (SVG), which are sources if image.svg is ON: their pixels beside those of rsvg-convert, and files that are made to hurt."""

import base64
import concurrent.futures
import gzip
import io
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from harness import Sluice
from origin import Origin
from problems import COMMON_SETTINGS, assert_error

BUDGET_BYTES = 512 << 20
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
SIZED = HEAD + 'width="60" height="40">'
ICON = HEAD + 'width="24" height="24"><circle cx="12" cy="12" r="9" fill="#c33"/><path d="M4 4L20 20" stroke="#00f" stroke-width=".5"/></svg>'
RED = '<rect width="60" height="40" fill="red"/>'


def bomb(step, first='<rect id="a0" width="60" height="40"/>'):
    return SIZED + "<defs>" + first + "".join(f'<g id="a{n}">' + step.format(n - 1) * 10 + "</g>" for n in range(1, 9)) + "</defs>" + step.format(8) + "</svg>"


def png(size=(2, 2)):
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


SOUND, REFUSED, BROKEN, TOO_LARGE = {200}, {"unbounded-drawing"}, {"broken-image", "not-an-image"}, {"too-many-pixels", "answer-too-large", "never-fits", "source-never-fits", "source-too-large"}


def hostile(port):
    """name: text or bytes, and what will do: 200, or one of these codes."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return {
        "laughs.svg": ('<!DOCTYPE svg [<!ENTITY l0 "ha">' + laughs + "]>" + SIZED + "<text>&l9;</text></svg>", REFUSED),
        "external.svg": ('<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + SIZED + "<text y='20'>&e;</text></svg>", REFUSED),
        "dtd.svg": (f'<!DOCTYPE svg SYSTEM "http://127.0.0.1:{port}/svg.dtd">' + SIZED + RED + "</svg>", SOUND),
        "namespace.svg": ('<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]><svg xmlns="&ns;" width="60" height="40">' + RED + "</svg>", SOUND),
        "file.svg": (SIZED + RED + '<image href="file:///etc/passwd" width="9" height="9"/></svg>', SOUND),
        "http.svg": (SIZED + RED + f'<image xlink:href="http://127.0.0.1:{port}/a.png" width="9" height="9"/><use href="http://127.0.0.1:{port}/b.svg#a"/></svg>', SOUND),
        "data.svg": (SIZED + f'<image xlink:href="{png()}" width="60" height="40" preserveAspectRatio="none"/></svg>', SOUND),
        "data-large.svg": (SIZED + f'<image xlink:href="{png((8000, 8000))}" width="60" height="40"/></svg>', REFUSED),
        "data-svg.svg": (SIZED + '<image xlink:href="data:image/svg+xml,%3Csvg/%3E" width="60" height="40"/></svg>', REFUSED),
        "script.svg": (SIZED + RED + f'<script href="http://127.0.0.1:{port}/a.js">for(;;);</script></svg>', SOUND),
        "import.svg": (SIZED + f"<style>@import url(http://127.0.0.1:{port}/a.css);</style>" + RED + "</svg>", REFUSED),
        "sheet.svg": (f'<?xml-stylesheet href="http://127.0.0.1:{port}/a.css"?>' + SIZED + RED + "</svg>", REFUSED | BROKEN),
        "huge.svg": (HEAD + 'width="1000000" height="1000000">' + RED + "</svg>", TOO_LARGE),
        "endless.svg": (HEAD + 'width="1e30" height="1e30">' + RED + "</svg>", TOO_LARGE | BROKEN | SOUND),
        "viewbox.svg": (HEAD + 'width="60" height="40" viewBox="0 0 1e30 1e30">' + RED + "</svg>", SOUND | BROKEN),
        "thin.svg": (HEAD + 'width="40000" height="1">' + RED + "</svg>", SOUND),
        "deep.svg": (SIZED + "<g>" * 100000 + "</g>" * 100000 + "</svg>", REFUSED),
        "many.svg": (SIZED + "<g/>" * 100000 + "</svg>", REFUSED),
        "large.svg": (SIZED + " " * (1 << 20) + "</svg>", TOO_LARGE),
        "filters.svg": (SIZED + '<filter id="f"><feGaussianBlur stdDeviation="1e9"/></filter>' * 4000 + "</svg>", REFUSED),
        "blur.svg": (SIZED + '<filter id="f"><feGaussianBlur stdDeviation="1e9"/></filter><rect filter="url(#f)" width="60" height="40"/></svg>', SOUND),
        "morphology.svg": (SIZED + '<filter id="f"><feMorphology radius="99999"/></filter><rect filter="url(#f)" width="60" height="40"/></svg>', REFUSED),
        "pattern.svg": (SIZED + '<pattern id="p" patternUnits="userSpaceOnUse" width="30000" height="30000"><rect width="30000" height="30000"/></pattern><rect fill="url(#p)" width="60" height="40"/></svg>', REFUSED),
        "use.svg": (bomb('<use xlink:href="#a{}"/>'), REFUSED),
        "mask.svg": (bomb('<g mask="url(#a{})"><rect width="9" height="9"/></g>', '<mask id="a0"><rect width="9" height="9"/></mask>'), REFUSED),
        "hidden-use.svg": (bomb('<use xlink:href="&#35;a{}"/>'), REFUSED),
        "sheet-use.svg": (bomb('<g class="c{}"/>').replace("<defs>", "<style>" + "".join(f".c{n}{{mask:url(#a{n})}}" for n in range(9)) + "</style><defs>"), REFUSED),
        "commented-use.svg": (bomb('<!-- > --><use title="/>" xlink:href="#a{}"/>'), REFUSED),
        "circle.svg": (SIZED + '<g id="a"><use xlink:href="#a"/></g>' + RED + "</svg>", SOUND | BROKEN),
        "selectors.svg": (SIZED + "<style>" + "a b{fill:red}" * 3000 + "</style>" + '<g class="b"/>' * 10000 + "</svg>", REFUSED),
        "zero.svg": (HEAD + 'width="0" height="0">' + RED + "</svg>", BROKEN),
        "empty.svg": (HEAD + "></svg>", BROKEN),
        "truncated.svg": (SIZED + RED + "<g>", BROKEN),
        "half.svg": (ICON[:-30], BROKEN | REFUSED),
        "utf16.svg": (ICON.encode("utf-16"), BROKEN),
        "utf7.svg": ('<?xml version="1.0" encoding="UTF-7"?>' + ICON, REFUSED | BROKEN),
        "packed.svg": (gzip.compress(ICON.encode()), BROKEN),
        "page.svg": ("<!doctype html><html><body>" + ICON + "</body></html>", BROKEN | REFUSED),
        "square.svg": (SIZED + '<g id="a">' + "<rect/>" * 5000 + "</g>" + '<use href="#a"/>' * 5000 + "</svg>", REFUSED),
    }  # fmt: skip


class Site:
    """A server with drawings, and somebody who should never be asked."""

    def __init__(self, folder):
        self.stranger = Origin(folder).start()
        self.files = hostile(self.stranger.port)
        for name, (content, _) in self.files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder / "icon.svg").write_text(ICON)
        (folder / "icon.jpg").write_text("\ufeff<!-- an icon -->\n" + ICON)
        (folder / "viewbox-only.svg").write_text(HEAD + 'viewBox="0 0 30 20">' + RED + "</svg>")
        (folder / "percent.svg").write_text(HEAD + 'width="100%" height="100%" viewBox="0 0 30 20">' + RED + "</svg>")
        (folder / "fraction.svg").write_text(HEAD + 'width="24.4" height="24.4" viewBox="0 0 24 24">' + ICON.partition(">")[2])
        settings = {"pressure.budget": BUDGET_BYTES, "image.transform-timeout": "5s", "image.workers": 2, "image.svg": "ON"}
        paths = {"/images": {"image.origin": str(folder)}, "/api": {"health.api": "ON"}}
        self.folder, self.server = folder, Sluice(folder, {**settings, "hosts": {"default": {"paths": paths}}})


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("svg"))
    with site.server as server:
        yield site
        assert peak_bytes(server) < BUDGET_BYTES
        assert server.stop()
    assert site.stranger.count() == 0
    site.stranger.stop()


def peak_bytes(server):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())[1]) << 10


def shown(body):
    return Image.open(io.BytesIO(body)).convert("RGBA")


def difference(a, b):
    """Mean per channel, on white."""
    white = [Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB") for image in (a, b)]
    return max(ImageStat.Stat(ImageChops.difference(*white)).mean)


@pytest.mark.parametrize("name", ["icon.svg", "icon.jpg", "fraction.svg"])
@pytest.mark.parametrize("side", [16, 24, 800, 4100])
def test_drawn_at_the_size_that_is_asked_for(site, name, side):
    answer = site.server.get(f"/images/{name}?w={side}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png"), answer.body[:300]
    command = ["rsvg-convert", "-w", str(side), "-h", str(side), str(site.folder / name)]
    expected = shown(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert shown(answer.body).size == expected.size == (side, side)
    assert difference(shown(answer.body), expected) < 0.1


@pytest.mark.parametrize("name, size", [("icon.svg", (24, 24)), ("viewbox-only.svg", (30, 20)), ("percent.svg", (30, 20))])
def test_size_without_options(site, name, size):
    assert shown(site.server.get(f"/images/{name}").body).size == size


@pytest.mark.parametrize(
    "query, size, type",
    [
        ("w=100&output=webp", (100, 100), "image/webp"),
        ("w=100&h=50&fit=cover", (100, 50), "image/png"),
        ("w=100&h=50&fit=contain&cbg=red", (100, 50), "image/png"),
        ("w=100&h=50&fit=fill", (100, 50), "image/png"),
        ("w=100&we", (24, 24), "image/png"),
        ("w=100&output=jpg&bg=white", (100, 100), "image/jpeg"),
    ],
)
def test_options(site, query, size, type):
    answer = site.server.get(f"/images/icon.svg?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, type), answer.body[:300]
    assert shown(answer.body).size == size


def test_description(site):
    said = site.server.get("/images/icon.svg?output=json").json()
    assert (said["format"], said["width"], said["height"]) == ("svg", 24, 24)


@pytest.mark.parametrize("name", hostile(0))
def test_hostile_drawing(site, name):
    answer = site.server.get(f"/images/{name}?w=60")
    wanted = site.files[name][1]
    assert (answer.status if answer.status == 200 else answer.json()["code"]) in wanted, (name, answer.status, answer.body[:300])
    assert site.server.get("/images/icon.svg?w=64").status == 200
    assert site.stranger.count() == 0


def test_nothing_is_drawn_of_what_is_elsewhere(site):
    for name in ("file.svg", "http.svg", "script.svg", "dtd.svg", "data.svg", "namespace.svg"):
        assert shown(site.server.get(f"/images/{name}?w=30").body).getcolors() == [(600, (255, 0, 0, 255))], name


def test_all_at_once(site):
    paths = [f"/images/{name}?w={width}" for width in (301, 302) for name in site.files]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = {answer.status for answer in pool.map(site.server.get, paths)}
    assert statuses <= {200, 413, 422, 503}
    assert peak_bytes(site.server) < BUDGET_BYTES
    assert site.server.get("/images/icon.svg?w=65").status == 200


def test_download_that_begins_slowly(sluice):
    """The first bytes say nothing yet."""
    with Origin() as origin:
        origin.script("/icon.svg", body=("<?xml version='1.0'?>" + "<!-- icon -->" * 30 + ICON).encode(), stop_after=25)
        paths = {"/images": {"image.origin": origin.url("/")}}
        server = sluice({"image.svg": "ON", "hosts": {"default": {"paths": paths}}})
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.get, "/images/icon.svg?w=100")
            origin.wait_for_request("/icon.svg")
            origin.wait_for(lambda: origin.seen("/icon.svg")[0].sent == 25)
            origin.release("/icon.svg")
            assert answer.result().status == 200, answer.result().body


def test_refusal_is_an_error_like_all_others(sluice, tmp_path):
    (tmp_path / "pattern.svg").write_text(SIZED + "<pattern/></svg>")
    paths = {"/images": {"image.origin": str(tmp_path)}}
    server = sluice({**COMMON_SETTINGS, "image.svg": "ON", "hosts": {"default": {"paths": paths}}})
    assert "image.svg" in assert_error(server.get("/images/pattern.svg"), "unbounded-drawing")


def test_off_by_default(sluice, tmp_path):
    (tmp_path / "icon.svg").write_text(ICON)
    server = sluice({"hosts": {"default": {"paths": {"/images": {"image.origin": str(tmp_path)}}}}})
    answer = server.get("/images/icon.svg?w=100")
    assert (answer.status, answer.json()["code"]) == (422, "not-an-image")
    assert "image.svg" in answer.json()["detail"]
