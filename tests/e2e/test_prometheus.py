"""What Sluice has for Prometheus, in a real one: metrics, rules and the dashboard's questions, with traffic of every kind."""

import json
import math
import re

import pytest
import yaml

import prometheus
from harness import request, run, wait_for
from origin import Origin
from prometheus import FOLDER, Prometheus
from purging import BEARER, png, start, token_file  # noqa: F401, fixtures

MIB = 1 << 20
HITS = 400
SETTINGS = {
    "pressure.dwell": "100ms", "pressure.dwell-critical": "100ms", "pressure.budget": "1000MiB", "health.simulate": "ON",
    "health.slow-request": "1ms",
}

# what has no value, and is no line of a panel, while all is well
MAY_BE_NAN = {'sluice_leak_time_to_budget_seconds{job="sluice",instance=~".+"}'}


@pytest.fixture
def origin():
    with Origin() as origin:
        for number in range(8):
            origin.script(f"/{number}.png", body=png(9, (640, 480), noisy=True))
        origin.script("/broken.png", body=b"no picture")
        origin.script("/failing.png", status=500)
        yield origin


@pytest.fixture
def server(start, origin):
    paths = {"/images": {"image.origin": origin.url("/"), "image-cache.quota": "32MiB", "pressure.max-concurrent": 1}}
    return start(paths, **SETTINGS)


def simulate(server, mib):
    answer = server.get("/api/memory/simulate", BEARER, "POST", json.dumps({"bytes": mib * MIB, "seconds": 300}))
    assert answer.status == 200, answer.body


def drive(server):
    """Misses, hits, errors of each type, and pressure up to critical, which stays until the next call of simulate()."""
    connection = server.connection()
    for number in range(8):
        assert request(connection, f"/images/{number}.png?w=100").status == 200
    for _ in range(HITS):
        assert request(connection, "/images/7.png?w=100").status == 200
    for path, status in (("broken.png", 422), ("failing.png", 502), ("missing.png", 404), ("7.png?w=x", 400)):
        assert request(connection, f"/images/{path}").status in (status, 415), path
    simulate(server, 880)
    wait_for(lambda: server.get("/api/health").status == 503, 10, "critical")
    assert server.get("/images/6.png?w=100").status == 503
    connection.close()


def check_metrics(server, path):
    answer = server.get(path)
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    done = run(["promtool", "check", "metrics"], input=answer.body.decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    return answer.body.decode()


def value(text, series):
    """Of a series in Prometheus text."""
    (found,) = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == series]
    return float(found)


def unanswered(prometheus, expressions):
    """Those of [(name, expression)] that have no result, or none that is a number, or name series that do not exist."""
    wrong = []
    for name, expression in expressions:
        if not any(math.isfinite(value) for _, value in prometheus.query(expression)) and expression not in MAY_BE_NAN:
            wrong.append((name, expression))
        wrong += [(name, series) for series in lacking(prometheus, expression)]
    return wrong


def lacking(prometheus, expression):
    return [series for series in selectors_of(expression) if not prometheus.query(series)]


def selectors_of(expression):
    found = prometheus.selectors(expression)
    assert found, expression
    return found


# --- with a server


def test_metrics_pass_promtools_look(server):
    drive(server)
    everything = check_metrics(server, "/metrics")
    caches = check_metrics(server, "/api/metrics/cache?format=prometheus")
    names = set(re.findall(r"^# TYPE (\w+)", caches, re.M))
    assert names < set(re.findall(r"^# TYPE (\w+)", everything, re.M))
    assert all(re.match(r"sluice_\w+_cache_", name) for name in names)


def series(server):
    return {line.rpartition(" ")[0] for line in server.get("/metrics").body.decode().splitlines() if not line.startswith("#")}


def test_requests_add_no_series(server):
    """No label has a value that a client can choose."""
    before = series(server)
    drive(server)
    for number in range(50):
        server.get(f"/images/{number}.png?w={number}&x{number}=1", {"Host": f"host{number}.example.com", "User-Agent": f"agent{number}"})
    added = series(server) - before
    assert added and all(name.startswith("sluice_pressure_last_reclaim_") for name in added), added
    assert before <= series(server)


@pytest.mark.parametrize("accept", [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "text/plain", "*/*", "application/openmetrics-text", "application/json"])
def test_the_format_is_that_of_the_content_type(server, accept):
    """OpenMetrics, which Prometheus would rather have, differs (# EOF, names of counters): what is text 0.0.4 has to say so."""
    for path in ("/metrics", "/api/metrics/cache"):
        answer = server.get(path, {"Accept": accept})
        if answer.headers["Content-Type"] != "application/json":
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert b"# EOF" not in answer.body and b"\n# TYPE sluice_image_cache_hits_total counter\n" in answer.body
        else:
            assert path != "/metrics" and "openmetrics" not in accept and "text" not in accept
            assert answer.json()


def test_the_start_does_not_move(server):
    starts = {value(server.get("/metrics").body.decode(), "process_start_time_seconds") for _ in range(20)}
    assert len(starts) == 1, starts


def test_durations_agree_with_counters(server):
    drive(server)
    text = server.get("/metrics").body.decode()

    def count(name, labels=""):
        return value(text, f"sluice_{name}_count{labels}")

    assert count("request_duration_seconds", '{outcome="miss"}') == 8
    assert count("request_duration_seconds", '{outcome="error"}') == 3  # what is refused for its URL is left out
    assert count("request_duration_seconds", '{outcome="shed"}') == value(text, "sluice_requests_shed_total") == 1
    assert count("origin_fetch_duration_seconds", '{outcome="failed"}') == value(text, "sluice_origin_failures_total")
    fetches = sum(count("origin_fetch_duration_seconds", f'{{outcome="{outcome}"}}') for outcome in ("ok", "failed"))
    assert fetches == value(text, "sluice_origin_fetches_total") == 11
    assert count("transform_duration_seconds") == value(text, "sluice_transforms_total")
    for span in ("queue", "fetch", "decode", "transform", "encode"):
        assert count("request_span_duration_seconds", f'{{span="{span}"}}') == 8
    assert value(text, "sluice_transform_duration_seconds_sum") == pytest.approx(value(text, "sluice_transform_seconds_total"))
    parts = sum(value(text, f'sluice_request_span_duration_seconds_sum{{span="{span}"}}') for span in ("decode", "transform", "encode"))
    whole = value(text, 'sluice_request_duration_seconds_sum{outcome="miss"}')
    assert 0 < parts <= whole


def test_one_of_64_hits_stands_for_them(server):
    """Whatever the client's order is: each loop draws the distance to the next one."""
    count = 64 * 40
    connection = server.connection()
    assert request(connection, "/images/1.png?w=50").status == 200
    for _ in range(count):
        request(connection, "/images/1.png?w=50")
    counted = value(server.get("/metrics").body.decode(), 'sluice_request_duration_seconds_count{outcome="hit"}')
    assert counted % 64 == 0
    assert 0.5 < counted / count < 2
    connection.close()


def test_misses_do_not_count_as_hits(server):
    connection = server.connection()
    for number in range(300):
        assert request(connection, f"/images/missing{number}.png").status == 404
    assert value(server.get("/metrics").body.decode(), 'sluice_request_duration_seconds_count{outcome="hit"}') == 0
    connection.close()


def test_lesser_answers_do_not_count_as_hits(server):
    """They come from the cache, but only after the picture itself was looked for."""
    connection = server.connection()
    assert request(connection, "/images/1.png?w=300").status == 200
    simulate(server, 780)
    wait_for(lambda: server.get("/api/health").json()["memory"]["level"] == "high", 10, "high")
    for _ in range(300):
        assert request(connection, "/images/1.png?w=100").headers["Cache-Status"].endswith("detail=larger")
    text = server.get("/metrics").body.decode()
    assert value(text, 'sluice_request_duration_seconds_count{outcome="hit"}') == 0
    assert value(text, 'sluice_request_duration_seconds_count{outcome="miss"}') == 301
    connection.close()


def test_a_304_hit_is_timed_too(server):
    connection = server.connection()
    etag = request(connection, "/images/1.png?w=50").headers["ETag"]
    for _ in range(200):
        assert request(connection, "/images/1.png?w=50", {"If-None-Match": etag}).status == 304
    assert value(server.get("/metrics").body.decode(), 'sluice_request_duration_seconds_count{outcome="hit"}') >= 64
    connection.close()


def test_dashboard_and_rules_have_data(server, tmp_path):
    with Prometheus(tmp_path, server.port) as real:
        real.wait_for('count_over_time(sluice_uptime_seconds{job="sluice"}[1m]) >= 2')
        drive(server)
        real.wait_for(f'sluice_requests_total{{job="sluice"}} > {HITS}')
        real.wait_for('sluice_pressure_last_reclaim_generation{job="sluice"}')
        real.wait_for('ALERTS{alertname="SluiceMemoryCritical"}')
        real.wait_for("instance:sluice_requests_refused:rate5m")
        assert [(target["lastError"], target["health"]) for target in real.api("targets")["activeTargets"]] == [("", "up")]
        questions = prometheus.expressions_of_dashboard()
        assert len(questions) > 100
        assert unanswered(real, questions) == []
        for rule in prometheus.rules():
            assert lacking(real, rule["expr"]) == [], rule
        check_the_rules_as_loaded(real)
        check_that_misspelt_ones_are_found(real, questions)


def check_the_rules_as_loaded(real):
    loaded = [rule for group in real.api("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in loaded} == {rule.get("record") or rule["alert"] for rule in prometheus.rules()}
    assert {rule["health"] for rule in loaded} == {"ok"}, loaded
    for rule in prometheus.rules():
        if "record" in rule:
            real.wait_for(f"{rule['record']} >= 0")  # not NaN, as ratios are until the traffic has been seen


def check_that_misspelt_ones_are_found(real, questions):
    """The check itself: a letter more in the name of any metric, or in a matcher of it, and it says so."""
    for name, expression in questions:
        first = prometheus.selectors(expression)[0]
        metric, brace, matchers = first.partition("{")
        assert unanswered(real, [(name, expression.replace(metric, f"{metric}x", 1))]), expression
        assert unanswered(real, [(name, expression.replace(brace + matchers, '{instance="nowhere"}', 1))]), expression
    for rule in prometheus.rules():
        for series in prometheus.selectors(rule["expr"]):
            metric = series.partition("{")[0]
            assert lacking(real, re.sub(rf"\b{metric}\b", f"{metric}x", rule["expr"])), series


# --- without one


def test_promtool_accepts_the_files():
    for words in (["check", "rules", FOLDER / "rules.yml"], ["check", "config", FOLDER / "scrape.yml"], ["test", "rules", FOLDER / "rules_test.yml"]):
        done = run(["promtool", *words], cwd=FOLDER)
        assert done.returncode == 0 and "SUCCESS" in done.stdout, done


def test_every_alert_is_tested_both_ways():
    tests = {test["name"]: test for test in yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]}
    for rule in prometheus.rules():
        if "alert" not in rule:
            continue
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}
        results = [bool(check["exp_samples"]) for check in tests[rule["alert"]]["promql_expr_test"]]
        assert True in results and False in results, rule["alert"]


@pytest.mark.parametrize("expression, expected", [
    ('rate(a_total{job="x"}[5m]) / on (job) group_left () b', ['a_total{job="x"}', "b"]),
    ('sum by (c, d) (e{f="g"}) without (h) (i{}) offset 1h', ['e{f="g"}', "i{}"]),
    ("absent(up) or job:a:rate5m > 0.5", ["up", "job:a:rate5m"]),
    ('histogram_quantile(0.95, sum by (le) (rate(x_bucket[1m])))', ["x_bucket"]),
])
def test_selectors(expression, expected):
    assert prometheus.selectors(expression) == expected
