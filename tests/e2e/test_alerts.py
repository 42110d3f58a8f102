"""Alerts: rules of the configuration and of the API, what they come to when memory is pretended, webhooks, and ends of the process."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import free_port, run, wait_for
from problems import assert_problem
from purging import BEARER, start, token_file  # noqa: F401, fixtures
from receiver import Receiver

ROUTE = "/api/memory/alerts"
MIB = 1 << 20
FAST = {"pressure.dwell": "100ms", "pressure.dwell-critical": "100ms", "health.simulate": "ON", "pressure.budget": "1000MiB"}
HIGH = {"name": "memory-high", "when": "sluice_pressure_usage_ratio > 0.6", "for": "1s", "cooldown": "1h"}
RATIO = "sluice_pressure_usage_ratio"


def post(server, **order):
    return server.get(ROUTE, BEARER, "POST", json.dumps(order))


def posted(server, **order):
    answer = post(server, **order)
    assert answer.status == 200, (answer, answer.body)
    return answer.json()["rule"]


def alerts(server):
    answer = server.get(ROUTE)
    assert answer.status == 200, answer.body
    return answer.json()


def rule(server, name):
    return next(rule for rule in alerts(server)["rules"] if rule["name"] == name)


def state(server, name):
    return rule(server, name)["state"]


def history(server, name, told=None):
    """What became of an alert, the oldest first."""
    entries = [entry for entry in reversed(alerts(server)["history"]) if entry["name"] == name and told in (None, entry["told"])]
    return [entry["state"] for entry in entries]


def simulate(server, mib, seconds=60):
    answer = server.get("/api/memory/simulate", BEARER, "POST", json.dumps({"bytes": mib * MIB, "seconds": seconds}))
    assert answer.status == 200, answer.body


def metric(server, series):
    for line in server.get("/metrics").body.decode().splitlines():
        if line.rpartition(" ")[0] == series:
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no series {series}")


def webhooks(server, result):
    return metric(server, f'sluice_alert_webhooks_total{{result="{result}"}}')


def with_rules(*rules, **settings):
    return {**FAST, "health.alerts": list(rules), **settings}


# --- from memory to the receiver


def test_memory_crosses_and_comes_back(start):
    with Receiver() as receiver:
        server = start({}, **with_rules({**HIGH, "actions": ["log", "webhook"]}, **{"health.webhook": receiver.url}))
        assert state(server, "memory-high") == "ok"
        simulate(server, 700)
        wait_for(lambda: state(server, "memory-high") == "firing", 10, "firing")
        (fired,) = wait_for(receiver.delivered, 10, "a message")
        active = alerts(server)["active"]
        assert [(alert["name"], alert["state"]) for alert in active] == [("memory-high", "firing")] and active[0]["value"] > 0.6
        assert metric(server, 'sluice_alerts_firing{severity="warning"}') == 1
        simulate(server, 0, 0)
        wait_for(lambda: state(server, "memory-high") == "ok", 10, "ok")
        wait_for(lambda: len(receiver.delivered()) == 2, 10, "the recovery")
        assert history(server, "memory-high") == ["pending", "firing", "ok"]
        assert alerts(server)["active"] == [] and metric(server, 'sluice_alerts_firing{severity="warning"}') == 0
        # within the cooldown it fires again, and nobody is told of that or of its end
        simulate(server, 700)
        wait_for(lambda: state(server, "memory-high") == "firing", 10, "firing again")
        simulate(server, 0, 0)
        wait_for(lambda: state(server, "memory-high") == "ok", 10, "ok again")
        assert history(server, "memory-high", told=True) == ["firing", "ok"]
        assert server.stop()
    assert [body["state"] for body in receiver.delivered()] == ["firing", "ok"] and len(receiver.messages) == 2
    assert fired["alert"] == "memory-high" and fired["metric"] == RATIO and fired["threshold"] == 0.6 and fired["value"] > 0.6
    assert fired["severity"] == "warning" and abs(fired["at"] - time.time()) < 600 and fired["number"] == 1
    assert receiver.messages[0].path == "/hook?room=7" and receiver.messages[0].headers["Content-Type"] == "application/json"
    assert "Authorization" not in receiver.messages[0].headers
    assert re.findall(r"^sluice: alert memory-high .*", server.log(), re.M)[0].startswith(
        "sluice: alert memory-high (warning): sluice_pressure_usage_ratio > 0.6 for 1 s; it is 0.")
    assert len(re.findall(r"^sluice: alert memory-high ", server.log(), re.M)) == 2


def test_the_token_goes_with_it(start, tmp_path):
    secret = tmp_path / "hook-token"
    secret.write_text("a-token-of-the-receiver\n")
    secret.chmod(0o600)
    with Receiver() as receiver:
        server = start({}, **FAST, **{"health.webhook": receiver.url, "health.webhook-token": str(secret)})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(receiver.delivered, 10, "a message")
    assert receiver.messages[0].headers["Authorization"] == "Bearer a-token-of-the-receiver"


def test_a_proxy_of_the_environment_is_used(start, monkeypatch):
    """As the README says: the receiver's name, which nobody knows here, is the proxy's to find."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Receiver() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        server = start({}, **FAST, **{"health.webhook": "http://hooks.invalid/sluice?room=7"})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(proxy.delivered, 10, "a message")
    assert proxy.messages[0].path == "http://hooks.invalid/sluice?room=7"


def test_what_failed_is_sent_again(start):
    with Receiver(500, 503, 204) as receiver:
        server = start({}, **FAST, **{"health.webhook": receiver.url})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(receiver.delivered, 20, "a message that arrives")
        assert [message.status for message in receiver.messages] == [500, 503, 204]
        assert len({json.dumps(message.body) for message in receiver.messages}) == 1
        wait_for(lambda: webhooks(server, "delivered") == 1, 5, "it is counted")
        assert webhooks(server, "failed") == 0


@pytest.mark.parametrize("status", [400, 404, 301, 307])
def test_what_is_refused_is_not_sent_again(start, status):
    """Redirects neither: they could lead elsewhere."""
    with Receiver() as elsewhere, Receiver(status, 204, headers={"Location": elsewhere.url}) as receiver:
        server = start({}, **FAST, **{"health.webhook": receiver.url})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: webhooks(server, "failed") == 1, 10, "it is given up")
        posted(server, name="then", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(receiver.delivered, 10, "the next one")
    assert [message.body["alert"] for message in receiver.messages] == ["now", "then"] and elsewhere.messages == []
    assert f"the answer is {status}" in server.log()


def test_a_receiver_that_hangs_blocks_nobody(start):
    with Receiver("hang") as receiver:
        server = start({}, **FAST, **{"health.webhook": receiver.url})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: receiver.messages, 10, "it has the message")
        before = rule(server, "memory-critical")["value"]
        simulate(server, 930)
        wait_for(lambda: rule(server, "memory-critical")["value"] != before, 5, "rules are looked at")
        for n in range(40):  # each firing is one message; 32 fit
            posted(server, name=f"more-{n}", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: webhooks(server, "dropped") == 8, 10, "the oldest are dropped")
        began = time.monotonic()
        assert server.stop()
        assert time.monotonic() - began < 10


def test_the_latest_messages_are_kept(start):
    with Receiver("hang", 204) as receiver:
        server = start({}, **FAST, **{"health.webhook": receiver.url})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: receiver.messages, 10, "it has the message")
        for n in range(40):
            posted(server, name=f"more-{n}", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: len(receiver.delivered()) == 33, 30, "what waited is delivered")
        assert [body["alert"] for body in receiver.delivered()] == ["now", *(f"more-{n}" for n in range(8, 40))]
        assert webhooks(server, "dropped") == 8


def test_a_receiver_that_is_gone(start):
    server = start({}, **FAST, **{"health.webhook": f"http://127.0.0.1:{free_port()}/"})
    posted(server, name="now", when=f"{RATIO} >= 0", actions=["log", "webhook"])
    wait_for(lambda: "sluice: alert now" in server.log(), 10, "the log has it")
    wait_for(lambda: webhooks(server, "failed") == 1, 60, "it is given up")
    assert server.log().count("a message was given up, attempt 5") == 1


def test_a_certificate_that_nobody_vouches_for(start, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    done = run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])  # fmt: skip
    assert done.returncode == 0, done.stderr
    import ssl

    with Receiver() as receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        server = start({}, **FAST, **{"health.webhook": url})
        posted(server, name="now", when=f"{RATIO} >= 0", actions=["webhook"])
        wait_for(lambda: "a message was given up" in server.log(), 60, "it is given up")
    assert receiver.messages == [] and "certificate" in server.log()


# --- rules at run time


def test_without_rules_there_are_some(start):
    found = {rule["name"]: rule for rule in alerts(start({}))["rules"]}
    assert {"memory-critical", "reclaim-ineffective", "watchdog-intervention", "samples-failing"} <= set(found)
    assert all(rule["actions"] == ["log"] and rule["cooldown_seconds"] == 300 and rule["state"] == "ok" for rule in found.values())
    assert found["memory-critical"]["for_seconds"] == 60 and found["memory-critical"]["severity"] == "critical"
    server = start({}, **{"health.alerts": []})
    assert server.get("/api/memory/report", BEARER).json()["alerts"] == alerts(server) == {"rules": [], "active": [], "history": []}


def test_rules_are_added_replaced_and_removed(start):
    server = start({}, **with_rules(HIGH))
    added = posted(
        server, name="busy", when='sluice_image_cache_evictions_total{reason="quota"} >= 2', for_seconds=1.5, severity="critical",
        cooldown_seconds=0, actions=["log"])  # fmt: skip
    assert (added["metric"], added["comparison"], added["threshold"]) == ('sluice_image_cache_evictions_total{reason="quota"}', ">=", 2)
    assert (added["for_seconds"], added["cooldown_seconds"], added["severity"], added["state"]) == (1.5, 0, "critical", "ok")
    posted(server, name="busy", when=f"{RATIO} >= 0")
    wait_for(lambda: state(server, "busy") == "firing", 5, "the new condition")
    assert [r["name"] for r in alerts(server)["rules"]] == ["memory-high", "busy"]
    posted(server, name="busy", when=f"{RATIO} > 99")
    assert state(server, "busy") == "ok" and history(server, "busy", told=True) == ["firing", "ok"]
    assert len(re.findall(r"^sluice: alert busy .* is over after", server.log(), re.M)) == 1
    assert posted(server, name="busy", remove=True) is None
    assert [r["name"] for r in alerts(server)["rules"]] == ["memory-high"]
    assert "restart" in post(server, name="a", when=f"{RATIO} > 9").json()["until"]


def test_counters_are_watched_by_their_growth(start):
    server = start({}, **FAST)
    posted(server, name="served", when="sluice_pressure_samples_total > 2", actions=[])
    wait_for(lambda: state(server, "served") == "firing", 20, "it has grown")
    value = rule(server, "served")["value"]
    assert 2 < value < metric(server, "sluice_pressure_samples_total") + 1


def test_silence(start):
    server = start({}, **with_rules(HIGH))
    assert posted(server, name="memory-high", silence_seconds=3600)["silent_seconds"] > 3500
    simulate(server, 700)
    wait_for(lambda: state(server, "memory-high") == "firing", 10, "firing")
    assert history(server, "memory-high", told=True) == [] and "alert memory-high" not in server.log()
    posted(server, name="memory-high", silence_seconds=0)
    wait_for(lambda: history(server, "memory-high", told=True) == ["firing"], 10, "told when the silence is over")
    assert "alert memory-high" in server.log()


@pytest.mark.parametrize(
    "order, says",
    [
        ({}, "a name and a condition"),
        ({"name": "a"}, "a name and a condition"),
        ({"name": "a", "when": "nothing"}, "is no condition"),
        ({"name": "a", "when": "sluice_pressure_usage_rati > 1"}, "sluice_pressure_usage_ratio"),
        ({"name": "a", "when": f"{RATIO} > 1", "for": "1s"}, "`for` has no meaning"),
        ({"name": "a", "when": f"{RATIO} > 1", "for_seconds": -1}, "for_seconds takes a number from 0 to 86400"),
        ({"name": "a", "when": f"{RATIO} > 1", "for_seconds": "1s"}, "for_seconds takes a number"),
        ({"name": "a", "when": f"{RATIO} > 1", "cooldown_seconds": 1e300}, "cooldown_seconds takes a number"),
        ({"name": "a", "when": f"{RATIO} > 1", "actions": "log"}, "takes a list"),
        ({"name": "a", "when": f"{RATIO} > 1", "actions": [1]}, "is no action"),
        ({"name": "a", "when": f"{RATIO} > 1", "actions": ["webhook"]}, "health.webhook"),
        ({"name": "a", "when": f"{RATIO} > 1", "actions": ["drain-and-exit"]}, "health.state-file"),
        ({"name": 1, "when": f"{RATIO} > 1"}, "take texts"),
        ({"name": "a", "when": f"{RATIO} > 1", "severity": "bad"}, "warning and critical"),
        ({"name": "a", "remove": False}, "remove takes true"),
        ({"name": "a", "remove": True, "silence_seconds": 1}, "send {"),
        ({"remove": True}, "send {"),
        ({"name": "a", "silence_seconds": 1e9}, "silence_seconds takes a number from 0 to 604800"),
    ],
)  # fmt: skip
def test_wrong_orders_say_what_is_right(start, order, says):
    server = start({}, **FAST)
    before = [rule["name"] for rule in alerts(server)["rules"]]
    assert says in assert_problem(post(server, **order), 400, "bad-order")
    assert [rule["name"] for rule in alerts(server)["rules"]] == before


def test_who_may_change_what(start):
    server = start({}, **FAST)
    assert_problem(server.get(ROUTE, {}, "POST", "{}"), 401, "unauthorized")
    assert_problem(post(server, name="none", remove=True), 404, "unknown-alert")
    assert_problem(post(server, name="none", silence_seconds=1), 404, "unknown-alert")
    for n in range(len(alerts(server)["rules"]), 64):
        posted(server, name=f"r{n}", when=f"{RATIO} > 9")
    assert_problem(post(server, name="more", when=f"{RATIO} > 9"), 409, "too-many-alerts")
    posted(server, name="r63", when=f"{RATIO} > 8")
    simulate(server, 930)
    wait_for(lambda: server.get("/").status == 503, 10, "critical")
    assert len(alerts(server)["rules"]) == 64


# --- the configuration


@pytest.mark.parametrize(
    "rule, says",
    [
        ({"name": "a"}, "a name and a condition"),
        ({"when": f"{RATIO} > 1"}, "a name and a condition"),
        ("word", "an alert is a mapping"),
        ({**HIGH, "when": "sluice_pressure_usage_rato > 1"}, "sluice_pressure_usage_ratio"),
        ({**HIGH, "when": "sluice_errors_total > 1"}, 'sluice_errors_total{type="bad_request"}'),
        ({**HIGH, "when": 'sluice_route_waiting{route="nowhere"} > 1'}, "is no series of its metric"),
        ({**HIGH, "when": f"{RATIO} > x"}, "takes a number such as 0.85 or 85%"),
        ({**HIGH, "when": f"{RATIO} ~ 1"}, "is no condition"),
        ({**HIGH, "when": "sluice_pressure_resident_bytes > 1parsec"}, "a size such as 800MiB"),
        ({**HIGH, "when": ["a"]}, "is no condition"),
        ({**HIGH, "for": "soon"}, "is no time such as 30s"),
        ({**HIGH, "for": "2d"}, "for takes a time up to 1d"),
        ({**HIGH, "cooldown": "8d"}, "cooldown takes a time up to 7d"),
        ({**HIGH, "severity": "fatal"}, "warning and critical"),
        ({**HIGH, "name": "two words"}, "can be no name"),
        ({**HIGH, "colour": "red"}, "there are name, when, for, severity, cooldown and actions"),
        ({**HIGH, "actions": ["mail"]}, "there are log, webhook and drain-and-exit"),
        ({**HIGH, "actions": [["log"]]}, "a list of words"),
        ({**HIGH, "actions": ["webhook"]}, "needs health.webhook"),
        ({**HIGH, "actions": ["drain-and-exit"]}, "needs health.state-file"),
        ({**HIGH, "name": "twice"}, "of this name already"),
    ],
)
def test_wrong_rules_stop_the_start(sluice, rule, says):
    config = {"health.alerts": [{**HIGH, "name": "twice"}, rule], "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}}
    server = sluice(config, start=False)
    done = server.check()
    assert done.returncode == 78 and says in done.stderr, done.stderr
    assert re.search(r"\[.*h2o.conf:\d+\] in command health.alerts, ", done.stderr), done.stderr


def test_the_line_of_the_fault_is_said(sluice):
    text = f"""health.alerts:
  - name: a
    when: {RATIO} > 1
  - name: b
    when: {RATIO} > 1
    for: ages
hosts:
  default:
    paths:
      /:
        file.dir: /
"""
    server = sluice(text, start=False)
    line = server.config_file.read_text().splitlines().index("    for: ages") + 1
    assert f"h2o.conf:{line}]" in server.check().stderr
    text = text.replace("for: ages", "for: 1s\n    for: 2s")
    assert f"h2o.conf:{line + 1}] in command health.alerts, this part of the alert is there twice" in sluice(text, start=False).check().stderr


def test_too_many_rules(sluice):
    rules = [{**HIGH, "name": f"r{n}"} for n in range(65)]
    hosts = {"hosts": {"default": {"paths": {"/": {"file.dir": "/"}}}}}
    assert sluice({"health.alerts": rules[:64], **hosts}, start=False).check().returncode == 0
    done = sluice({"health.alerts": rules, **hosts}, start=False).check()
    assert done.returncode == 78 and "64 alerts" in done.stderr


@pytest.mark.parametrize(
    "setting, value, says",
    [
        ("health.webhook", "hooks.example.com", "http:// or https://"),
        ("health.webhook", "ftp://hooks.example.com/", "http:// or https://"),
        ("health.webhook", "http://", "this is no URL"),
        ("health.webhook", "http://a b/", "this is no URL"),
        ("health.webhook-token", "/no/such/file", "No such file"),
        ("health.state-file", "/no/such/folder/state", "No such file"),
        ("health.state-file", "/tmp/", "the path of a file"),
        ("health.state-file", "", "the path of a file"),
        ("health.alerts", "none", "cannot be a scalar"),
    ],
)
def test_wrong_settings(sluice, setting, value, says):
    done = sluice({setting: value, "hosts": {"default": {"paths": {"/": {"file.dir": "/"}}}}}, start=False).check()
    assert done.returncode == 78 and setting in done.stderr and says in done.stderr, done.stderr


# --- drain-and-exit


def exiting(state_file, **more):
    return with_rules({**HIGH, "for": 0, "cooldown": 0, "actions": ["log", "drain-and-exit"]}, **{"health.state-file": str(state_file)}, **more)


def boot():
    uptime = subprocess.run(["cat", "/proc/uptime"], capture_output=True, text=True).stdout
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip(), int(float(uptime.split()[0]))


def exits(*ages_s, boot_id=None, clock_s=0):
    """A state file of exits so long ago, by a calendar clock that was clock_s ahead."""
    this_boot, now_s = boot()
    return json.dumps({"exits": [{"at": int(time.time()) + clock_s - age, "boot_id": this_boot if boot_id is None else boot_id,
                                  "boot_seconds": max(now_s - age, 0)} for age in ages_s]})  # fmt: skip


def ends(server):
    """Has the alert fire, and waits for what it comes to: the exit status, or None if it stays up."""
    simulate(server, 700)
    wait_for(lambda: server.popen.poll() is not None or "stays up" in server.log(), 20, "an end, or none")
    return server.popen.poll()


def test_a_supervisor_starts_it_three_times(start, tmp_path):
    """The fourth one stays up, says so, and is well again when memory is."""
    state_file = tmp_path / "state"
    for n in range(3):
        server = start({}, **exiting(state_file))
        assert ends(server) == 0
        assert "alert memory-high: draining, to be started anew" in server.log()
        assert len(json.loads(state_file.read_text())["exits"]) == n + 1
    server = start({}, **exiting(state_file))
    assert ends(server) is None
    assert "stays up, as 3 starts in 15 minutes did not help" in server.log()
    wait_for(lambda: server.get("/api/health").json()["status"] == "degraded", 5, "degraded")
    health = server.get("/api/health").json()
    assert any("end the process" in reason for reason in health["reasons"]) and metric(server, "sluice_alert_exits_withheld") == 1
    simulate(server, 0, 0)
    wait_for(lambda: server.get("/api/health").json()["status"] == "healthy", 10, "healthy")
    assert metric(server, "sluice_alert_exits_withheld") == 0 and len(json.loads(state_file.read_text())["exits"]) == 3
    simulate(server, 700)
    wait_for(lambda: server.log().count("stays up, as 3 starts") == 2, 10, "the next firing asks again")


@pytest.mark.parametrize(
    "text, stays",
    [
        (lambda: exits(10, 20, 899 - 60), True),
        (lambda: exits(10, 20, 901), False),
        (lambda: exits(10, 20, 30, clock_s=-86400), True),  # the clock was a day behind; the boot's says otherwise
        (lambda: exits(2000, 2000, 2000, clock_s=2000), False),  # or ahead
        (lambda: exits(10, 20, 30, boot_id="another"), True),
        (lambda: exits(1000, 1000, 1000, boot_id="another"), False),
        (lambda: exits(-86400, -86400, -86400, boot_id="another"), True),  # of the future: counts as of now
    ],
)
def test_times_of_exits(start, tmp_path, text, stays):
    state_file = tmp_path / "state"
    state_file.write_text(text())
    server = start({}, **exiting(state_file))
    assert (ends(server) is None) == stays
    if stays:  # what was of the future ages from now on
        assert all(entry["at"] < time.time() + 1 or entry["boot_id"] == boot()[0] for entry in json.loads(state_file.read_text())["exits"])
    assert "damaged" not in server.log()


@pytest.mark.parametrize("text", ["", "{", '{"exits": 1}', '{"exits": [{"at": "x"}]}', "\0" * 9000, "[" * 4000])
def test_a_damaged_file_is_empty(start, tmp_path, text):
    state_file = tmp_path / "state"
    state_file.write_text(text)
    server = start({}, **exiting(state_file))
    assert ends(server) == 0
    assert server.log().count("is damaged, and taken as empty") == 1
    assert len(json.loads(state_file.read_text())["exits"]) == 1
    assert [path.name for path in tmp_path.glob("state*")] == ["state"]


def test_what_cannot_be_counted_does_not_happen(start, tmp_path):
    folder = tmp_path / "states"
    folder.mkdir()
    (folder / "state").mkdir()  # nothing can be renamed to this, whoever tries
    server = start({}, **exiting(folder / "state"))
    assert ends(server) is None
    assert "cannot be written" in server.log()
    assert [path.name for path in folder.iterdir()] == ["state"]


@pytest.mark.parametrize("script", [(204,), (500, 204), ("hang",)])
def test_the_receiver_is_told_before_the_end(start, tmp_path, script):
    """Unless it takes its time."""
    with Receiver(*script) as receiver:
        rule = {**HIGH, "for": 0, "actions": ["webhook", "drain-and-exit"]}
        settings = {"health.state-file": str(tmp_path / "state"), "health.webhook": receiver.url}
        server = start({}, **with_rules(rule, **settings))
        assert ends(server) == 0
        assert [body["state"] for body in receiver.delivered()] == (["firing"] if 204 in script else [])


def test_the_master_starts_a_new_worker(start, sluice, tmp_path, token_file):
    paths = {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    config = {"health.admin-token": str(token_file), **exiting(tmp_path / "state"), "hosts": {"default": {"paths": paths}}}
    server = sluice(config, mode="master")
    old = server.worker()
    simulate(server, 700)
    wait_for(lambda: not old.is_alive(), 20, "the worker ends")
    wait_for(lambda: server.worker() and server.worker().pid != old.pid and server.log().count("is ready to serve") == 2, 20, "another")
    wait_for(lambda: state(server, "memory-high") == "ok", 10, "it is well")
    died = f"worker {old.pid} died unexpectedly with status:0|new worker {old.pid} seems to have failed to start, exit status:0"
    assert re.search(died, server.log())  # the latter if it was within its first second
    server.process.signal(signal.SIGTERM)
    wait_for(server._is_gone, 20, "the end")
