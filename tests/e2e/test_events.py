"""Live events: all of them, in order, to everyone who reads, and no harm by those who do not."""

import contextlib
import json
import os
import re
import signal

import pytest

from clients import Http2, metrics
from harness import request, wait_for
from listening import ROUTE, Listener, Silent
from problems import assert_problem
from purging import BEARER, origin, png, purge, start, token_file  # noqa: F401, fixtures
from test_simulate import FAST, level, simulate

MAX_STREAMS = 32
RING = 512
MIB = 1 << 20
LISTENERS_MIB = 64 if "SLUICE_EXTRA_PRELOAD" in os.environ else 8  # a sanitizer keeps what was freed
WAVE = ((680, "elevated"), (730, "degraded"), (780, "high"), (880, "critical"), (930, "emergency"))
PROTOCOLS = pytest.mark.parametrize("http2", (False, True), ids=("http1", "http2"))


def assert_no_gap(events):
    ids = [int(event.id) for event in events if event.type != "state"]
    assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True, ids


def listed(server, query=""):
    answer = server.get(f"{ROUTE}?format=json{query}")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json", answer.body
    return answer.json()


def streams(server):
    return metrics(server)["sluice_event_streams"]


class Publisher:
    """Publishes events, one order of pretended memory each, on one connection; the level stays as it is."""

    def __init__(self, server):
        self.connection, self.count = server.connection(), 0

    def publish(self, count):
        for _ in range(count):
            self.count += 1
            answer = request(self.connection, "/api/memory/simulate", BEARER, "POST", json.dumps({"bytes": self.count, "seconds": 600}))
            assert answer.status == 200, answer.body
        return self.count


# --- what is told


@PROTOCOLS
def test_a_wave_of_pressure_is_told_level_by_level(start, http2):
    server = start({}, **FAST)
    with Listener(server, http2=http2) as listener:
        state = listener.wait_for(lambda event: event.type == "state").data
        assert (state["level"], state["resumed"], state["budget_bytes"]) == ("normal", False, 1000 << 20)
        assert 0 < state["ratio"] < 0.6 and 0 < state["resident_bytes"] < 600 << 20
        for mib, expected in WAVE:
            simulate(server, mib, 60)
            listener.wait_for_level(expected)
            assert level(server) == expected
        simulate(server, 0, 0)
        listener.wait_for_level("normal")
        assert level(server) == "normal"
        events = list(listener.events)
    assert events[0].type == "state" and listener.parser.retry > 0
    assert_no_gap(events)
    changes = [event.data for event in events if event.type == "level"]
    assert [change["from"] for change in changes] == ["normal"] + [change["to"] for change in changes[:-1]]
    order = ["normal", *(name for _, name in WAVE)]
    for change in changes:
        rises = order.index(change["to"]) > order.index(change["from"])
        assert change["direction"] == ("up" if rises else "down"), change
        assert change["ratio"] == pytest.approx(change["resident_bytes"] / (1000 << 20), abs=0.002)
    up = [change["to"] for change in changes if change["direction"] == "up"]
    assert up == [name for _, name in WAVE]
    # the log tells the same, and each rise with what came of it
    said = re.findall(r"pressure: down from (\w+) to (\w+) \(", server.log())
    assert said == [(change["from"], change["to"]) for change in changes if change["direction"] == "down"]
    assert re.findall(r"pressure: (elevated|degraded|high|critical|emergency) \(", server.log()) == up
    times = [event.data["at"] for event in events]
    assert times == sorted(times)


def test_what_reclaims_claim_and_what_really_went(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **FAST)
    origin.script("/a.png", body=png(3, (600, 600), noisy=True), content_type="image/png")
    for width in range(100, 600, 50):
        assert server.get(f"/images/a.png?w={width}").status == 200
    health = server.get("/api/metrics/cache").json()
    with Listener(server) as listener:
        simulate(server, 925 - server.rss_bytes() // MIB, 60)
        reclaim = listener.wait_for(lambda event: event.type == "reclaim").data
        left = listener.wait_for(lambda event: event.type == "disposal").data
    assert reclaim["level"] == "critical" and reclaim["objects"] >= 10 and reclaim["claimed_bytes"] > 0, (reclaim, health)
    assert set(reclaim) >= {"resident_before_bytes", "resident_after_bytes", "duration_ms", "purged_bytes", "poor", "unfinished"}
    assert left["reasons"]["pressure"]["objects"] == left["objects"] >= 10 and left["cache"] == "image"
    last = server.get("/api/health").json()
    assert last["memory"]["level"] == "critical"


def test_what_left_the_cache_is_summed_up(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **FAST)
    origin.script("/a.png", body=png(3, (60, 60)), content_type="image/png")
    with Listener(server) as listener:
        for width in range(10, 30):
            assert server.get(f"/images/a.png?w={width}").status == 200
        done = purge(server, all=True)
        purged = listener.wait_for(lambda event: event.type == "purge").data
        evicted = "sluice_image_cache_evictions_total"
        wait_for(lambda: sum(event.data["objects"] for event in listener.of_type("disposal")) ==
                 sum(value for name, value in metrics(server).items() if name.startswith(evicted)), 20, "all disposals are told")
        told = listener.of_type("disposal")
    assert {name: purged[name] for name in done} == done
    assert sum(event.data["reasons"].get("purged", {"objects": 0})["objects"] for event in told) == done["renditions"] + done["sources"] == 21
    for event in told:
        for unit in ("objects", "bytes"):
            assert event.data[unit] == sum(reason[unit] for reason in event.data["reasons"].values()) > 0
    assert len({int(event.data["at"] * 10) for event in told}) == len(told)  # not one per object


def test_pretended_memory_begins_and_ends(start):
    server = start({}, **FAST)
    with Listener(server) as listener:
        simulate(server, 0, 0)  # there was none: nothing to tell
        simulate(server, 5, 1)
        listener.wait_for(lambda event: event.type == "simulation" and not event.data["active"], "its end")
        simulate(server, 6, 100)
        simulate(server, 0, 0)
        wait_for(lambda: len(listener.of_type("simulation")) == 4, 20, "the second end")
        told = [(event.data["active"], event.data["bytes"] >> 20, event.data["seconds"]) for event in listener.of_type("simulation")]
    assert told == [(True, 5, 1), (False, 0, 0), (True, 6, 100), (False, 0, 0)]


@PROTOCOLS
def test_an_event_wakes_its_listeners(start, http2):
    """One by one, each when the one before has been heard. At the ticks of a loop, once a second, that would take ages."""
    server = start({}, **FAST)
    publisher = Publisher(server)
    with Listener(server, http2=http2) as listener:
        listener.wait_for(lambda event: event.type == "state")

        def next_is_heard():
            if len(listener.of_type("simulation")) == publisher.count:
                publisher.publish(1)
            return publisher.count > 200

        wait_for(next_is_heard, 40, "200 events")


# --- where a stream starts


@PROTOCOLS
def test_it_goes_on_where_it_was(start, http2):
    server = start({}, **FAST)
    publisher = Publisher(server)
    with Listener(server, http2=http2) as listener:
        listener.wait_for(lambda event: event.type == "state")
        publisher.publish(3)
        wait_for(lambda: len(listener.of_type("simulation")) == 3, 20, "three events")
        last_id = listener.parser.last_id
    publisher.publish(4)
    with Listener(server, "?after=0", {"Last-Event-ID": last_id}, http2) as listener:  # a browser sends both, and means the latter
        wait_for(lambda: len(listener.of_type("simulation")) == 4, 20, "four events")
        publisher.publish(1)
        wait_for(lambda: len(listener.of_type("simulation")) == 5, 20, "a fifth")
        assert listener.events[0].data["resumed"] is True and listener.events[0].id == last_id
        assert [event.data["bytes"] for event in listener.of_type("simulation")] == [4, 5, 6, 7, 8]
        assert int(listener.of_type("simulation")[0].id) == int(last_id) + 1
        assert not listener.of_type("missed")
        assert_no_gap(listener.events)


@pytest.mark.parametrize("last_id", ("0", "1", "999999999999999999", "x", "-1", "1" * 40, ""))
def test_an_id_of_another_server_brings_all_there_is(start, last_id):
    server = start({}, **FAST)
    Publisher(server).publish(3)
    with Listener(server, "", {"Last-Event-ID": last_id}) as listener:
        wait_for(lambda: len(listener.of_type("simulation")) == 3, 20, "all events")
        assert listener.events[0].data["resumed"] is False and not listener.of_type("missed")
        simulate(server, 0, 0)
        wait_for(lambda: len(listener.of_type("simulation")) == 4, 20, "and those to come")
        assert_no_gap(listener.events)


def test_ids_of_a_server_that_was_started_later_are_larger(start):
    first = start({}, **FAST)
    Publisher(first).publish(3)
    with Listener(first, "?after=0") as listener:
        wait_for(lambda: len(listener.of_type("simulation")) == 3, 20, "all events")
        last_id = listener.parser.last_id
    second = start({}, **FAST)
    Publisher(second).publish(2)
    with Listener(second, "", {"Last-Event-ID": last_id}) as listener:
        wait_for(lambda: len(listener.of_type("simulation")) == 2, 20, "all of its events")
        assert int(listener.of_type("simulation")[0].id) > int(last_id)
        assert listener.events[0].data["resumed"] is False


def test_who_comes_back_too_late_is_told_what_is_gone(start):
    server = start({}, **FAST)
    publisher = Publisher(server)
    with Listener(server) as listener:
        publisher.publish(1)
        wait_for(lambda: len(listener.of_type("simulation")) == 1, 20, "an event")
        last_id = listener.parser.last_id
    publisher.publish(RING + 8)
    with Listener(server, f"?after={last_id}") as listener:
        wait_for(lambda: len(listener.of_type("simulation")) == RING, 20, "the ring")
        missed = listener.of_type("missed")
        assert [event.data for event in missed] == [{"count": 8}]
        assert listener.events.index(missed[0]) == 1
        assert [event.data["bytes"] for event in listener.of_type("simulation")] == list(range(10, RING + 10))
    assert metrics(server)["sluice_events_missed_total"] == 8


# --- the answer itself


def test_head_and_headers(start):
    server = start({}, **{**FAST, "compress": "ON"})
    head = server.get(ROUTE, method="HEAD")
    assert head.status == 200 and head.body == b"" and streams(server) == 0
    with Listener(server, "", {"Accept-Encoding": "gzip, br"}) as listener:
        listener.wait_for(lambda event: event.type == "state", "the first event, though others would compress it")
        for headers in (head.headers, listener.headers):
            assert headers["Content-Type"] == "text/event-stream" and headers["Cache-Control"] == "no-store"
            assert headers["X-Accel-Buffering"] == "no" and headers["Content-Encoding"] is None
    assert server.get(ROUTE, method="HEAD", http2=True).status == 200
    assert server.get(ROUTE, method="POST").status == 405


def test_the_last_events_as_a_list(start):
    server = start({}, **FAST)
    assert listed(server) == {"events": [], "last_id": listed(server)["last_id"], "missed": 0}
    before = listed(server)["last_id"]
    publisher = Publisher(server)
    publisher.publish(70)
    answer = listed(server)
    assert answer["last_id"] == before + 70 and answer["missed"] == 0
    assert [event["id"] for event in answer["events"]] == list(range(before + 21, before + 71))
    assert answer["events"][0]["type"] == "simulation" and answer["events"][0]["data"]["bytes"] == 21
    assert [event["data"]["bytes"] for event in listed(server, "&n=2")["events"]] == [69, 70]
    assert [event["data"]["bytes"] for event in listed(server, f"&n=2&after={before}")["events"]] == [1, 2]
    assert len(listed(server, "&n=200")["events"]) == 70
    assert listed(server, f"&after={before + 70}")["events"] == []
    publisher.publish(RING)
    answer = listed(server, f"&after={before}&n=1")
    assert answer["missed"] == 70 and answer["events"][0]["data"]["bytes"] == 71
    with Listener(server, "?after=0") as listener:  # both say the same
        wait_for(lambda: len(listener.of_type("simulation")) == RING, 20, "the ring")
        heard = {"id": int(listener.events[-1].id), "type": listener.events[-1].type, "data": listener.events[-1].data}
        assert listed(server, "&n=1")["events"] == [heard]


def test_wrong_parameters_say_what_is_right(start):
    server = start({}, **FAST)
    for query in ("after=x", "after=", "after=-1", "after=1e3", "after=1234567890123456789"):
        assert_problem(server.get(f"{ROUTE}?{query}"), 400, "bad-position")
        assert_problem(server.get(f"{ROUTE}?format=json&{query}"), 400, "bad-position")
    for n in ("0", "201", "x", "", "-1"):
        assert_problem(server.get(f"{ROUTE}?format=json&n={n}"), 400, "bad-number")
    assert streams(server) == 0


# --- too many, too slow, gone


def test_one_more_than_there_may_be_is_refused(start):
    server = start({}, **FAST)
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(Listener(server, http2=i % 4 == 0)) for i in range(MAX_STREAMS)]
        for listener in listeners:
            listener.wait_for(lambda event: event.type == "state")
        answer = server.get(ROUTE)
        assert "32" in assert_problem(answer, 503, "too-many-streams") and int(answer.headers["Retry-After"]) > 0
        assert server.get(ROUTE, http2=True).status == 503
        assert streams(server) == MAX_STREAMS
        assert listed(server)["events"] == [] and server.get(ROUTE, method="HEAD").status == 200
        simulate(server, 880, 60)
        for listener in listeners:
            listener.wait_for_level("critical")
        listeners[5].close()
        wait_for(lambda: streams(server) == MAX_STREAMS - 1, 20, "one place is free")
        with Listener(server) as late:
            assert late.wait_for(lambda event: event.type == "state").data["level"] == "critical"
    wait_for(lambda: streams(server) == 0, 20, "all are gone")
    assert metrics(server)["sluice_event_streams_refused_total"] == 2
    assert metrics(server)["sluice_event_streams_dropped_total"] == 0


@PROTOCOLS
def test_a_client_that_goes_is_noticed_without_an_event(start, http2):
    server = start({}, **FAST)
    listeners = [Listener(server, http2=http2) for _ in range(3)]
    for listener in listeners:
        listener.wait_for(lambda event: event.type == "state")
    assert streams(server) == 3
    before = listed(server)["last_id"]
    for listener in listeners:
        listener.close()
    wait_for(lambda: streams(server) == 0, 10, "they are gone, long before a heartbeat")
    assert listed(server)["last_id"] == before


def assert_others_go_on(server, listener, publisher, last):
    wait_for(lambda: listener.of_type("simulation")[-1:] and listener.of_type("simulation")[-1].data["bytes"] == last, 30, "the last event")
    told = listener.of_type("simulation")
    assert [event.data["bytes"] for event in told] == list(range(1, last + 1)) and not listener.of_type("missed")
    assert_no_gap(listener.events)


def test_who_never_reads_is_dropped(start, origin):
    """On one loop, so that all of it has to get along: silent streams, one that reads, orders, and pictures."""
    server = start({"/images": {"image.origin": origin.url("/")}}, **{**FAST, "num-threads": 1})
    origin.script("/a.png", body=png(3), content_type="image/png")
    assert server.get("/images/a.png?w=10").status == 200
    publisher = Publisher(server)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(Silent(server)) for _ in range(10)]
        listener = stack.enter_context(Listener(server))
        listener.wait_for(lambda event: event.type == "state")
        before = server.rss_bytes()
        while metrics(server)["sluice_event_streams_dropped_total"] < len(silent):
            assert publisher.publish(500) <= 20000, "they were not dropped"
            assert server.get("/images/a.png?w=10").status == 200
        assert server.rss_bytes() - before < LISTENERS_MIB * MIB
        for one in silent:
            wait_for(one.is_cut, 10, "its connection has ended")
        wait_for(lambda: streams(server) == 1, 10, "one stream is left")
        assert_others_go_on(server, listener, publisher, publisher.count)
    assert metrics(server)["sluice_event_streams_dropped_total"] == len(silent)


def test_a_full_stream_of_http2_is_dropped(start):
    server = start({}, **FAST)
    publisher = Publisher(server)
    with Http2(server, window=100) as connection, Listener(server) as listener:
        stream = connection.ask(ROUTE)
        connection.wait_for_bytes(stream, 100)
        wait_for(lambda: streams(server) == 2, 10, "both streams")
        while metrics(server)["sluice_event_streams_dropped_total"] == 0:
            assert publisher.publish(100) <= 3 * RING, "it was not dropped"
        assert publisher.count >= RING
        wait_for(lambda: streams(server) == 1, 10, "one stream is left")
        with pytest.raises((AssertionError, ConnectionError)):
            connection.answer(stream)
        assert_others_go_on(server, listener, publisher, publisher.count)


def test_a_client_that_reads_again_has_lost_nothing(start):
    """As long as the ring has it: one chunk waits at h2o, the rest in the ring."""
    server = start({}, **FAST)
    publisher = Publisher(server)
    with Http2(server, window=100) as connection:
        stream = connection.ask(ROUTE)
        connection.wait_for_bytes(stream, 100)
        publisher.publish(RING - 100)
        connection.widen(stream, 1 << 20)
        wanted = f'"bytes":{RING - 100},'.encode()
        while wanted not in connection.answers[stream].body:
            connection._read_frame()
        body = connection.answers[stream].body.decode()
        assert re.findall(r'"bytes":(\d+),"seconds":600', body) == [str(n) for n in range(1, RING - 99)]


# --- the end


@pytest.mark.parametrize("mode", (None, "master"))
def test_streams_end_with_the_server_and_do_not_hold_it_up(sluice, token_file, mode):
    api = {"health.admin-token": str(token_file), "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}}}}
    server = sluice({**FAST, **api}, mode=mode)
    publisher = Publisher(server)
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(Listener(server, http2=i % 2 == 0)) for i in range(4)]
        for listener in listeners:
            listener.wait_for(lambda event: event.type == "state")
        full = stack.enter_context(Http2(server, window=100))
        full.wait_for_bytes(full.ask(ROUTE), 100)
        stack.enter_context(Silent(server))
        publisher.publish(100)
        publisher.connection.close()
        assert server.stop(), "it did not end on SIGTERM"
        for listener in listeners:
            assert listener.ended.wait(10) and listener.problem is None, listener.problem  # the end of an answer, not a break
            assert listener.of_type("drain"), listener.events[-3:]
            assert len(listener.of_type("simulation")) == publisher.count
            if listener.curl:
                assert listener.curl.wait(10) == 0


def test_a_graceful_restart_hands_listeners_over(sluice, token_file):
    api = {"health.admin-token": str(token_file), "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}}
    server = sluice({**FAST, **api}, mode="master")
    old = server.worker()
    with Listener(server) as listener:
        simulate(server, 5, 600)
        listener.wait_for(lambda event: event.type == "simulation")
        server.process.signal(signal.SIGHUP)
        wait_for(lambda: not old.is_alive(), 20, "the old worker has ended")
        assert listener.ended.wait(10) and listener.problem is None
    wait_for(lambda: server.worker() and server.worker().pid != old.pid, 20, "another worker")
    with Listener(server, "", {"Last-Event-ID": listener.parser.last_id}) as again:
        assert again.wait_for(lambda event: event.type == "state").data["resumed"] is False
