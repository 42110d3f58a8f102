"""The way into a stock h2o: sluice-loader.so, its directive load-module, and the launcher."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from harness import BUILD, LAUNCHER, compile_c, config_text, environment, request, run, wait_for

SOURCES = Path(__file__).parent / "modules"
LOADER = BUILD / "sluice-loader.so"
EX_CONFIG = 78
HELLO_SITE = {"hosts": {"default": {"paths": {"/": {"hello": "from a module"}}}}}
PLAIN_SITE = {"hosts": {"default": {"paths": {"/": {"redirect": {"url": "http://example.com/", "status": 301}}}}}}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """A folder with the compiled modules of modules/."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("hello", "refuses", "no_entry_point", "unresolved"):
        compile_c(SOURCES / f"{name}.c", folder / f"{name}.so")
    return folder


@pytest.fixture
def check(sluice):
    """check(config, **options) is what h2o -t says."""
    return lambda config, **options: sluice(config, start=False, **options).check()


def assert_refused(done, line, *texts):
    """h2o -t failed as it does on an error of its own, at that line of the file."""
    assert done.returncode == EX_CONFIG, done.stderr
    assert f"h2o.conf:{line}] " in done.stderr, done.stderr
    for text in texts:
        assert str(text) in done.stderr, done.stderr


# --- what a module can do


@pytest.mark.parametrize("http2", [False, True])
def test_module_answers(sluice, modules, http2):
    server = sluice(HELLO_SITE, module=modules / "hello.so")
    answer = server.get("/any", http2=http2)
    assert (answer.status, answer.body, answer.headers["Content-TYPE"]) == (200, b"from a module", "text/plain")
    assert server.get("/any", method="HEAD", http2=http2).body == b""
    assert "sluice-loader" not in server.log()
    assert server.stop()


def test_directives_are_inherited_from_the_global_level(sluice, modules):
    paths = {"/a": {"hello": "path"}, "/b": {}}
    server = sluice({"hello": "global", "hosts": {"default": {"paths": paths}}}, module=modules / "hello.so")
    assert server.get("/a").body == b"path"
    assert server.get("/b").body == b"global"


def test_directive_works_below_the_line_that_loads_it(check, modules):
    load = f"load-module: {modules}/hello.so\n"
    site = "hosts:\n  default:\n    paths:\n      /: {}\n"
    assert check("tcp-fastopen: 0\n" + load + "hello: x\n" + site, module=False).returncode == 0
    # the server runs hosts last of all
    assert check(site.replace("{}", "{hello: x}") + load, module=False).returncode == 0
    too_early = check("hello: x\n" + load + site, module=False)
    assert_refused(too_early, len(config_text("", 0, None).splitlines()) + 1, "unknown command: hello")


def test_server_name_may_change_first(check, modules):
    assert check({"server-name": "other", "load-module": f"{modules}/hello.so", **HELLO_SITE}, module=False).returncode == 0


def test_sequence_of_modules(check, modules):
    shutil.copy(modules / "hello.so", modules / "second.so")
    assert check({"load-module": [f"{modules}/hello.so", f"{modules}/second.so"], **HELLO_SITE}, module=False).returncode == 0
    assert check({"load-module": [], **PLAIN_SITE}, module=False).returncode == 0


# --- where modules are looked for


def test_relative_path_starts_at_the_file_with_the_line(sluice, modules, tmp_path):
    config = f"load-module: sub/hello.so\nhosts: !file {tmp_path}/elsewhere/hosts.conf\n"
    server = sluice(config, start=False, module=False)
    (server.folder / "sub").mkdir()
    shutil.copy(modules / "hello.so", server.folder / "sub")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "hosts.conf").write_text("default:\n  paths:\n    /: {hello: from another file}\n")
    assert server.start().get("/").body == b"from another file"
    # the same file, named relative to two working directories
    for cwd, name in ((server.folder, "h2o.conf"), (tmp_path, f"{server.folder.name}/h2o.conf")):
        done = run([LAUNCHER, "-t", "-c", name], cwd=cwd, env=environment())
        assert done.returncode == 0, done.stderr


def test_relative_path_in_an_included_file(check, modules, tmp_path):
    (tmp_path / "included").mkdir()
    (tmp_path / "included" / "module.conf").write_text("./missing.so\n")
    done = check(f"load-module: !file {tmp_path}/included/module.conf\n", module=False)
    assert done.returncode == EX_CONFIG
    assert f"[{tmp_path}/included/module.conf:1] in command load-module, " in done.stderr
    assert f"{tmp_path}/included/./missing.so" in done.stderr


# --- what is refused


def test_missing_file(check, tmp_path):
    done = check(PLAIN_SITE, module="nowhere/mod.so")
    where = f"{tmp_path}/server0/nowhere/mod.so"
    assert_refused(done, 2, f"in command load-module, cannot load module {where}: ", "No such file or directory")


def test_file_that_is_no_shared_object(check, tmp_path):
    (tmp_path / "text.so").write_text("text")
    assert_refused(check(PLAIN_SITE, module=tmp_path / "text.so"), 2, tmp_path / "text.so", "file too short")


def test_unresolved_symbol(check, modules):
    assert_refused(check(PLAIN_SITE, module=modules / "unresolved.so"), 2, "undefined symbol: h2o_function_of_the_future")


def test_symbols_of_one_module_are_hidden_from_the_next(check, modules, tmp_path):
    """What is missing in unresolved.so is defined in the module before it, which is not the server."""
    rename = "-Dsluice_nothing_to_see=h2o_function_of_the_future"
    generous = compile_c(SOURCES / "hello.c", tmp_path / "generous.so", SOURCES / "no_entry_point.c", rename)
    done = check({"load-module": [str(generous), f"{modules}/unresolved.so"], **HELLO_SITE}, module=False)
    assert done.returncode == EX_CONFIG and "undefined symbol: h2o_function_of_the_future" in done.stderr


def test_no_entry_point(check, modules):
    assert_refused(check(PLAIN_SITE, module=modules / "no_entry_point.so"), 2, modules / "no_entry_point.so", "h2o_module_register")


def test_module_that_refuses(check, modules):
    assert_refused(check(PLAIN_SITE, module=modules / "refuses.so"), 2, modules / "refuses.so", "h2o_module_register returned -7")


@pytest.mark.parametrize("second", ["{modules}/hello.so", "{modules}/./hello.so", "{links}/link.so"])
def test_module_loaded_twice(check, modules, tmp_path, second):
    (tmp_path / "link.so").symlink_to(modules / "hello.so")
    second = second.format(modules=modules, links=tmp_path)
    done = check({"load-module": [f"{modules}/hello.so", second], **HELLO_SITE}, module=False)
    assert done.returncode == EX_CONFIG
    assert f"module {second} is loaded already, by {tmp_path}/server0/h2o.conf:" in done.stderr


@pytest.mark.parametrize("value", ["", {"path": "x.so"}, [""], [["x.so"]], [{"path": "x.so"}]])
def test_value_that_is_no_path(check, value):
    done = check({"load-module": value, **PLAIN_SITE}, module=False)
    assert done.returncode == EX_CONFIG
    assert "in command load-module, argument " in done.stderr


def test_load_module_is_global(check):
    done = check({"hosts": {"default": {"paths": {"/": {"load-module": "x.so"}}}}}, module=False)
    assert done.returncode == EX_CONFIG
    assert "load-module, the command cannot be used at this level" in done.stderr


def test_worker_does_not_start_without_its_module(sluice):
    with pytest.raises(AssertionError, match=r"exited with 78(.|\n)*cannot load module"):
        sluice(PLAIN_SITE, module="missing.so")


# --- the server's modes


def test_test_mode(check, modules):
    done = check(HELLO_SITE, module=modules / "hello.so")
    assert (done.returncode, done.stdout, done.stderr) == (0, "configuration OK\n", "")
    without = check(HELLO_SITE, module=False)
    assert without.returncode == EX_CONFIG
    assert "unknown command: hello" in without.stderr


class Load:
    """Asks without a pause in two threads, one of which keeps its connection, and remembers what went wrong."""

    def __init__(self, server):
        self.server, self.failures, self.counts, self.stopped = server, [], {True: 0, False: 0}, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(keep,)) for keep in self.counts]

    def _run(self, keep_alive):
        connection = self.server.connection()
        while not self.stopped.is_set():
            try:
                answer = request(connection, "/")
                if (answer.status, answer.body) != (200, b"from a module"):
                    self.failures.append(answer)
            except Exception as problem:  # whatever it is, a client has seen it
                self.failures.append(problem)
                connection.close()
            if not keep_alive:
                connection.close()
            self.counts[keep_alive] += 1
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def restart(server):
    """SIGHUP to the master; returns when a new worker serves alone."""
    old = server.worker()
    server.process.signal(signal.SIGHUP)
    wait_for(lambda: not old.is_alive() and server.worker(), 30, "a new worker alone")
    assert server.worker().pid != old.pid


def test_graceful_restarts_under_load(sluice, modules):
    server = sluice(HELLO_SITE, module=modules / "hello.so", mode="master")
    with Load(server) as load:
        for _ in range(3):
            before = dict(load.counts)
            restart(server)
            wait_for(lambda: all(load.counts[kind] > before[kind] + 20 for kind in before), 30, "requests after the restart")
    assert load.failures == []
    assert server.log().count("is ready to serve requests") == 4
    assert "sluice-loader" not in server.log()
    assert server.stop()


def test_restart_loads_what_the_file_says_then(sluice, modules):
    server = sluice(HELLO_SITE, module=modules / "hello.so", mode="master")
    server.config_file.write_text(server.config_file.read_text().replace("from a module", "from a new module"))
    restart(server)
    assert server.get("/").body == b"from a new module"


def test_failed_restart_leaves_the_old_worker(sluice, modules):
    server = sluice(HELLO_SITE, module=modules / "hello.so", mode="master")
    old, good = server.worker(), server.config_file.read_text()
    server.config_file.write_text(good.replace("hello.so", "missing.so"))
    server.process.signal(signal.SIGHUP)
    wait_for(lambda: f"cannot load module {modules}/missing.so" in server.log(), 10, "the error in the log")
    assert server.get("/").body == b"from a module" and old.is_alive()
    server.config_file.write_text(good)
    wait_for(lambda: not old.is_alive(), 30, "the restart goes on once the file is right again")
    assert server.get("/").body == b"from a module"


def test_daemon_mode(sluice, modules):
    server = sluice(HELLO_SITE, module=modules / "hello.so", mode="daemon")
    assert server.process.pid != server.popen.pid
    assert server.get("/").body == b"from a module"
    restart(server)
    assert server.get("/").body == b"from a module"
    assert server.stop()


# --- where the preload is none of the program's business


@pytest.fixture(scope="session")
def other_h2o(tmp_path_factory):
    """The server with another version in its name."""
    text = Path("/usr/bin/h2o").read_bytes()
    assert b"h2o/2.2.5\0" in text
    path = tmp_path_factory.mktemp("other") / "h2o"
    path.write_bytes(text.replace(b"h2o/2.2.5\0", b"h2o/2.2.6\0"))
    path.chmod(0o755)
    return path


def test_other_version_serves_without_load_module(sluice, other_h2o, tmp_path):
    (tmp_path / "hosts.conf").write_text("default: {paths: {/: {redirect: 'http://example.com/'}}}\n")
    server = sluice(f"hosts: !file {tmp_path}/hosts.conf\n", module=False, env={"H2O": other_h2o})
    answer = server.get("/")
    assert (answer.status, answer.headers["Server"]) == (302, "h2o/2.2.6")
    assert [line for line in server.log().splitlines() if "sluice" in line] == [
        "sluice-loader: load-module is not available: it works in h2o 2.2.5, and this is another version"
    ]


def test_other_version_does_not_know_load_module(check, modules, other_h2o):
    done = check(HELLO_SITE, module=modules / "hello.so", env={"H2O": other_h2o})
    assert_refused(done, 2, "it works in h2o 2.2.5", "unknown command: load-module")


@pytest.fixture(params=["lazy", "now"])
def preloaded(request):
    """An environment with the loader in it, with either way of binding symbols."""
    preload = ":".join(filter(None, [str(LOADER), os.environ.get("SLUICE_EXTRA_PRELOAD")]))
    return environment({"LD_PRELOAD": preload, "LD_BIND_NOW": "1" if request.param == "now" else None})


def assert_unimpressed(command, env, expected):
    done = run(command, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_perl_and_shell_notice_nothing(preloaded):
    assert_unimpressed(["perl", "-e", 'print `sh -c "echo perl and sh"`'], preloaded, "perl and sh\n")
    assert_unimpressed(["sh", "-c", "perl -e 'print 42'; exit 0"], preloaded, "42")


@pytest.mark.parametrize("libraries", ["-lyaml", "-lyaml -Wl,--no-as-needed -lh2o-evloop"])
def test_program_with_libyaml_notices_nothing(preloaded, tmp_path, libraries):
    program = compile_c(SOURCES / "yaml_program.c", tmp_path / "program", SOURCES / "yaml_events.c", *libraries.split())
    assert_unimpressed([program], preloaded, "11\n" * 3)


def test_plugin_with_libyaml_notices_nothing(preloaded, tmp_path):
    """The plugin's libyaml is local to it, where RTLD_NEXT does not look."""
    plugin = compile_c(SOURCES / "yaml_events.c", tmp_path / "plugin.so", "-lyaml")
    program = compile_c(SOURCES / "yaml_program.c", tmp_path / "program")
    assert_unimpressed([program, plugin], preloaded, "11\n" * 3)


def test_look_alikes_of_the_configuration_are_passed_over(preloaded, tmp_path):
    program = compile_c(SOURCES / "decoy_server.c", tmp_path / "program", "-rdynamic", "-lyaml")
    assert_unimpressed([program], preloaded, "the real one\ndefines load-module\n")


def test_loader_exports_one_symbol_and_needs_libc_alone():
    defined = run(["nm", "-D", "--defined-only", "--format=posix", LOADER]).stdout
    assert [line.split()[0] for line in defined.splitlines()] == ["yaml_parser_initialize"]
    needed = [line for line in run(["readelf", "-d", LOADER]).stdout.splitlines() if "(NEEDED)" in line]
    assert len(needed) == 1 and "[libc.so.6]" in needed[0], needed


# --- the launcher


@pytest.fixture
def fake_h2o(tmp_path):
    """A server that says how it was called."""
    path = tmp_path / "fake"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$LD_PRELOAD" "$@"\n')
    path.chmod(0o755)
    return path


def test_launcher_hands_over_everything(fake_h2o):
    kept = "/nonexistent/first.so /nonexistent/second.so"
    done = run([LAUNCHER, "-c", "a file", "", "*"], env={**os.environ, "H2O": str(fake_h2o), "LD_PRELOAD": kept})
    assert done.stdout.splitlines() == [str(fake_h2o), f"{LOADER}:{kept}", "-c", "a file", "", "*"]
    done = run([LAUNCHER], env=environment({"H2O": fake_h2o, "LD_PRELOAD": None}))
    assert done.stdout.splitlines() == [str(fake_h2o), str(LOADER)]


def test_launcher_runs_the_stock_server():
    done = run([LAUNCHER, "--version"], env=environment({"H2O": None}))
    assert done.returncode == 0 and done.stdout.startswith("h2o version 2.2.5\n") and done.stderr == ""


def test_launcher_finds_the_installed_loader(fake_h2o, tmp_path):
    for folder in ("bin", "lib/sluice", "links/path"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(LAUNCHER, tmp_path / "bin")
    shutil.copy(LOADER, tmp_path / "lib/sluice")
    (tmp_path / "links/path/h2o-sluice").symlink_to("../../bin/h2o-sluice")
    env = environment({"H2O": fake_h2o, "LD_PRELOAD": None, "PATH": f"{tmp_path}/links/path:{os.environ['PATH']}"})
    done = run(["sh", "-c", "h2o-sluice"], env=env)
    assert done.stdout.splitlines() == [str(fake_h2o), f"{tmp_path}/lib/sluice/sluice-loader.so"], done.stderr


@pytest.mark.parametrize("folder, loader", [("with space", True), ("with:colon", True), ("empty", False)])
def test_launcher_says_what_is_wrong_with_the_loader(tmp_path, folder, loader):
    (tmp_path / folder).mkdir()
    shutil.copy(LAUNCHER, tmp_path / folder)
    if loader:
        shutil.copy(LOADER, tmp_path / folder)
    done = run([tmp_path / folder / "h2o-sluice", "-v"])
    assert (done.returncode, done.stdout) == (EX_CONFIG, "")
    assert done.stderr.startswith("h2o-sluice: ") and str(tmp_path / folder) in done.stderr
    assert ("a space or a colon" if loader else "`make install`") in done.stderr


@pytest.mark.parametrize("path", ["/nonexistent/h2o", "/usr", "/etc/passwd"])
def test_launcher_says_that_the_server_is_missing(path):
    done = run([LAUNCHER, "-v"], env=environment({"H2O": path}))
    assert (done.returncode, done.stdout) == (EX_CONFIG, "")
    assert f"no server at {path}: install the package h2o, or set H2O" in done.stderr
