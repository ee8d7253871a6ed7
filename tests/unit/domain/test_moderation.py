"""The window between what was said and what was passed."""

from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.moderation import Withholding


@given(st.text(), st.lists(st.tuples(st.text(), st.integers(-5, 60))))
def test_nothing_is_released_twice_or_unpassed(shown: str, steps: list[tuple[str, int]]) -> None:
    window = Withholding(shown)
    said, released, most = shown, shown, len(shown)
    for text, passed in steps:
        window.say(text)
        said += text
        released += window.release(passed)
        most = max(most, passed)
        assert said.startswith(released)
        assert len(released) == window.passed <= max(most, len(shown))
    assert window.text == said
