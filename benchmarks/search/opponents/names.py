"""Short names for system prompts, for libraries that append to instructions, merge them or clean them up."""

import re

_NAME = re.compile(r"<<(\d+)>>")


class Names:
    """Gives each system prompt a name, ``<<7>>``, and finds it again in whatever a library made of it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def name(self, text: str) -> str:
        """The name of a system prompt, the same one each time."""
        number = self._numbers.setdefault(text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(text)
        return f"<<{number}>>"

    def texts(self, written: str) -> list[str]:
        """The system prompts that are named, in order."""
        return [self._texts[int(number)] for number in _NAME.findall(written)]

    def text(self, written: str) -> str:
        """The one that is named last: what was appended is newer. Raises IndexError where none is named."""
        return self.texts(written)[-1]
