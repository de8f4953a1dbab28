"""What a provisioner says at a deadline, on a machine of any speed."""

import re
from collections.abc import Callable

from splitter.contracts import Provisioner, StackOrder
from splitter.errors import StackError

DEADLINES_S = (2.0, 8.0, 30.0)


async def last_words(provisioner: Provisioner, order_of: Callable[[float], StackOrder], expected: str) -> str:
    """Return the error of a create that cannot be ready by its deadline.

    A busy machine may reach the deadline before it has come as far as what is `expected` to be said: then it gets a
    longer one.  What is returned at last is for the test to compare.
    """
    words = ""
    for deadline_s in DEADLINES_S:
        try:
            await provisioner.create(order_of(deadline_s), lambda _: None)
        except StackError as error:
            words = str(error)
            if f"within {deadline_s:g} s" in words and re.search(expected, words):
                return words
        else:
            return "it was made"
    return words
