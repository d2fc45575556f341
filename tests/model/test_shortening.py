"""What shortened texts keep."""

from milepost.model.nearest import did_you_mean
from milepost.model.shortening import LONGEST, shortened


def test_what_fits_stays():
    """Up to the longest, to the character."""
    assert shortened("x" * LONGEST) == "x" * LONGEST


def test_the_end_stays_and_the_length_is_told():
    """An error's advice often stands there."""
    cut = shortened("y" * 1_000_000 + " Did you mean 'z'?")
    assert len(cut) < LONGEST + 50
    assert " … (1,000,018 characters) … " in cut
    assert cut.endswith(" Did you mean 'z'?")


def test_cut_again_it_tells_the_first_length():
    """An error's text is told within another error's."""
    assert "(5,000 characters)" in shortened("stage 'a' failed: " + shortened("x" * 5000))


def test_a_name_of_a_megabyte_is_compared_with_nothing():
    """The known names are told at once."""
    assert did_you_mean("x" * 1_000_000, ["threshold"]) == " Known: threshold."
