"""sluicectl, by running it: against servers that answer as scripted, and against a real one."""

import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from ctl import CTL, MIB, Stub, Terminal, ctl, ctl_environment, healthy, problem
from harness import ROOT, free_port, run, wait_for
from purging import TOKEN, origin, start, token_file  # noqa: F401, fixtures

COMMANDS = ("status", "watch", "trim", "cleanup", "purge", "simulate", "report", "snapshot", "top", "alerts", "leaks", "operations", "events")
ADMIN = {"trim": (), "cleanup": (), "snapshot": (), "top": (), "purge": ("--all",), "simulate": ("1MiB", "1")}
SOURCES = ROOT / "module/sluicectl"


@pytest.fixture
def stub():
    with Stub({"/api/health": healthy()}) as stub:
        yield stub


def failed(done, status, *words):
    """The sentence of a run that failed; nothing else was written."""
    assert done.returncode == status and done.stdout == "", done
    assert done.stderr.startswith("sluicectl: ") and done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr
    return done.stderr


# --- documents


def help_commands():
    text = ctl("--help").stdout
    return re.findall(r"^  ([a-z]+) ", text.partition("\ncommands:\n")[2].partition("\noptions:")[0], re.M)


def test_help_manual_and_completions_name_the_same_commands():
    manual = (SOURCES / "sluicectl.1").read_text().partition(".SH COMMANDS")[2].partition(".SH OPTIONS")[0]
    in_manual = re.findall(r"^\.TP\n\.(?:B|BR|BI) ([a-z]+)", manual, re.M)
    bash = re.search(r'"\) words="([a-z\s-]*)"', (SOURCES / "sluicectl.bash").read_text())[1].split()
    zsh = re.findall(r"^        '([a-z]+):", (SOURCES / "_sluicectl").read_text(), re.M)
    readme = (ROOT / "README.md").read_text().partition("### sluicectl")[2].partition("\n#")[0]
    assert tuple(help_commands()) == COMMANDS
    assert tuple(in_manual) == COMMANDS and tuple(zsh) == COMMANDS
    assert tuple(word for word in bash if word[0] != "-") == COMMANDS
    assert all(f"sluicectl {command}" in readme for command in COMMANDS)


def test_help_and_manual_name_the_same_options():
    text, manual = ctl("--help").stdout, (SOURCES / "sluicectl.1").read_text().replace("\\", "")
    for option in set(re.findall(r"--[a-z-]+", text)):
        assert option in manual, option
    bash = (SOURCES / "sluicectl.bash").read_text() + (SOURCES / "_sluicectl").read_text()
    for option in set(re.findall(r"--[a-z-]+", text)):
        assert option in bash, option


def test_the_manual_is_right():
    done = run(["man", "--warnings", "-l", SOURCES / "sluicectl.1"], env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == ""


def complete(*words):
    """What bash offers behind these words, the last of which is begun."""
    script = f'source {SOURCES}/sluicectl.bash; COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _sluicectl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = run(["bash", "-c", script])
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.split()


def test_bash_completes():
    assert set(COMMANDS) <= set(complete("sluicectl", ""))
    assert complete("sluicectl", "st") == ["status"]
    assert complete("sluicectl", "-u", "http://x", "sna") == ["snapshot"]
    assert complete("sluicectl", "top", "--sort", "h") == ["hits"]
    assert complete("sluicectl", "purge", "--p") == ["--prefix"]
    assert complete("sluicectl", "status", "--") == []


def test_version():
    version = re.search(r'"(.+)"', (ROOT / "module/version.h").read_text())[1]
    assert ctl("--version").stdout == f"sluicectl {version}\n"


def test_install_and_uninstall(tmp_path):
    if os.environ.get("SLUICE_BUILD", "build") != "build":
        pytest.skip("what is installed is the plain build")
    for target in ("install", "uninstall"):
        subprocess.run(["make", target, f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=ROOT, check=True, capture_output=True)
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        expected = {"usr/bin/sluicectl", "usr/share/man/man1/sluicectl.1", "usr/share/bash-completion/completions/sluicectl", "usr/share/zsh/site-functions/_sluicectl"}
        assert expected <= files if target == "install" else files == set()


# --- the command line


@pytest.mark.parametrize(
    "words",
    [(), ("stat",), ("status", "now"), ("status", "-n", "1"), ("top", "-n", "0"), ("top", "-n", "x"), ("top", "-n", "201"), ("top", "--sort", "key"),
     ("top", "-n"), ("purge",), ("purge", "/a", "--all"), ("purge", "/a", "/b"), ("purge", "--all", "--host", "x"), ("purge", "/a", "--prefix", "/b"),
     ("simulate",), ("simulate", "10"), ("simulate", "x", "1"), ("simulate", "1MiB", "100ms"), ("simulate", "1MiB", "x"), ("--no", "status"),
     ("report", "--all"), ("-u", "ftp://x", "status"), ("-u", "http://a b", "status")],
)  # fmt: skip
def test_wrong_usage_is_64_and_says_what_is_right(words, token_file):
    failed(ctl(*words, env={"SLUICE_TOKEN_FILE": token_file}), 64)


def test_where_the_server_is(stub):
    port = stub.url.rpartition(":")[2]
    with Stub({"/there/api/health": healthy()}) as other:
        for url in (stub.url, f"{stub.url}/", f"{stub.url}/api", f"{stub.url}/api/", f"127.0.0.1:{port}", f"localhost:{port}"):
            assert ctl("-u", url, "status").returncode == 0, url
        assert ctl("status", env={"SLUICE_URL": stub.url}).returncode == 0
        assert ctl("--url", f"{other.url}/there/api", "status", env={"SLUICE_URL": stub.url}).returncode == 0
        assert ctl("status", "-u", f"{other.url}/there/api").returncode == 0  # options may stand anywhere
    assert set(stub.paths()) == {"/api/health", "/api/memory/alerts", "/api/memory/process", "/api/memory/stats"}


# --- what goes wrong


def test_nothing_answers():
    url = f"http://127.0.0.1:{free_port()}"
    for command in ("status", "alerts", "watch", "events", "report"):
        failed(ctl("-u", url, command), 3, url, "SLUICE_URL", "Connection refused")


def test_what_answers_is_no_sluice(tmp_path):
    answers = {"/api/health": (200, b"<html>hello</html>"), "/api/memory/alerts": (404, b"not found"), "/api/memory/leaks": (200, b"[1, 2]"),
               "/api/memory/report": (302, b"")}  # fmt: skip
    with Stub(answers) as stub:
        for command in ("status", "alerts", "leaks", "report"):
            failed(ctl("-u", stub.url, command), 3, "not the API of a Sluice", "health.api")
        stub.answers["/api/health"] = {"status": "UP"}
        failed(ctl("-u", stub.url, "status"), 3, "not a Sluice")


def test_a_server_that_says_nothing_is_unreachable():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        failed(ctl("-u", f"http://127.0.0.1:{listener.getsockname()[1]}", "status"), 3, "in time")


@pytest.mark.parametrize("command", ADMIN)
def test_orders_need_a_token(command, stub, tmp_path):
    words = ("-u", stub.url, command, *ADMIN[command])
    failed(ctl(*words), 1, "admin token", "-t", "SLUICE_TOKEN_FILE", "health.admin-token")
    failed(ctl(*words, "-t", tmp_path / "nothing"), 1, str(tmp_path / "nothing"), "No such file")
    (tmp_path / "open").write_text(TOKEN)
    (tmp_path / "open").chmod(0o644)
    failed(ctl(*words, env={"SLUICE_TOKEN_FILE": tmp_path / "open"}), 1, "chmod o-rwx")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "short").chmod(0o600)
    assert "abc" not in failed(ctl(*words, "-t", tmp_path / "short"), 1, "16 to 512")
    assert stub.requests == []  # none was sent


@pytest.mark.parametrize("command", ADMIN)
def test_orders_that_are_refused(command, stub, token_file):
    words = ("-u", stub.url, "-t", str(token_file), command, *ADMIN[command])
    path = {"top": "/api/cache/entries", "purge": "/api/cache/purge"}.get(command, f"/api/memory/{command}")
    failed(ctl(*words), 1, "health.admin-token")  # 404: the server has no token
    stub.answers[path] = problem(401, "unauthorized", "send it")
    failed(ctl(*words), 1, "refuses the token", str(token_file))
    stub.answers[path] = problem(429, "too-many-attempts", "too many; wait")
    failed(ctl(*words), 1, "429", "too many; wait")
    stub.answers[path] = problem(500, "report-not-written", "no \x1b[31mroom\r\n")
    assert "\x1b" not in failed(ctl(*words), 1, "no ?[31mroom??")
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for _, _, headers, _ in stub.requests)


def test_the_token_goes_to_orders_only(stub, token_file):
    stub.answers["/api/memory/alerts"] = {"rules": [], "active": [], "history": []}
    for command in ("status", "alerts"):
        assert ctl("-u", stub.url, "-t", token_file, command).returncode == 0
    assert all(headers["Authorization"] is None for _, _, headers, _ in stub.requests)
    assert ctl("-u", stub.url, "-t", "env:IT", "trim", env={"IT": TOKEN}).returncode == 1
    assert stub.requests[-1][2]["Authorization"] == f"Bearer {TOKEN}"


def test_a_closed_stdout_is_an_error(stub):
    with open("/dev/full", "w") as full:
        done = subprocess.run([CTL, "-u", stub.url, "status"], stdout=full, stderr=subprocess.PIPE, env=ctl_environment(), text=True)
    assert done.returncode == 1 and "stdout" in done.stderr


# --- status


@pytest.mark.parametrize("status, http, expected", [("healthy", 200, 0), ("degraded", 200, 1), ("critical", 503, 2)])
def test_status_is_the_exit_status(stub, status, http, expected):
    stub.answers["/api/health"] = (http, healthy(status=status, reasons=["memory is short"], recommendations=["raise pressure.budget"]))
    done = ctl("-u", stub.url, "status")
    assert done.returncode == expected and done.stderr == ""
    assert done.stdout.startswith(f"{status}, level normal; sluice 0.1.0, up 2h 3m\n")
    for words in ("memory is short", "-> raise pressure.budget", "300.0 MiB of 1000.0 MiB; peak 400.0 MiB, accounted for 150.0 MiB\n",
                  "100.0 MiB of 512.0 MiB, 160 entries, hits 83.4 %", "4 requests, 1 fetches, 2 transforms, 3 queued (5.0 MiB); 6 shed\n"):  # fmt: skip
        assert words in done.stdout
    assert f"[{'#' * 12}{'.' * 28}]  30 %" in done.stdout
    assert "\033" not in done.stdout and "alerts" not in done.stdout


def test_status_has_the_parts_that_there_are(stub):
    stub.answers["/api/memory/alerts"] = {"active": [{"name": f"rule-{n}\x1b]0;x\x07", "severity": "critical"} for n in range(6)], "rules": []}
    stub.answers["/api/memory/process"] = {"pid": 4711}
    stub.answers["/api/memory/stats"] = {"marks_bytes": {"critical": 900 * MIB}, "simulated_bytes": 7 * MIB}
    text = ctl("-u", stub.url, "status").stdout
    assert "pid 4711" in text and "6 firing" in text and "rule-3?]0;x? (critical)" in text and "and 2 more" in text
    assert "rule-4" not in text and "7.0 MiB of it are pretended" in text
    assert f"[{'#' * 12}{'.' * 24}|{'.' * 3}]" in text


def test_status_as_json(stub):
    done = ctl("-u", stub.url, "--json", "status")
    assert json.loads(done.stdout) == {"health": healthy(), "alerts": None, "process": None, "stats": None}
    stub.answers["/api/memory/process"] = {"uptime_seconds": 41.846, "ratio": 0.0017}
    shown = ctl("-u", stub.url, "--json", "status").stdout
    assert '"uptime_seconds": 41.846,' in shown and '"ratio": 0.0017\n' in shown
    stub.answers["/api/health"] = (503, healthy(status="critical"))
    assert ctl("--json", "status", "-u", stub.url).returncode == 2


def test_answers_that_lack_everything_are_shown(stub, token_file):
    """Neither a crash nor a lie about what was not said."""
    stub.answers.update({"/api/health": {"status": "healthy"}, "/api/cache/entries": {}, "/api/memory/trim": {}})
    stub.answers.update({f"/api/memory/{name}": {} for name in ("alerts", "leaks", "operations", "report", "process", "stats", "cleanup", "snapshot")})
    for command in ("status", "alerts", "leaks", "operations", "report", "top", "trim", "cleanup", "snapshot"):
        assert ctl("-u", stub.url, "-t", token_file, command).returncode == 0, command
    odd = {"rules": [1, "x", None], "operations": {"a": 1}, "entries": [[], {"key": 5}], "points": [], "recommendations": {}, "files": [None]}
    for path in list(stub.answers)[1:]:
        stub.answers[path] = odd
    for command in ("alerts", "leaks", "operations", "top", "snapshot"):
        assert ctl("-u", stub.url, "-t", token_file, command).returncode == 0, command


# --- lists and orders against a stub


def test_lists(stub, token_file):
    stub.answers["/api/memory/alerts"] = {
        "rules": [{"name": "memory-high", "metric": "ratio", "comparison": ">", "threshold": 0.8, "for_seconds": 60, "severity": "warning", "state": "firing", "value": 0.91}],
        "active": [{}], "history": []}  # fmt: skip
    stub.answers["/api/memory/leaks"] = {
        "verdict": "suspected", "confidence": 61, "points": {"growth": 30, "steadiness": 20}, "growth_bytes_per_hour": 5 * MIB,
        "seconds_to_budget": 90000, "samples": 12, "span_seconds": 600, "recommendations": ["restart\x1b"]}  # fmt: skip
    stub.answers["/api/memory/operations"] = {"operations": [
        {"id": 1, "kind": "fetch", "state": "running", "age_ms": 31000, "bytes": 2 * MIB, "stale": True, "target": "http://o/\x9b1m\u009b2m"}], "totals": {}}  # fmt: skip
    alerts = ctl("-u", stub.url, "alerts").stdout
    assert re.search(r"^firing +warning +memory-high +0\.91  ratio > 0\.8 for 1m 0s$", alerts, re.M) and "1 rules, 1 firing" in alerts
    leaks = ctl("-u", stub.url, "leaks").stdout
    assert leaks.startswith("suspected, confidence 61 of 100\n   30 points for growth\n") and "5.0 MiB per hour" in leaks and "in 1d 1h" in leaks
    assert "-> restart?" in leaks
    operations = ctl("-u", stub.url, "operations").stdout
    assert re.search(r"^fetch +running +31\.0 s +2\.0 MiB  http://o/.*\(stale\)$", operations, re.M) and "1 under way" in operations
    assert "\x9b" not in operations and "\u009b" not in operations
    for command in ("alerts", "leaks", "operations"):
        assert json.loads(ctl("-u", stub.url, "--json", command).stdout) == stub.answers[f"/api/memory/{command}"]


def test_long_lists_are_complete(stub, token_file):
    stub.answers["/api/cache/entries"] = {"entries": [{"key": f"key-{n}", "class": "source", "bytes": n, "age_seconds": 1, "ttl_seconds": None, "hits": 1}
                                                      for n in range(200)], "scanned": 12345}  # fmt: skip
    done = ctl("-u", stub.url, "-t", token_file, "top", "-n", "200", "--sort", "age")
    assert re.findall(r"key-(\d+)$", done.stdout, re.M) == [str(n) for n in range(200)] and "200 of 12345 entries" in done.stdout
    assert stub.paths() == ["/api/cache/entries?n=200&sort=age"]


def test_purge_and_simulate_say_what_is_meant(stub, token_file):
    stub.answers["/api/cache/purge"] = {"renditions": 2, "sources": 1, "bytes": MIB, "flights": 0}
    stub.answers["/api/memory/simulate"] = {"bytes": 300 * MIB, "seconds": 120}
    for words, body in (
        (("/images/a b.jpg",), {"url": "/images/a b.jpg"}),
        (("/a", "--host", "b.example"), {"url": "/a", "host": "b.example"}),
        (("--prefix", "/shop/"), {"prefix": "/shop/"}),
        (("--host", "x", "--prefix", "/shop/"), {"prefix": "/shop/", "host": "x"}),
        (("--all",), {"all": True}),
    ):
        done = ctl("-u", stub.url, "-t", token_file, "purge", *words)
        assert done.stdout == "2 renditions and 1 sources of 1.0 MiB purged, 0 under way set aside\n"
        assert json.loads(stub.requests[-1][3]) == body and stub.requests[-1][0] == "POST"
    for words, body in ((("300MiB", "2m"), (300 * MIB, 120)), (("1.5GB", "30"), (1500000000, 30)), (("0", "0"), (0, 0)), (("4096", "1h"), (4096, 3600))):
        assert ctl("-u", stub.url, "-t", token_file, "simulate", *words).stdout == "300.0 MiB are pretended for 2m 0s\n"
        assert json.loads(stub.requests[-1][3]) == {"bytes": body[0], "seconds": body[1]}


def test_report_goes_to_a_file(stub, tmp_path):
    stub.answers["/api/memory/report"] = {"health": healthy()}
    path = tmp_path / "report.json"
    assert ctl("-u", stub.url, "report", "-o", path).stdout == ""
    assert json.loads(path.read_text()) == {"health": healthy()} and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(ctl("-u", stub.url, "report").stdout) == {"health": healthy()}
    failed(ctl("-u", stub.url, "report", "-o", tmp_path / "no" / "where"), 1, "No such file")
    failed(ctl("-u", stub.url, "report", "-o", "/dev/full"), 1, "No space left")


# --- events

EVENTS = [
    ("state", {"level": "normal"}),
    ("level", {"from": "normal", "to": "elevated", "ratio": 0.71, "resident_bytes": 710 * MIB, "at": 1795262400}),
    ("alert", {"name": "x\x1b[2J", "state": "firing", "bytes": 2048, "nested": {"a": 1}, "yes": True}),
]


def test_events_are_lines(stub):
    stub.answers["/api/memory/events"] = EVENTS
    done = ctl("-u", stub.url, "events", "-n", "3")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 3
    assert re.fullmatch(r"(2026-11-21 )?12:00:00 level from=normal to=elevated ratio=0.71 resident=710.0 MiB", lines[1])
    assert lines[2].endswith(" alert name=x?[2J state=firing bytes=2.0 KiB yes=true")
    assert stub.paths() == ["/api/memory/events"]
    lines = ctl("-u", stub.url, "--json", "events", "--all", "-n", "3").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"id": str(n), "type": type_, "data": data} for n, (type_, data) in enumerate(EVENTS, 1)]
    assert stub.paths()[-1] == "/api/memory/events?after=0"


def test_events_end_with_the_stream_or_a_signal(stub):
    stub.answers["/api/memory/events"] = [*EVENTS, ("end", {})]
    done = ctl("-u", stub.url, "events")
    assert done.returncode == 3 and len(done.stdout.splitlines()) == 4 and "has ended" in done.stderr
    stub.answers["/api/memory/events"] = EVENTS
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([CTL, "-u", stub.url, "events"], stdout=subprocess.PIPE, env=ctl_environment(), text=True) as popen:
            for _ in EVENTS:
                popen.stdout.readline()
            popen.send_signal(number)
            assert popen.wait(10) == 0


def test_events_that_are_refused(stub):
    failed(ctl("-u", stub.url, "events"), 1, "older than sluicectl")
    stub.answers["/api/memory/events"] = problem(503, "too-many-streams", "x")
    failed(ctl("-u", stub.url, "events"), 1, "status 503")


# --- watch


def test_watch_without_a_terminal_is_lines(stub):
    stub.answers["/api/memory/events"] = EVENTS
    done = ctl("-u", stub.url, "watch", "-n", "3")
    assert done.returncode == 0 and "\033" not in done.stdout
    looks = [line for line in done.stdout.splitlines() if "healthy normal, 300.0 MiB of 1000.0 MiB resident" in line]
    assert len(looks) == 3
    assert "level from=normal" in done.stdout
    looks = ctl("-u", stub.url, "--json", "watch", "-n", "2").stdout.splitlines()
    assert [json.loads(line)["health"] for line in looks] == [healthy(), healthy()]


def test_watch_draws(stub):
    stub.answers["/api/memory/events"] = EVENTS
    with Terminal("-u", stub.url, "watch") as terminal:
        screen = terminal.wait_for_screen(lambda lines: any("level from=normal" in line for line in lines), "an event")
        assert len(screen) <= 24 and all(len(line) <= 80 for line in screen)
        assert screen[1].startswith("healthy, level normal") and any("[####" in line for line in screen)
        # nothing but events is cut
        lines = ctl("-u", stub.url, "status").stdout.splitlines()
        assert screen[1 : len(lines) + 1] == lines
        stub.answers["/api/health"] = (503, healthy(status="critical"))
        terminal.wait_for_screen(lambda lines: lines[1].startswith("critical"), "the change")
        assert b"\033[31mcritical" in terminal.bytes
        terminal.type(b"q")
        assert terminal.end() == 0 and terminal.is_as_before()


def test_watch_goes_on_where_its_stream_ended(stub):
    stub.answers["/api/memory/events"] = [*EVENTS, ("end", {})]
    with Terminal("-u", stub.url, "watch") as terminal:
        wait_for(lambda: "/api/memory/events?after=4" in stub.paths(), 10, "it asks for what comes behind the last event")
        assert stub.paths().index("/api/memory/events?after=0") < stub.paths().index("/api/memory/events?after=4")
        terminal.type(b"q")
        assert terminal.end() == 0


@pytest.mark.parametrize("rows, columns", [(24, 80), (10, 40), (3, 20), (1, 1), (60, 200)])
def test_watch_fits_after_a_resize(stub, rows, columns):
    stub.answers["/api/memory/events"] = [("level", {"text": "é" * 300, "number": n}) for n in range(60)]
    with Terminal("-u", stub.url, "watch") as terminal:
        terminal.wait_for_screen(lambda lines: any("number=59" in line or "text=" in line for line in lines), "events")
        terminal.resize(rows, columns)
        drawn = len(terminal.bytes)

        def is_redrawn():
            terminal.read()
            return terminal.bytes.count(b"\033[J", drawn) >= 2

        wait_for(is_redrawn, 10, "two drawings")
        screen = terminal.last_screen()
        assert len(screen) <= rows and all(len(line) <= columns for line in screen)
        terminal.type(b"\x03")
        assert terminal.end() == 0 and terminal.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_watch_gives_the_terminal_back(stub, number):
    with Terminal("-u", stub.url, "watch", env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for_screen(lambda lines: len(lines) > 5, "a screen")
        assert not terminal.is_as_before()
        terminal.popen.send_signal(number)
        assert terminal.end() == 0 and terminal.is_as_before()
        assert re.search(rb"\033\[[0-9]+m", terminal.bytes) is None


def test_watch_stops_and_goes_on(stub):
    with Terminal("-u", stub.url, "watch") as terminal:
        terminal.wait_for_screen(lambda lines: len(lines) > 5, "a screen")
        terminal.popen.send_signal(signal.SIGTSTP)
        wait_for(lambda: open(f"/proc/{terminal.popen.pid}/stat").read().rpartition(")")[2].split()[0] == "T", 10, "it has stopped")
        terminal.read()
        assert terminal.is_as_before()
        drawn = len(terminal.bytes)
        terminal.popen.send_signal(signal.SIGCONT)
        wait_for(lambda: terminal.read() or b"\033[J" in terminal.bytes[drawn:], 10, "it draws again")
        assert b"\033[?1049h" in terminal.bytes[drawn:]
        terminal.type(b"q")
        assert terminal.end() == 0 and terminal.is_as_before()


def test_watch_looks_for_a_server_that_is_gone():
    with Stub({"/api/health": healthy()}) as stub:
        port = stub.server.server_port
        terminal = Terminal("-u", stub.url, "watch")
        terminal.wait_for_screen(lambda lines: len(lines) > 5 and lines[1].startswith("healthy"), "a screen")
    with terminal:
        terminal.wait_for_screen(lambda lines: "nothing answers" in lines[1], "that it is gone")
        again = Stub({"/api/health": healthy(status="degraded")})
        again.server.server_close()
        again.server.server_address = ("127.0.0.1", port)
        again.server.socket = socket.socket()
        again.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.server.server_bind()
        again.server.server_activate()
        with again:
            terminal.wait_for_screen(lambda lines: lines[1].startswith("degraded"), "that it is back")
            terminal.type(b"q")
            assert terminal.end() == 0


# --- a real server


@pytest.fixture
def real(start, origin, token_file, tmp_path):
    """(server, run): a server whose sluicectl is run(words)."""
    reports = tmp_path / "reports"
    reports.mkdir()
    import pictures

    origin.script("/a.png", body=(pictures.tests() / "rgb.png").read_bytes(), content_type="image/png")
    server = start({"/images": {"image.origin": origin.url("/")}}, **{
        "health.simulate": "ON", "health.report-dir": str(reports), "pressure.budget": "1000MiB", "pressure.dwell": "100ms", "pressure.dwell-critical": "100ms"})  # fmt: skip
    return server, lambda *words: ctl(*words, env={"SLUICE_URL": server.url(""), "SLUICE_TOKEN_FILE": token_file})


def test_real_orders(real):
    server, run_ctl = real
    for width in (10, 20, 30):
        assert server.get(f"/images/a.png?w={width}").status == 200
    top = run_ctl("top", "-n", "2")
    assert top.returncode == 0 and len(top.stdout.splitlines()) == 4 and "/a.png" in top.stdout and "2 of 4 entries" in top.stdout
    assert "3 renditions and 1 sources" in run_ctl("purge", "/images/a.png").stdout
    assert "resident" in run_ctl("trim").stdout
    assert server.get("/images/a.png?w=10").status == 200
    assert json.loads(run_ctl("--json", "cleanup").stdout)["objects"] >= 2
    files = run_ctl("snapshot").stdout.split()
    assert len(files) == 2 and all(os.path.getsize(path) for path in files)


def test_real_status_follows_what_is_pretended(real):
    server, run_ctl = real
    assert run_ctl("status").returncode == 0
    for size, expected in (("730MiB", 1), ("900MiB", 2)):
        assert run_ctl("simulate", size, "60").returncode == 0
        wait_for(lambda: run_ctl("status").returncode == expected, 10, f"{size} is {expected}")
    assert run_ctl("simulate", "0", "0").stdout == "nothing is pretended any more\n"
    wait_for(lambda: run_ctl("status").returncode == 0, 10, "healthy")


def test_real_watch(real):
    server, _ = real
    with Terminal("-u", server.url(""), "watch") as terminal:
        terminal.wait_for_screen(lambda lines: len(lines) > 5 and lines[1].startswith("healthy, level normal"), "a screen")
        terminal.type(b"\x03")
        assert terminal.end() == 0 and terminal.is_as_before()


def test_a_wrong_token_and_none(real, tmp_path):
    server, _ = real
    (tmp_path / "wrong").write_text("w" * 32)
    (tmp_path / "wrong").chmod(0o600)
    failed(ctl("-u", server.url(""), "-t", tmp_path / "wrong", "trim"), 1, "refuses the token")
    failed(ctl("-u", server.url("/images"), "status"), 3)


def test_a_server_without_a_token(sluice, token_file):
    server = sluice({"hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}})
    failed(ctl("-u", server.url(""), "-t", token_file, "cleanup"), 1, "set health.admin-token")
