"""auto=format: which format a client gets by its Accept, that caches are told, and that what one client gets never reaches another."""

import base64
import hmac
import itertools
import time

import pytest

import pictures
from clients import assert_settles, metrics
from harness import wait_for
from pictures import fetch
from structured import cache_status

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_15 = "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"
CURL = "*/*"
AVIF_ONLY = "image/avif"
ACCEPTS = (CHROME, SAFARI_15, CURL, AVIF_ONLY, None)
AUTO = "/images/baseline.jpg?w=100&auto=format"


@pytest.fixture
def server(sluice):
    return start(sluice)


def start(sluice, origin=None, **settings):
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
    }
    if origin:
        paths["/far"] = {"image.origin": origin.url("/"), "image.error-ttl": 0}
    return sluice({**settings, "hosts": {"default": {"paths": paths}}}, threads=1)


def ask(server, accept, path=AUTO, **options):
    """Without an Accept line where it is None."""
    headers = {**options.pop("headers", {}), **({"Accept": accept} if accept is not None else {})}
    return server.get(path, headers, **options)


def kind(server, accept, path=AUTO):
    answer = ask(server, accept, path)
    assert answer.status == 200, answer.body
    assert answer.headers.get_all("Vary") == ["Accept"]
    found = pictures.header(answer.body).format
    assert answer.headers["Content-Type"] == {"jpg": "image/jpeg"}.get(found, f"image/{found}")
    return found


@pytest.mark.parametrize("source, accept, expected", [
    ("baseline.jpg", CHROME, "avif"),
    ("baseline.jpg", SAFARI_15, "webp"),
    ("baseline.jpg", CURL, "jpg"),
    ("baseline.jpg", None, "jpg"),
    ("baseline.jpg", "image/*", "jpg"),
    ("baseline.jpg", "image/avif;q=0, image/webp, */*;q=0.1", "webp"),
    ("baseline.jpg", "image/webp;q=0, image/avif, */*;q=0.1", "avif"),
    ("baseline.jpg", "image/webp;q=1, image/avif;q=0.5", "webp"),
    ("baseline.jpg", "image/webp;q=0.5, */*", "jpg"),
    ("baseline.jpg", "text/html", "jpg"),  # no 406: a picture is better than none
    ("rgba.png", CHROME, "avif"),
    ("rgba.png", CURL, "png"),
    ("plain.gif", SAFARI_15, "webp"),
    ("plain.gif", CURL, "gif"),
    # formats that not everybody knows are not sent to who does not name them
    ("lossy.webp", CHROME, "avif"),
    ("lossy.webp", SAFARI_15, "webp"),
    ("lossy.webp", CURL, "jpg"),
    ("lossy.webp", AVIF_ONLY, "avif"),
    ("alpha.webp", CURL, "png"),
    ("photo.avif", CURL, "jpg"),
    ("photo.avif", SAFARI_15, "webp"),
    ("photo.tif", CURL, "jpg"),
    ("photo.tif", CHROME, "avif"),
])  # fmt: skip
def test_the_format(server, source, accept, expected):
    assert kind(server, accept, f"/images/{source}?w=64&auto=format") == expected


def test_transparency_is_kept(server):
    for accept, expected in ((CHROME, "avif"), (SAFARI_15, "webp"), (CURL, "png")):
        body = fetch(server, "/images/rgba.png?w=64&auto=format", headers={"Accept": accept}).body
        assert pictures.header(body).format == expected
        assert pictures.decode(body).mode == "RGBA"


@pytest.mark.parametrize("accept, expected", [(CHROME, "webp"), (SAFARI_15, "webp"), (CURL, "gif"), (AVIF_ONLY, "gif")])
def test_what_moves_is_no_avif(server, accept, expected):
    body = fetch(server, "/images/animated.gif?w=64&n=-1&auto=format", headers={"Accept": accept} if accept else {}).body
    assert pictures.header(body).format == expected
    # the first frame alone may be
    assert pictures.header(fetch(server, "/images/animated.gif?w=64&auto=format", headers={"Accept": AVIF_ONLY}).body).format == "avif"


def test_an_output_of_its_own_wins(server):
    for name in ("output", "fm"):
        answer = ask(server, CHROME, f"/images/baseline.jpg?w=64&auto=format&{name}=png")
        assert pictures.header(answer.body).format == "png"


def test_without_auto_nothing_varies(server):
    answer = ask(server, CHROME, "/images/baseline.jpg?w=64")
    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == ("image/jpeg", None)


# --- the cache


def test_each_outcome_is_made_once(server):
    made = {}
    for accept in ACCEPTS:
        answer = ask(server, accept)
        made.setdefault(answer.headers["Content-Type"], answer)
    assert sorted(made) == ["image/avif", "image/jpeg", "image/webp"]
    assert metrics(server)["sluice_transforms_total"] == 3
    for accept, http2 in itertools.product(ACCEPTS, (False, True, False)):
        answer = ask(server, accept, http2=http2)
        assert "hit" in cache_status(answer)
        assert answer.headers.get_all("Vary") == ["Accept"]
        same = made[answer.headers["Content-Type"]]
        assert (answer.body, answer.headers["ETag"]) == (same.body, same.headers["ETag"])
    assert metrics(server)["sluice_transforms_total"] == 3
    assert len({answer.headers["ETag"] for answer in made.values()}) == 3


def test_how_it_is_written_makes_no_difference(server):
    """The key has the format, not the field."""
    fetch(server, AUTO, headers={"Accept": CHROME})
    fetch(server, AUTO, headers={"Accept": SAFARI_15})
    fetch(server, AUTO, headers={"Accept": CURL})
    for n in range(50):
        for accept in (f"image/avif;q=0.9{n:02d},*/*;q=0.5", f"image/webp, image/x{n}", f"image/x{n}", " " * n + "IMAGE/AVIF"):
            assert "hit" in cache_status(ask(server, accept)), accept
    assert metrics(server)["sluice_transforms_total"] == 3


def test_the_decided_format_is_that_of_an_explicit_one(server):
    """One meaning, one key: no other rendition is made for who asks for it by name, be it with the quality that is default."""
    for accept, name, quality in ((CHROME, "avif", 50), (SAFARI_15, "webp", 79)):
        negotiated = ask(server, accept, f"/images/baseline.jpg?w=90&auto=format&q={quality}")
        explicit = ask(server, None, f"/images/baseline.jpg?w=90&output={name}")
        assert "hit" in cache_status(explicit)
        assert explicit.headers["ETag"] == negotiated.headers["ETag"]


def test_many_accepts_by_turns(server):
    """More of them than a loop remembers, and longer ones; each gets its own, from the cache."""
    for accept in (CHROME, SAFARI_15, CURL):
        fetch(server, AUTO, headers={"Accept": accept})
    for turn in range(3):
        for n in range(100):
            padding = "x" * (n * 5)
            assert kind_by_type(server, f"image/avif,image/{padding}y") == "image/avif"
            assert kind_by_type(server, f"image/webp,image/{padding}y") == "image/webp"
            assert kind_by_type(server, f"image/jpeg,image/{padding}y") == "image/jpeg"
    assert metrics(server)["sluice_transforms_total"] == 3


def kind_by_type(server, accept):
    answer = ask(server, accept)
    assert "hit" in cache_status(answer)
    return answer.headers["Content-Type"]


def test_several_lines_are_one_list(server):
    def curl(*lines):
        options = [word for line in lines for word in ("-H", f"Accept: {line}")]
        done = server.curl(AUTO, "-o", "/dev/null", "-w", "%{content_type}", *options)
        return done.stdout.decode()

    for _ in range(3):
        assert curl("image/webp", "image/avif") == "image/avif"
        assert curl("image/webp;q=0.5", "*/*") == "image/jpeg"
        assert curl("text/html", "image/webp") == "image/webp"


def test_a_purge_takes_all_of_them(sluice, tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    server = start(sluice, **{"health.admin-token": str(token)})
    for _, accept in itertools.product(range(3), ACCEPTS):
        ask(server, accept)
    purge = server.get("/api/cache/purge", {"Authorization": "Bearer 0123456789abcdef", "Content-Type": "application/json"},
                       method="POST", body='{"url": "/images/baseline.jpg"}')  # fmt: skip
    assert purge.status == 200, purge.body
    assert "hit" not in cache_status(ask(server, CHROME))


# --- every answer says so


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("accept", [CHROME, CURL, None])
def test_every_answer_varies(server, accept, http2):
    def check(answer, status):
        assert answer.status == status, answer
        assert answer.headers.get_all("Vary") == ["Accept"]

    for _ in range(3):  # made, found by its key, found by its target
        answer = ask(server, accept, http2=http2)
        etag = answer.headers["ETag"]
        check(answer, 200)
        check(ask(server, accept, headers={"If-None-Match": etag}, http2=http2), 304)
        check(ask(server, accept, headers={"If-Match": '"another"'}, http2=http2), 412)
        check(ask(server, accept, headers={"Range": "bytes=0-9"}, http2=http2), 206)
        check(ask(server, accept, headers={"Range": "bytes=999999999-"}, http2=http2), 416)
        check(ask(server, accept, method="HEAD", http2=http2), 200)


@pytest.mark.parametrize("name, status", [("none.jpg", 404), ("text.jpg", 422), ("bomb.png", 413)])
def test_errors_vary(server, name, status):
    for _ in range(3):
        answer = ask(server, CHROME, f"/images/{name}?w=10&auto=format")
        assert (answer.status, answer.headers.get_all("Vary")) == (status, ["Accept"])


def test_so_does_what_is_not_cached(server):
    answer = ask(server, CHROME, headers={"Cache-Control": "only-if-cached"})
    assert (answer.status, answer.headers.get_all("Vary")) == (504, ["Accept"])


def test_so_does_an_origin_that_fails(sluice, origin):
    server = start(sluice, origin)
    origin.script("/bad.jpg", status=500)
    answer = ask(server, CHROME, "/far/bad.jpg?auto=format")
    assert (answer.status, answer.headers.get_all("Vary")) == (502, ["Accept"])


def test_a_signature_that_has_expired(sluice, tmp_path):
    """What is remembered of a negotiated target ends with its time, in all outcomes."""
    key = tmp_path / "sign.key"
    key.write_text("0123456789abcdef\n")
    key.chmod(0o600)
    server = start(sluice, **{"image.sign-key": str(key)})

    def sign(target):
        mac = hmac.digest(b"0123456789abcdef", target.encode(), "sha256")
        return f"{target}&sig=" + base64.urlsafe_b64encode(mac).decode().rstrip("=")

    for accept in (CHROME, SAFARI_15):
        assert ask(server, accept, sign(AUTO)).status == 200
    target = sign(f"{AUTO}&exp={int(time.time()) + 3}")
    for _, accept in itertools.product(range(3), (CHROME, SAFARI_15)):
        assert "hit" in cache_status(ask(server, accept, target))
    for accept in (CHROME, SAFARI_15):
        wait_for(lambda: ask(server, accept, target).status == 403, 20, "it expires")


def test_expired_ones_too(sluice, origin):
    server = start(sluice, origin)
    path = "/far/baseline.jpg?w=50&auto=format"
    said = {"Cache-Control": "max-age=1, stale-while-revalidate=60"}
    origin.script("/baseline.jpg", file="baseline.jpg", etag='"1"', headers=said)
    for _, accept in itertools.product(range(2), (CHROME, SAFARI_15)):
        ask(server, accept, path)

    def is_stale():
        answer = ask(server, CHROME, path)
        assert (answer.status, answer.headers.get_all("Vary")) == (200, ["Accept"])
        assert answer.headers["Content-Type"] == "image/avif"
        return cache_status(answer).get("detail") == "revalidating"

    wait_for(is_stale, 10, "it expires")
    assert_settles(server)
