"""How good is a judge? Painted scenes whose truth is known, canaries, and the figures that come of a judge's answers.

Truth comes from what was painted (wishes.py, plants.py, truths.py, paintings.py), never from a judge that measures pixels; what is done to
finished pictures is in alterations.py. exposures.py says what a judge is shown, measuring.py and canaries.py what its answers come to,
report.py holds it, verdict.py says what it means. pairs.py is the same for judges of pairs. All of it is pure: who carries it out and keeps
it is a door (ui/calibrating.py).
"""
