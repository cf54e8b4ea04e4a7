"""A model server for tests, on loopback: it speaks chat completions and the Responses API, and misbehaves on request.

The model's name chooses what happens (behaviors.py); ``good`` answers well. Answers are made up from the question and its seed, so they are
the same each time. There is no model behind it, and it never listens beyond this machine::

    with serving() as server:
        engine = openai_engine("good", urls=[server.url], ...)

``python -m reasoner.testserver`` runs it by hand.
"""

from reasoner.testserver.app import ChatServer, Received, serving
from reasoner.testserver.behaviors import BEHAVIORS, Behavior

__all__ = ["BEHAVIORS", "Behavior", "ChatServer", "Received", "serving"]
