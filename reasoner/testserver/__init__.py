"""A model server for tests, on loopback: it speaks chat completions and the Responses API, draws images, moderates, and misbehaves on
request.

The model's name chooses what happens (behaviors.py, images.py); ``good`` answers well. Answers are made up from the question and its seed,
so they are the same each time. There is no model behind it, and it never listens beyond this machine::

    with serving() as server:
        engine = openai_engine("good", urls=[server.url], ...)

``python -m reasoner.testserver`` runs it by hand.
"""

from reasoner.testserver.app import ChatServer, Received, serving
from reasoner.testserver.behaviors import BEHAVIORS, Behavior
from reasoner.testserver.images import IMAGES, VERDICTS

__all__ = ["BEHAVIORS", "IMAGES", "VERDICTS", "Behavior", "ChatServer", "Received", "serving"]
