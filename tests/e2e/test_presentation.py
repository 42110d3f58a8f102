"""What a URL says of the answer and not of the picture: maxage, filename, and the picture that stands in for one that cannot be had."""

import re

import pytest

import pictures
from clients import Asked, assert_settles, metrics
from harness import wait_for
from pictures import fetch, header, size_of
from structured import cache_status

DAY = 86400
FALLBACK_WIDTH = 61


def start(sluice, origin, threads=2, **settings):
    paths = {
        "/images": {"image.origin": origin.url("/"), "image.negative-ttl": "40s", "image.error-ttl": 0},
        "/named": {"image.origin": origin.url("/"), "image.default": "/rgb.png", "image.error-ttl": 0},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
    }
    return sluice({**settings, "hosts": {"default": {"paths": paths}}}, threads=threads)


@pytest.fixture
def server(sluice, origin):
    return start(sluice, origin)


def transforms(server):
    return metrics(server)["sluice_transforms_total"]


# --- maxage and filename


def test_maxage(server):
    plain = fetch(server, "/images/baseline.jpg?w=50")
    for _ in range(3):
        answer = fetch(server, "/images/baseline.jpg?w=50&maxage=31d")
        assert answer.headers["Cache-Control"] == f"public, max-age={31 * DAY}"
        assert answer.headers["Age"] is None  # it counts from now on
        assert answer.headers["ETag"] == plain.headers["ETag"] and "hit" in cache_status(answer)
        again = fetch(server, "/images/baseline.jpg?w=50")
        assert again.headers["Cache-Control"] == plain.headers["Cache-Control"] == "public, max-age=3600"
        assert again.headers["Age"] is not None
    assert transforms(server) == 1


def test_maxage_of_one_that_is_made_and_of_parts(server):
    path, expected = "/images/baseline.jpg?w=51&maxage=2d&filename=cat", f"public, max-age={2 * DAY}"
    made = fetch(server, path)
    assert made.headers["Cache-Control"] == expected and "hit" not in cache_status(made)
    for headers, status in (({"If-None-Match": made.headers["ETag"]}, 304), ({"Range": "bytes=0-9"}, 206)):
        answer = server.get(path, headers)
        assert (answer.status, answer.headers["Cache-Control"]) == (status, expected)
        named = 'inline; filename="cat.jpg"' if status == 206 else None
        assert answer.headers["Content-Disposition"] == named
    assert server.get(path, method="HEAD").headers["Content-Disposition"] == 'inline; filename="cat.jpg"'


@pytest.mark.parametrize("words", ["private, max-age=60", "no-cache", "no-store"])
def test_maxage_does_not_undo_what_the_origin_forbids(server, origin, words):
    origin.script("/baseline.jpg", file="baseline.jpg", headers={"Cache-Control": words})
    said = fetch(server, "/images/baseline.jpg?w=52").headers["Cache-Control"]
    assert words.partition(",")[0] in said
    for _ in range(2):
        assert fetch(server, "/images/baseline.jpg?w=52&maxage=31d").headers["Cache-Control"] == said


def test_maxage_does_not_refresh_what_has_expired(server, origin):
    said = {"Cache-Control": "max-age=1, stale-while-revalidate=600"}
    origin.script("/baseline.jpg", file="baseline.jpg", headers=said)
    path = "/images/baseline.jpg?w=53&maxage=31d"
    assert fetch(server, path).headers["Cache-Control"] == f"public, max-age={31 * DAY}"

    def expired():
        answer = fetch(server, path)
        return answer if cache_status(answer).get("detail") == "revalidating" else None

    answer = wait_for(expired, 10, "it expires")
    assert answer.headers["Cache-Control"] == "max-age=1" or answer.headers["Cache-Control"] == "public, max-age=1"
    assert_settles(server)


@pytest.mark.parametrize("query, name", [
    ("w=20&filename=cat", "cat.jpg"),
    ("w=20&filename=cat&output=webp", "cat.webp"),
    ("w=20&filename=cat.jpg", "cat.jpg"),
    ("w=20&filename=cat.JPG&output=png", "cat.JPG.png"),
    ("w=20&filename=jpg", "jpg.jpg"),
])  # fmt: skip
def test_filename(server, query, name):
    for _ in range(3):
        answer = fetch(server, f"/images/baseline.jpg?{query}")
        assert answer.headers["Content-Disposition"] == f'inline; filename="{name}"'
        header_of_curl = server.curl(f"/images/baseline.jpg?{query}", "-OJ", "-D-", "--output-dir", str(server.folder), "--clobber")
        assert header_of_curl.returncode == 0 and (server.folder / name).exists()
    assert fetch(server, "/images/baseline.jpg?w=20").headers["Content-Disposition"] is None
    assert transforms(server) <= 2


def test_a_filename_follows_the_negotiated_format(server):
    path = "/images/baseline.jpg?w=20&filename=cat&auto=format"
    for _ in range(3):
        for accept, name in (("image/avif", "cat.avif"), ("image/webp", "cat.webp"), ("*/*", "cat.jpg")):
            answer = fetch(server, path, headers={"Accept": accept})
            assert answer.headers["Content-Disposition"] == f'inline; filename="{name}"'
            assert answer.headers["Vary"] == "Accept"


def test_errors_have_neither(server):
    answer = server.get("/images/none.jpg?maxage=31d&filename=cat")
    assert (answer.status, answer.headers["Content-Disposition"]) == (404, None)
    assert answer.headers["Cache-Control"] == "public, max-age=40"


# --- default=


def assert_stands_in(answer, width=FALLBACK_WIDTH, kind="png"):
    assert answer.status == 200, answer.body
    assert size_of(answer.body)[0] == width and header(answer.body).format == kind


def test_a_missing_picture(server, origin):
    origin.script("/rgb.png", file="rgb.png", last_modified="Tue, 15 Nov 1994 08:12:31 GMT")
    plain = fetch(server, f"/images/rgb.png?w={FALLBACK_WIDTH}")
    first, *others = (server.get(f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png") for _ in range(3))
    for answer in (first, *others):
        assert_stands_in(answer)
        assert (answer.body, answer.headers["ETag"]) == (plain.body, plain.headers["ETag"])
        assert 30 <= int(re.fullmatch(r"public, max-age=(\d+)", answer.headers["Cache-Control"])[1]) <= 40
        assert answer.headers["Age"] is None and answer.headers["Last-Modified"] is None
    assert cache_status(first) == {"fwd": "uri-miss", "fwd-status": 404, "detail": "not-found"}
    for answer in others:
        assert cache_status(answer) == {"hit": True, "detail": "not-found"}
    assert transforms(server) == 1
    assert plain.headers["Last-Modified"] is not None
    assert fetch(server, f"/images/rgb.png?w={FALLBACK_WIDTH}").headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize("path, code, script", [
    ("gone.jpg", "not-found", {"status": 410}),
    ("text.jpg", "not-an-image", None),
    ("truncated.jpg", "broken-image", None),
    ("bomb.png", "too-many-pixels", None),
    ("failing.jpg", "origin-failed", {"status": 500}),
    ("odd.jpg", "origin-status", {"status": 403}),
    ("broken.jpg", "origin-broken", {"file": "baseline.jpg", "stop_after": 100, "then": "close"}),
])  # fmt: skip
def test_the_failures_that_it_is_for(server, origin, path, code, script):
    if script:
        origin.script(f"/{path}", **script)
    assert server.get(f"/images/{path}?w=40").json()["code"] == code
    answer = server.get(f"/images/{path}?w={FALLBACK_WIDTH}&default=rgb.png")
    assert_stands_in(answer)
    assert cache_status(answer)["detail"] == code


def test_an_origin_that_is_too_slow(sluice, origin):
    server = start(sluice, origin, **{"image.origin-timeout": "300ms"})
    origin.hold("/slow.jpg")
    answer = server.get(f"/images/slow.jpg?w={FALLBACK_WIDTH}&default=rgb.png")
    assert_stands_in(answer)
    assert cache_status(answer)["detail"] == "origin-timeout"


def test_a_request_that_waited_too_long(sluice, origin):
    server = start(sluice, origin, **{"image.request-timeout": "300ms"})
    origin.hold("/slow.jpg")
    answer = server.get(f"/images/slow.jpg?w={FALLBACK_WIDTH}&default=rgb.png")
    assert_stands_in(answer)
    assert cache_status(answer)["detail"] == "request-timeout"


@pytest.mark.parametrize("query, status", [("w=0", 400), ("w=8193", 400), ("output=avif&w=8000&fit=fill&h=8000", 413)])
def test_the_failures_that_it_is_not_for(sluice, origin, query, status):
    server = start(sluice, origin, **{"pressure.budget": "200MiB"})
    answer = server.get(f"/images/baseline.jpg?{query}&default=rgb.png")
    assert answer.status == status, answer


def test_what_is_not_cached_is_not_asked_for(server, origin):
    answer = server.get("/images/none.jpg?default=rgb.png", {"Cache-Control": "only-if-cached"})
    assert answer.status == 504 and origin.requests == []


def test_both_missing_is_the_first_error(server, origin):
    for _ in range(3):
        answer = server.get("/images/text.jpg?w=9&default=none.jpg")
        assert (answer.status, answer.json()["code"]) == (422, "not-an-image")
        assert cache_status(answer)["detail"] == "not-an-image"
    assert origin.count("/none.jpg") == 1


def test_it_is_not_its_own_fallback(server, origin):
    answer = server.get("/images/none.jpg?default=none.jpg")
    assert (answer.status, answer.json()["code"]) == (404, "not-found")
    assert origin.count("/none.jpg") == 1
    assert_settles(server)


def test_it_has_the_options_of_the_request(server):
    answer = server.get("/images/none.jpg?w=33&h=44&fit=fill&output=webp&default=rgb.png")
    assert size_of(answer.body) == (33, 44) and header(answer.body).format == "webp"


def test_it_is_negotiated(server):
    for _ in range(3):
        for accept, kind in (("image/avif", "avif"), ("image/webp", "webp"), ("*/*", "png")):
            answer = server.get(f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png&auto=format", {"Accept": accept})
            assert answer.status == 200 and header(answer.body).format == kind
            assert answer.headers["Vary"] == "Accept"


def test_a_name_goes_with_it(server):
    answer = server.get(f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png&filename=cat&maxage=31d")
    assert answer.headers["Content-Disposition"] == 'inline; filename="cat.png"'
    assert answer.headers["Cache-Control"] == "public, max-age=40"  # a day would hide the picture when it comes


def test_conditions_and_ranges(server):
    path = f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png"
    whole = server.get(path)
    assert server.get(path, {"If-None-Match": whole.headers["ETag"]}).status == 304
    part = server.get(path, {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, whole.body[5:10])
    assert server.get(path, method="HEAD").headers["Content-Length"] == str(len(whole.body))


def test_the_picture_comes_after_all(sluice, origin):
    server = start(sluice, origin, **{"image.negative-ttl": 0})
    path = f"/named/late.jpg?w={FALLBACK_WIDTH}"
    origin.script("/late.jpg", status=404, headers={"Cache-Control": "no-store"})
    assert_stands_in(server.get(path))
    origin.script("/late.jpg", file="baseline.jpg")
    assert_stands_in(server.get(path), kind="jpg")


def test_many_at_once_are_one_of_each(server, origin):
    for name in ("/none.jpg", "/rgb.png"):
        origin.hold(name)
    path = f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png"
    asked = [Asked(server, path) for _ in range(40)]
    for name in ("/none.jpg", "/rgb.png"):
        wait_for(lambda: metrics(server)["sluice_requests_in_progress"] == 40, 10, "all wait")
        origin.release(name)
    for one in asked:
        assert_stands_in(one.answer())
    assert (origin.count("/none.jpg"), origin.count("/rgb.png"), transforms(server)) == (1, 1, 1)
    assert_settles(server)


def test_clients_that_leave(server, origin):
    origin.hold("/rgb.png")
    asked = [Asked(server, f"/images/none.jpg?w={FALLBACK_WIDTH}&default=rgb.png") for _ in range(20)]
    origin.wait_for_request("/rgb.png")
    for one in asked[1:]:
        one.hang_up()
    wait_for(lambda: metrics(server)["sluice_requests_in_progress"] == 1, 10, "one waits")
    origin.release("/rgb.png")
    assert_stands_in(asked[0].answer())
    assert_settles(server)


# --- image.default


def test_the_setting(server):
    assert_stands_in(server.get(f"/named/none.jpg?w={FALLBACK_WIDTH}"))
    # a request that names one itself means that one
    assert_stands_in(server.get(f"/named/none.jpg?w={FALLBACK_WIDTH}&default=grey.jpg"), kind="jpg")
    assert server.get("/images/none.jpg").status == 404


def test_the_setting_is_inherited(sluice, origin):
    paths = {"/a": {"image.origin": origin.url("/")}, "/b": {"image.origin": origin.url("/"), "image.default": "grey.jpg"}}
    hosts = {"default": {"image.default": "lossy.webp", "paths": paths}}
    server = sluice({"image.default": "rgb.png", "hosts": hosts})
    assert header(server.get("/a/none").body).format == "webp"
    assert header(server.get("/b/none").body).format == "jpg"


@pytest.mark.parametrize("value", ["", "/", "../secret.jpg", "/a//b.jpg", "a/./b.jpg", "x" * 600])
def test_settings_that_are_none(sluice, origin, value):
    config = {"hosts": {"default": {"paths": {"/": {"image.origin": origin.url("/"), "image.default": value}}}}}
    done = sluice(config, start=False).check()
    assert done.returncode != 0 and "image.default" in done.stderr
