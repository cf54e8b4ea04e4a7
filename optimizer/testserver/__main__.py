"""``python -m optimizer.testserver``: the test server with vision models by hand. Ends with Ctrl-C or SIGTERM."""

from optimizer.testserver import TRAITS, serving_eyes
from reasoner.testserver import BEHAVIORS
from reasoner.testserver.by_hand import run

if __name__ == "__main__":
    run(
        "optimizer.testserver",
        "A model server with eyes that err and misbehave by the model's name.",
        serving_eyes,
        {"shown a painted scene (numbers are per cent, and may be others)": TRAITS, "asked for a text": BEHAVIORS},
    )
