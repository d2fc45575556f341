"""Taking secrets out of text and values, once, where they would be recorded.

Found are: values behind telling names (password, token, api_key, ...), Authorization and Cookie headers,
user names and passwords in URLs, signatures in their queries, private keys in PEM, JSON web tokens, the
keys of AWS, Google, GitHub, GitLab, Slack and the like by their prefixes, objects that hide their value
as pydantic's SecretStr does, and every value given to `register_secret`. A secret that looks like any
other word cannot be found: register it.

Text without a trigger, which is nearly all text, costs a few substring searches. Every pattern is bounded
or anchored, so hostile text costs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

MASK = "***"
_DEEPEST = 50
_SHORTEST = 4
_TELLING = 6  # characters; a shorter value of a secret's name is often a plain word, as in auth="none"


class _Lazy:
    """A pattern that is compiled when it is first used: all of them together cost what a program's start may."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text, self._flags = text, flags
        self._compiled: re.Pattern[str] | None = None

    def compiled(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled

    def search(self, text: str) -> re.Match[str] | None:
        return self.compiled().search(text)

    def sub(self, replacement: str | Callable[[re.Match[str]], str], text: str) -> str:
        return self.compiled().sub(replacement, text)


_WORDS = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret(?!ar)|token(?!s\\?[\"']?\s{0,4}[=:]\s{0,4}\d{1,9}\b|iz)"
    r"|(?:api|access|private|account|encryption|signing)[_-]?key|auth(?!or(?!i[sz]))|cookie|dsn|credential)"
)
_NAME = _Lazy(_WORDS, re.IGNORECASE)
_NAMES_A_COUNT = _Lazy(r"tokens(?:$|_)", re.IGNORECASE)
_ASSIGNED = _Lazy(
    rf"({_WORDS}[\w.-]{{0,40}}\\?[\"']?\s{{0,8}}(?:=>|[=:])\s{{0,8}})"
    r"""((?:bearer|basic|digest|token|negotiate)\s{1,4}[^\s"']+"""
    r"""|b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?|[^\s&]+?(?=[,;)}\]]{0,4}(?:[\s&]|$)))""",
    re.IGNORECASE,
)
_OPTION = _Lazy(rf"((?<![\w-])--?(?:\w{{1,20}}[_-]){{0,4}}{_WORDS}[\w-]{{0,40}}\s{{1,4}})(\S+)", re.IGNORECASE)
_HEADER = _Lazy(r"(cookie2?\s{0,4}:\s{0,4})[^\r\n\"']+", re.IGNORECASE)
_BEARER = _Lazy(r"(\bbearer\s{1,4})[\w.~+/=-]{8,}", re.IGNORECASE)
_USERINFO = _Lazy(r"(://)(?:[^\s/\"'<>@:]{0,256}:[^\s\"'<>]{0,512}|[^\s/?#\"'<>]{1,512})@")
_QUERY = _Lazy(
    r"([?&;](?:[\w.-]{0,24}(?:signature|credential|token|secret|key|password)|sig|sign|code|hmac|jwt|auth)=)"
    r"[^\s&#\"'<>]+",
    re.IGNORECASE,
)
_PEM = _Lazy(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL)
_JWT = _Lazy(r"(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*){0,3}")
_AMAZON = _Lazy(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}")
_GOOGLE = _Lazy(r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{10,})")
_GIT = _Lazy(r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,})")
_SLACK = _Lazy(r"(?<![A-Za-z0-9])(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,})")
_SERVICE = _Lazy(
    r"(?<![A-Za-z0-9])(?:sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}"
    r"|hf_[A-Za-z0-9]{16,}|pypi-[\w-]{16,}|npm_[A-Za-z0-9]{16,})"
)
_HOOK = _Lazy(r"(hooks\.slack\.com/(?:services|workflows)/)[\w/-]+")

_KEPT = rf"\1{MASK}"
_KEYS = (_PEM, _JWT, _AMAZON, _GOOGLE, _GIT, _SLACK, _SERVICE)
_registered: list[str] = []  # longest first, so that one inside another leaves no remnant


def redact(text: str) -> str:
    """`text` with every secret that was found in it masked.

    Example:
        >>> redact("connect to postgresql://ada:lovelace@db/sales with api_key=4711")
        'connect to postgresql://***@db/sales with api_key=***'
        >>> redact("3 of 10 files read")
        '3 of 10 files read'
    """
    for secret in _registered:
        if secret in text:
            text = text.replace(secret, MASK)
    if _may_hold_a_key(text):
        for pattern in _KEYS:
            text = pattern.sub(MASK, text)
    if "://" in text:
        text = _HOOK.sub(_KEPT, text)
        text = _USERINFO.sub(rf"{_KEPT}@", text)
        text = _QUERY.sub(_KEPT, text)
    if _may_name_a_secret(text.lower()):
        text = _mask_named(text)
    return text


def _may_hold_a_key(text: str) -> bool:
    """Whether any pattern of _KEYS is worth trying. Written out, for it is asked of every line that is
    logged.
    """
    if "_" in text and (
        "ghp_" in text
        or "gho_" in text
        or "ghu_" in text
        or "ghs_" in text
        or "ghr_" in text
        or "github_pat_" in text
        or "k_live_" in text
        or "k_test_" in text
        or "hf_" in text
        or "npm_" in text
    ):
        return True
    if "-" in text and (
        "sk-" in text
        or "xox" in text
        or "xapp-" in text
        or "glpat-" in text
        or "pypi-" in text
        or "GOCSPX-" in text
        or "-----BEGIN" in text
    ):
        return True
    return "eyJ" in text or "AKIA" in text or "ASIA" in text or "AIza" in text or "ya29." in text


def _may_name_a_secret(lowered: str) -> bool:
    """Whether one of the words of _WORDS may stand in lower-case text; written out for the same reason."""
    return (
        "pass" in lowered
        or "key" in lowered
        or "token" in lowered
        or "secret" in lowered
        or "auth" in lowered
        or "cred" in lowered
        or "bearer" in lowered
        or "cookie" in lowered
        or "pwd" in lowered
        or "dsn" in lowered
        or "sig=" in lowered
    )


def _mask_named(text: str) -> str:
    text = _HEADER.sub(_KEPT, text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(_mask_assigned, text)
        text = _QUERY.sub(_KEPT, text)
    if "-" in text:
        text = _OPTION.sub(_KEPT, text)
    return _BEARER.sub(_KEPT, text)


def _mask_assigned(found: re.Match[str]) -> str:
    value = found[2]
    if value in ("None", "null", "True", "False", "true", "false") or value.startswith(MASK):
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found[1]}{quote}{MASK}{quote}"


def register_secret(value: str) -> None:
    """Mask this very text wherever it appears from now on, in this process, also as it stands in a URL.

    Raises ValueError for fewer than 4 characters: masking those would mangle everything else.
    """
    if len(value) < _SHORTEST:
        raise ValueError(f"a secret of {len(value)} characters cannot be masked; give {_SHORTEST} or more")
    from urllib.parse import quote

    known = {*_registered, value, quote(value, safe=""), repr(value)[1:-1]}
    _registered[:] = sorted(known, key=len, reverse=True)


def names_a_secret(name: str) -> bool:
    """Whether what bears this name is a secret whatever it looks like: `db_password`, `API-KEY`, `auth`."""
    return _NAME.search(name) is not None


def is_secret(name: str, value: object) -> bool:
    """Whether `value` is one by its name. A number of tokens is none."""
    return names_a_secret(name) and not (isinstance(value, int | float) and _NAMES_A_COUNT.search(name))


def register_secrets_in(name: str, value: object) -> None:
    """Mask from now on every text that a secret's name gives away in `value`, at whatever depth.

    Example:
        >>> register_secrets_in("login", {"user": "ada", "password": "lovelace"})
        >>> redact("lovelace it was")
        '*** it was'
    """
    waiting: list[tuple[str, object, int]] = [(name, value, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, str):
            if len(value) >= _TELLING and names_a_secret(name):
                register_secret(value)
        elif isinstance(value, Mapping) and depth < _DEEPEST:
            inside = names_a_secret(name)
            waiting += [(name if inside else str(key), one, depth + 1) for key, one in value.items()]
        elif isinstance(value, list | tuple) and depth < _DEEPEST:
            waiting += [(name, one, depth + 1) for one in value]


def redact_value(name: str, value: object) -> tuple[object, bool]:
    """`value` as JSON can hold it, without secrets, and whether there were any. `name` is what it is
    called.

    Numbers, truth values and None stay; what JSON has no form for becomes a short text.

    Example:
        >>> redact_value("login", {"user": "ada", "password": "lovelace"})
        ({'user': 'ada', 'password': '***'}, True)
    """
    return _value(name, value, 0)


def _value(name: str, value: object, depth: int) -> tuple[object, bool]:
    if value is None or isinstance(value, bool):
        return value, False
    if _hides_itself(value):
        return MASK, True
    if is_secret(name, value):
        return MASK, True
    if isinstance(value, int | float):
        return _number(value), False
    if isinstance(value, str):
        text = redact(value)
        return str.__str__(text), text != value
    if depth >= _DEEPEST:
        return "…", False
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        pairs = [_value("", one, depth + 1) for one in value]
        return [one for one, _ in pairs], any(was for _, was in pairs)
    return _text_of(value)


def _mapping(value: Mapping[object, object], depth: int) -> tuple[dict[str, object], bool]:
    masked, was_redacted = {}, False
    for key, one in value.items():
        name = redact(str(key))
        masked[name], was = _value(str(key), one, depth + 1)
        was_redacted = was_redacted or was or name != str(key)
    return masked, was_redacted


def _hides_itself(value: object) -> bool:
    """A SecretStr or its like; what it hides is masked in texts from now on."""
    try:
        reveal = getattr(value, "get_secret_value", None)
        if reveal is None or isinstance(value, type):
            return type(value).__name__.lower().startswith("secret")
        hidden = reveal()
        if isinstance(hidden, str) and len(hidden) >= _SHORTEST:
            register_secret(hidden)
    except Exception:  # whatever the object does, it is a secret that cannot be read
        return True
    return True


def _number(value: float) -> object:
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else _long_text(value)
    number = float(value)
    return number if number - number == 0 else str(number)  # JSON has no nan and no infinity


def _long_text(value: int) -> str:
    return str(value) if value.bit_length() < 10_000 else f"<an integer of {value.bit_length():,} bits>"


def _text_of(value: object) -> tuple[str, bool]:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>", False
    try:
        text = value if isinstance(value, str) else repr(value)[:4096]
    except Exception as error:
        return f"<{type(value).__name__} without a text: {type(error).__name__}>", False
    masked = redact(text)
    return masked, masked != text
