"""Reads lists of RFC 8941 (structured fields) as strictly as their grammar is written, and Cache-Status (RFC 9211) on top.

    parse_list('sluice; hit; ttl=-3, "other cache"; fwd=miss') == [(Token("sluice"), {"hit": True, "ttl": -3}), ...]
    cache_status(answer) == {"fwd": "uri-miss", "fwd-status": 200, "stored": True}
"""

import re

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+\-.^_`|~]*")
_NUMBER = re.compile(r"-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BOOLEAN = re.compile(r"\?([01])")


class Token(str):
    """What is written without quotes."""


class _Input:
    def __init__(self, text):
        self.text, self.at = text, 0

    def take(self, pattern):
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def skip(self, spaces=" "):
        while self.peek() and self.peek() in spaces:
            self.at += 1

    def peek(self):
        return self.text[self.at : self.at + 1]

    def fail(self, what):
        raise ValueError(f"{what} expected at {self.at} of {self.text!r}")


def _bare_item(text):
    if match := text.take(_NUMBER):
        return float(match[0]) if "." in match[0] else int(match[0])
    if match := text.take(_STRING):
        return re.sub(r"\\(.)", r"\1", match[1])
    if match := text.take(_TOKEN):
        return Token(match[0])
    if match := text.take(_BOOLEAN):
        return match[1] == "1"
    text.fail("an item")


def _parameters(text):
    parameters = {}
    while text.peek() == ";":
        text.at += 1
        text.skip()
        key = text.take(_KEY) or text.fail("a key")
        parameters[key[0]] = True
        if text.peek() == "=":
            text.at += 1
            parameters[key[0]] = _bare_item(text)
    return parameters


def parse_list(value):
    """[(item, parameters)]; ValueError where the grammar is broken. Inner lists and byte sequences are not understood."""
    text, members = _Input(value.strip(" ")), []
    while True:
        members.append((_bare_item(text), _parameters(text)))
        text.skip(" \t")
        if not text.peek():
            return members
        if text.peek() != ",":
            text.fail("a comma")
        text.at += 1
        text.skip(" \t")


_TYPES = {"hit": bool, "fwd": Token, "fwd-status": int, "ttl": int, "stored": bool, "collapsed": bool, "key": str, "detail": (Token, str)}
_FORWARDS = {"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}


def cache_status(answer):
    """What this cache says in the Cache-Status of an answer, checked against the types and rules of RFC 9211."""
    lines = answer.headers.get_all("Cache-Status")
    assert lines is not None and len(lines) == 1, lines
    [(name, parameters)] = parse_list(lines[0])
    assert name == "sluice" and isinstance(name, Token), name
    for key, value in parameters.items():
        assert isinstance(value, _TYPES[key]) and (isinstance(value, bool) == (_TYPES[key] is bool)), (key, value)
    # what was forwarded is no hit, and what was not has nothing to say of it
    assert not ("hit" in parameters and "fwd" in parameters), parameters
    if "fwd" in parameters:
        assert parameters["fwd"] in _FORWARDS
    else:
        assert not {"fwd-status", "stored", "collapsed"} & set(parameters), parameters
    if "fwd-status" in parameters:
        assert 100 <= parameters["fwd-status"] <= 599
    return parameters
