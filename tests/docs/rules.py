"""What is done with each command of the documentation: it is run, or there is a reason why not."""

import re
import shlex
import tomllib
import wave
from collections.abc import Callable, Sequence
from typing import NamedTuple

import yaml

from tests.docs.scene import Scene
from tests.support.processes import READY, ROOT
from wyoming_fish import __version__
from wyoming_fish.cli.flags import FLAGS

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_WORKFLOWS = ROOT / ".github" / "workflows"
_IMAGE = yaml.safe_load((_WORKFLOWS / "release.yml").read_text())["env"]["IMAGE"]
_REPOSITORY = _IMAGE.removeprefix("ghcr.io/")


class Rule(NamedTuple):
    """What is done with the commands that fully match a pattern."""

    pattern: str
    act: Callable[[Scene, re.Match[str]], None]
    why: str = ""
    """Why it is not run as it stands, where it is not."""


def run(scene: Scene, command: re.Match[str]) -> None:
    """Run it to its end."""
    scene.run(command[0])


def serve(scene: Scene, command: re.Match[str]) -> None:
    """Start it, where no port is needed twice; it is ready, and ends well when it is told to."""
    with scene.start(re.sub(r"--http \S+", "--http 127.0.0.1:0", command[0])) as server:
        server.wait_for(READY)
        assert server.end() == 0, server.log


def emulate(scene: Scene, command: re.Match[str]) -> None:
    """Start it at a free port; it prints its address, and ends well when it is told to."""
    with scene.start(re.sub(r"--port \d+", "--port 0", command[0])) as emulator:
        emulator.wait_for("(?m)^http://")
        assert emulator.end() == 0, emulator.log


def ask(scene: Scene, command: re.Match[str]) -> None:
    """Run it against a server whose port is free."""
    text = re.sub(r" (--uri )?tcp://\S+", "", command[0])
    option = "" if "-health" in text else "--uri "
    scene.run(f"{text} {option}{scene.speaker}")
    if output := re.search(r"--output (\S+)", text):
        with wave.open(str(scene.folder / output[1])) as speech:
            assert speech.getnframes() > 0


def demo(scene: Scene, command: re.Match[str]) -> None:
    """Run it, with a short text in the place of its own long one."""
    text = "" if command[1] else ' "Good night."'
    assert "first audio" in scene.run(f"{command[0]}{text} 2>&1")


def key(scene: Scene, command: re.Match[str]) -> None:
    """Give it a key, as one pastes it; all users may read it, and it is whole."""
    path = scene.folder / command[1]
    path.unlink()
    scene.run(command[0], given="your-key\n")
    assert path.read_text() == "your-key\n"
    assert path.stat().st_mode & 0o444 == 0o444


def exported(_: Scene, command: re.Match[str]) -> None:
    """Expect one of the server's variables; every command has it already."""
    assert command[1] in {flag.variable for flag in FLAGS}


def tests(_: Scene, command: re.Match[str]) -> None:
    """Expect that these tests exist, and that the workflow runs the script."""
    assert all((ROOT / path).exists() for path in command["arguments"].split())
    assert f"run: {command['script']}" in (_WORKFLOWS / "test.yml").read_text()


def bench(scene: Scene, command: re.Match[str]) -> None:
    """Expect that there is such a benchmark."""
    assert re.search(rf"\b{command[1]}\b", scene.run("script/bench --help"))


def nothing(_: Scene, __: re.Match[str]) -> None:
    """Expect no more than that it is written like this."""


def clone(_: Scene, command: re.Match[str]) -> None:
    """Expect the repository's own address, and the folder that it makes."""
    assert command[1] == f"https://github.com/{_REPOSITORY}"


def tag(_: Scene, command: re.Match[str]) -> None:
    """Expect the version."""
    assert command[1] == f"v{__version__}"


def script(_: Scene, command: re.Match[str]) -> None:
    """Expect a command of the package."""
    assert command[1] in _PROJECT["scripts"]


def in_container(scene: Scene, command: re.Match[str]) -> None:
    """Expect the service, and run the command outside of the container."""
    compose_file = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert command["service"] in compose_file["services"]
    outside = re.fullmatch(r".*", f"{command['command']}{command['rest']}")
    assert outside
    if "-say" in command["command"]:
        # Its output goes to a file by the shell.
        text, _, file = outside[0].partition(" > ")
        scene.run(f"{text} --uri {scene.speaker} > {file}")
        assert (scene.folder / file).read_bytes().startswith(b"RIFF")
    else:
        run(scene, outside)


def attested(_: Scene, command: re.Match[str]) -> None:
    """Expect the image and the repository that the release attests."""
    assert (command["image"], command["repository"]) == (_image(_IMAGE), _REPOSITORY)
    assert "subject-digest: " in (_WORKFLOWS / "release.yml").read_text()


def docker_build(_: Scene, command: re.Match[str]) -> None:
    """Expect a Dockerfile there."""
    assert (ROOT / command["folder"] / "Dockerfile").is_file()


def docker_run(_: Scene, command: re.Match[str]) -> None:
    """Expect an image that exists, its port, and variables and flags that the server knows."""
    words = shlex.split(command[0])[2:]
    known = {"--detach", "--rm", "--read-only"}
    while words[0].startswith("-"):
        option = words.pop(0)
        if option in known:
            continue
        value = words.pop(0)
        if option == "--publish":
            assert value == "10210:10210"
            assert "EXPOSE 10210\n" in (ROOT / "Dockerfile").read_text()
        elif option == "--env":
            assert value.partition("=")[0] in {flag.variable for flag in FLAGS}
        else:
            assert option in {"--name", "--restart"}, option
    image, *flags = words
    assert image in (_image(_IMAGE), "wyoming-fish")
    _expect_flags(flags)


def compose(_: Scene, command: re.Match[str]) -> None:
    """Expect the Compose file, and each service that is named in it."""
    path = ROOT / (command["file"] or "compose.yaml")
    services = yaml.safe_load(path.read_text())["services"]
    words = [word for word in command["rest"].split() if not word.startswith("-")]
    assert set(words) <= set(services)


def stop(_: Scene, command: re.Match[str]) -> None:
    """Expect the name that Compose gives to the first container of a service."""
    replicas = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert command[1] in {f"{replicas['name']}-{service}-1" for service in replicas["services"]}


def balancer(_: Scene, command: re.Match[str]) -> None:
    """Expect the service, and what HAProxy's configuration calls its servers and its socket."""
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert command["service"] in services
    configuration = (ROOT / "deploy" / "haproxy.cfg").read_text()
    assert f"\nbackend {command['backend']}\n" in configuration
    assert not command["server"] or f"server-template {command['server']} " in configuration
    assert f"stats socket ipv4@{command['host']}:{command['port']} " in configuration


def kubernetes_secret(_: Scene, command: re.Match[str]) -> None:
    """Expect the secret and the key in it that the manifests mount."""
    manifests = (ROOT / "deploy" / "kubernetes.yaml").read_text()
    assert f"secretName: {command[1]}\n" in manifests
    assert re.search(rf"FISH_API_KEY_FILE\n *value: \S+/{command[2]}\n", manifests)


def kubernetes(_: Scene, command: re.Match[str]) -> None:
    """Expect the file."""
    assert (ROOT / "deploy" / command[1]).is_file()


def _image(name: str) -> str:
    return f"{name}:{__version__}"


def _expect_flags(words: Sequence[str]) -> None:
    flags = {flag.name for flag in FLAGS}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= flags


_NO_ENGINE = "There is no container engine where the tests run."
_NO_CLUSTER = "There is no cluster where the tests run."
_LONG = "It takes minutes; the workflow runs it."

RULES = (
    Rule(r"script/demo( \"[^\"]+\")?", demo, "The text that it speaks by itself is long."),
    Rule(
        r"(?:[A-Z_]+=\S+ )?(?:script/run|(?:\.venv/bin/)?wyoming-fish)"
        r"(?: --(?!version)\S+(?: [^-]\S*)?)*",
        serve,
    ),
    Rule(r"\.venv/bin/python -m wyoming_fish\.emulator .*", emulate),
    Rule(
        r"(?:\.venv/bin/)?wyoming-fish-(?:say|health) .*",
        ask,
        "The port that it means may be somebody else's.",
    ),
    Rule(r"(?:\.venv/bin/)?wyoming-fish-check(?: --(?:json|demo))?", run),
    Rule(
        r"(?:\.venv/bin/)?(wyoming-fish-check) --base-url http://HOST:8080",
        script,
        "There is no server of that name.",
    ),
    Rule(
        r"docker compose exec (?:-T )?(?P<service>\S+) (?P<command>wyoming-fish-\w+)(?P<rest>.*)",
        in_container,
        _NO_ENGINE,
    ),
    Rule(
        r"\.venv/bin/wyoming-fish-check --probe(?: --json)?",
        nothing,
        "It takes a minute; tests/cli/test_probe.py runs it.",
    ),
    Rule(r"install -m 444 /dev/stdin (\S+)", key, "Somebody has to paste a key."),
    Rule(r"export (\w+)=\S+", exported, "A variable of a shell that is gone after it."),
    Rule(r"script/docs", run),
    Rule(r"script/package-integration", run),
    Rule(r"python3 script/release_notes\.py v\S+", run),
    Rule(
        r"(?P<script>script/(?:lint|test))(?P<arguments>(?: tests\S*)*)",
        tests,
        _LONG,
    ),
    Rule(
        r"(?:HOME_ASSISTANT|PYTHON|SCREENSHOTS)=\S+ (?P<script>script/test) (?P<arguments>.*)",
        tests,
        _LONG,
    ),
    Rule(r"script/mutate .+", nothing, "It takes minutes; tests/tools/test_mutate.py runs it."),
    Rule(r"script/bench ([\w-]+)", bench, "It takes minutes; tests/benchmarks runs it in short."),
    Rule(
        r"script/soak \d+",
        nothing,
        "It takes minutes; tests/server/lifecycle/test_soak.py runs it.",
    ),
    Rule(r"git clone (\S+)", clone, "The repository is elsewhere."),
    Rule(r"git pull", nothing, "The repository is elsewhere."),
    Rule(r"cd wyoming-fish", nothing, "The folder that `git clone` makes."),
    Rule(r"git tag (v\S+)", tag, "It would be a release."),
    Rule(r"git push origin (v\S+)", tag, "It would be a release."),
    Rule(r"python3 -m venv \.venv", nothing, "The copy of the project has one."),
    Rule(r"\.venv/bin/pip install \.", nothing, "tests/packaging installs the project."),
    Rule(
        r"gh attestation verify oci://(?P<image>\S+) --repo (?P<repository>\S+)",
        attested,
        "It asks GitHub.",
    ),
    Rule(r"docker build --tag wyoming-fish (?P<folder>\S+)", docker_build, _NO_ENGINE),
    Rule(r"docker run .*", docker_run, _NO_ENGINE),
    Rule(r"docker (?:logs|rm --force) wyoming-fish", nothing, _NO_ENGINE),
    Rule(
        r"docker compose (?:--file (?P<file>\S+) )?(?:up|pull|logs|down|stop|restart)(?P<rest>.*)",
        compose,
        _NO_ENGINE,
    ),
    Rule(r"docker stop (\S+)", stop, _NO_ENGINE),
    Rule(
        r"docker compose exec (?P<service>\S+) sh -c 'echo \"(?:set server|show servers conn) "
        r"(?P<backend>\w+)(?:/(?P<server>[a-z]+)\d state drain)?\" \| "
        r"nc (?P<host>\S+) (?P<port>\d+)'",
        balancer,
        f"{_NO_ENGINE} tests/deploy drains a server of a real HAProxy.",
    ),
    Rule(
        r"kubectl create secret generic (\S+) --from-file=(\S+)=fish_api_key",
        kubernetes_secret,
        _NO_CLUSTER,
    ),
    Rule(r"kubectl apply --filename (\S+)", kubernetes, _NO_CLUSTER),
)


def rule_of(command: str) -> tuple[Rule, re.Match[str]]:
    """Return the one rule for a command. Raises LookupError where there is none, or several."""
    found = [(rule, match) for rule in RULES if (match := re.fullmatch(rule.pattern, command))]
    if len(found) != 1:
        raise LookupError(f"There are {len(found)} rules, and not one, for: {command}")
    return found[0]
