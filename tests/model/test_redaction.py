"""Secrets do not get past the border, and nothing else is harmed."""

from __future__ import annotations

import json
import string
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from milepost.model import redaction
from milepost.model.redaction import names_a_secret, redact, redact_value, register_secret


@pytest.fixture(autouse=True)
def _forget_registered(monkeypatch):
    monkeypatch.setattr(redaction, "_registered", [])


CANARY = "cAnary0123456789abcdef"
LEAKS = [
    # 1 telling names, in every notation that logs use
    f"password={CANARY}",
    f"{{'db_password': '{CANARY}'}}",
    f'{{"user": "ada", "api-key" : "{CANARY}"}}',
    f'{{\\"passwd\\": \\"{CANARY}\\"}}',
    f"PGPASSWORD={CANARY} psql",
    f"client_secret: {CANARY}",
    f"aws_secret_access_key = {CANARY}/+{CANARY}",
    f"connect(token={CANARY}, retries=3)",
    f"passphrase => {CANARY}",
    f"secret='with \\' quote {CANARY}'",
    f"password=a,{CANARY};{CANARY}",
    f"mysql --password {CANARY} -h db",
    f"tool --db-auth-token={CANARY}",
    f"AccountKey={CANARY}==;EndpointSuffix=core",
    f"dsn=host=db user=ada password={CANARY}",
    # 2 headers
    f"Authorization: Bearer {CANARY}",
    f"authorization: Basic {CANARY}==",
    f"{{'Authorization': 'Bearer {CANARY}'}}",
    f"curl -H 'X-Api-Key: {CANARY}'",
    f"sent bearer {CANARY}",
    # 3 cookies
    f"Cookie: session={CANARY}; theme={CANARY}",
    f"Set-Cookie: sid={CANARY}; HttpOnly",
    # 4 URL user info
    f"postgresql://ada:{CANARY}@db/sales",
    f"https://{CANARY}@github.com/a/b.git",
    f"redis://:{CANARY}@host:6379/0",
    f"amqp://ada:p/{CANARY}@{CANARY}@mq/",
    # 5 URL query signatures
    f"https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Credential={CANARY}&X-Amz-Signature={CANARY}",
    f"https://x.blob.core.windows.net/c?sv=2020&sig={CANARY}%3D",
    f"https://maps.example/api?q=1&key={CANARY}",
    f"GET /callback?state=1&access_token={CANARY}",
    # 6 PEM
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{CANARY}\n-----END PGP PRIVATE KEY BLOCK-----",
    # 7 JWT
    f"eyJhbGciOiJIUzI1NiJ9.eyJ{CANARY}.{CANARY}",
    # 8 AWS
    "key AKIACANARY0123456789 used",
    "ASIACANARY0123456789",
    # 9 Google
    f"AIzaSyA-{CANARY}_{CANARY}",
    f"ya29.{CANARY}",
    # 10 GitHub, GitLab
    f"ghp_{CANARY}{CANARY}",
    f"github_pat_11AA_{CANARY}",
    f"glpat-{CANARY}",
    # 11 Slack
    f"xoxb-1234-{CANARY}",
    f"https://hooks.slack.com/services/T000/B000/{CANARY}",
    # 12 others by prefix
    f"sk-proj-{CANARY}",
    f"sk_live_{CANARY}",
    f"hf_{CANARY}",
    f"pypi-AgEI{CANARY}",
]


@pytest.mark.parametrize("text", LEAKS)
@pytest.mark.parametrize("frame", ["{}", "2026-11-22 04:12 ERROR {}", "a\nb {}\nc", "ValueError: ('{}',)"])
def test_canaries_are_masked(text, frame):
    """Every kind of secret is masked, alone or amid other text, and masking again changes nothing."""
    masked = redact(frame.format(text))
    assert CANARY not in masked
    assert "CANARY" not in masked
    assert redaction.MASK in masked
    assert masked == redact(masked)


@pytest.mark.parametrize(
    "text",
    [
        "3 of 10 files read in 2.1 s",
        "max_tokens=512, tokens: 3",
        "author: Jane, authors=3",
        "use_auth=True, token=None",
        "key=invoice_id, keys: 12",
        "tokenizer: fast, tokenize=yes",
        "secretary: Bob",
        "12 passed, 3 failed; pass: 2",
        "https://example.org:8080/a/b?page=2#top",
        "see https://medium.example/@ada for more",
        "basic training, bearer of news",
        "task-1 of disk-usage-by-department-and-year",
        "-----BEGIN CERTIFICATE-----",
        "the monkey: fine",
        "",
    ],
)
def test_everyday_text_stays(text):
    """What only looks a little like a secret stays as it was."""
    assert text == redact(text)


@given(st.text(alphabet=string.ascii_letters + string.digits + " .,:;()/\n", max_size=200))
def test_text_around_stays(text):
    """Text before and after a masked line is not touched."""
    masked = redact(f"{text}\npassword=x1y2z3\n{text}").split("\npassword=***\n")
    assert [redact(text)] * 2 == masked or "password" in text.lower()


@given(st.text())
def test_masking_is_settled(text):
    """Any text can be masked, and masking again changes nothing."""
    assert redact(redact(text)) == redact(text)


def test_registered_values():
    """A registered value is masked wherever it stands, also inside a URL, the longer before the shorter."""
    register_secret("correct horse")
    register_secret("correct horse battery")
    assert "said *** twice: ***" == redact("said correct horse twice: correct horse battery")
    assert "q=***" == redact("q=correct%20horse")
    with pytest.raises(ValueError, match="3 characters"):
        register_secret("abc")


def test_values():
    """Values keep their JSON form, secrets in them are masked at any depth, and it is said whether there were any."""
    assert (0.75, False) == redact_value("threshold", 0.75)
    assert (["a", 1, None, True], False) == redact_value("columns", ("a", 1, None, True))
    assert ({"db": [{"password": "***", "port": 5432}]}, True) == redact_value(
        "x", {"db": [{"password": "hunter2", "port": 5432}]}
    )
    assert ("***", True) == redact_value("api_key", 4711)
    assert ("***", True) == redact_value("credentials", {"user": "ada"})
    assert (512, False) == redact_value("max_tokens", 512)
    assert (True, False) == redact_value("use_auth", True)
    assert ("postgresql://***@db/sales", True) == redact_value("url", "postgresql://ada:x@db/sales")
    assert ("<3 bytes>", False) == redact_value("raw", b"abc")


def test_secret_types():
    """A pydantic SecretStr, or anything that hides its value so, is masked, and its value is from then on."""
    assert ("***", True) == redact_value("login", SecretStr("hunter-the-second"))
    assert "got ***" == redact("got hunter-the-second")


class Spiteful:
    def __repr__(self):
        raise RuntimeError("no")


class SpitefulSecret:
    @property
    def get_secret_value(self):
        raise RuntimeError("no")


def test_spiteful_values():
    """Objects that raise, endless nesting, numbers without end: all become something that JSON holds."""
    endless = []
    endless.append(endless)
    values = [
        Spiteful(),
        endless,
        10**5000,
        10**50000,
        float("nan"),
        float("-inf"),
        object(),
        {1: {2: 3}},
        {"a"},
        -(2**80),
    ]
    for value in values:
        masked, was = redact_value("x", value)
        json.dumps(masked, allow_nan=False)
        assert not was
    assert ("***", True) == redact_value("x", SpitefulSecret())


NAMES = {
    "db_password": True,
    "API-KEY": True,
    "Auth": True,
    "authorization": True,
    "author": False,
    "key": False,
    "cookie_jar": True,
    "AWS_SECRET_ACCESS_KEY": True,
    "tokenizer": False,
    "dsn": True,
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    """Names tell, in any case and with any separator."""
    assert NAMES[name] is names_a_secret(name)


HOSTILE = [
    "password",
    "password=",
    "://",
    "://a:",
    "eyJ",
    "-----BEGIN RSA PRIVATE KEY ",
    "--a-token ",
    "token ",
    "sk-",
] + ["&key", 'password="\\', "cookie: ", "?a-key", "password=)", "b'", "token\\' ", "bearer a"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_linear_time(piece):
    """128 KiB made to be slow take a second at most; where the cost is quadratic they never seem to end."""
    began = time.process_time()
    redact(piece * (131072 // len(piece)))
    redact("password=" + piece * (131072 // len(piece)) + "\x00")
    assert time.process_time() - began < 30  # a guard of the processor's time, however busy the machine is


def test_loading_compiles_no_pattern():
    """A program that has nothing to redact does not pay for the patterns when it starts."""
    program = (
        "import re, sys; before = re.compile; asked = []\n"
        "re.compile = lambda *given: asked.append(sys._getframe(1).f_globals['__name__']) or before(*given)\n"
        "import milepost.model.redaction as redaction\n"
        "redaction.redact('3 of 10 files read'); print('milepost.model.redaction' in asked)\n"
        "redaction.redact('password=lovelace'); print('milepost.model.redaction' in asked)"
    )
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "True"]
