"""Every command of the documentation is run, or there is a reason why not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.reading import PAGES, RECIPES, Command, commands
from tests.docs.rules import RULES, rule_of
from tests.docs.scene import Scene, scene

COMMANDS = [command for page in (*PAGES, *RECIPES) for command in commands(page)]

# A command that stands on several pages is run once.
DISTINCT = {command.text: command for command in reversed(COMMANDS)}.values()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, demo_server: str) -> Iterator[Scene]:
    """A copy of the project, a server that speaks, and a Fish Audio."""
    with scene(tmp_path_factory.mktemp("stage"), demo_server) as stage:
        yield stage


@pytest.mark.parametrize("command", DISTINCT, ids=str)
def test_command(command: Command, stage: Scene) -> None:
    """The command does what it is there for, or is known and its files and names exist."""
    rule, match = rule_of(command.text)
    rule.act(stage, match)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_recipes(recipe: Path) -> None:
    """Each of them says how it is used."""
    assert list(commands(recipe))


def test_a_new_command_needs_a_rule(tmp_path: Path) -> None:
    """A command that nobody has thought of is told."""
    page = tmp_path / "page.md"
    page.write_text("Do:\n\n```sh\nrm -rf \\\n  /tmp/everything  # all of it\n```\n")
    (command,) = commands(page)
    assert command.text == "rm -rf /tmp/everything"
    with pytest.raises(LookupError, match="0 rules"):
        rule_of(command.text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_every_rule_is_used(rule: tuple[str, object, str]) -> None:
    """There is no rule without a command."""
    assert any(re.fullmatch(rule[0], command.text) for command in COMMANDS)
