from typing import Annotated

from milepost import Meta
from milepost.model.fingerprint.code import code_parts


def share_of(share: Annotated[float, Meta(ge=0, le=1)] = 0.5):
    return share


def test_bounds_bring_no_package_into_a_key():
    """A new release of what Milepost itself is made with lets no stage with bounds run again."""
    assert "package:msgspec" not in {part.name for part in code_parts(share_of, version_of=lambda package: "1.0").parts}
