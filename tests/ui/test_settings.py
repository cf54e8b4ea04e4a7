"""Settings: what overrules what, where each value came from, what is said of bad ones, and what a child process or a recorded run gets."""

from pathlib import Path

import pytest

from data.errors import UsageError
from ui.settings import DEFAULT_PROFILE, ORIGINS, Settings, environment_for, profiles, resolve, secret, settings_from


def test_without_anything_the_embedded_profile_holds() -> None:
    found = resolve()
    assert found.profile == DEFAULT_PROFILE
    assert found.settings.reasoner.engine == "embedded"
    assert found.settings.ledger_url == "sqlite:///phoropter-data/ledger.db"
    assert found.settings.image_location == "phoropter-data/images"
    assert found.origins["run.images"] == "profile embedded"
    assert found.to_json()["run.dollars"] == {"value": None, "from": "default"}


def test_flags_go_over_the_environment_over_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_RUN__IMAGES", "700")
    monkeypatch.setenv("PHOROPTER_RUN__SEED", "8")
    found = resolve(flags={"run.images": 900, "run.dollars": None})
    assert found.settings.run.images == 900
    assert found.settings.run.seed == 8
    assert found.settings.run.prompts == "scenes"
    assert [found.origins[f"run.{name}"] for name in ("images", "seed", "prompts")] == ["command line", "environment", "profile embedded"]
    assert "run.dollars" not in found.origins


def test_the_environment_chooses_a_profile_unless_a_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_PROFILE", "openai")
    assert resolve().profile == "openai"
    assert resolve("embedded").profile == "embedded"


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('home = "elsewhere"\n[reasoner]\nengine = "openai:m@http://localhost:8000/v1"\nconcurrency = 32\n')
    settings = resolve(str(own)).settings
    assert settings.home == Path("elsewhere")
    assert settings.reasoner.limits.concurrency == 32
    assert settings.generator.engine == "embedded"


def test_every_shipped_profile_can_be_read() -> None:
    for name, description in profiles().items():
        assert description
        assert resolve(name).settings.description == description


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[run]\nimage = 3\n", "run.image (from profile", "nearest: run.images"),
        ("[run]\nimages = 0\n", "run.images (from profile", "given was 0; "),
        ("[run]\nroots = []\n", "run.roots", ""),
        ("[reasoner]\nattempts = 99\n", "reasoner.attempts", ""),
        ("[run\n", "is not valid TOML", "compare it with"),
    ],
)
def test_a_bad_profile_is_told_by_name(tmp_path: Path, text: str, said: str, hint: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve(str(own))
    assert said in str(caught.value)
    assert caught.value.hint.startswith(hint)


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown profile 'opnai'") as caught:
        resolve("opnai")
    assert caught.value.hint.startswith("there are: openai")
    with pytest.raises(UsageError, match="there is no profile file"):
        resolve(str(tmp_path / "none.toml"))


def test_a_bad_value_in_the_environment_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_RUN__IMAGES", "many")
    with pytest.raises(UsageError, match=r"run\.images \(from environment\)"):
        resolve()


def test_secrets_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret("OPENAI_API_KEY") is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    assert secret("OPENAI_API_KEY") == "sk-hidden"
    assert "sk-hidden" not in str(resolve().to_json())


def test_a_recorded_run_gets_the_places_of_here_and_now() -> None:
    config = Settings(home=Path("there")).model_dump(mode="json", exclude={"home", "ledger", "images_at", "description"})
    settings = settings_from({**config, ORIGINS: {"run.images": "command line"}}, Settings(home=Path("here")))
    assert settings == Settings(home=Path("here"))


def test_a_child_works_at_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_for(Settings(home=Path("here"), ledger="sqlite:///x.db")).items():
        monkeypatch.setenv(name, value)
    settings = resolve().settings
    assert settings.home == Path("here").absolute()
    assert settings.ledger_url == "sqlite:///x.db"
