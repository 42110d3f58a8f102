"""POST /api/cache/purge: what it takes and what it leaves, in the cache and under way."""

import collections
import itertools
import json
import re
import socket
import threading

import pytest

from clients import Asked, assert_settles, metrics, operations
from harness import ROOT, request, run, wait_for
from origin import Origin
from problems import assert_problem
from purging import (  # noqa: F401, the fixtures among them
    BEARER, ROUTE, WIDTHS, hits, is_hit, objects, origin, png, purge, server, start, token_file, version_of, warm)  # fmt: skip


# --- what goes


@pytest.mark.parametrize("url", ["/images/a.png", "/images/a.png?w=4", "/images/./x/../a%2Epng?no-such-option"])
def test_a_url_goes_with_all_renditions_and_nothing_else(server, origin, url):
    names = ["a.png", "b.png", "c.png", "a.pngx", "a.png/a.png", "A.png", "a.pn", "x/a.png"]
    for name in names:
        origin.script(f"/{name}", body=png(1), content_type="image/png")
    urls = warm(server, *(f"/images/{name}" for name in names))
    done = purge(server, url=url)
    assert objects(done) == (len(WIDTHS), 1) and done["flights"] == 0 and done["records"] == 1 and done["bytes"] > 5 * 300
    others = [url for url in urls if not url.startswith("/images/a.png?")]
    assert hits(server, others) == set(others)
    for name in names:
        origin.script(f"/{name}", body=png(2), content_type="image/png")
    assert [version_of(server.get(f"/images/a.png?w={width}")) for width in WIDTHS] == [2] * len(WIDTHS)
    assert origin.count("/a.png") == 2 and origin.count("/b.png") == 1


PLACES = ["2024/a.png", "2024/b.png", "2024/01/a.png", "2025/a.png", "2024.png", "202/4/a.png"]


@pytest.mark.parametrize(
    "prefix, gone",
    [
        ("/images/2024/", PLACES[:3]),
        ("/images/2024", [*PLACES[:3], "2024.png"]),
        ("/images/2024/a", PLACES[:1]),
        ("/images/%32024/01/", ["2024/01/a.png"]),
        ("/images/", PLACES),
        ("/images", PLACES),
        ("/im", PLACES),
        ("/", PLACES),
        ("/images/2026/", []),
    ],
)
def test_a_prefix_takes_what_begins_with_it(server, origin, prefix, gone):
    for name in PLACES:
        origin.script(f"/{name}", body=png(1), content_type="image/png")
    urls = [f"/images/{name}?w=4" for name in PLACES]
    assert hits(server, urls) == set() and hits(server, urls) == set(urls)
    done = purge(server, prefix=prefix)
    assert objects(done) == (len(gone), len(gone)) and done["records"] == len(gone)
    assert hits(server, urls) == {f"/images/{name}?w=4" for name in PLACES if name not in gone}


def test_all_takes_all(server, origin):
    for name in PLACES:
        origin.script(f"/{name}", body=png(1), content_type="image/png")
    urls = warm(server, *(f"/images/{name}" for name in PLACES))
    assert objects(purge(server, all=True)) == (len(urls), len(PLACES))
    assert objects(purge(server, all=True)) == (0, 0)
    values = metrics(server)
    assert values["sluice_image_cache_entries"] == values["sluice_image_cache_bytes"] == 0
    assert values['sluice_image_cache_evictions_total{reason="purged"}'] == len(urls) + len(PLACES)


def test_names_are_spelled_as_clients_like(server, origin):
    origin.script("/caf%C3%A9%20b%23.png", body=png(1), content_type="image/png")
    urls = warm(server, "/images/caf%C3%A9%20b%23.png")
    for spelling in ("/images/caf%c3%a9%20b%23.png", "/images/café b%23.png"):
        assert objects(purge(server, url=spelling))[1] == 1
        assert version_of(server.get(urls[0])) == 1


def test_a_directory_is_an_origin_too(start, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(1))
    server = start({"/images": {"image.origin": str(folder)}})
    warm(server, "/images/a.png")
    (folder / "a.png").write_bytes(png(2))
    assert version_of(server.get("/images/a.png?w=4")) == 1
    assert objects(purge(server, url="/images/a.png")) == (len(WIDTHS), 1)
    assert version_of(server.get("/images/a.png?w=4")) == 2


# --- paths that lead to the same


def test_all_paths_to_a_picture_lose_it(start, origin):
    origin.script("/shop/a.png", body=png(1), content_type="image/png")
    shop = {"image.origin": origin.url("/shop/")}
    server = start(hosts={"default": {"/images": {"image.origin": origin.url("/")}, "/shop": shop}, "b.example": {"/": shop}})
    paths = {"/images/shop/a.png?w=4": {}, "/shop/a.png?w=6": {}, "/a.png?w=8": {"Host": "b.example"}}
    for order in ({"url": "/images/shop/a.png"}, {"url": "/shop/a.png"}, {"url": "/a.png", "host": "b.example"}, {"prefix": "/a"}):
        for path, headers in paths.items():
            server.get(path, headers)
            assert is_hit(server.get(path, headers))
        assert objects(purge(server, **order)) == (3, 1), order
        assert not any(is_hit(server.get(path, headers)) for path, headers in paths.items())


def test_a_host_restricts(start, origin):
    with Origin() as other:
        for one in (origin, other):
            one.script("/a.png", body=png(1), content_type="image/png")
        server = start(hosts={"default": {"/images": {"image.origin": origin.url("/")}}, "b.example": {"/images": {"image.origin": other.url("/")}}})
        ask = lambda host: server.get("/images/a.png?w=4", {"Host": host})
        for host in ("default", "b.example"):
            ask(host)
        assert objects(purge(server, url="/images/a.png", host="B.example")) == (1, 1)
        assert is_hit(ask("default")) and not is_hit(ask("b.example"))
        assert objects(purge(server, url="/images/a.png")) == (2, 2)


def test_the_first_path_that_fits_is_meant(start, origin):
    """As for requests: what the longer path serves is not looked for below the shorter one."""
    for name in ("private/a.png", "p/a.png"):
        origin.script(f"/{name}", body=png(1), content_type="image/png")
    paths = {"/images": {"image.origin": origin.url("/")}, "/images/private": {"image.origin": origin.url("/p/")}, "/all": {"image.origin": origin.url("/")}}
    server = start(paths)
    urls = warm(server, "/images/private/a.png", "/all/private/a.png")
    assert origin.count("/p/a.png") == origin.count("/private/a.png") == 1
    assert objects(purge(server, url="/images/private/a.png")) == (len(WIDTHS), 1)
    assert hits(server, urls) == {url for url in urls if url.startswith("/all/")}


def test_paths_without_pictures_are_named(start, origin, tmp_path):
    server = start({"/images": {"image.origin": origin.url("/")}, "/thumbs/": {"image.origin": origin.url("/t/")}, "/": {"file.dir": str(tmp_path)}})
    for order in ({"url": "/a.png"}, {"url": "/images"}, {"url": "/images/"}, {"url": "/imagesx/a.png"}, {"url": "/images/a.png/"},
                  {"prefix": "/x"}, {"url": "/images/a.png", "host": "b.example"}):  # fmt: skip
        answer = server.get(ROUTE, BEARER, "POST", json.dumps(order))
        detail = assert_problem(answer, 404, "no-pictures-here")
        assert "/images (host default)" in detail and "/thumbs/ (host default)" in detail and " / (host" not in detail


# --- what is under way


def settle(script, origin):
    """Lets an answer go on that stalls, while the path does something else already."""
    with origin.changed:
        script.stop_after = None
        origin.changed.notify_all()


def test_a_download_under_way_is_answered_but_not_kept(server, origin):
    stalled = origin.script("/a.png", body=png(1, (200, 200)), stop_after=50, content_type="image/png")
    early = [Asked(server, f"/images/a.png?w={width}") for width in WIDTHS]
    origin.wait_for_request("/a.png")
    wait_for(lambda: operations(server)["requests"] == len(early), 10, "all are waiting")
    assert purge(server, url="/images/a.png") == {"renditions": 0, "sources": 0, "bytes": 0, "flights": len(WIDTHS) + 1, "records": 0}
    origin.script("/a.png", body=png(2), content_type="image/png")
    assert version_of(server.get("/images/a.png?w=4")) == 2  # while the first download still stalls
    assert origin.count("/a.png") == 2
    settle(stalled, origin)
    assert [version_of(one.answer()) for one in early] == [1] * len(WIDTHS)
    assert is_hit(server.get("/images/a.png?w=4")) and version_of(server.get("/images/a.png?w=4")) == 2
    assert version_of(server.get("/images/a.png?w=6")) == 2 and origin.count("/a.png") == 2
    assert_settles(server)


@pytest.mark.parametrize("order", [{"url": "/images/a.png"}, {"prefix": "/images/a"}, {"all": True}], ids=str)
def test_a_transform_under_way_is_answered_but_not_kept(start, origin, order):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"image.transform-timeout": "5m", "image.workers": 1})
    origin.script("/a.png", body=png(1, (700, 700), noisy=True), content_type="image/png")
    origin.script("/b.png", body=png(1), content_type="image/png")
    early = Asked(server, "/images/a.png?output=avif&q=90")
    wait_for(lambda: operations(server)["transforms"] == 1, 10, "it is being transformed")
    done = purge(server, **order)
    assert (done["sources"], done["flights"]) == (1, 1), "the transform was over too early for this test"
    origin.script("/a.png", body=png(2, (700, 700), noisy=True), content_type="image/png")
    assert version_of(early.answer()) == 1
    late = server.get("/images/a.png?output=avif&q=90")
    assert not is_hit(late) and version_of(late) == 2
    assert is_hit(server.get("/images/a.png?output=avif&q=90"))
    assert_settles(server)


def test_what_is_missing_is_forgotten(server, origin):
    assert server.get("/images/a.png").status == 404
    origin.script("/a.png", body=png(1), content_type="image/png")
    assert server.get("/images/a.png").status == 404 and origin.count("/a.png") == 1
    assert purge(server, url="/images/b.png")["records"] == 0
    assert server.get("/images/a.png").status == 404
    assert purge(server, url="/images/a.png")["records"] == 1
    assert version_of(server.get("/images/a.png")) == 1


def test_what_turns_out_to_be_missing_after_the_purge_is_not_remembered(server, origin):
    origin.script("/a.png", status=404)
    origin.hold("/a.png")
    early = Asked(server, "/images/a.png?w=4")
    origin.wait_for_request("/a.png")
    assert purge(server, url="/images/a.png")["flights"] == 2
    origin.script("/a.png", body=png(2), content_type="image/png")
    origin.release("/a.png")
    assert early.answer().status == 404
    assert version_of(server.get("/images/a.png?w=4")) == 2


def test_what_turns_out_to_be_broken_after_the_purge_is_not_remembered(server, origin):
    stalled = origin.script("/a.png", body=b"This is no picture. " * 50, stop_after=50, content_type="image/png")
    early = Asked(server, "/images/a.png?w=4")
    origin.wait_for_request("/a.png")
    assert purge(server, all=True)["flights"] == 2
    origin.script("/a.png", body=png(2), content_type="image/png")
    settle(stalled, origin)
    assert early.answer().status == 422
    assert version_of(server.get("/images/a.png?w=4")) == 2


@pytest.mark.parametrize("control", ["no-cache", "max-age=0, stale-while-revalidate=100", "max-age=0, stale-if-error=100"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_revalidation_under_way_brings_nothing_back(server, origin, control, fails):
    origin.script("/a.png", body=png(1), content_type="image/png", etag='"1"', headers={"Cache-Control": control})
    version_of(server.get("/images/a.png?w=4"))
    if fails:
        origin.script("/a.png", status=500)
    origin.hold("/a.png")
    early = Asked(server, "/images/a.png?w=4")
    assert origin.wait_for_request("/a.png", 2).headers["If-None-Match"] == '"1"'
    assert objects(purge(server, url="/images/a.png")) == (1, 1)
    held = origin.seen("/a.png")[1]
    origin.script("/a.png", body=png(2), content_type="image/png", etag='"2"')
    origin.release("/a.png")
    origin.wait_for(lambda: held.finished)
    if early.answer().status == 200:
        wait_for(lambda: operations(server)["requests"] == operations(server)["fetches"] == 0, 10, "the revalidation is over")
    assert version_of(server.get("/images/a.png?w=4")) == 2
    assert origin.seen("/a.png")[2].headers["If-None-Match"] is None


def test_no_answer_is_older_than_the_purge_before_it(server, origin):
    """Clients ask for ever new sizes all the time. Once a purge is answered nobody gets the version before, least of all for what
    was being made of it meanwhile."""
    stopped, faults, known, recent = threading.Event(), [], [1], collections.deque(maxlen=16)

    def check(answer, at_least):
        version = version_of(answer)
        if version < at_least:
            faults.append((version, at_least))

    def ask_until_stopped(first):
        connection = server.connection()
        for n in itertools.count(first, 4):
            if stopped.is_set():
                break
            recent.append(f"/images/a.png?w={n // 100 % 100 + 1}&q={n % 100 + 1}")
            at_least = known[0]
            check(request(connection, f"/images/a.png?w={n // 100 % 100 + 1}&q={n % 100 + 1}"), at_least)
        connection.close()

    origin.script("/a.png", body=png(1, (600, 600)), content_type="image/png")
    threads = [threading.Thread(target=ask_until_stopped, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 14):
        origin.script("/a.png", body=png(version, (600, 600)), content_type="image/png")
        purge(server, **({"url": "/images/a.png"} if version % 2 else {"all": True}))
        known[0] = version
        for url in list(recent):
            check(server.get(url), version)
    stopped.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert_settles(server)


# --- what is asked


@pytest.mark.parametrize("body", ["", "url=/images/a.png", "{}", '{"url": "/a", "all": true}', '{"urls": ["/a"]}', '{"prefix": "/a?b"}', "[" * 3000])
def test_bad_orders_say_what_is_expected(server, body):
    detail = assert_problem(server.get(ROUTE, BEARER, "POST", body), 400, "bad-order")
    assert '{"url": "/images/a.jpg"}, {"prefix": "/images/2024/"} or {"all": true}' in detail


def test_orders_have_a_size(server):
    most = '{"all": true}'.ljust(16 * 1024)
    assert server.get(ROUTE, BEARER, "POST", most).status == 200
    assert_problem(server.get(ROUTE, BEARER, "POST", most + " "), 413, "order-too-large")
    assert_problem(server.get(ROUTE, BEARER, "POST", "x" * 3_000_000), 413, "order-too-large")


@pytest.mark.parametrize("http2", [False, True])
def test_any_content_type_and_version(server, http2):
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        assert server.get(ROUTE, {**BEARER, "Content-Type": kind}, "POST", b'{"all": true}', http2=http2).status == 200


def test_who_hangs_up_does_no_harm(server, origin):
    origin.script("/a.png", body=png(1), content_type="image/png")
    for n in range(100):
        version_of(server.get(f"/images/a.png?w={n % 10 + 1}"))
        connection = server.connection()
        connection.request("POST", ROUTE, '{"all": true}', BEARER)
        if n % 2:
            connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
    assert_settles(server)
    purge(server, all=True)
    assert not is_hit(server.get("/images/a.png?w=4"))


# --- the documentation


def test_the_example_of_the_readme(start, origin, tmp_path):
    origin.script("/shop/shoe.jpg", body=png(1), content_type="image/png")
    server = start({"/images": {"image.origin": origin.url("/")}})
    warm(server, "/images/shop/shoe.jpg")
    section = (ROOT / "README.md").read_text().partition("## Purge\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    (curl .*(?:\n     .*)*)", section, re.M)
    assert len(commands) == 1
    command = commands[0].replace("http://127.0.0.1:8080", server.url("")).replace("/etc/h2o/admin-token", str(tmp_path / "token"))
    done = run(["bash", "-ec", command])
    assert done.returncode == 0 and json.loads(done.stdout)["renditions"] == len(WIDTHS), done
