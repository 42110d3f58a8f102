"""Where an origin can make the server go: addresses behind names, redirects, and paths. After every test the server is idle
and works.

`origin` is the one that is configured. `victim` is another on the same machine, that nobody may reach unless a setting says so.
"""

import itertools
import os
import shutil
import socket

import pytest

import pictures
from clients import Asked
from harness import Sluice
from names import PUBLIC, Names
from origin import Origin
from problems import COMMON_SETTINGS, assert_error, assert_sound, raw

# by the name that resolves to it; the first three do lead to the victim here
ADDRESSES = {
    "loopback": "127.0.0.1",
    "this-host": "0.0.0.0",
    "mapped": "::ffff:127.0.0.1",
    "loopback-2": "127.0.0.2",
    "ten": "10.1.2.3",
    "metadata": "169.254.169.254",
    "shared": "100.64.0.1",
    "private": "192.168.1.1",
    "private-2": "172.31.255.255",
    "benchmark": "198.18.0.1",
    "documentation": "203.0.113.1",
    "group": "224.0.0.1",
    "reserved": "240.0.0.1",
    "everybody": "255.255.255.255",
    "loopback-6": "::1",
    "unspecified-6": "::",
    "unique-local": "fd00::1",
    "link-local": "fe80::1",
    "group-6": "ff02::1",
    "documentation-6": "2001:db8::1",
    "mapped-ten": "::ffff:10.1.2.3",
    "compatible": "::127.0.0.1",
    "nat64": "64:ff9b::127.0.0.1",
    "nat64-local": "64:ff9b:1::127.0.0.1",
    "6to4": "2002:7f00:1::1",
    "teredo": "2001:0:808:808::80ff:fffe",
    "isatap": "2606:4700::5efe:127.0.0.1",
    "several": "10.1.2.3,127.0.0.1,::1",
}
REACHABLE = ["loopback", "this-host", "mapped"]
number = itertools.count()  # of pictures that no test has asked for
# of 127.0.0.1, as libcurl, inet_aton() and browsers take it
SPELLINGS = ["2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "017700000001", "127%2e0.0.1"]
MAPPED = ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"]


@pytest.fixture(scope="module")
def origin():
    with Origin(pictures.tests()) as origin:
        yield origin


@pytest.fixture(scope="module")
def victim():
    with Origin(pictures.tests()) as victim:
        yield victim


@pytest.fixture(scope="module")
def proxy():
    with Origin() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def names(tmp_path_factory, origin, victim):
    answers = {f"{name}.test": [address] for name, address in ADDRESSES.items()}
    answers |= {"public.test": [PUBLIC], "mixed.test": [f"10.1.2.3,127.0.0.1,{PUBLIC}"], "rebound.test": [PUBLIC, "127.0.0.1"]}
    answers |= {"kept.test": ["127.0.0.1"], "same.test": ["127.0.0.1"], "upgrade.test": [PUBLIC], "inner.test": ["127.0.0.1"]}
    answers["both.test"] = [f"127.0.0.1,{PUBLIC}"]
    names = Names(tmp_path_factory.mktemp("names"), answers)
    for port in (origin.port, victim.port):
        names.lead(PUBLIC, port, port)
    names.lead(PUBLIC, 80, origin.port)
    names.lead(PUBLIC, 443, victim.port)
    return names


@pytest.fixture(scope="module")
def shared(tmp_path_factory, origin, victim, proxy, names):
    def of(host, path="/", port=victim.port, **settings):
        return {"image.origin": f"http://{host}:{port}{path}", **{f"image.{k.replace('_', '-')}": v for k, v in settings.items()}}

    paths = {f"/name/{name}": of(f"{name}.test") for name in ADDRESSES}
    paths |= {f"/spelt/{n}": of(host) for n, host in enumerate(SPELLINGS + MAPPED)}
    paths |= {
        "/images": {"image.origin": str(pictures.tests())},
        "/api": {"health.api": "ON"},
        "/allowed/loopback": of("loopback.test", "/a/", allow_addresses="127.0.0.1"),
        # it leads to 127.0.0.1, as the socket says once it is connected
        "/allowed/this-host": of("this-host.test", "/a/", allow_addresses=["10.0.0.0/8", "0.0.0.0/32", "127.0.0.1"]),
        "/allowed/mapped": of("mapped.test", "/a/", allow_addresses=["fd00::/8", "127.0.0.0/8"]),
        "/localhost": of("localhost", "/l/"),
        "/mixed": of("mixed.test"),
        "/public": of("public.test"),
        "/http": of("127.0.0.1", port=origin.port),
        "/rebound": of("rebound.test", port=origin.port, allow_origins=f"http://rebound.test:{victim.port}/"),
        "/inner": of("127.0.0.1", "/inner/", port=origin.port, allow_origins=f"http://inner.test:{victim.port}/"),
        "/inner-too": of("127.0.0.1", "/inner-too/", port=origin.port, allow_origins=f"http://inner.test:{victim.port}/",
                         allow_addresses="127.0.0.0/8"),
        "/kept": of("kept.test", "/kept/", allow_addresses="127.0.0.1"),
        "/not-kept": of("kept.test", "/not-kept/"),
        "/both-kept": of("both.test", "/both-kept/", allow_addresses="127.0.0.1"),
        "/both": of("both.test", "/both/"),
        "/same": of("same.test", "/same/", allow_addresses="127.0.0.1"),
        "/same-but": of("same.test", "/same/"),
        "/listed": of("127.0.0.1", "/listed/", port=origin.port, allow_origins=[victim.url("/pictures/"), victim.url("/exact")]),
        "/only-base": of("127.0.0.1", "/only-base/", port=origin.port, allow_origins=[]),
        "/upgrade": {"image.origin": "http://upgrade.test/upgrade/"},
    }  # fmt: skip
    env = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), proxy.url())
    config = {**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}}
    with Sluice(tmp_path_factory.mktemp("guard"), config, env={**env, **names.environment()}) as server:
        yield server
        assert server.stop()


@pytest.fixture
def server(shared, origin, victim, proxy):
    for one in (origin, victim):
        one.forget()
    yield shared
    for one in (origin, victim):
        one.scripts.clear()
    assert proxy.count() == 0
    assert_sound(shared)


# --- addresses


@pytest.mark.parametrize("name", ADDRESSES)
def test_name_of_an_address_that_is_not_public(server, victim, names, name):
    assert "image.allow-addresses" in assert_error(server.get(f"/name/{name}/rgb.png"), "origin-forbidden-address")
    assert victim.count() == 0
    assert names.looked_up(f"{name}.test")


@pytest.mark.parametrize("name", REACHABLE)
def test_the_same_if_it_is_allowed(server, victim, name):
    victim.script("/a/rgb.png", file="rgb.png")
    assert server.get(f"/allowed/{name}/rgb.png").status == 200
    assert victim.count("/a/rgb.png") == 1


@pytest.mark.parametrize("n", range(len(SPELLINGS + MAPPED)), ids=SPELLINGS + MAPPED)
def test_origin_with_a_literal_address_is_meant(server, victim, n):
    victim.script(f"/{n}.png", file="rgb.png")
    assert server.get(f"/spelt/{n}/{n}.png").status == 200
    assert victim.count(f"/{n}.png") == 1


def test_origin_on_localhost_is_meant(server, victim):
    victim.script("/l/rgb.png", file="rgb.png")
    assert server.get("/localhost/rgb.png").status == 200


def test_public_address_behind_others_is_used(server, victim):
    victim.script("/mixed.png", file="rgb.png")
    assert server.get("/mixed/mixed.png").status == 200
    assert [seen.path for seen in victim.seen()] == ["/mixed.png"]


def test_name_that_is_bound_anew_between_two_looks(server, origin, victim, names):
    """To each request its own look-up: the first finds a public address, whose server redirects to another port of its name."""
    origin.script("/start.png", status=302, location=f"http://rebound.test:{victim.port}/rgb.png")
    assert_error(server.get("/rebound/start.png"), "origin-forbidden-address")
    assert names.looked_up("rebound.test") == [PUBLIC, "127.0.0.1"]
    assert origin.count("/start.png") == 1 and victim.count() == 0


def test_redirect_to_a_name_inside(server, origin, victim):
    for path in ("/inner/start.png", "/inner-too/start.png"):
        origin.script(path, status=302, location=f"http://inner.test:{victim.port}/rgb.png")
    assert server.get("/inner-too/start.png").status == 200
    victim.forget()
    assert_error(server.get("/inner/start.png"), "origin-forbidden-address")
    assert victim.count() == 0


def test_connection_of_another_origin_is_not_used(server, victim):
    """It is open, and leads to the right name and port, but this path may not go there."""
    for name in ("kept/1", "kept/2", "not-kept/1"):
        victim.script(f"/{name}.png", file="rgb.png")
    assert server.get("/kept/1.png").status == 200
    connections = set(victim.server.connections)
    assert connections
    assert_error(server.get("/not-kept/1.png"), "origin-forbidden-address")
    assert server.get("/kept/2.png").status == 200
    assert [seen.path for seen in victim.seen()] == ["/kept/1.png", "/kept/2.png"]


def test_connection_of_its_own_in_place_of_one_that_it_may_not_use(server, victim):
    """The name has a public address too."""
    for name in ("both-kept/1", "both/1"):
        victim.script(f"/{name}.png", file="rgb.png")
    assert server.get("/both-kept/1.png").status == 200
    assert server.get("/both/1.png").status == 200


def test_pictures_are_not_shared_with_who_may_not_fetch_them(server, victim):
    victim.script("/same/1.png", file="rgb.png")
    assert_error(server.get("/same-but/1.png"), "origin-forbidden-address")
    assert server.get("/same/1.png").status == 200
    assert_error(server.get("/same-but/1.png"), "origin-forbidden-address")
    assert_error(server.get("/same-but/1.png?w=9"), "origin-forbidden-address")
    assert victim.count("/same/1.png") == 1


# --- redirects


@pytest.mark.parametrize(
    "host", [*SPELLINGS, *MAPPED, "127.0.0.1", "127.0.0.1.", "127.0.0.2", "localhost", "[::1]", "loopback.test", "public.test"]
)
def test_redirect_to_another_port_or_host(server, origin, victim, host):
    for n, location in enumerate((f"http://{host}:{victim.port}/rgb.png", f"//{host}:{victim.port}/rgb.png")):
        origin.script(f"/to-{n}.png", status=302, location=location)
        assert "image.allow-origins" in assert_error(server.get(f"/http/to-{n}.png"), "origin-redirect-forbidden")
    assert victim.count() == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://2130706433:{origin}/rgb.png", "//127.1:{origin}/rgb.png", "HTTP://0x7F.1:{origin}/rgb.png", "/rgb.png", "rgb.png",
        "./x/../rgb.png", "../../rgb.png", "/rgb.png?a=http://127.0.0.1:{victim}/", "/rgb.png#@127.0.0.1:{victim}", " /rgb.png ",
    ],
)  # fmt: skip
def test_redirect_within_the_host(server, origin, victim, location):
    """Whatever way it is spelt."""
    hop = f"/hop-{next(number)}.png"
    origin.script(hop, status=302, location=location.format(origin=origin.port, victim=victim.port))
    answer = server.get(f"/http{hop}?w=33")
    assert answer.status == 200, answer.body
    assert victim.count() == 0


def test_redirect_to_another_query(server, origin):
    """Of the same path, which is another thing."""
    origin.script("/query.png", status=302, location="?x=1", times=1)
    origin.hold("/query.png")
    asked = Asked(server, "/http/query.png")
    origin.wait_for_request("/query.png")
    origin.script("/query.png", file="rgb.png")
    origin.release("/query.png")
    assert asked.answer().status == 200
    assert [seen.query for seen in origin.seen("/query.png")] == ["", "x=1"]


def test_spelling_of_a_redirect_is_encoded(server, origin):
    origin.script("/odd.png", status=302, location="/a b\u00e9.png")
    origin.script("/a%20b%e9.png", file="rgb.png")
    assert server.get("/http/odd.png").status == 200


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{victim}\\@127.0.0.1:{origin}/rgb.png", "http:\\\\127.0.0.1:{victim}\\rgb.png",
        "\\\\127.0.0.1:{victim}/rgb.png",
        "http://127.0.0.1:{origin}@127.0.0.1:{victim}/rgb.png", "http://127.0.0.1:{origin}#@127.0.0.1:{victim}/rgb.png",
        "http://x@127.0.0.1:{origin}/rgb.png", "http://x:y@127.0.0.1:{origin}/rgb.png", "http:/127.0.0.1:{victim}/rgb.png",
        "http:127.0.0.1:{victim}/rgb.png", "http:///127.0.0.1:{victim}/rgb.png", "http://127.0.0.1:{origin}:{victim}/rgb.png",
        "http://127.0.0.1:0/rgb.png", "http://127.0.0.1:99999/rgb.png", "http://127.0.0.1 :{victim}/rgb.png",
        "https://127.0.0.1:{victim}/",
        "http://127.0.0.1%00.x:{victim}/rgb.png", "http://127.0.0.1:{victim}%2f@127.0.0.1:{origin}/rgb.png",
        "http://\uff11\uff12\uff17.0.0.1:{victim}/rgb.png", "http://127\u30020\u30020\u30021:{victim}/rgb.png",
        "/\t/127.0.0.1:{victim}/x",
    ],
)  # fmt: skip
def test_redirect_that_can_be_read_in_two_ways(server, origin, victim, location):
    hop = f"/hop-{next(number)}.png"
    origin.script(hop, status=302, location=location.format(origin=origin.port, victim=victim.port).encode().decode("latin-1"))
    answer = server.get(f"/http{hop}")
    assert answer.status in (404, 502), answer.body
    assert victim.count() == 0


LISTED = ["/pictures/rgb.png", "/pictures/x/../rgb.png", "/pictures/%72gb.png", "/exact", "/exact/rgb.png"]
NOT_LISTED = [
    "/rgb.png", "/", "/pictures", "/pictures-secret/rgb.png", "/pictures/../rgb.png", "/pictures/%2e%2e/rgb.png",
    "/pictures/.%2e/rgb.png", "/pictures/..%2frgb.png", "/pictures/%2e%2e%2frgb.png", "/pictures/..%5crgb.png",
    "/pictures/..\\rgb.png",
    "/pictures/%252e%252e/rgb.png", "/pictures/..;/rgb.png", "/pictures/x%2f..%2f..%2frgb.png", "/pictures/a%00b",
    "/Pictures/rgb.png",
    "/pictures%2frgb.png", "//pictures/rgb.png", "/exactly", "/exact-not/rgb.png",
]  # fmt: skip


@pytest.mark.parametrize("path", LISTED)
def test_redirect_to_what_is_listed(server, origin, victim, path):
    for seen_path in ("/pictures/rgb.png", "/pictures/%72gb.png", "/exact", "/exact/rgb.png"):
        victim.script(seen_path, file="rgb.png")
    hop = f"/listed/hop-{next(number)}.png"
    origin.script(hop, status=302, location=victim.url(path))
    assert server.get(hop).status == 200
    assert victim.count() == 1


@pytest.mark.parametrize("path", NOT_LISTED)
def test_redirect_out_of_what_is_listed(server, origin, victim, path):
    origin.script("/listed/hop-out.png", status=302, location=victim.url(path))
    assert_error(server.get("/listed/hop-out.png"), "origin-redirect-forbidden")
    assert victim.count() == 0


def test_every_hop_is_looked_at(server, origin, victim):
    """Also what a listed one redirects to, where the host of image.origin itself is no exception."""
    origin.script("/listed/1.png", status=302, location=victim.url("/pictures/2.png"))
    victim.script("/pictures/2.png", status=302, location=origin.url("/listed/3.png"))
    origin.script("/listed/3.png", file="rgb.png")
    assert server.get("/listed/1.png").status == 200
    origin.script("/listed/4.png", status=302, location=victim.url("/pictures/5.png"))
    victim.script("/pictures/5.png", status=302, location=origin.url("/rgb.png"))
    assert_error(server.get("/listed/4.png"), "origin-redirect-forbidden")
    assert origin.count("/rgb.png") == 0


def test_empty_list_leaves_what_is_below_the_origin(server, origin):
    origin.script("/only-base/1.png", status=302, location="/only-base/2.png")
    origin.script("/only-base/2.png", file="rgb.png")
    origin.script("/only-base/3.png", status=302, location="/rgb.png")
    assert server.get("/only-base/1.png").status == 200
    assert_error(server.get("/only-base/3.png"), "origin-redirect-forbidden")


def test_redirect_from_http_to_https(server, origin, victim):
    """With the ports of both: it is followed, to a server that does not speak TLS."""
    origin.script("/upgrade/1.png", status=301, location="https://upgrade.test/upgrade/1.png")
    assert server.get("/upgrade/1.png").json()["code"] in ("origin-unreachable", "origin-broken")
    origin.script("/upgrade/2.png", status=301, location=f"https://upgrade.test:{victim.port}/upgrade/2.png")
    assert_error(server.get("/upgrade/2.png"), "origin-redirect-forbidden")


def test_body_of_a_redirect_is_no_picture(server, origin):
    """However long it is."""
    for n, size in enumerate((100, 60_000, 10 << 30)):
        origin.script(f"/page-{n}.png", status=302, location="/rgb.png", size=size)
        assert server.get(f"/http/page-{n}.png?w={50 + n}").status == 200


def test_redirects_have_the_time_of_one_download(sluice, origin):
    paths = {"/images": {"image.origin": origin.url("/"), "image.origin-timeout": "1s"}, "/api": {"health.api": "ON"}}
    server = sluice({**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}})
    for n in range(3):
        origin.script(f"/slow-{n}.png", status=302, location=f"/slow-{n + 1}.png", delay_s=0.6)
    origin.script("/slow-3.png", file="rgb.png")
    assert_error(server.get("/images/slow-0.png"), "origin-timeout")
    assert origin.count("/slow-2.png") == 0


# --- paths of requests


@pytest.mark.parametrize(
    "path, sent",
    [
        ("..%5c..%5cx.png", "/pictures/..%5C..%5Cx.png"), ("%252e%252e%252fx.png", "/pictures/%252e%252e%252fx.png"),
        ("%2e%2e%5cx.png", "/pictures/..%5Cx.png"), ("a%3fx=1%26y", "/pictures/a%3Fx=1&y"), ("a%23b", "/pictures/a%23b"),
        ("a%20HTTP/1.1", "/pictures/a%20HTTP/1.1"), ("..;/x.png", "/pictures/..;/x.png"), ("%40evil.test/x",
        "/pictures/@evil.test/x"),
        ("%c0%ae%c0%ae/x", "/pictures/%C0%AE%C0%AE/x"), ("x%25%30%30", "/pictures/x%2500"), (":81/x", "/pictures/:81/x"),
    ],
)  # fmt: skip
def test_names_stay_below_the_origin(sluice, origin, path, sent):
    origin.forget()
    server = sluice({"hosts": {"default": {"paths": {"/images": {"image.origin": origin.url("/pictures/")}}}}})
    assert raw(server, f"GET /images/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 404
    assert [(seen.path, seen.query) for seen in origin.seen()] == [(sent, "")]


@pytest.mark.parametrize(
    "path",
    ["../x", "..%2fx", "%2e%2e/x", "%2e%2e%2fx", "a/..%2f..%2fx", "x%0d%0aX-Injected:%20y", "x%0ay", "x%00", "%00", "x%1fy",
     "x%7fy", "x//y"],
)  # fmt: skip
def test_names_that_lead_elsewhere(sluice, origin, path):
    origin.forget()
    server = sluice({"hosts": {"default": {"paths": {"/images": {"image.origin": origin.url("/pictures/")}}}}})
    assert raw(server, f"GET /images/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 404
    assert origin.count() == 0


# --- local folders


@pytest.fixture
def folder(tmp_path):
    """<tmp>/secret.png is outside of <tmp>/root."""
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    for name in ("a.png", "below/b.png", "../secret.png"):
        shutil.copy(pictures.tests() / "rgb.png", root / name)
    links = {"in.png": "a.png", "below/up.png": "../a.png", "below/round.png": "../below/b.png", "down": "below"}
    links |= {"out.png": "../secret.png", "out-abs.png": tmp_path / "secret.png", "in-abs.png": root / "a.png", "up": "..", "top": "/"}
    links |= {"below/out.png": "../../secret.png", "in-out-in.png": "../root/a.png", "to-out.png": "out.png", "self": "/proc/self/root"}
    links |= {"cwd": "/proc/self/cwd", "loop": "loop"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket.png"))
    return root


OUTSIDE = ["out.png", "out-abs.png", "in-abs.png", "up/secret.png", "top/etc/hostname", "below/out.png", "in-out-in.png",
           "to-out.png",
           "self/etc/hostname", "cwd/x.png", "loop", "loop/a.png", "..%2fsecret.png", "below/..%2f..%2fsecret.png"]  # fmt: skip
NO_FILES = ["below", "fifo.png", "socket.png", "a.png/", "a.png/x", "none.png", "x" * 256, "y/" * 300 + "z"]


@pytest.mark.parametrize("without_openat2", [False, True])
def test_local_names(sluice, tmp_path, folder, without_openat2):
    """Links within the folder are followed, where the kernel can tell that they stay there; nothing leads out of it or blocks."""
    names = Names(tmp_path, {})
    if without_openat2:
        names.forget_openat2()
    paths = {"/images": {"image.origin": str(folder)}, "/api": {"health.api": "ON"}}
    server = sluice({"image.error-ttl": 0, "image.negative-ttl": 0, "hosts": {"default": {"paths": paths}}}, env=names.environment())
    for name in ("a.png", "below/b.png"):
        assert server.get(f"/images/{name}").status == 200
    for name in ("in.png", "below/up.png", "below/round.png", "down/b.png"):
        assert server.get(f"/images/{name}").status == (404 if without_openat2 else 200), name
    for name in OUTSIDE + NO_FILES:
        assert server.get(f"/images/{name}", timeout=5).status == 404, name


def test_magic_links_and_devices(sluice, tmp_path):
    """Of whoever has such an origin; the files that the links lead to could be read otherwise."""
    shutil.copy(pictures.tests() / "rgb.png", tmp_path / "rgb.png")
    paths = {"/proc": {"image.origin": "/proc"}, "/dev": {"image.origin": "/dev"}, "/top": {"image.origin": "/"}}
    server = sluice({**COMMON_SETTINGS, "hosts": {"default": {"paths": paths}}})
    assert server.get(f"/top{tmp_path}/rgb.png").status == 200
    for name in (f"/proc/self/root{tmp_path}/rgb.png", "/proc/self/exe", "/proc/self/fd/0", f"/top/proc/self/root{tmp_path}/rgb.png"):
        assert_error(server.get(name, timeout=5), "not-found")
    for name in ("zero", "full", "random", "null", "ptmx", "tty"):
        assert server.get(f"/dev/{name}", timeout=5).status == 404, name


# --- the settings


def site(of_process=None, of_host=None, of_path=None):
    paths = {"/images": {**(of_path or {}), "image.origin": "http://inner.test/"}, "/api": {"health.api": "ON"}}
    return {**(of_process or {}), "hosts": {"default": {**(of_host or {}), "paths": paths}}}


@pytest.mark.parametrize(
    "value",
    ["10", "10.0.0.0/33", "10.0.0.1/8", "127.1", "0x7f000001", "localhost", "", "*", "[::1]", "fd00::/129",
     "10.0.0.0/8 fd00::/8", "::1%lo",
     ["10.0.0.0/8", "x"], [["10.0.0.0/8"]], {"a": "b"}],
    ids=str,
)  # fmt: skip
def test_networks_that_cannot_be(sluice, value):
    for config in (site({"image.allow-addresses": value}), site(of_path={"image.allow-addresses": value})):
        done = sluice(config, start=False).check()
        assert done.returncode == 78 and "image.allow-addresses" in done.stderr, done.stderr
        if not isinstance(value, dict):
            assert '["10.0.0.0/8", "fd00::/8", "127.0.0.1"]' in done.stderr, done.stderr
        if isinstance(value, str):
            assert f"`{value}`" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "value, fault",
    [("127.0.0.1", "does not begin with http"), ("ftp://a/", "does not begin with http"), ("*", "does not begin with http"),
     ("http://", "no host"), ("http:///x", "no host"), ("http://a/?x", "query"), ("http://a/#x", "query"), ("http://u:p@a/",
     "user names"),
     ("http://a:99999/", ""), ("http://a:x/", ""), ("http://[::1/", ""), ("http://a b/", "percent-encoded"), ("", "does not begin"),
     (["http://a/", "x"], "`x`")],
    ids=str,
)  # fmt: skip
def test_origins_that_cannot_be_listed(sluice, value, fault):
    for config in (site({"image.allow-origins": value}), site(of_path={"image.allow-origins": value})):
        done = sluice(config, start=False).check()
        assert done.returncode == 78 and "image.allow-origins" in done.stderr and fault in done.stderr, done.stderr
        assert '["https://cdn.example.com/pictures/"]' in done.stderr


@pytest.mark.parametrize(
    "name, good",
    [("image.allow-addresses", ["::/0", "0.0.0.0/0"]), ("image.allow-origins", ["HTTP://A.B:81/x", "https://[::1]/"])],
)
def test_lists_that_can_be(sluice, name, good):
    for value in (good, good[0], []):
        for config in (site({name: value}), site(of_host={name: value}), site(of_path={name: value})):
            done = sluice(config, start=False).check()
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
def test_port_that_cannot_be(sluice, port):
    done = sluice({"hosts": {"default": {"paths": {"/x": {"image.origin": f"http://127.0.0.1:{port}/"}}}}}, start=False).check()
    assert done.returncode == 78 and "image.origin" in done.stderr and "ort" in done.stderr, done.stderr


def test_lists_are_inherited(sluice, tmp_path, victim):
    victim.script("/rgb.png", file="rgb.png")
    inner = {"image.origin": f"http://inner.test:{victim.port}/"}
    own = {"paths": {"/a": inner, "/b": {**inner, "image.allow-addresses": []}, "/c": {**inner, "image.allow-addresses": "10.0.0.0/8"}}}
    hosts = {"none:1": own, "host:1": {**own, "image.allow-addresses": ["10.0.0.0/8"]}}
    server = sluice({"hosts": hosts, "image.allow-addresses": "127.0.0.1", "image.error-ttl": 0},
                    env=Names(tmp_path, {"inner.test": ["127.0.0.1"]}).environment())  # fmt: skip
    for host, statuses in {"none:1": (200, 502, 502), "host:1": (502, 502, 502)}.items():
        assert [server.get(f"/{path}/rgb.png", {"Host": host}).status for path in "abc"] == list(statuses)
