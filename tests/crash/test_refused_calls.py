"""A chosen system call fails, once or from then on: the run completes rightly or says what is wrong, and resumes."""

import shutil

import pytest
from trials import Point, points_of

ERRORS = {
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "pwrite64": ("ENOSPC", "EIO", "EDQUOT"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "openat": ("EMFILE", "EROFS", "ENOSPC", "EIO"),
    "rename": ("ENOSPC", "EROFS", "EIO"),
    "unlink": ("EROFS", "EIO"),
    "ftruncate": ("EIO",),
    "mkdir": ("ENOSPC", "EROFS"),
}
WAYS = ("", "+")  # once, and from then on
KNOWN_CODES = (0, 1, 2, 4)


def cases_of(points: list[Point], share: int) -> list[tuple[Point, str, str]]:
    """Calls spread over the run, each with one of the errors it may give; every error and way in turn."""
    cases = []
    for call, errors in ERRORS.items():
        of = [point for point in points if point.call == call]
        count = min(len(of), max(2, share * (3 if call in ("pwrite64", "openat", "write") else 1)))
        for n in range(count):
            error, way = errors[n % len(errors)], WAYS[(n // len(errors)) % 2]
            cases.append((of[int((n + 0.5) * len(of) / count)], error, way))
    return cases


def advised(error, said):
    """Whether the error says what to do; where the stage's own file was refused, that is its author's to say."""
    return "'calls'" in said or {"EMFILE": "ulimit -n", "EIO": "dmesg"}.get(error, "") in said


def refused(lab, case):
    """Let the call fail; what is then not as promised."""
    (call, number), error, way = case
    folder = lab.fresh()
    rule = f"inject={call}:error={error}:when={number}{way}"
    order = {"do": "shell", "arguments": ["run", "sales.py"]}
    code = lab.carry_out(folder, order, ["-o", "/dev/null", "-e", f"trace={call}", "-e", rule])
    said = (folder / "said").read_text()
    violations = []
    if code not in KNOWN_CODES:
        violations.append(f"exit code {code}: {said[-1500:]}")
    if "Traceback" in said:
        violations.append(f"a traceback: {said[-1500:]}")
    is_mute = call == "write" and way == "+"  # what is wrong cannot be said when from then on no write succeeds
    if code != 0 and "error: " not in said and not is_mute:
        violations.append(f"exit code {code}, and nothing said: {said[-500:]!r}")
    if code != 0 and not is_mute and not advised(error, said):
        violations.append(f"nothing said of what to do: {said[-500:]!r}")
    violations += lab.check(folder)
    if not violations:
        shutil.rmtree(folder)
    return [f"{rule}: {text}" for text in violations]


def points(lab):
    return points_of(lab, {"do": "shell", "arguments": ["run", "sales.py"]})


def test_forty_calls_that_fail_lose_nothing_and_are_told(lab):
    cases = cases_of(points(lab), 3)
    assert len(cases) >= 40
    assert [] == [text for texts in lab.each(lambda case: refused(lab, case), cases) for text in texts]


@pytest.mark.torture
def test_hundreds_of_calls_that_fail_lose_nothing_and_are_told(lab):
    cases = cases_of(points(lab), 30)
    assert [] == [text for texts in lab.each(lambda case: refused(lab, case), cases) for text in texts]
