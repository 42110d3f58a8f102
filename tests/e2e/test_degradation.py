"""Lesser answers in place of none: WebP for AVIF while memory is elevated; stale and larger pictures in place of new work from high on."""

import contextlib

import pytest

import pictures
from clients import Asked, assert_settles, metrics
from harness import wait_for
from pictures import fetch, header, size_of
from structured import cache_status
from test_pressure import ballast, site  # noqa: F401 - fixtures

ELEVATED, HIGH = 0.72, 0.83
BUDGETS = 3
QUICK = {"image.queue-timeout": "200ms", "image.error-ttl": 0}
CHROME = {"Accept": "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"}
AVIF_ONLY = {"Accept": "image/avif,*/*;q=0.8"}
CURL = {"Accept": "*/*"}


def degraded(server):
    values = metrics(server)
    return tuple(int(values[f'sluice_degraded_total{{kind="{kind}"}}']) for kind in ("webp-for-avif", "stale", "larger"))


def assert_lesser(answer, detail):
    assert answer.status == 200, answer.body
    said = cache_status(answer)
    assert (said.get("hit"), said["detail"]) == (True, detail)
    assert answer.headers["Cache-Control"] == "public, max-age=10"
    assert answer.headers["Age"] is None and answer.headers["Last-Modified"] is None


def assert_refused(answer):
    assert (answer.status, answer.json()["code"]) == (503, "no-room")


# --- elevated: WebP for AVIF


def test_webp_for_avif(site):  # noqa: F811
    here = site(BUDGETS)
    server, path = here.server, "/images/baseline.jpg?auto=format&w="
    cached = fetch(server, path + "100", headers=CHROME)
    assert header(cached.body).format == "avif"
    fetch(server, path + "100", headers=CHROME)
    here.reach(ELEVATED, "elevated")
    assert fetch(server, path + "100", headers=CHROME).headers["ETag"] == cached.headers["ETag"]
    assert degraded(server) == (0, 0, 0)

    for n in range(3):
        answer = fetch(server, path + "101", headers=CHROME)
        assert (answer.headers["Content-Type"], header(answer.body).format) == ("image/webp", "webp")
        assert answer.headers["Vary"] == "Accept"
        said = cache_status(answer)
        assert said["detail"] == "webp-for-avif" and ("hit" in said) == (n > 0)
    assert degraded(server) == (3, 0, 0)
    # only new work that nobody asked for by name, and for who takes it
    assert header(fetch(server, path + "101", headers=AVIF_ONLY).body).format == "avif"
    assert header(fetch(server, "/images/baseline.jpg?w=102&output=avif", headers=CHROME).body).format == "avif"
    assert degraded(server) == (3, 0, 0)

    here.set_resident(0)
    here.wait_for_level("normal")
    for _ in range(3):
        answer = fetch(server, path + "103", headers=CHROME)
        assert header(answer.body).format == "avif" and "detail" not in cache_status(answer)
    # what it came to meanwhile is not remembered
    assert header(fetch(server, path + "101", headers=CHROME).body).format == "avif"
    assert_settles(server)


def test_the_quality_is_that_of_webp(site):  # noqa: F811
    """50 is AVIF's default, and would be left out of its key, but not of WebP's."""
    here = site(BUDGETS)
    here.reach(ELEVATED, "elevated")
    path = "/images/baseline.jpg?w=110&q=50"
    answer = fetch(here.server, path + "&auto=format", headers=CHROME)
    explicit = fetch(here.server, path + "&output=webp")
    assert "hit" in cache_status(explicit) and explicit.headers["ETag"] == answer.headers["ETag"]


# --- high: stale


def say(origin, words):
    origin.script("/baseline.jpg", file="baseline.jpg", headers={"Cache-Control": words})


def wait_until_expired(server, path):
    only = {"Cache-Control": "only-if-cached"}
    wait_for(lambda: server.get(path, only).status == 504, 10, "it expires")


def test_stale(site, origin):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    say(origin, "max-age=1, stale-while-revalidate=0, stale-if-error=0")
    path = "/images/baseline.jpg?w=100"
    first = fetch(here.server, path)
    fetch(here.server, path.replace("100", "200"))
    wait_until_expired(here.server, path)
    here.reach(HIGH, "high")
    count = origin.count("/baseline.jpg")
    answer = here.server.get(path)
    assert_lesser(answer, "stale")  # itself, though a larger one has expired too
    assert cache_status(answer)["ttl"] < 0
    assert (answer.body, answer.headers["ETag"]) == (first.body, first.headers["ETag"])
    assert here.server.get(path, {"If-None-Match": first.headers["ETag"]}).status == 304
    assert degraded(here.server) == (0, 2, 0)
    assert origin.count("/baseline.jpg") == count
    here.set_resident(0)
    here.wait_for_level("normal")
    assert "detail" not in cache_status(fetch(here.server, path))


@pytest.mark.parametrize("words", ["must-revalidate", "proxy-revalidate"])
def test_not_what_the_origin_wants_to_be_asked_about(site, origin, words):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    say(origin, f"max-age=1, {words}")
    path = "/images/baseline.jpg?w=100"
    fetch(here.server, path)
    wait_until_expired(here.server, path)
    here.reach(HIGH, "high")
    assert_refused(here.server.get(path))
    assert degraded(here.server) == (0, 0, 0)


# --- high: larger


def test_larger(site):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    server = here.server
    made = {width: fetch(server, f"/images/baseline.jpg?w={width}") for width in (400, 100, 200)}
    fetch(server, "/images/progressive.jpg?w=160")  # of another source
    here.reach(HIGH, "high")
    for query, width in (("w=150", 200), ("w=101", 200), ("w=201", 400), ("w=399", 400), ("w=99", 100), ("h=100", 200),
                         ("w=150&h=400", 200), ("w=5000&h=140", 200), ("w=150&h=110&fit=outside", 200)):  # fmt: skip
        answer = server.get(f"/images/baseline.jpg?{query}")
        assert_lesser(answer, "larger")
        assert (size_of(answer.body)[0], answer.headers["ETag"]) == (width, made[width].headers["ETag"]), query
    assert degraded(server) == (0, 0, 9)
    for query in ("w=401", "h=301", "", "w=150&q=50", "w=150&output=webp", "w=150&output=jpg", "w=150&h=150&fit=fill", "w=150&h=110&fit=cover",
                  "w=150&flop", "w=150&filt=greyscale", "w=150&blur=3", "w=401&h=301", "w=150&h=301&fit=outside", "w=150&cw=100&ch=100"):  # fmt: skip
        assert_refused(server.get(f"/images/baseline.jpg?{query}"))
    # hits go on as ever
    answer = fetch(server, "/images/baseline.jpg?w=200")
    assert "detail" not in cache_status(answer) and answer.headers["Cache-Control"] == "public, max-age=3600"
    here.set_resident(0)
    here.wait_for_level("normal")
    answer = fetch(server, "/images/baseline.jpg?w=150")
    assert size_of(answer.body)[0] == 150 and "detail" not in cache_status(answer)
    assert_settles(server)


def test_larger_with_both_sides(site):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    server, path = here.server, "/images/baseline.jpg?"
    for fit in ("cover", "fill", "contain"):
        for query in ("w=200&h=100", "w=400&h=200", "w=150&h=150", "w=120&h=200"):
            fetch(server, f"{path}{query}&fit={fit}")
    fetch(server, f"{path}w=300&h=300&fit=cover&a=top")
    here.reach(HIGH, "high")
    for fit in ("cover", "fill", "contain"):
        for query, expected in (("w=100&h=50", (200, 100)), ("w=201&h=100", (400, 200)), ("w=300&h=150", (400, 200)), ("w=149&h=149", (150, 150))):
            answer = server.get(f"{path}{query}&fit={fit}")
            assert_lesser(answer, "larger")
            assert size_of(answer.body) == expected, (fit, query)
        for query in ("w=100&h=60", "w=401&h=201", "w=151&h=151", "w=500"):
            assert_refused(server.get(f"{path}{query}&fit={fit}"))
    assert size_of(server.get(f"{path}w=280&h=280&fit=cover&a=top").body) == (300, 300)
    assert_refused(server.get(f"{path}w=280&h=280&fit=cover&a=bottom"))


def test_larger_of_what_the_client_takes(site):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    server, path = here.server, "/images/baseline.jpg?auto=format&w="
    fetch(server, path + "300", headers={"Accept": "image/webp"})
    fetch(server, path + "400", headers=CURL)
    fetch(server, path + "250", headers=AVIF_ONLY)
    here.reach(HIGH, "high")
    for headers, kind, width in ((CHROME, "avif", 250), ({"Accept": "image/webp"}, "webp", 300), (CURL, "jpg", 400), (AVIF_ONLY, "avif", 250)):
        answer = server.get(path + "200", headers)
        assert_lesser(answer, "larger")
        assert (header(answer.body).format, size_of(answer.body)[0] if kind != "avif" else width) == (kind, width)
        assert answer.headers["Vary"] == "Accept"
    assert header(server.get(path + "260", CHROME).body).format == "webp"
    assert_refused(server.get(path + "401", CHROME))


def test_larger_is_not_what_was_purged(site, origin):  # noqa: F811
    here = site(BUDGETS, **QUICK)
    say(origin, "max-age=1")
    fetch(here.server, "/images/baseline.jpg?w=200")
    wait_until_expired(here.server, "/images/baseline.jpg?w=200")
    here.reach(HIGH, "high")
    assert_refused(here.server.get("/images/baseline.jpg?w=100"))  # a larger one that has expired would be both


def test_before_a_refusal_whatever_the_level(sluice, origin):
    paths = {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    server = sluice({"image.max-queue": 0, "image.workers": 1, "hosts": {"default": {"paths": paths}}})
    fetch(server, "/images/baseline.jpg?w=200")
    origin.hold("/rgb.png")
    with contextlib.ExitStack() as stack:
        stack.callback(origin.release, "/rgb.png")
        busy = Asked(server, "/images/rgb.png?w=10")
        origin.wait_for_request("/rgb.png")
        answer = server.get("/images/baseline.jpg?w=100&filename=cat")
        assert_lesser(answer, "larger")
        assert answer.headers["Content-Disposition"] == 'inline; filename="cat.jpg"'
        assert size_of(answer.body)[0] == 200
        assert server.get("/images/baseline.jpg?w=300").json()["code"] == "queue-full"
    assert busy.answer().status == 200
    assert pictures.size_of(fetch(server, "/images/baseline.jpg?w=100").body)[0] == 100
