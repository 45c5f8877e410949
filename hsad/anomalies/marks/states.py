"""The states of a review, and the words that older files have for them."""

from __future__ import annotations

from hsad.errors import ParameterError

__all__ = ["PENDING", "STATES", "state_of"]

PENDING = "pending"
STATES = (PENDING, "real", "not real", "unsure")
"""States of a review: nobody has looked, a find, a false alarm, looked at without an answer."""

_OTHER_WORDS = {
    "good": "real",
    "true": "real",
    "bad": "not real",
    "false": "not real",
    "undecided": PENDING,
    "": PENDING,
}
"""Words of earlier versions, and those that people type into a table."""


def state_of(word: str, where: str = "state") -> str:
    """Return the state that a word means.

    Raises
    ------
    ParameterError
        When it means none; `where` says where it stands.

    Examples
    --------
    >>> state_of("Real"), state_of("bad"), state_of("undecided")
    ('real', 'not real', 'pending')
    """
    plain = " ".join(word.lower().replace("_", " ").split())
    state = _OTHER_WORDS.get(plain, plain)
    if state not in STATES:
        raise ParameterError(f"{where} {word!r:.40} is not one of {', '.join(STATES)}")
    return state
