"""``python -m reasoner.testserver``: the test server by hand, for people who write engines. Ends with Ctrl-C or SIGTERM."""

from reasoner.testserver import BEHAVIORS, IMAGES, VERDICTS, serving
from reasoner.testserver.by_hand import run

if __name__ == "__main__":
    run(
        "reasoner.testserver",
        "A model server that misbehaves by the model's name.",
        serving,
        {"": BEHAVIORS, "asked for images": IMAGES, "asked for a verdict": VERDICTS},
    )
