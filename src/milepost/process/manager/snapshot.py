"""What was decided at one moment, with a digest of everything that can be read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from milepost.model.files import File, files_in
from milepost.model.fingerprint.preview import preview
from milepost.model.fingerprint.values import digest
from milepost.model.redaction import MASK, is_secret, redact
from milepost.process.inputs import without_files
from milepost.process.manager import paths
from milepost.process.manager.naming import StageId

Values = Mapping[StageId, Mapping[str, object]]
PRESENT = "present"


class Snapshot:
    """Decisions and defaults as they stood at `version`. `content` gives the digest of a file."""

    def __init__(self, version: int, decisions: Values, defaults: Values) -> None:
        self.version = version
        self.decisions = decisions
        self.defaults = defaults
        self._digests: dict[str, str] = {}
        self._marks: dict[tuple[StageId, str], str] | None = None

    def digest(self, path: str, content: Callable[[str], str]) -> str:
        """The digest of what a path names, "" when it is absent. A file counts by its content, looked at each time."""
        known = self._digests.get(path)
        if known is not None:
            return known
        kind = paths.kind_of(path)
        of_defaults = kind.startswith(paths.DEFAULT)
        values = self.defaults if of_defaults else self.decisions
        kind = kind.removeprefix(paths.DEFAULT)
        if kind == paths.STAGES:
            found = digest([str(stage) for stage in values]).hex()
        else:
            found, has_files = self._of_stage(kind, path, values, content)
            if has_files:
                return found
        self._digests[path] = found
        return found

    def marks(self) -> Mapping[tuple[StageId, str], str]:
        """A digest of each decision; a file counts by its path."""
        if self._marks is None:
            pairs = ((stage, name, value) for stage, values in self.decisions.items() for name, value in values.items())
            self._marks = {(stage, name): digest(value).hex() for stage, name, value in pairs}
        return self._marks

    def text(self, path: str) -> str | None:
        """What a path names as `why` shows it."""
        kind = paths.kind_of(path)
        values = self.defaults if kind.startswith(paths.DEFAULT) else self.decisions
        if kind.removeprefix(paths.DEFAULT) != paths.DECISION:
            return None
        stage, name = paths.stage_and_name(path)
        for known, of_stage in values.items():
            if str(known) == stage and name in of_stage:
                value = of_stage[name]
                return MASK if is_secret(name, value) else redact(preview(value))
        return None

    def _of_stage(self, kind: str, path: str, values: Values, content: Callable[[str], str]) -> tuple[str, bool]:
        stage, name = paths.stage_and_name(path)
        of_stage = next((found for known, found in values.items() if str(known) == stage), None)
        if of_stage is None:
            return "", False
        if kind == paths.STAGE:
            return PRESENT, False
        if kind == paths.NAMES:
            return digest(sorted(of_stage)).hex(), False
        return _value_digest(of_stage[name], content) if name in of_stage else ("", False)


def _value_digest(value: object, content: Callable[[str], str]) -> tuple[str, bool]:
    files: list[File] = list(files_in(value))
    if not files:
        return digest(value).hex(), False
    return digest([without_files(value), [content(file) for file in files]]).hex(), True
