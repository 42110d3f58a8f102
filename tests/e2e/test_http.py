"""What HTTP says about pictures, end to end: caching headers, validators, keys, both origins, both protocols."""

import http.client
import re
import socket

import pytest

import pictures
from pictures import fetch, size_of
from harness import Response, Sluice, request, wait_for
from origin import Origin
from structured import cache_status

TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif"}


@pytest.fixture(scope="module")
def origin():
    with Origin(pictures.tests()) as origin:
        yield origin


@pytest.fixture(scope="module")
def server(tmp_path_factory, origin):
    """One for all: the test pictures from a directory (/images), over HTTP (/http), and over HTTP and never kept (/unkept)."""
    paths = {
        "/images": {"image.origin": str(pictures.tests())},
        "/http": {"image.origin": origin.url("/"), "image.ttl": "90s"},
        "/unkept": {"image.origin": f"{origin.url('/')}unkept/", "image.ttl": 0},
    }
    with Sluice(tmp_path_factory.mktemp("http"), {"hosts": {"default": {"paths": paths}}}) as server:
        yield server
        assert server.stop()


# --- origins


@pytest.mark.parametrize("source", ["baseline.jpg", "rgba.png", "alpha.webp", "animated.gif", "photo.avif", "photo.tif", "1x1.png"])
def test_origins_make_no_difference(server, origin, source):
    origin.forget()
    for query in ("", "?w=77&output=png", "?w=50&h=50&fit=cover&output=webp"):
        one, other = fetch(server, f"/images/{source}{query}"), fetch(server, f"/http/{source}{query}")
        assert (one.body, one.headers["ETag"]) == (other.body, other.headers["ETag"])
    assert origin.count(f"/{source}") == 1  # one download for all sizes


# --- validators, lifetimes, keys


def status_of_cache(answer):
    """In words: "hit", "miss", "miss; stored"."""
    said = cache_status(answer)
    if "hit" in said:
        return "hit"
    assert said["fwd"] == "uri-miss" and "collapsed" not in said
    return "miss; stored" if "stored" in said else "miss"


def test_second_request_is_a_hit(server):
    miss, hit = [fetch(server, "/images/baseline.jpg?w=111") for _ in range(2)]
    assert (status_of_cache(miss), status_of_cache(hit)) == ("miss; stored", "hit")
    assert miss.body == hit.body and miss.headers["ETag"] == hit.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', hit.headers["ETag"])
    assert 3590 < int(hit.headers["Cache-Status"].partition("ttl=")[2]) <= 3600
    timing = r"queue;dur=\d+\.\d, fetch;dur=\d+\.\d, decode;dur=\d+\.\d, transform;dur=\d+\.\d, encode;dur=\d+\.\d"
    assert re.fullmatch(timing, miss.headers["Server-Timing"]) and "Server-Timing" not in hit.headers


def test_etag_is_of_the_bytes(server):
    one, other = fetch(server, "/images/baseline.jpg?w=112"), fetch(server, "/images/baseline.jpg?w=113")
    assert one.headers["ETag"] != other.headers["ETag"]
    # the same rendition under two keys: the source is a JPEG anyway
    assert fetch(server, "/images/baseline.jpg?w=112&output=jpg").headers["ETag"] == one.headers["ETag"]


@pytest.mark.parametrize("path, seconds", [("/images/rgb.png", 3600), ("/http/rgb.png", 90), ("/unkept/rgb.png", 0)])
def test_cache_control_has_the_ttl(server, origin, path, seconds):
    origin.script("/unkept/rgb.png", file="rgb.png")
    assert fetch(server, path).headers["Cache-Control"] == f"public, max-age={seconds}"


def test_what_has_no_ttl_is_not_kept(server, origin):
    origin.script("/unkept/new.png", file="rgb.png")
    for _ in range(3):
        assert status_of_cache(fetch(server, "/unkept/new.png?w=9")) == "miss"
    assert origin.count("/unkept/new.png") == 3


def test_age_grows(server):
    first = fetch(server, "/http/baseline.jpg?w=114")
    assert first.headers["Age"] == "0"

    def aged():
        answer = fetch(server, "/http/baseline.jpg?w=114")
        return answer if int(answer.headers["Age"]) >= 1 else None

    later = wait_for(aged, 5, "an age of a second")
    assert 80 <= int(later.headers["Cache-Status"].partition("ttl=")[2]) <= 89


@pytest.mark.parametrize("http2", [False, True])
def test_client_that_has_it_gets_304(server, http2):
    full = fetch(server, "/images/baseline.jpg?w=115", http2=http2)
    tag = full.headers["ETag"]
    for condition in (tag, f"W/{tag}", "*", f'"other", {tag}', f'{tag},"other"'):
        answer = server.get("/images/baseline.jpg?w=115", {"If-None-Match": condition}, http2=http2)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), condition
        assert answer.headers["Cache-Control"] == full.headers["Cache-Control"] and "Content-Type" not in answer.headers
    for condition in ('"other"', tag.strip('"'), tag[:-2] + '"', '""', ""):
        assert server.get("/images/baseline.jpg?w=115", {"If-None-Match": condition}, http2=http2).body == full.body, condition
    # also when the picture has to be made first
    answer = server.get(f"/images/baseline.jpg?w=115&output=jpg&q={71 + http2}", {"If-None-Match": "*"}, http2=http2)
    assert (answer.status, answer.body) == (304, b"")


def stable_headers(answer):
    volatile = {"date", "age", "cache-status", "server-timing"}
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in volatile}


@pytest.mark.parametrize("http2", [False, True])
def test_head_is_get_without_a_body(server, http2):
    path = f"/images/baseline.jpg?w={116 + http2}"
    made, head = [server.get(path, method="HEAD", http2=http2) for _ in range(2)]
    get = fetch(server, path, http2=http2)
    assert stable_headers(made) == stable_headers(head) == stable_headers(get)
    assert [len(answer.body) for answer in (made, head)] == [0, 0]
    assert int(head.headers["Content-Length"]) == len(get.body) > 0
    assert [status_of_cache(answer) for answer in (made, head, get)] == ["miss; stored", "hit", "hit"]


CANONICAL = "/images/baseline.jpg?w=120&h=90&fit=cover&output=webp"


@pytest.mark.parametrize(
    "other",
    [
        "/images/baseline.jpg?output=webp&fit=cover&h=90&w=120",
        "/images/baseline.jpg?w=120&h=90&fit=COVER&fm=WebP",
        "/images/baseline.jpg?%77=120&%68=90&f%69t=c%6Fver&output=%77ebp",
        "/images/baseline.jpg?w=%31%32%30&h=90&fit=cover&output=webp",
        "/images/baseline.jpg?w=0120&h=0090&fit=cover&output=webp",
        "/images/baseline.jpg?&&w=120&&h=90&fit=cover&output=webp&",
        "/images/baseline.jpg?w=120&h=90&fit=cover&output=webp&q=79",
        "/images/baseline.jpg?w=9&w=120&h=90&fit=cover&output=webp",
        "/images/%62aseline%2ejpg?w=120&h=90&fit=cover&output=webp",
        "/images/./baseline.jpg?w=120&h=90&fit=cover&output=webp",
        "/images/x/../baseline.jpg?w=120&h=90&fit=cover&output=webp",
    ],
)
def test_one_meaning_is_one_entry(server, other):
    first = fetch(server, CANONICAL)
    answer = fetch(server, other)
    assert status_of_cache(answer) == "hit"
    assert (answer.body, answer.headers["ETag"]) == (first.body, first.headers["ETag"])


@pytest.mark.parametrize(
    "one, other",
    [
        ("w=121", "w=121&fit=cover"),
        ("h=121", "h=121&fit=contain"),
        ("", "fit=fill"),
        ("w=122&output=png", "w=122&output=png&q=5"),
        ("w=122&output=gif", "w=122&output=gif&q=5"),
        ("w=122&output=jpg", "w=122&output=jpeg&q=80"),
        ("w=122&output=avif", "w=122&fm=avif&q=50"),
        ("w=122&h=122", "w=122&h=122&fit=inside"),
    ],
)
def test_what_changes_nothing_makes_no_second_entry(server, one, other):
    fetch(server, f"/images/rgb.png?{one}")
    assert status_of_cache(fetch(server, f"/images/rgb.png?{other}")) == "hit"


def test_other_meanings_are_other_entries(server):
    queries = ["w=130", "h=130", "w=130&h=130", "w=130&h=130&fit=cover", "w=130&h=130&fit=fill", "w=130&h=130&fit=outside"]
    queries += ["w=130&h=130&fit=contain", "w=131", "w=130&fit=fill", "w=130&q=81", "w=130&output=png", "w=130&output=webp"]
    bodies = {query: fetch(server, f"/images/progressive.jpg?{query}") for query in queries}
    assert {status_of_cache(answer) for answer in bodies.values()} == {"miss; stored"}


@pytest.mark.parametrize("output", TYPES)
def test_http2_gives_the_same_bytes(server, output):
    miss = fetch(server, f"/images/cmyk.jpg?w=133&output={output}", http2=True)
    hit = fetch(server, f"/images/cmyk.jpg?w=133&output={output}", http2=True)
    http1 = fetch(server, f"/images/cmyk.jpg?w=133&output={output}")
    assert miss.body == hit.body == http1.body
    assert [status_of_cache(answer) for answer in (miss, hit, http1)] == ["miss; stored", "hit", "hit"]
    assert miss.headers["Content-Type"] == http1.headers["Content-Type"] == TYPES[output]
    assert int(miss.headers["Content-Length"]) == len(miss.body)


def test_large_answers_are_complete(server):
    path = "/images/baseline.jpg?w=2400&output=png"
    answers = [fetch(server, path, http2=http2) for http2 in (True, False, True, False)]
    assert len(answers[0].body) > 3 << 20
    assert pictures.decode(answers[0].body).size == (2400, 1800)
    for answer in answers:
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert answer.body == answers[0].body


def read_response(stream, has_body=True):
    status = int(stream.readline().split()[1])
    headers = http.client.parse_headers(stream)
    return Response(status, headers, stream.read(int(headers["Content-Length"])) if has_body and status != 304 else b"")


def test_pipelined_requests_are_answered_in_order(server):
    large = fetch(server, "/images/baseline.jpg?w=900&output=png")
    script = [
        ("GET", "/images/baseline.jpg?w=900&output=png", {}),
        ("GET", "/images/rgb.png?w=140", {}),  # to be made
        ("HEAD", "/images/baseline.jpg?w=900&output=png", {}),
        ("GET", "/images/nothing.png", {}),
        ("GET", "/images/baseline.jpg?w=900&output=png", {"If-None-Match": large.headers["ETag"]}),
        ("GET", "/images/rgb.png?w=140", {}),
        ("GET", "/images/rgb.png?nonsense=1", {}),
        ("GET", "/images/baseline.jpg?w=900&output=png", {}),
    ]
    text = ""
    for method, path, headers in script:
        fields = [f"{name}: {value}" for name, value in {"Host": "x", **headers}.items()]
        text += "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "\r\n"])
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock, sock.makefile("rb") as stream:
        sock.sendall(text.encode())
        answers = [read_response(stream, method != "HEAD") for method, _, _ in script]
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 304, 200, 400, 200]
    assert answers[0].body == answers[7].body == large.body
    assert size_of(answers[1].body) == (140, 105) and answers[5].body == answers[1].body
    assert int(answers[2].headers["Content-Length"]) == len(large.body)


def test_kept_connection_serves_many(server):
    connection = server.connection()
    try:
        for n in range(50):
            answer = request(connection, f"/images/rgb.png?w={150 + n % 10}")
            assert (answer.status, size_of(answer.body)[0]) == (200, 150 + n % 10)
            assert status_of_cache(answer) == ("miss; stored" if n < 10 else "hit")
    finally:
        connection.close()
