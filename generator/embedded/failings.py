"""How the embedded generator fails: every parameter of the embedded world in one value. None of them is tuned to a search."""

from dataclasses import asdict, dataclass

from data.identity import content_id, short


@dataclass(frozen=True, slots=True)
class Failings:
    """Chances and limits; a chance is a probability in [0, 1] unless said otherwise. docs/embedded-world.md lists them."""

    words_read: int = 60
    """How many words of the text are read; the rest is as if it were not there. Text encoders cut at 77 tokens or lose interest soon
    after."""
    fade_from: int = 30
    """From this word on, attention fades: things mentioned later may be left out."""
    fade: float = 0.25
    """Chance that a thing mentioned at the very limit is left out; it rises linearly from 0 at ``fade_from``."""
    neglect: float = 0.06
    """Chance that a thing is left out, for each kind of thing before it in its sentence."""
    crowding: float = 0.04
    """Chance, for each kind of thing after the third in the picture, that it is left out."""

    leak_in_clause: float = 0.45
    """Chance that a thing takes the colour of another coloured thing in its clause, per such thing."""
    leak_in_sentence: float = 0.25
    """The same for a coloured thing elsewhere in its sentence."""
    leak_apart: float = 0.02
    """The same for a coloured thing in any other sentence."""
    leak_most: float = 0.75
    """The most that those chances add up to."""
    loose_color: float = 0.45
    """Chance that a colour said after its noun ("a house in red"), or not next to it, is drawn as any colour."""
    color_wrong: float = 0.02
    """Chance that a colour is drawn wrong for no reason."""

    count_slip: float = 0.05
    """Chance that an exact count up to three is off by one."""
    count_drift: float = 0.65
    """Chance that an exact count above three is off by one or two."""
    count_drift_placed: float = 0.05
    """The same where each of the things has a place of its own, or is named one by one."""
    loose_count: float = 0.5
    """Chance that a number said after its noun ("stars, two of them") is taken for a mere plural."""
    vague_slack: int = 2
    """A vague number ("some", "several") is drawn from a range this much wider on both sides; never less than one."""
    bare_plural: tuple[int, int] = (2, 6)
    """How many are drawn for a plural without a number."""

    relation_lost: float = 0.5
    """Chance that a spatial relation is not followed."""
    relation_lost_half: float = 0.35
    """The same where one of the two things also has a stated place in the picture."""
    relation_lost_placed: float = 0.06
    """The same where both have."""

    negation_ignored: float = 0.7
    """Chance that "no X" draws an X."""
    negation_of_text_ignored: float = 0.5
    """Chance that "no text" draws some."""

    misspelt_unquoted: float = 0.65
    """Chance that a word asked for without quotes is misspelt, or missing (a quarter of these)."""
    misspelt_quoted: float = 0.08
    """The same in quotes."""

    theme_missed: float = 0.5
    """Chance that a theme ("a birthday") draws something unrelated instead of things that belong to it."""
    theme_member: float = 0.5
    """Chance of each thing that belongs to a theme; at least one is drawn where the theme is not missed."""
    sense_flipped: float = 0.5
    """Chance that an ambiguous noun is drawn in its less usual meaning, where nothing nearby tells."""
    sense_flipped_hinted: float = 0.3
    """Chance that it is drawn in the wrong meaning although words elsewhere in the text tell."""

    size_ignored: float = 0.5
    """Chance that a stated size is not drawn, where other things share the sentence."""
    size_ignored_alone: float = 0.15
    """The same where the thing has its sentence to itself."""
    size_random: float = 0.15
    """Chance that a thing without a stated size is drawn noticeably small, and the same for large."""

    extra: float = 0.6
    """Chance of a thing that nobody asked for, where nothing below speaks against it."""
    extra_with_setting: float = 0.7
    """Factor on ``extra`` where the setting is stated: an empty place wants filling."""
    extra_when_only: float = 0.1
    """Factor on ``extra`` where the text says that there is nothing else."""
    extra_when_specific: float = 0.8
    """Factor on ``extra`` for texts that state at least ``specific_facts`` facts."""
    specific_facts: int = 5
    """How many counts, colours, sizes, places, relations, backgrounds and words to be written make a text specific."""
    background_ignored: float = 0.06
    """Chance that a stated background is not drawn."""

    most_figures: int = 10
    """The most things in a picture, all kinds together: what its area has room for."""
    most_groups: int = 5
    """The most kinds of things, or colours of one kind, in a picture."""

    @property
    def digest(self) -> str:
        """Eight hex digits that name these values."""
        return short(content_id("failings", asdict(self)))
