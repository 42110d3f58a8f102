"""Signed URLs (image.sign-key): who gets a picture, until when, with which keys, and what the README says about making them.

The oracles are Python's hmac and the command openssl, and for a signature that is right: that its picture comes.
"""

import base64
import hmac
import os
import re
import shutil
import subprocess
import time

import pytest

import pictures
from clients import metrics
from harness import ROOT, compile_c, wait_for
from pictures import fetch
from problems import assert_problem, raw
from structured import cache_status

KEY, OLD_KEY, OTHER_KEY = "0123456789abcdef0123456789abcdef", "older-key.older-key", "a-key-of-another-host"
PICTURE = "/images/baseline.jpg?w=50"


def signature(target, key=KEY):
    mac = hmac.digest(key.encode(), target.encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def with_signature(target, sig):
    return f"{target}{'&' if '?' in target else '?'}sig={sig}"


def sign(target, key=KEY):
    return with_signature(target, signature(target, key))


def write_key(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def keys(tmp_path):
    """Files of KEY, OLD_KEY and OTHER_KEY."""
    return [write_key(tmp_path / f"sign{n}.key", key) for n, key in enumerate((KEY, OLD_KEY, OTHER_KEY))]


@pytest.fixture
def start(sluice):
    """start({"image.sign-key": ...}): one event loop, so that all requests come to the one that has seen them before; /other has the
    same pictures as /images, and /open needs no signature."""

    def start_server(settings, hosts=None, **options):
        images = {"image.origin": str(pictures.tests())}
        paths = {"/images": images, "/other": images, "/open": {**images, "image.sign-key": []}}
        own = {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        return sluice({**settings, "hosts": {"default": {"paths": {**paths, **own}}, **(hosts or {})}}, threads=1, **options)

    return start_server


@pytest.fixture
def server(start, keys):
    return start({"image.sign-key": keys[:2]})


def assert_refused(server, target, code="bad-signature", says="sig ", **options):
    detail = assert_problem(server.get(target, **options), 403, code)
    assert says in detail, detail
    return detail


# --- who gets a picture


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("target", [PICTURE, "/images/rgb.png", "/images/rgb.png?", "/images/%72gb.png?h=%330&&fit=cover", "/images/rgb.png?w=9&exp=9999999999"])
def test_a_signed_target_gets_its_picture(server, target, http2):
    plain = fetch(server, re.sub("/images|&exp=.*", lambda part: "/open" if part[0] == "/images" else "", target))
    for _ in range(3):
        assert fetch(server, sign(target), http2=http2).body == plain.body
    assert server.get(sign(target), method="HEAD", http2=http2).status == 200
    assert_refused(server, target, http2=http2)


def test_the_command_openssl_signs_the_same(server, keys):
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"key:{KEY}", "-binary"]
    mac = subprocess.run(command, input=PICTURE.encode(), capture_output=True, check=True).stdout
    fetch(server, with_signature(PICTURE, base64.urlsafe_b64encode(mac).decode().rstrip("=")))


def test_what_is_not_signed_like_that_is_refused(server):
    sig = signature(PICTURE)
    assert_refused(server, PICTURE, says="sig is missing")
    assert_refused(server, f"{PICTURE}&sig={sig}&w=51", says="last parameter")
    assert_refused(server, f"{PICTURE}&sig={sig}&sig={sig}", says="once")
    assert_refused(server, f"{PICTURE}&sig=", says="43 characters")
    assert_refused(server, f"{PICTURE}&sig={sig}=", says="not padded")
    assert_refused(server, f"{PICTURE}&sig={hmac.new(KEY.encode(), PICTURE.encode(), 'sha256').hexdigest()}", says="base64url")
    wrong = {
        "of a bad guess": f"{PICTURE}&sig={'A' * 43}",
        "of another key": sign(PICTURE, OTHER_KEY),
        "of another picture": with_signature("/images/rgb.png?w=50", sig),
        "of another size": with_signature("/images/baseline.jpg?w=500", sig),
        "of another mount": with_signature("/other/baseline.jpg?w=50", sig),
        "of more": with_signature(f"{PICTURE}&h=50", sig),
        "of another spelling": with_signature("/images/b%61seline.jpg?w=50", sig),
        "of the query alone": with_signature(PICTURE, signature("w=50")),
        "of the path alone": with_signature(PICTURE, signature("/images/baseline.jpg")),
        "with a case": f"{PICTURE}&sig={sig[:30].swapcase()}{sig[30:]}",
    }
    for what, target in wrong.items():
        assert "not the HMAC-SHA256" in assert_refused(server, target), what
    fetch(server, sign(PICTURE))  # and seen by now
    for target in wrong.values():
        assert_refused(server, target)


def test_every_byte_of_a_target_that_was_seen_counts(server):
    target = sign(f"{PICTURE}&exp=9999999999")
    for _ in range(3):
        fetch(server, target)
    for at in range(len("/images/"), len(target)):
        other = "B" if target[at] == "A" else "A"
        assert server.get(target[:at] + other + target[at + 1 :]).status == 403, at
    assert "hit" in cache_status(fetch(server, target))


def test_refusals_tell_nothing_of_what_is_there(server):
    """Nor is anything asked of the origin, or kept."""
    fetch(server, sign("/images/rgb.png"))
    targets = ["/images/rgb.png", "/images/missing.png", "/images/rgb.png?w=x", "/images/rgb.png?nonsense=1", "/images/%00", "/images/", "/images/text.jpg"]
    before = metrics(server)
    answers = [server.get(target) for target in targets + [with_signature(target, "A" * 43) for target in targets]]
    assert {answer.status for answer in answers} == {403}
    assert len({(answer.body, answer.headers["Content-Length"]) for answer in answers}) == 2
    after = metrics(server)
    moved = {name for name in after if after[name] != before.get(name) and name.startswith(("sluice_image_cache", "sluice_transform", "sluice_origin"))}
    assert moved == set()
    assert server.get("/images/rgb.png", method="POST").status == 405


def test_what_is_signed_is_judged_as_ever(server):
    assert_problem(server.get(sign("/images/rgb.png?w=x")), 400, "bad-option")
    assert "`size`" in assert_problem(server.get(sign("/images/rgb.png?size=5")), 400, "bad-option")
    assert_problem(server.get(sign("/images/%00.png")), 404, "bad-path")
    assert server.get(sign("/images/missing.png")).json()["code"] == "not-found"
    etag = fetch(server, sign(PICTURE)).headers["ETag"]
    assert server.get(sign(PICTURE), {"If-None-Match": etag}).status == 304
    assert server.get(sign(PICTURE), {"Range": "bytes=0-9"}).status == 206


def test_all_urls_of_a_picture_share_it(server):
    targets = [sign(PICTURE), sign(PICTURE, OLD_KEY), sign(f"{PICTURE}&exp=9999999999"), sign("/images/baseline.jpg?exp=9999999998&w=50")]
    answers = [fetch(server, target) for target in [*targets, sign("/other/baseline.jpg?w=50"), "/open/baseline.jpg?w=50"]]
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert ["hit" in cache_status(answer) for answer in answers] == [False] + 5 * [True]
    assert metrics(server)["sluice_transforms_total"] == 1


def test_without_keys_they_are_options_like_any_other(start, keys):
    server = start({})
    assert "`sig`" in assert_problem(server.get(sign(PICTURE)), 400, "bad-option")
    assert "`exp`" in assert_problem(server.get(f"{PICTURE}&exp=9999999999"), 400, "bad-option")
    fetch(start({"image.strict": "OFF"}), sign(PICTURE))


# --- until when


def test_an_expired_url_is_refused(server):
    target = sign(f"{PICTURE}&exp=1700000000")
    assert_refused(server, target, "signature-expired", "exp ")
    assert_refused(server, target, "signature-expired", "exp ", headers={"If-None-Match": "*"})
    assert server.get(target, method="HEAD").status == 403
    assert_refused(server, f"{target[:-1]}{'A' if target[-1] != 'A' else 'B'}")
    for exp in ("", "x", "-1", "1e12", "99999999999999999999", "9999999999&exp=9999999999"):
        assert_refused(server, sign(f"{PICTURE}&exp={exp}"), says="exp has to be")


def test_a_url_expires_while_it_is_remembered(server):
    """It is good up to the second that it names, however often it was asked for, and not from then on."""
    fetch(server, sign(PICTURE))
    exp, statuses = int(time.time()) + 3, []
    target = sign(f"{PICTURE}&exp={exp}")

    def is_over():
        before = time.time()
        statuses.append(server.get(target).status)
        # the server's clock of whole seconds may be a tick of the kernel behind this one
        assert statuses[-1] == 200 or time.time() >= exp
        assert statuses[-1] == 403 or before < exp + 0.1
        return statuses[-1] != 200

    wait_for(is_over, 30, "the URL expires")
    assert statuses.count(200) > 3
    assert_refused(server, target, "signature-expired", "exp ")
    assert "hit" in cache_status(fetch(server, sign(PICTURE)))


# --- which keys


def test_keys_are_inherited_and_replaced(start, keys):
    key, old, other = keys
    images = {"image.origin": str(pictures.tests())}
    hosts = {
        "own.example": {"image.sign-key": other, "paths": {"/images": images, "/both": {**images, "image.sign-key": [other, old]}}},
        "open.example": {"image.sign-key": [], "paths": {"/images": images, "/signed": {**images, "image.sign-key": key}}},
    }
    server = start({"image.sign-key": [key, old]}, hosts)
    good = {
        ("default", "/images"): {KEY, OLD_KEY},
        ("own.example", "/images"): {OTHER_KEY},
        ("own.example", "/both"): {OTHER_KEY, OLD_KEY},
        ("open.example", "/signed"): {KEY},
    }
    for (host, path), those in good.items():
        for each in (KEY, OLD_KEY, OTHER_KEY):
            answer = server.get(sign(f"{path}/baseline.jpg?w=50", each), {"Host": host})
            assert answer.status == (200 if each in those else 403), (host, path, each)
        assert server.get(f"{path}/baseline.jpg?w=50", {"Host": host}).status == 403
    fetch(server, PICTURE, headers={"Host": "open.example"})
    fetch(server, "/open/baseline.jpg")


def test_where_keys_come_from(start, keys, sluice):
    server = start({"image.sign-key": ["env:SIGN_KEY", keys[1]]}, env={"SIGN_KEY": KEY})
    fetch(server, sign(PICTURE))
    fetch(server, sign(PICTURE, OLD_KEY))
    paths = {"/images": {"image.origin": str(pictures.tests()), "image.sign-key": "relative.key"}}
    server = sluice({"hosts": {"default": {"paths": paths}}}, start=False)
    write_key(server.folder / "relative.key", KEY)
    fetch(server.start(), sign(PICTURE))


def test_bad_keys_stop_the_start(sluice, keys, tmp_path):
    secrets = {"short": "fifteen-chars-1", "spaces": "sixteen characters and more", "readable": "x" * 20, "empty": ""}
    for name, text in secrets.items():
        write_key(tmp_path / name, text)
    os.chmod(tmp_path / "readable", 0o644)
    faults = {
        "short": "the key has to have 16 to 512 characters; this one has 15", "empty": "this one has 0", "spaces": "visible ASCII",
        "readable": "chmod o-rwx", "missing": "No such file",
    }  # fmt: skip
    values = {str(tmp_path / name): says for name, says in faults.items()} | {"env:NO_SUCH_VARIABLE": "is not set", "env:": "is not set"}
    cases = [(wrap(value), says) for value, says in values.items() for wrap in (str, lambda value: [keys[0], value])]
    cases += [([keys[0]] * 9, "8 keys, no more"), ([[keys[0]]], "takes the path of a file"), ({"key": keys[0]}, "image.sign-key")]
    for value, says in cases:
        paths = {"/images": {"image.origin": str(pictures.tests()), "image.sign-key": value}}
        done = sluice({"hosts": {"default": {"paths": paths}}}, start=False).check()
        assert done.returncode != 0 and "image.sign-key" in done.stderr and says in done.stderr, (value, done.stderr)
        assert not any(text in done.stderr for text in secrets.values() if text)
    done = sluice({"image.sign-key": [keys[0]] * 8, "hosts": {"default": {"paths": {"/": {"file.dir": "/"}}}}}, start=False).check()
    assert done.returncode == 0, done.stderr


# --- how long a URL may be


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_urls_have_a_longest(server, signed, http2):
    base = "/images/rgb.png?w=20" if signed else "/open/rgb.png?w=20"
    longest = base + "&" * (3072 - len(base) - (48 if signed else 0))
    for more, status in (("", 200), ("&", 414), ("&" * 1000, 414)):
        target = sign(longest + more) if signed else longest + more
        assert len(target) == 3072 + len(more)
        answer = server.get(target, http2=http2)
        assert answer.status == status, answer
        if status == 414:
            assert "3072" in assert_problem(answer, 414, "uri-too-long") and answer.json()["title"] == "URI Too Long"
    assert_problem(server.get(f"/images/{'a' * 3100}", http2=http2), 414, "uri-too-long")


def test_bytes_are_signed_as_they_are_sent(server):
    """Those that are no text, too."""
    for target in (b"/images/rgb.png?w=30&\xff", b"/images/rgb.png?w=30&\xc3\xa9&"):
        mac = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), target, "sha256")).rstrip(b"=")
        answer = raw(server, b"GET %b&sig=%b HTTP/1.1\r\nHost: x\r\n\r\n" % (target, mac))
        assert (answer.status, answer.json()["code"]) == (400, "bad-option")  # and not 403


# --- the README's examples


def readme_examples():
    section = (ROOT / "README.md").read_text().partition("\n## Signed URLs\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.M | re.S))


def command_of(language, code, folder):
    """The command that runs an example; what it needs is installed by `make test`."""
    if language == "c":
        (folder / "sign.c").write_text(code)
        return [str(compile_c(folder / "sign.c", folder / "sign", "-lcrypto"))]
    program = {"python": "python3", "javascript": "node", "sh": "sh"}[language]
    assert shutil.which(program), f"{program} is missing"
    (folder / "example").write_text(code)
    return [program, str(folder / "example")]


@pytest.mark.parametrize("language", ["python", "javascript", "sh", "c"])
def test_examples_of_the_readme(server, keys, tmp_path, language):
    command = command_of(language, readme_examples()[language], tmp_path)
    for target in (PICTURE, "/images/rgb.png", "/images/rgb.png?", "/images/%72gb.png?fit=cover&w=20&h=20&exp=9999999999"):
        for key_file, key in zip(keys[:2], (KEY, OLD_KEY)):
            done = subprocess.run([*command, key_file, target], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, ""), done
            assert done.stdout == sign(target, key) + "\n"
            fetch(server, done.stdout.strip())


def test_readme_has_no_example_without_a_test():
    assert set(readme_examples()) == {"python", "javascript", "sh", "c"}


def test_url_of_the_readme_is_a_true_one():
    [(target, sig)] = re.findall(r"^    (/images/\S+)&sig=(\S+)$", (ROOT / "README.md").read_text(), re.M)
    assert signature(target, "an-example-that-nobody-should-use") == sig
