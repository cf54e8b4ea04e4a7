"""Reports on judges that err in known ways: each plant is found, at its size, and what it means is said."""

import json

import pytest

from data.errors import FailureKind
from data.identity import derived_random
from optimizer.calibration.exposures import Exposure
from optimizer.calibration.measuring import Subject, measured
from optimizer.calibration.rates import Rate
from optimizer.calibration.report import CalibrationReport, Canary, SkillFigures, Standing, Verdict
from optimizer.calibration.skills import Skill
from tests.optimizer.calibration.answering import SEED, Err, answered, coin, failed, report, right, shown


def covers(found: Rate, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def skill(found: CalibrationReport, name: Skill) -> SkillFigures:
    return next(figures for figures in found.skills if figures.skill == name)


def canary(found: CalibrationReport, name: Canary) -> bool | None:
    return next(figures.passed for figures in found.canaries if figures.name is name)


def test_a_judge_that_is_always_right_is_good() -> None:
    found = report()
    assert found.verdict is Verdict.GOOD
    assert found.warnings == found.reasons == found.advice == ()
    assert found.accuracy.estimate == found.right.estimate == found.separation.estimate == 1.0
    assert found.yes_bias.estimate == found.flips.estimate == found.value_sd == 0.0
    assert all(figures.standing is Standing.SEES for figures in found.skills)
    assert {figures.skill for figures in found.skills} == set(Skill) - {Skill.WHOLE}
    assert all(figures.passed for figures in found.canaries)
    assert found.brier is None
    assert found.cost.judgments == len(shown())
    assert (found.cost.dollars, found.cost.seconds, found.cost.input_tokens) == (
        pytest.approx(0.001),
        pytest.approx(0.5),
        pytest.approx(100),
    )


def test_yes_bias_is_found_at_its_size() -> None:
    def biased(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        return float(truth or coin("bias", exposure, statement, 0.2))

    found = report(biased)
    assert covers(found.false_yes, 0.2)
    assert found.false_no.estimate == 0
    assert covers(found.yes_bias, 0.2)
    assert covers(found.right, 0.9)
    assert covers(found.accuracy, 0.9)
    assert found.verdict is Verdict.USABLE
    assert "leans to yes" in " ".join(found.reasons)


def test_a_bias_to_no_is_negative() -> None:
    found = report(lambda exposure, skill, statement, truth: float(truth and not coin("no", exposure, statement, 0.4)))
    assert covers(found.false_no, 0.4)
    assert covers(found.yes_bias, -0.4)
    assert found.verdict is Verdict.POOR
    assert "leans to no" in " ".join(found.reasons)


@pytest.mark.parametrize("blind", [Skill.RELATION, Skill.COUNT, Skill.COLOR, Skill.SIZE, Skill.TEXT, Skill.BACKGROUND])
def test_a_blind_spot_is_found_and_nothing_else_is(blind: Skill) -> None:
    def err(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        return float(coin("blind", exposure, statement, 0.5)) if skill is blind else float(truth)

    found = report(err)
    assert [figures.skill for figures in found.skills if figures.standing is Standing.BLIND] == [blind]
    assert covers(skill(found, blind).right, 0.5)
    assert any(f"blind to {blind}: do not optimize" in sentence for sentence in found.advice)
    assert found.verdict is Verdict.USABLE


def test_noise_is_found_in_the_second_looks() -> None:
    def noisy(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        return float(truth != coin("noise", exposure, statement, 0.1, looks=True))

    found = report(noisy)
    assert covers(found.right, 0.9)
    assert covers(found.flips, 2 * 0.1 * 0.9)
    assert found.value_sd is not None
    assert found.value_sd > 0.05
    assert canary(found, Canary.IDENTICAL) is False


def test_errors_that_stay_the_same_are_no_noise() -> None:
    found = report(lambda exposure, skill, statement, truth: float(truth != coin("wrong", exposure, statement, 0.1)))
    assert found.flips.estimate == found.value_sd == 0.0
    assert covers(found.right, 0.9)


@pytest.mark.parametrize("always", [0.0, 1.0])
def test_who_does_not_look_is_poor(always: float) -> None:
    found = report(lambda *_: always)
    assert found.verdict is Verdict.POOR
    assert covers(found.accuracy, 0.5)
    assert found.right.estimate == 0.5
    assert all(figures.standing is Standing.BLIND for figures in found.skills)
    assert canary(found, Canary.WRONG) is False


def test_probabilities_have_a_brier_score_and_an_area() -> None:
    def unsure(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        # Of what has this probability, as much is true.
        chance = derived_random("unsure", exposure.seed, statement).choice((0.1, 0.3))
        wrong = coin("surprise", exposure, statement, chance)
        return 1 - chance if truth != wrong else chance

    found = report(unsure)
    assert found.brier == pytest.approx((0.1 * 0.9 + 0.3 * 0.7) / 2, abs=0.02)
    # A true statement gets .9 in .45 of all cases, .7 in .35, .3 in .15 and .1 in .05; a false one the same, the other way round.
    assert covers(found.area, 0.85)
    assert covers(found.right, 0.8)


def test_abstentions_are_counted_and_are_no_errors() -> None:
    found = report(lambda exposure, skill, statement, truth: None if skill is Skill.SIZE else float(truth))
    assert found.right.estimate == 1.0
    assert skill(found, Skill.SIZE).standing is Standing.UNTOLD
    assert found.unanswered == skill(found, Skill.SIZE).unanswered > 80
    assert found.warnings == ("says nothing about size",)


def test_a_judge_of_whole_requests_is_told_which_errors_it_does_not_see() -> None:
    def blind(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        plants = exposure.painting.plants
        return float(truth or [plant.name for plant in plants] == ["RELATION"])

    found = report(blind, 1000, whole=True)
    assert [figures.skill for figures in found.skills if figures.standing is Standing.BLIND] == [Skill.RELATION]
    assert skill(found, Skill.WHOLE).right.estimate == pytest.approx(0.97, abs=0.03)


def raised(by: float, *canaries: Canary) -> Err:
    def err(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float:
        return (
            min(1.0, truth + by) if exposure.canary in canaries and not statement.startswith(("no-", "others", "global")) else float(truth)
        )

    return err


@pytest.mark.parametrize("trap", [Canary.FLATTERED, Canary.VIVID, Canary.WRONG, Canary.GREY])
def test_a_judge_that_falls_for_a_canary_is_named(trap: Canary) -> None:
    found = report(raised(1.0, trap))
    assert [figures.name for figures in found.canaries if not figures.passed] == [trap]
    assert any(trap in reason for reason in found.reasons)
    fallen = next(figures for figures in found.canaries if figures.name is trap)
    prompts = {exposure.painting.prompt.text for exposure in shown() if exposure.canary is trap}
    assert fallen.failed
    assert set(fallen.failed) <= prompts
    assert found.verdict is (Verdict.POOR if trap in (Canary.WRONG, Canary.GREY) else Verdict.USABLE)
    assert found.warnings


def test_a_small_rise_is_no_fall() -> None:
    assert canary(report(raised(0.03, Canary.VIVID)), Canary.VIVID) is True


def test_failures_are_counted_and_are_no_errors() -> None:
    seen = [
        (exposure, failed(exposure, FailureKind.REFUSED) if index % 4 == 0 else answered(exposure, right))
        for index, exposure in enumerate(shown())
    ]
    found = measured(Subject("judge:1", "judge", 500, SEED), seen)
    assert found.right.estimate == 1.0
    assert [(failure.kind, failure.count) for failure in found.failures] == [("refused", len(shown()) // 4)]
    assert found.verdict is Verdict.POOR
    assert any("got no judgment" in reason for reason in found.reasons)


def test_a_judge_may_decline_what_is_not_its_business() -> None:
    def of_text(exposure: Exposure) -> bool:
        return any(criterion.id == "text" for criterion in exposure.painting.prompt.checklist)

    seen = [
        (exposure, answered(exposure, right) if of_text(exposure) else failed(exposure, FailureKind.UNSUPPORTED)) for exposure in shown()
    ]
    found = measured(Subject("judge:1", "judge", 500, SEED), seen)
    assert found.failures == ()
    assert found.declined == sum(not of_text(exposure) for exposure in shown())
    assert found.verdict is Verdict.GOOD


def test_a_report_reads_back_as_it_was() -> None:
    found = report(raised(1.0, Canary.VIVID))
    record = found.to_json()
    again = CalibrationReport.from_json(json.loads(json.dumps(record, allow_nan=False)))
    assert again.to_json() == record
    assert (again.verdict, again.warnings, again.canaries[0].name) == (found.verdict, found.warnings, found.canaries[0].name)


def test_a_panel_at_odds_is_half_wrong() -> None:
    """Two judges, one right and one that always says yes: of what is false, their mean is .5."""
    found = report(lambda exposure, skill, statement, truth: (truth + 1.0) / 2)
    assert (found.false_yes.estimate, found.false_no.estimate, found.accuracy.estimate) == (0.5, 0.0, 0.75)
    assert found.right.estimate == 0.75
    assert found.area.estimate == 1.0


def test_what_a_judge_does_not_ask_is_no_abstention() -> None:
    found = report(whole=True)
    assert found.unanswered == 0
    assert found.answers == skill(found, Skill.WHOLE).right.cases


def test_degrees_are_told_from_a_leaning() -> None:
    """As a judge of letters does: one wrong of six is .83, which is no yes."""
    found = report(lambda exposure, skill, statement, truth: 1.0 if truth else 0.83)
    assert (found.right.estimate, found.area.estimate) == (0.5, 1.0)
    assert all(figures.standing is Standing.SEES for figures in found.skills)
    assert "leans to yes" in " ".join(found.reasons)
