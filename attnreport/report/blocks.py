"""Pieces of data in the page."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Block:
    """A piece of data in the page.

    Attributes:
        id: Its element's id.
        text: The packed bytes in base64.
    """

    id: str
    text: str
