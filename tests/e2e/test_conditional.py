"""Preconditions and ranges, end to end: what a client has already is not sent again, and parts of it are sent alone."""

import contextlib
import email.utils
import re

import pytest

import pictures
from harness import Response, Sluice
from origin import Origin
from pictures import fetch
from structured import cache_status

BEFORE, MODIFIED, AFTER = [f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (36, 37, 38)]
PATH = "/http/dated.jpg?w=320"
VOLATILE = {"date", "age", "cache-status", "server-timing", "connection"}  # differ from answer to answer
OF_THE_BODY = {"content-type", "content-length", "accept-ranges"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Origin(pictures.tests()) as origin:
        origin.script("/dated.jpg", file="baseline.jpg", last_modified=MODIFIED)
        paths = {"/http": {"image.origin": origin.url("/")}, "/images": {"image.origin": str(pictures.tests())}}
        config = {"compress": "ON", "hosts": {"default": {"paths": paths}}}
        with Sluice(tmp_path_factory.mktemp("conditional"), config) as server:
            yield server
            assert server.stop()


@pytest.fixture(scope="module")
def full(server):
    fetch(server, PATH)
    return fetch(server, PATH)


def ask(server, *lines, path=PATH, method="GET"):
    """One request with header lines that may repeat."""
    with contextlib.closing(server.connection()) as connection:
        connection.putrequest(method, path)
        for name, value in lines:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())


def fields(answer, without=frozenset()):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in VOLATILE | without}


def assert_not_modified(answer, full):
    assert (answer.status, answer.body) == (304, b"")
    assert fields(answer) == fields(full, OF_THE_BODY)
    assert answer.headers["Age"] is not None and cache_status(answer)["hit"]


def assert_problem(answer, status, code):
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert (answer.json()["status"], answer.json()["code"]) == (status, code) and len(answer.json()["detail"]) > 20
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["ETag"] is None and cache_status(answer)["hit"]


# --- preconditions


def test_validators(full):
    assert full.headers["Last-Modified"] == MODIFIED and re.fullmatch(r'"[0-9a-f]{32}"', full.headers["ETag"])
    assert full.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("form", ["{0}", "W/{0}", "*", '"other", {0}', '{0},"other"', ', ,W/"x" , {0}', '"a,b",{0}'])
def test_client_that_has_it_gets_304(server, full, form, http2):
    answer = server.get(PATH, {"If-None-Match": form.format(full.headers["ETag"])}, http2=http2)
    assert_not_modified(answer, full)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_tags_in_several_lines(server, full, at):
    tags = ['"a"', 'W/"b", "c"', '"d"']
    tags[at] = f"W/{full.headers['ETag']}"
    assert_not_modified(ask(server, *[("If-None-Match", tag) for tag in tags]), full)
    assert ask(server, *[("If-None-Match", tag) for tag in tags if tags.index(tag) != at]).body == full.body


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    "value, unchanged",
    [
        (BEFORE, False),
        (MODIFIED, True),
        (AFTER, True),
        ("Sunday, 06-Nov-94 08:49:36 GMT", False),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        ("Sun Nov  6 08:49:36 1994", False),
        ("Sun Nov  6 08:49:37 1994", True),
        ("today", False),
        ("784111777", False),
    ],
)
def test_modified_since(server, full, value, unchanged, http2):
    answer = server.get(PATH, {"If-Modified-Since": value}, http2=http2)
    if unchanged:
        assert_not_modified(answer, full)
    else:
        assert (answer.status, answer.body) == (200, full.body)


def test_date_in_two_lines_does_not_count(server, full):
    assert ask(server, ("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)).status == 200
    assert ask(server, ("If-Unmodified-Since", BEFORE), ("If-Unmodified-Since", BEFORE)).status == 200


@pytest.mark.parametrize("tag", ['"other"', "W/{0}", "nonsense", "", '"other", W/{0}'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_match_fails(server, full, tag, method):
    answer = server.get(PATH, {"If-Match": tag.format(full.headers["ETag"])}, method)
    if method == "GET":
        assert_problem(answer, 412, "precondition-failed")
    assert answer.status == 412


def test_match_holds(server, full):
    tag = full.headers["ETag"]
    for lines in ([("If-Match", tag)], [("If-Match", "*")], [("If-Match", '"other"'), ("If-Match", f'"x", {tag}')]):
        answer = ask(server, *lines)
        assert (answer.status, answer.body) == (200, full.body)


@pytest.mark.parametrize("value, status", [(BEFORE, 412), (MODIFIED, 200), (AFTER, 200), ("today", 200)])
def test_unmodified_since(server, full, value, status):
    answer = server.get(PATH, {"If-Unmodified-Since": value})
    assert answer.status == status
    if status == 412:
        assert_problem(answer, 412, "precondition-failed")


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"If-None-Match": '"other"', "If-Modified-Since": AFTER}, 200),
        ({"If-None-Match": "{0}", "If-Modified-Since": BEFORE}, 304),
        ({"If-Match": "{0}", "If-Unmodified-Since": BEFORE}, 200),
        ({"If-Match": '"other"', "If-Unmodified-Since": AFTER}, 412),
        ({"If-Match": '"other"', "If-None-Match": "{0}"}, 412),
        ({"If-Match": "{0}", "If-None-Match": "{0}"}, 304),
        ({"If-Unmodified-Since": BEFORE, "If-Modified-Since": AFTER}, 412),
        ({"If-Unmodified-Since": MODIFIED, "If-Modified-Since": MODIFIED}, 304),
    ],
)
def test_order_of_preconditions(server, full, headers, status):
    answer = server.get(PATH, {name: value.format(full.headers["ETag"]) for name, value in headers.items()})
    assert answer.status == status


def test_dates_do_not_count_without_a_date(server):
    fetch(server, "/http/rgb.png?w=20")
    assert fetch(server, "/http/rgb.png?w=20").headers["Last-Modified"] is None
    now = email.utils.formatdate(usegmt=True)
    assert server.get("/http/rgb.png?w=20", {"If-Modified-Since": now}).status == 200
    assert server.get("/http/rgb.png?w=20", {"If-Unmodified-Since": BEFORE}).status == 200


def test_file_is_as_old_as_it_is(server):
    modified = (pictures.tests() / "rgb.png").stat().st_mtime
    answer = fetch(server, "/images/rgb.png?w=21")
    assert answer.headers["Last-Modified"] == email.utils.formatdate(int(modified), usegmt=True)
    assert server.get("/images/rgb.png?w=21", {"If-Modified-Since": answer.headers["Last-Modified"]}).status == 304


def test_preconditions_of_what_must_be_made_first(server):
    answer = server.get("/http/dated.jpg?w=301", {"If-None-Match": "*"})
    assert (answer.status, answer.body, cache_status(answer)["fwd"]) == (304, b"", "uri-miss")
    answer = server.get("/http/dated.jpg?w=302", {"If-Modified-Since": MODIFIED})
    assert (answer.status, cache_status(answer)["fwd"]) == (304, "uri-miss")
    answer = server.get("/http/dated.jpg?w=303", {"If-Match": '"other"'})
    assert (answer.status, cache_status(answer)["fwd"]) == (412, "uri-miss")
    for width in (301, 302, 303):  # they were made, and are whole
        assert "hit" in cache_status(fetch(server, f"/http/dated.jpg?w={width}"))


# --- ranges


def assert_part(answer, full, first, last):
    size = len(full.body)
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert int(answer.headers["Content-Length"]) == len(answer.body) == last - first + 1
    assert answer.body == full.body[first : last + 1]
    assert fields(answer, {"content-range", "content-length"}) == fields(full, {"content-length"})


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    "value, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-199", 100, 199),
        ("bytes=1-", 1, -1),
        ("bytes=0-", 0, -1),
        ("bytes=-1", -1, -1),
        ("bytes=-100", -100, -1),
        ("bytes=-99999999", 0, -1),
        ("bytes=500-99999999", 500, -1),
        ("bytes=500-99999999999999999999999", 500, -1),
        ("BYTES=3-5", 3, 5),
    ],
)
def test_part(server, full, value, first, last, http2):
    size = len(full.body)
    answer = server.get(PATH, {"Range": value, "Accept-Encoding": "gzip"}, http2=http2)
    assert_part(answer, full, first % size, last % size)


def test_last_byte(server, full):
    size = len(full.body)
    for value in (f"bytes={size - 1}-", f"bytes={size - 1}-{size - 1}", f"bytes={size - 1}-{size}"):
        assert_part(server.get(PATH, {"Range": value}), full, size - 1, size - 1)
    assert_part(server.get(PATH, {"Range": f"bytes=-{size}"}), full, 0, size - 1)


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("value", ["bytes={0}-", "bytes={0}-{0}", "bytes=99999999999999999999999-", "bytes=-0"])
def test_nothing_there(server, full, value, http2):
    answer = server.get(PATH, {"Range": value.format(len(full.body))}, http2=http2)
    assert_problem(answer, 416, "bad-range")
    assert answer.headers["Content-Range"] == f"bytes */{len(full.body)}"


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "bytes=5-4", "bytes=a-b", "bytes=", "bytes", "bytes=1", "lines=1-2", "", "0-5", "bytes=--5"])
def test_whole_if_there_is_not_one_range(server, full, value):
    answer = server.get(PATH, {"Range": value})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (200, full.body, None)


def test_two_lines_are_several_ranges(server, full):
    assert ask(server, ("Range", "bytes=0-1"), ("Range", "bytes=0-1")).body == full.body


@pytest.mark.parametrize(
    "value, part",
    [
        ("{0}", True),
        (MODIFIED, True),
        ("Sun Nov  6 08:49:37 1994", True),
        ("W/{0}", False),
        ('"other"', False),
        ("*", False),
        (BEFORE, False),
        (AFTER, False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_range_if_it_is_the_same(server, full, value, part):
    answer = server.get(PATH, {"Range": "bytes=10-19", "If-Range": value.format(full.headers["ETag"])})
    if part:
        assert_part(answer, full, 10, 19)
    else:
        assert (answer.status, answer.body) == (200, full.body)


def test_preconditions_come_before_the_range(server, full):
    tag = full.headers["ETag"]
    assert server.get(PATH, {"Range": "bytes=0-1", "If-None-Match": tag}).status == 304
    assert server.get(PATH, {"Range": "bytes=999999999-", "If-None-Match": tag}).status == 304
    assert server.get(PATH, {"Range": "bytes=0-1", "If-Match": '"other"'}).status == 412
    assert_part(server.get(PATH, {"Range": "bytes=0-1", "If-Match": tag}), full, 0, 1)


def test_head_has_no_ranges(server, full):
    for value in ("bytes=0-1", "bytes=999999999-"):
        head = server.get(PATH, {"Range": value}, "HEAD")
        assert (head.status, head.body) == (200, b"") and fields(head) == fields(full)


def test_part_of_what_must_be_made_first(server):
    part = server.get("/http/dated.jpg?w=304", {"Range": "bytes=2-3"})
    assert cache_status(part)["fwd"] == "uri-miss" and part.headers["Server-Timing"]
    full = fetch(server, "/http/dated.jpg?w=304")
    assert part.status == 206 and part.body == full.body[2:4]
    assert part.headers["Content-Range"] == f"bytes 2-3/{len(full.body)}"
    answer = server.get("/http/dated.jpg?w=305", {"Range": "bytes=999999999-"})
    assert (answer.status, cache_status(answer)["fwd"]) == (416, "uri-miss")


@pytest.mark.parametrize("http2", [False, True])
def test_parts_make_the_whole(server, http2):
    path = "/images/baseline.jpg?w=2400&output=png"
    full = fetch(server, path)
    size, step = len(full.body), 1_000_003
    assert size > 3 * step
    parts = [server.get(path, {"Range": f"bytes={at}-{at + step - 1}"}, http2=http2) for at in range(0, size, step)]
    assert {part.status for part in parts} == {206}
    assert b"".join(part.body for part in parts) == full.body


def test_curl_resumes(server, full, tmp_path):
    file = tmp_path / "resumed.jpg"
    file.write_bytes(full.body[:1234])
    done = server.curl(PATH, "--continue-at", "-", "--output", str(file), "--write-out", "%{http_code}")
    assert (done.returncode, done.stdout) == (0, b"206") and file.read_bytes() == full.body
    # and asks with the file's date, which is now
    done = server.curl(PATH, "--time-cond", str(file), "--write-out", "%{http_code}")
    assert (done.returncode, done.stdout) == (0, b"304")


def test_kept_connection_survives_all_of_them(server, full):
    with contextlib.closing(server.connection()) as connection:
        for headers, status in [
            ({"Range": "bytes=0-9"}, 206),
            ({"Range": "bytes=999999999-"}, 416),
            ({"If-None-Match": "*"}, 304),
            ({"If-Match": '"other"'}, 412),
            ({}, 200),
        ] * 3:
            connection.request("GET", PATH, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status
    assert body == full.body
