"""The token of the admin routes: who may use them, how often one may guess, and where the token comes from."""

import concurrent.futures
import http.client

import pytest

from clients import Prober
from harness import request, wait_for
from problems import assert_problem
from purging import (  # noqa: F401, the fixtures among them
    BEARER, ROUTE, TOKEN, is_hit, origin, png, purge, server, start, token_file, warm)  # fmt: skip


# --- who may


def test_wrong_tokens_are_denied(server, origin):
    origin.script("/a.png", body=png(1), content_type="image/png")
    warm(server, "/images/a.png")
    for value in (None, "", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN[:16]}"):
        answer = server.get(ROUTE, {"Authorization": value} if value is not None else {}, "POST", '{"all": true}')
        detail = assert_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sluice"' and "health.admin-token" in detail
        assert TOKEN not in answer.body.decode()
    assert is_hit(server.get("/images/a.png?w=4"))


def test_without_a_token_there_is_no_such_route(sluice, origin):
    server = sluice({"hosts": {"default": {"paths": {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}}}}})
    assert_problem(server.get(ROUTE, BEARER, "GET"), 404, "unknown-route")
    assert server.get(ROUTE, BEARER, "POST", '{"all": true}').status in (404, 405)


def test_only_post(server):
    for method in ("GET", "HEAD", "PUT", "DELETE", "PURGE"):
        answer = server.get(ROUTE, BEARER, method)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert server.get("/api/health", {}, "POST", "{}").headers["Allow"] == "GET, HEAD"


def test_a_purge_is_done_when_memory_is_critical_too(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"pressure.budget": "8MiB"})
    wait_for(lambda: server.get("/images/a.png").status == 503, 10, "memory is critical")
    assert_problem(server.get("/images/a.png"), 503, "memory-critical")
    purge(server, all=True)


def post_from(server, address, token):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=(address, 0))
    try:
        return request(connection, ROUTE, {"Authorization": f"Bearer {token}"}, "POST", '{"prefix": "/images/x"}')
    finally:
        connection.close()


def test_guessing_is_limited(server):
    """Over both loops. Another address is not affected, and neither is health."""
    with Prober(server) as prober, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post_from(server, "127.0.0.2", f"guess-number-{n:06}"), range(600)))
        denied = [answer for answer in answers if answer.status == 401]
        limited = [answer for answer in answers if answer.status == 429]
        assert len(denied) + len(limited) == 600 and 10 <= len(denied) < 60, len(denied)
        for answer in limited:
            assert answer.headers["Retry-After"] == "1"
            assert_problem(answer, 429, "too-many-attempts")
        assert post_from(server, "127.0.0.2", TOKEN).status == 429
        assert post_from(server, "127.0.0.1", TOKEN).status == 200
    assert prober.faults == []
    wait_for(lambda: post_from(server, "127.0.0.2", TOKEN).status == 200, 30, "the address may try again")


# --- the token


@pytest.mark.parametrize(
    "text, mode, says",
    [
        (f"{TOKEN}\n", 0o644, "chmod o-rwx"),
        ("too-short\n", 0o600, "this one has 9"),
        ("", 0o600, "this one has 0"),
        ("sixteen spaces or more\n", 0o600, "visible ASCII"),
        (None, None, "No such file"),
    ],
)
def test_bad_tokens_stop_the_start(sluice, tmp_path, text, mode, says):
    path = tmp_path / "secret"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    done = sluice({"health.admin-token": str(path), "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}}, start=False).check()
    assert done.returncode == 78 and "health.admin-token" in done.stderr and says in done.stderr, done.stderr
    assert text is None or text == "" or text.strip() not in done.stderr


@pytest.mark.parametrize("of_config", [True, False])
def test_the_token_may_come_from_the_environment(sluice, origin, of_config):
    paths = {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}}
    config = {"health.admin-token": "env:PURGE_TOKEN", "hosts": {"default": {"paths": paths}}}
    if of_config:
        purge(sluice(config, env={"PURGE_TOKEN": TOKEN}), all=True)
    else:
        done = sluice(config, start=False, env={"PURGE_TOKEN": None}).check()
        assert done.returncode == 78 and "environment variable `PURGE_TOKEN` is not set" in done.stderr


def test_a_token_file_may_be_relative(sluice):
    server = sluice({"health.admin-token": "token", "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}}, start=False)
    (server.folder / "token").write_text(TOKEN)
    (server.folder / "token").chmod(0o640)
    server.start()
    purge(server, all=True)
