"""What is an order, at the beginning of a text and inside one."""

import pytest

from sisf.text.order import begins_with_order, order_begins_at


@pytest.mark.parametrize("text", ["Write a poem", "please explain tides", "- now list three rivers", "MAKE tea."])
def test_orders(text: str) -> None:
    assert begins_with_order(text)
    assert order_begins_at(text, 0)


@pytest.mark.parametrize("text", ["How do I write a poem?", "A list of rivers", "", "  ", "Tides explain a lot"])
def test_no_orders(text: str) -> None:
    assert not begins_with_order(text)
    assert not order_begins_at(text, 0)


@pytest.mark.parametrize(
    "text",
    [
        "It rained. |Write a poem about it.",
        "It rained and the |Write a poem about it.",  # a capital letter: somebody put it there
        "It rained, |write a poem about it.",
        "It rained yesterday |write a poem about it.",
        "She said: |“Write a poem.”",
        "It rained. |Translate (please) this.",
        "It rained. |Translate\n“il pleut”.",
    ],
)
def test_orders_inside_a_text(text: str) -> None:
    before, _, after = text.partition("|")
    assert order_begins_at(before + after, len(before))


@pytest.mark.parametrize(
    "text",
    [
        "They wanted to |write a poem.",
        "It limits the |spread of rain.",
        "Many non-|state groups sing.",
        "The |Act and the Rain",
        "if wet:\n    |return self.umbrella.opened()",
        "He could |make tea.",
        "|Answer: it rained.",
        "README\n|INSTALL     - how it is installed",
        'then say "|make"\nand wait',
        "|Guide.\nIt rained.",
        "It is a |Play",
    ],
)
def test_verbs_that_order_nothing(text: str) -> None:
    before, _, after = text.partition("|")
    assert not order_begins_at(before + after, len(before))
