"""What the origin says about caching, end to end. Time is not waited for: an answer with an Age is as old as it says."""

import os
import time
from pathlib import Path

import pytest

import pictures
from clients import Asked, metrics
from harness import wait_for
from origin import Origin

OLD = {"Age": "100"}
PICTURES = pictures.tests()
ONE, OTHER = (PICTURES / "baseline.jpg").read_bytes(), (PICTURES / "progressive.jpg").read_bytes()


@pytest.fixture
def origin():
    with Origin(PICTURES) as origin:
        yield origin


def start(sluice, origin, **settings):
    """The origin's pictures at /images. What is out of date is not served unless the origin or a test says so."""
    settings = {"image.stale-if-error": 0, "image.error-ttl": 0, **settings}
    paths = {"/images": {"image.origin": origin if isinstance(origin, str) else origin.url("/")}, "/api": {"health.api": "ON"}}
    paths["/metrics"] = {"health.prometheus": "ON"}
    return sluice({**settings, "hosts": {"default": {"paths": paths}}})


def transforms(server):
    """Renditions made, alone or together."""
    values = metrics(server)
    return int(values["sluice_transforms_total"] + values["sluice_transform_shared_total"])


def get(server, path="/images/x.jpg?w=100"):
    answer = server.get(path)
    assert answer.status == 200, answer.body
    return answer


def age(answer):
    return int(answer.headers["Age"])


def idle(server):
    wait_for(lambda: not any(server.get("/api/health").json()["operations"].values()), 10, "nothing is under way")


def conditions(request):
    return request.headers["If-None-Match"], request.headers["If-Modified-Since"]


# --- for how long

LIFETIMES = {  # headers: whether the answer is still fresh at once
    "nothing": ({}, True),
    "max-age": ({"Cache-Control": "max-age=60"}, True),
    "max-age that has passed": ({"Cache-Control": "max-age=60", **OLD}, False),
    "max-age with time left": ({"Cache-Control": "max-age=200", **OLD}, True),
    "max-age of nothing": ({"Cache-Control": "max-age=0"}, False),
    "s-maxage is for caches": ({"Cache-Control": "max-age=0, s-maxage=60"}, True),
    "s-maxage that has passed": ({"Cache-Control": "s-maxage=60, max-age=600", **OLD}, False),
    "no-cache": ({"Cache-Control": "no-cache, max-age=60"}, False),
    "must-revalidate": ({"Cache-Control": "must-revalidate, max-age=60"}, True),
    "public": ({"Cache-Control": "public"}, True),
    "Expires long ago": ({"Expires": "Sun, 06 Nov 1994 08:49:37 GMT"}, False),
    "Expires in the far future": ({"Expires": "Sun, 06 Nov 2094 08:49:37 GMT"}, True),
    "Expires that is no date": ({"Expires": "0"}, False),
    "max-age before Expires": ({"Expires": "0", "Cache-Control": "max-age=60"}, True),
    "Vary": ({"Vary": "Accept, Cookie, Accept-Encoding"}, True),
}


@pytest.mark.parametrize("case", LIFETIMES)
def test_lifetime(sluice, origin, case):
    headers, fresh = LIFETIMES[case]
    origin.script("/x.jpg", body=ONE, headers=headers)
    server = start(sluice, origin)
    bodies = {get(server).body for _ in range(3)}
    assert len(bodies) == 1
    assert origin.count("/x.jpg") == (1 if fresh else 3)
    assert transforms(server) == 1  # the bytes are the same


@pytest.mark.parametrize("case", LIFETIMES)
def test_lifetime_overridden(sluice, origin, case):
    origin.script("/x.jpg", body=ONE, headers=LIFETIMES[case][0])
    server = start(sluice, origin, **{"image.ttl": "1h", "image.ttl-override": "ON"})
    for _ in range(3):
        assert get(server).headers["Cache-Control"] == "public, max-age=3600"
    assert origin.count("/x.jpg") == 1


def test_it_ends_in_time(sluice, origin):
    """Three seconds of the origin's minute are left."""
    origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60", "Age": "57"})
    server = start(sluice, origin)
    assert 57 <= age(get(server)) <= age(get(server)) < 60 and origin.count("/x.jpg") == 1
    wait_for(lambda: get(server) and origin.count("/x.jpg") > 1, 10, "the origin is asked again")


def test_renditions_are_as_old_as_their_source(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=500", **OLD})
    server = start(sluice, origin)
    assert all(100 <= age(get(server, f"/images/x.jpg?w={width}")) < 150 for width in (100, 200))
    assert origin.count("/x.jpg") == 1


@pytest.mark.parametrize("here, there, count", [("no-store", "max-age=60", 1), ("max-age=60", "max-age=0", 2)])
def test_of_redirects_the_last_answer_counts(sluice, origin, here, there, count):
    origin.script("/x.jpg", status=302, location="/y.jpg", headers={"Cache-Control": here, "Set-Cookie": "a=b"})
    origin.script("/y.jpg", body=ONE, headers={"Cache-Control": there})
    server = start(sluice, origin)
    get(server)
    get(server)
    assert origin.count("/y.jpg") == count


def test_folded_line_is_not_trusted(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60,\r\n no-store"})
    server = start(sluice, origin)
    get(server)
    get(server)
    assert origin.count("/x.jpg") == 2


# --- what is not stored

UNSTORED = {
    "no-store": {"Cache-Control": "no-store"},
    "private": {"Cache-Control": "private, max-age=60"},
    "private fields": {"Cache-Control": 'private="x", max-age=60'},
    "cookie": {"Set-Cookie": "a=b", "Cache-Control": "max-age=60"},
    "vary": {"Vary": "*", "Cache-Control": "max-age=60"},
}


@pytest.mark.parametrize("case", UNSTORED)
def test_unstored(sluice, origin, case):
    """Who waits for it shares one download; nobody after them gets it, not even in another size."""
    origin.script("/x.jpg", body=ONE, headers=UNSTORED[case], etag='"1"')
    server = start(sluice, origin)
    origin.hold("/x.jpg")
    asked = [Asked(server, f"/images/x.jpg?w={width}") for width in (100, 100, 100, 200)]
    wait_for(lambda: server.get("/api/health").json()["operations"]["requests"] >= 4, 10, "all wait")
    origin.release("/x.jpg")
    answers = [one.answer() for one in asked]
    assert {answer.status for answer in answers} == {200} and not any("stored" in answer.headers["Cache-Status"] for answer in answers)
    assert origin.count("/x.jpg") == 1
    get(server)
    get(server, "/images/x.jpg?w=200")
    assert origin.count("/x.jpg") == 3
    assert all(conditions(request) == (None, None) for request in origin.seen("/x.jpg"))  # nothing is remembered


@pytest.mark.parametrize("case", UNSTORED)
def test_unstored_overridden(sluice, origin, case):
    origin.script("/x.jpg", body=ONE, headers=UNSTORED[case])
    server = start(sluice, origin, **{"image.ttl-override": "ON"})
    for width in (100, 100, 200):
        get(server, f"/images/x.jpg?w={width}")
    assert origin.count("/x.jpg") == 1


def test_picture_that_becomes_private_leaves_the_cache(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=0, stale-while-revalidate=0"}, etag='"1"')
    server = start(sluice, origin)
    assert "stored" in get(server).headers["Cache-Status"]
    script.headers = {"Cache-Control": "private"}
    get(server)  # 304
    get(server)
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"', None]


# --- asking again


@pytest.mark.parametrize(
    "etag, modified", [('"1"', None), ('W/"1"', None), (None, "Sun, 06 Nov 1994 08:49:37 GMT"), ('"1"', "Sun, 06 Nov 1994 08:49:37 GMT")]
)
def test_unchanged(sluice, origin, etag, modified):
    origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=0"}, etag=etag, last_modified=modified)
    server = start(sluice, origin)
    first, second = get(server), get(server)
    assert (first.body, first.headers["ETag"]) == (second.body, second.headers["ETag"])
    assert [conditions(request) for request in origin.seen("/x.jpg")] == [(None, None), (etag, modified)]
    assert origin.seen("/x.jpg")[1].sent == 0
    assert transforms(server) == 1


def test_same_bytes_under_another_validator(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start(sluice, origin)
    get(server)
    script.etag = '"2"'
    get(server)
    get(server)
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"', '"2"']
    assert transforms(server) == 1


def test_changed(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start(sluice, origin)
    first = get(server)
    script.body, script.etag = OTHER, '"2"'
    second = get(server)
    assert second.body != first.body and second.headers["ETag"] != first.headers["ETag"]
    assert get(server).body == second.body
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"', '"2"']
    assert transforms(server) == 2


def test_one_answer_renews_all_sizes(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60", **OLD}, etag='"1"')
    server = start(sluice, origin)
    origin.hold("/x.jpg")
    asked = [Asked(server, f"/images/x.jpg?w={width}") for width in (100, 200, 300)]
    wait_for(lambda: server.get("/api/health").json()["operations"]["requests"] >= 3, 10, "all wait")
    origin.release("/x.jpg")
    bodies = [one.answer().body for one in asked]
    script.headers = {"Cache-Control": "max-age=600", "Age": "7"}
    answers = [get(server, f"/images/x.jpg?w={width}") for width in (100, 200, 300, 100)]
    assert [answer.body for answer in answers] == [*bodies, bodies[0]]
    assert all(7 <= age(answer) < 60 for answer in answers)
    assert origin.count("/x.jpg") == 2 and transforms(server) == 3
    assert answers[3].headers["Cache-Status"].startswith("sluice; hit")


def test_304_that_says_nothing_new(sluice, origin):
    """What was said with the picture holds on."""
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60", **OLD}, etag='"1"')
    server = start(sluice, origin, **{"image.ttl": 0})
    get(server)
    script.headers = {}
    for _ in range(3):
        get(server)
    assert origin.count("/x.jpg") == 2


def test_304_that_nobody_asked_for(sluice, origin):
    origin.script("/x.jpg", status=304, body=b"")
    answer = start(sluice, origin).get("/images/x.jpg?w=100")
    assert (answer.status, answer.json()["code"]) == (502, "origin-status")


# --- the source has left the cache, what was made of it has not


def start_small(sluice, origin, **settings):
    """A cache in which the source of /x.jpg has no room, but small pictures do."""
    return start(sluice, origin, **{"image-cache.capacity": 64 * 1024, "image-cache.policy": "lru", **settings})


HEAVY_ONE, HEAVY_OTHER = ONE + bytes(200_000), OTHER + bytes(200_000)


def test_unchanged_without_its_bytes(sluice, origin):
    origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    first, second = get(server), get(server)
    assert first.body == second.body
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"']
    assert origin.seen("/x.jpg")[1].sent == 0 and transforms(server) == 1


def test_unchanged_without_its_bytes_for_one_who_needs_them(sluice, origin):
    origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    first = get(server)
    origin.hold("/x.jpg")
    knows = Asked(server, "/images/x.jpg?w=100")
    origin.wait_for_request("/x.jpg", 2)
    need = [Asked(server, f"/images/x.jpg?w={width}") for width in (90, 80, 70)]
    wait_for(lambda: server.get("/api/health").json()["operations"]["requests"] >= 4, 10, "all wait")
    origin.release("/x.jpg")
    assert knows.answer().body == first.body
    assert [pictures.header(one.answer().body).width for one in need] == [90, 80, 70]
    asked = [conditions(request)[0] for request in origin.seen("/x.jpg")]
    assert asked[:3] == [None, '"1"', None] and set(asked[3:]) <= {None}
    assert transforms(server) == 4


def test_leaving_while_the_bytes_are_asked_for_again(sluice, origin):
    """Who needs the bytes leaves before they come: nothing is left over."""
    script = origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    for width in range(10, 20):
        get(server)
        origin.hold("/x.jpg")
        knows, needs = Asked(server, "/images/x.jpg?w=100"), None
        origin.wait_for_request("/x.jpg", 2)
        needs = Asked(server, f"/images/x.jpg?w={width}")
        wait_for(lambda: server.get("/api/health").json()["operations"]["requests"] >= 2, 10, "both wait")
        script.bytes_per_second = 100_000
        origin.release("/x.jpg")
        assert knows.answer().status == 200
        origin.wait_for_request("/x.jpg", 3)
        needs.hang_up()
        script.bytes_per_second = None
        idle(server)
        origin.forget()


def test_changed_without_its_bytes(sluice, origin):
    script = origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    first = get(server)
    script.body, script.etag = HEAVY_OTHER, '"2"'
    assert get(server).body != first.body
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"']


def test_condition_needs_a_rendition_of_these_bytes(sluice, origin):
    origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    get(server, "/images/x.jpg?w=100")
    get(server, "/images/x.jpg?w=90")
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, None]


def test_condition_is_about_the_bytes_of_the_rendition(sluice, origin):
    script = origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin)
    get(server, "/images/x.jpg?w=100")
    script.body, script.etag = HEAVY_OTHER, '"2"'
    get(server, "/images/x.jpg?w=90")
    get(server, "/images/x.jpg?w=100")
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, None, None]


def test_failure_in_between(sluice, origin):
    """What was known is still known."""
    script = origin.script("/x.jpg", body=HEAVY_ONE, headers={"Cache-Control": "max-age=0"}, etag='"1"')
    server = start_small(sluice, origin, **{"image.error-ttl": "1ms"})
    get(server)
    origin.script("/x.jpg", status=500)
    assert server.get("/images/x.jpg?w=100").status == 502
    origin.scripts["/x.jpg"] = script
    wait_for(lambda: server.get("/images/x.jpg?w=100").status == 200, 10, "it is tried again")
    assert [conditions(request)[0] for request in origin.seen("/x.jpg")] == [None, '"1"', '"1"']
    assert transforms(server) == 1


# --- served while it is renewed

STALE = {"Cache-Control": "max-age=60, stale-while-revalidate=600", **OLD}


def test_stale_while_revalidate(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers=STALE, etag='"1"')
    server = start(sluice, origin)
    first = get(server)
    script.body, script.etag, script.headers = OTHER, '"2"', {"Cache-Control": "max-age=600"}
    origin.hold("/x.jpg")
    for _ in range(20):
        assert get(server).body == first.body
    origin.wait_for_request("/x.jpg", 2)
    assert origin.count("/x.jpg") == 2  # in the background, once
    origin.release("/x.jpg")
    wait_for(lambda: get(server).body != first.body, 10, "the new picture")
    get(server)
    assert origin.count("/x.jpg") == 2


def test_stale_by_settings(sluice, origin):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60", **OLD}, etag='"1"')
    server = start(sluice, origin, **{"image.stale-while-revalidate": "1h"})
    get(server)
    script.headers = {"Cache-Control": "max-age=600"}
    origin.hold("/x.jpg")
    get(server)
    origin.release("/x.jpg")
    wait_for(lambda: "; ttl=5" in get(server).headers["Cache-Status"], 10, "it is fresh")
    assert origin.count("/x.jpg") == 2 and transforms(server) == 1


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"])
def test_stale_is_forbidden(sluice, origin, directive):
    script = origin.script("/x.jpg", body=ONE, headers={"Cache-Control": f"max-age=60, {directive}", **OLD}, etag='"1"')
    server = start(sluice, origin, **{"image.stale-while-revalidate": "1h", "image.stale-if-error": "1h"})
    first = get(server)
    script.body, script.etag = OTHER, '"2"'
    assert get(server).body != first.body
    origin.script("/x.jpg", status=500)
    assert server.get("/images/x.jpg?w=100").status == 502


def test_failed_refresh_is_not_tried_by_every_request(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers=STALE)
    server = start(sluice, origin, **{"image.error-ttl": "1h"})
    first = get(server)
    origin.script("/x.jpg", status=503)
    get(server)
    origin.wait_for_request("/x.jpg", 2)
    idle(server)
    for _ in range(20):
        assert get(server).body == first.body
        idle(server)
    assert origin.count("/x.jpg") == 2


@pytest.mark.parametrize("status", [404, 410])
def test_missing_is_not_served_stale(sluice, origin, status):
    origin.script("/x.jpg", body=ONE, headers=STALE)
    server = start(sluice, origin, **{"image.stale-if-error": "1h"})
    get(server)
    origin.script("/x.jpg", status=status)
    wait_for(lambda: server.get("/images/x.jpg?w=100").status == 404, 10, "it is gone")
    origin.script("/x.jpg", status=500)
    assert server.get("/images/x.jpg?w=100").status == 404  # remembered, and nothing else to serve


def test_missing_is_not_served_stale_in_another_size(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers=STALE)
    server = start(sluice, origin, **{"image.negative-ttl": "1h"})
    for width in (100, 200):
        get(server, f"/images/x.jpg?w={width}")
    origin.script("/x.jpg", status=404)
    for width in (100, 200):
        wait_for(lambda: server.get(f"/images/x.jpg?w={width}").status == 404, 10, "it is gone")


CLIENTS_OF_MISSING = {  # headers of a 404: what clients are told
    "": "public, max-age=3600",
    "max-age=86400": "public, max-age=86400",
    "max-age=60, s-maxage=600": "public, max-age=600",
    "max-age=0": "no-store",
    "no-store": "no-store",
    "private, max-age=60": "no-store",
}


@pytest.mark.parametrize("said", CLIENTS_OF_MISSING)
def test_clients_may_keep_a_404_as_long_as_it_is_remembered(sluice, origin, said):
    origin.script("/x.jpg", status=404, headers={"Cache-Control": said} if said else {})
    server = start(sluice, origin, **{"image.negative-ttl": "1h"})
    answer = server.get("/images/x.jpg?w=100")
    assert answer.status == 404 and answer.headers["Cache-Control"] == CLIENTS_OF_MISSING[said]


def test_stop_while_it_is_renewed(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers=STALE)
    server = start(sluice, origin, **{"image.origin-timeout": "600s"})
    get(server)
    origin.hold("/x.jpg")
    get(server)
    origin.wait_for_request("/x.jpg", 2)
    assert server.stop()


# --- served when the origin fails


def test_stale_if_error(sluice, origin):
    origin.script("/x.jpg", body=ONE, headers={"Cache-Control": "max-age=60, stale-if-error=600", **OLD}, etag='"1"')
    server = start(sluice, origin)
    first = get(server)
    for failure in (dict(status=500), dict(status=503), dict(refuse=True), dict(body=ONE, stop_after=10, then="close")):
        origin.script("/x.jpg", **failure)
        assert get(server).body == first.body
    origin.script("/x.jpg", status=403)  # it is the picture that is refused
    assert server.get("/images/x.jpg?w=100").status == 502
    origin.script("/x.jpg", body=OTHER)
    assert get(server).body != first.body


# --- what goes wrong

NEGATIVE = {  # headers of a 404: how often the origin is asked in three requests
    "nothing": ({}, 1),
    "max-age": ({"Cache-Control": "max-age=60"}, 1),
    "max-age that has passed": ({"Cache-Control": "max-age=60", **OLD}, 3),
    "no-store": ({"Cache-Control": "no-store"}, 3),
    "no-cache": ({"Cache-Control": "no-cache"}, 3),
    "private": ({"Cache-Control": "private"}, 3),
    "expired": ({"Expires": "0"}, 3),
}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("case", NEGATIVE)
def test_missing(sluice, origin, case, status):
    headers, count = NEGATIVE[case]
    origin.script("/x.jpg", status=status, headers=headers)
    server = start(sluice, origin)
    for _ in range(3):
        assert server.get("/images/x.jpg?w=100").status == 404
    assert origin.count("/x.jpg") == count


def test_missing_for_as_long_as_the_setting_allows(sluice, origin):
    origin.script("/x.jpg", status=404, headers={"Cache-Control": "max-age=86400"})
    server = start(sluice, origin, **{"image-cache.negative-max-age": "3s"})
    assert server.get("/images/x.jpg?w=100").status == 404
    origin.script("/x.jpg", body=ONE)
    assert server.get("/images/x.jpg?w=100").status == 404
    wait_for(lambda: server.get("/images/x.jpg?w=100").status == 200, 10, "it is found")


@pytest.mark.parametrize("script", [dict(status=500), dict(status=403), dict(refuse=True), dict(body=ONE, stop_after=10, then="close")])
def test_failure_is_remembered_for_a_moment(sluice, origin, script):
    origin.script("/x.jpg", **script)
    server = start(sluice, origin, **{"image.error-ttl": "3s"})
    codes = {server.get(f"/images/x.jpg?w={width}").json()["code"] for width in (100, 100, 200)}
    assert len(codes) == 1 and origin.count("/x.jpg") == 1
    origin.script("/x.jpg", body=ONE)
    wait_for(lambda: server.get("/images/x.jpg?w=100").status == 200, 10, "it is tried again")
    assert origin.count("/x.jpg") == 2


@pytest.mark.parametrize("headers, count", [({}, 1), ({"Cache-Control": "max-age=0"}, 1), ({"Cache-Control": "no-store"}, 3)])
def test_broken_picture(sluice, origin, headers, count):
    origin.script("/x.jpg", file="truncated.jpg", headers=headers)
    server = start(sluice, origin)
    for _ in range(3):
        assert server.get("/images/x.jpg?w=100").status == 422
    assert origin.count("/x.jpg") == count


# --- files


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def write(file, body, age_s=1000, now=None):
    """As if it had been written a while ago."""
    file.write_bytes(body)
    when = (now or time.time()) - age_s
    os.utime(file, (when, when))


def bytes_read(server):
    text = Path(f"/proc/{server.worker().pid}/io").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("rchar:"))


def test_file_that_stays(sluice, folder):
    """It is looked at, and not read."""
    large = ONE + bytes(10_000_000)
    write(folder / "x.jpg", large)
    server = start(sluice, str(folder), **{"image.ttl": "1ms"})
    first = get(server)
    before = bytes_read(server)
    while "hit" in get(server).headers["Cache-Status"]:
        pass
    assert get(server).body == first.body
    assert bytes_read(server) - before < len(large)
    assert transforms(server) == 1


def test_file_that_is_replaced(sluice, folder):
    write(folder / "x.jpg", ONE)
    server = start(sluice, str(folder), **{"image.ttl": "1ms"})
    first = get(server)
    write(folder / "new", OTHER)
    (folder / "new").rename(folder / "x.jpg")
    wait_for(lambda: get(server).body != first.body, 5, "the new picture")


@pytest.mark.parametrize("age_s, later_age_s", [(1000, 900), (0, 0)])
def test_file_that_is_rewritten(sluice, folder, age_s, later_age_s):
    """To another of the same size; in its first moments perhaps without its time getting a new value."""
    server = start(sluice, str(folder), **{"image.ttl": "1ms"})
    now = int(time.time()) + 1
    size = max(len(ONE), len(OTHER))
    write(folder / "x.jpg", ONE.ljust(size, b"\0"), age_s, now)
    first = get(server)
    write(folder / "x.jpg", OTHER.ljust(size, b"\0"), later_age_s, now)
    wait_for(lambda: get(server).body != first.body, 5, "the new picture")


def test_file_that_goes(sluice, folder):
    write(folder / "x.jpg", ONE)
    server = start(sluice, str(folder), **{"image.ttl": "1ms"})
    get(server)
    (folder / "x.jpg").unlink()
    wait_for(lambda: server.get("/images/x.jpg?w=100").status == 404, 5, "it is gone")
