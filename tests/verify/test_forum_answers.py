"""Answers as people post them: the wrong ones are named and placed, and no right one is refused in whatever form."""

from __future__ import annotations

import pytest
from forum_answers import POSTS, Post

from chainrule.verify.grade import grade
from chainrule.verify.marking.marked import Grade


def graded(post: Post) -> Grade:
    of = {"wrt": post.wrt, "shapes": post.shapes, "values": post.values, "steps": post.steps, "rate": post.rate}
    return grade(post.program, post.given, **of)


ALSO_GIVEN = {
    "u'·v'": "missing-path",
    "exp(sin(x))": "chain-stopped-early",
    "2·1": "no-incoming-gradient",
    "2*r*(q*b + p*(b))": "swapped-operands",
    "(d + c)*b": "swapped-operands",
    "2(yhat-y)*w1*x": "other-parameter",
    "-9": "other-parameter",
    "2p·a": "chain-stopped-early",
    "-4": "chain-stopped-early",
}
"""Answers that another mistake gives as well, which is said first."""

FOR_ITS_INPUT = next(p.answer for p in POSTS if p.round == 8 and "        dW += d*h\n" in p.answer)
ALSO_GIVEN[FOR_ITS_INPUT] = "wrong-local-derivative"


@pytest.mark.parametrize("post", [p for p in POSTS if p.names], ids=lambda p: str(p.answer)[-60:])
def test_wrong_answers_are_located_and_no_other_cause_stands_first(post: Post) -> None:
    mistakes = graded(post).mistakes
    assert any(m.name in post.names and any(p.lower() in m.place.lower() for p in post.place) for m in mistakes), (
        mistakes
    )
    assert mistakes[0].name in (*post.names, ALSO_GIVEN.get(post.answer))


@pytest.mark.parametrize("post", [p for p in POSTS if not p.names], ids=lambda p: str(p.answer)[-60:])
def test_right_answers_pass(post: Post) -> None:
    assert graded(post).right
