"""`phoropter noise` as users type it."""

from tests.ui.cli.conftest import Finished, Phoropter, record


def test_it_says_where_the_noise_is_and_what_to_buy(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("noise", finished.id, "--home", finished.home)
    assert done.exit_code == 0, done.stderr
    for said in (
        "the noise of run",
        "rewrite, image and judge",
        "of this cancels",
        "gain of .05",
        "Buy ",
        "of the confirmation find",
        "The search reckoned",
    ):
        assert said in done.stdout
    found = record(phoropter("noise", finished.id, "--home", finished.home, "--json").stdout)
    assert found["run"] == finished.record["run"]
    assert [row["source"] for row in found["sources"]] == ["prompt", "interaction", "sample", "seed", "look"]
    # The embedded judge is calibrated, and says of a picture what it said before.
    assert (found["sources"][-1]["within"], found["sources"][-1]["variance"]) == ("sample", 0.0)
    assert found["confirmation"]["prompts"] > 0
    assert found == record(phoropter("noise", finished.id, "--home", finished.home, "--json").stdout)


def test_a_run_that_is_not_there_is_an_error(phoropter: Phoropter, finished: Finished) -> None:
    assert phoropter("noise", "nothing", "--home", finished.home).exit_code == 2
