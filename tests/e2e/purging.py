"""What the tests of purges and of the admin token share: a server with a token, pictures with versions, and purges.

The pictures are grey, and as light as their version says: a rendition shows of which one it was made.
"""

import io
import json

import pytest
from PIL import Image

import pictures
from origin import Origin

TOKEN = "a-token-of-the-tests-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WIDTHS = (4, 6, 8, 10, 12)
ROUTE = "/api/cache/purge"


def png(version, size=(16, 16), noisy=False):
    picture, file = Image.new("L", size, version * 10), io.BytesIO()
    if noisy:  # but for the corner that version_of() looks at
        picture.paste(Image.effect_noise((size[0], size[1] - 100), 80), (0, 100))
    picture.save(file, "png")
    return file.getvalue()


def version_of(answer):
    assert answer.status == 200, (answer, answer.body)
    return round(pictures.decode(answer.body).convert("L").getpixel((0, 0)) / 10)


@pytest.fixture
def origin():
    with Origin() as origin:
        yield origin


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def start(sluice, token_file):
    """start(paths) or start(hosts=...) starts a server whose token is TOKEN."""

    def start_server(paths=None, hosts=None, **settings):
        hosts = hosts or {"default": paths}
        hosts = {name: {"paths": {**paths, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}} for name, paths in hosts.items()}
        limits = {"health.admin-token": str(token_file), "image.origin-timeout": "5m", "image.queue-timeout": "5m"}
        return sluice({**limits, **settings, "hosts": hosts})

    return start_server


@pytest.fixture
def server(start, origin):
    return start({"/images": {"image.origin": origin.url("/")}})


def purge(server, **order):
    """The numbers of a purge that was done."""
    answer = server.get(ROUTE, BEARER, "POST", json.dumps(order))
    assert answer.status == 200, (answer, answer.body)
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-store"
    done = answer.json()
    assert done.pop("duration_ms") >= 0
    return done


def objects(done):
    return done["renditions"], done["sources"]


def is_hit(answer):
    assert answer.status == 200, (answer, answer.body)
    return answer.headers["Cache-Status"].startswith("sluice; hit")


def warm(server, *urls):
    """Asks for each in all widths, and returns the URLs that are cached now."""
    urls = [f"{url}?w={width}" for url in urls for width in WIDTHS]
    for url in urls:
        is_hit(server.get(url))
    assert hits(server, urls) == set(urls)
    return urls


def hits(server, urls):
    """Those that are hits; the others are cached from now on."""
    return {url for url in urls if is_hit(server.get(url))}
