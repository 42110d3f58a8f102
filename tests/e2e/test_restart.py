"""The module under h2o's own process management: graceful restarts while pictures are being served, daemon mode, shutdown, -t."""

import re
import signal
import threading

import pytest

import pictures
from clients import Asked, assert_settles, operations
from harness import Response, wait_for
from origin import Origin

HIT = "/images/baseline.jpg?w=200"


@pytest.fixture
def origin():
    with Origin(pictures.tests()) as origin:
        for n in range(20):
            origin.script(f"/slow-{n}.jpg", file="baseline.jpg", delay_s=0.1)
        yield origin


def config(origin, ttl="1h"):
    paths = {"/images": {"image.origin": origin.url("/"), "image.ttl": ttl}, "/api": {"health.api": "ON"}}
    paths["/metrics"] = {"health.prometheus": "ON"}
    return {"pressure.budget": "1GiB", "hosts": {"default": {"paths": paths}}}


class Load:
    """Clients that ask without a pause: for a hit, for a new rendition each time, for pictures whose origin is slow; half of them
    keep their connections. `failures` is all that was not a picture."""

    def __init__(self, server):
        self.server, self.failures, self.counts, self.stopped = server, [], {}, threading.Event()
        kinds = [(name, keep) for name in ("hit", "miss", "slow") for keep in (True, False)]
        self.threads = [threading.Thread(target=self._run, args=(number, *kind)) for number, kind in enumerate(kinds)]
        self.counts = dict.fromkeys(range(len(kinds)), 0)

    def _path(self, number, name, count):
        if name == "hit":
            return HIT
        if name == "miss":
            return f"/images/exif-{1 + count % 8}.jpg?w={20 + count // 8 % 300}&q={80 + number}"
        return f"/images/slow-{count % 20}.jpg?w={20 + count // 20 % 300}&q={80 + number}"

    def _run(self, number, name, keep_alive):
        connection = self.server.connection()
        while not self.stopped.is_set():
            try:
                connection.request("GET", self._path(number, name, self.counts[number]))
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or body[:2] != b"\xff\xd8":
                    self.failures.append(Response(answer.status, answer.headers, body))
            except Exception as problem:  # whatever it is, a client has seen it
                self.failures.append(problem)
                connection.close()
            if not keep_alive:
                connection.close()
            self.counts[number] += 1
        connection.close()

    def wait_for_more(self):
        before = dict(self.counts)
        wait_for(lambda: all(self.counts[kind] > before[kind] + 5 for kind in before), 30, "requests of all kinds")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def restart(server, meanwhile=lambda: None):
    """SIGHUP to the master; returns when a new worker serves alone. `meanwhile` runs once there are two."""
    old = server.worker()
    server.process.signal(signal.SIGHUP)
    wait_for(lambda: server.worker() and server.worker().pid != old.pid, 30, "a new worker")
    meanwhile()
    wait_for(lambda: not old.is_alive(), 30, "the old worker has gone")


def assert_workers_ended_well(server, count):
    """What start_server says of the ends of workers."""
    statuses = wait_for(lambda: re.findall(r"old worker \d+ died, status:(\d+)", server.log()), 10, "a word about the old worker")
    assert statuses == ["0"] * count


def test_graceful_restarts_under_load(sluice, origin):
    server = sluice(config(origin), mode="master")
    with Load(server) as load:
        load.wait_for_more()
        for _ in range(3):
            restart(server)
            load.wait_for_more()
    print(f"requests by client: {load.counts}")
    assert load.failures == []
    assert_workers_ended_well(server, 3)
    assert server.log().count("is ready to serve requests") == 4
    assert_settles(server)
    assert server.stop()


def test_requests_under_way_are_answered_by_the_old_worker(sluice, origin):
    server = sluice(config(origin), mode="master")
    origin.hold("/baseline.jpg")
    asked = [Asked(server, HIT) for _ in range(20)]
    wait_for(lambda: operations(server)["requests"] == 20, 10, "all are waiting")

    answers = []

    def release_when_the_new_one_serves():
        wait_for(lambda: operations(server)["requests"] == 0, 30, "the new worker answers")
        assert server.get("/images/rgb.png?w=10").status == 200
        origin.release("/baseline.jpg")
        answers.extend(one.answer() for one in asked)

    restart(server, release_when_the_new_one_serves)
    assert [answer.status for answer in answers] == [200] * 20
    assert origin.count("/baseline.jpg") == 1
    assert_workers_ended_well(server, 1)


def test_restart_takes_over_new_settings_with_an_empty_cache(sluice, origin):
    server = sluice(config(origin), mode="master")
    assert server.get(HIT).headers["cache-control"] == "public, max-age=3600"
    server.config_file.write_text(server.config_file.read_text().replace('"1h"', '"2h"'))
    restart(server)
    answer = server.get(HIT)
    assert answer.headers["cache-control"] == "public, max-age=7200"
    assert "miss" in answer.headers["cache-status"] and origin.count("/baseline.jpg") == 2


def test_restart_with_a_bad_setting_leaves_the_old_worker(sluice, origin):
    server = sluice(config(origin), mode="master")
    good, old = server.config_file.read_text(), server.worker()
    server.config_file.write_text(good.replace("1GiB", "much"))
    server.process.signal(signal.SIGHUP)
    wait_for(lambda: "`much` is no value for pressure.budget" in server.log(), 10, "the error in the log")
    assert old.is_alive() and server.get(HIT).status == 200
    server.config_file.write_text(good)
    wait_for(lambda: not old.is_alive(), 30, "the restart goes on once the file is right again")
    assert server.get(HIT).status == 200


def test_shutdown_lets_requests_finish(sluice, origin):
    server = sluice(config(origin))
    origin.hold("/baseline.jpg")
    asked = [Asked(server, HIT) for _ in range(20)]
    wait_for(lambda: operations(server)["requests"] == 20, 10, "all are waiting")
    server.process.signal(signal.SIGTERM)
    wait_for(lambda: "gracefully shutting down" in server.log(), 10, "the shutdown begins")
    origin.release("/baseline.jpg")
    assert {one.answer().status for one in asked} == {200}
    assert server.popen.wait(20) == 0


def test_daemon(sluice, origin):
    server = sluice(config(origin), mode="daemon")
    assert server.process.pid != server.popen.pid
    assert server.get(HIT).status == 200
    restart(server)
    assert server.get(HIT).status == 200
    assert server.stop()


def test_test_mode(sluice, origin):
    server = sluice(config(origin), start=False)
    done = server.check()
    assert done.returncode == 0 and "configuration OK" in done.stdout + done.stderr
    server.config_file.write_text(server.config_file.read_text().replace("1GiB", "much"))
    done = server.check()
    assert done.returncode != 0 and "`much` is no value for pressure.budget" in done.stderr
