"""The files for more than one machine, by the rules of what reads them."""

import re
import subprocess
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.balancer import haproxy
from tests.packaging.documents import IMAGE, check_compose, load, load_all
from tests.support.processes import ROOT
from wyoming_fish.cli.flags import FLAGS
from wyoming_fish.cli.options import Options
from wyoming_fish.server.connection import TEXT_TIMEOUT_S
from wyoming_fish.server.shutdown import STOP_TIMEOUT_S
from wyoming_fish.uri import DEFAULT_URI, ListenAddress

COMPOSE = load("deploy/compose.yaml")
MANIFESTS = {manifest["kind"]: manifest for manifest in load_all("deploy/kubernetes.yaml")}

# Sessions at once of an account without top-ups (Fish Audio's documentation).
LEAST_SESSIONS = 5

PORT = ListenAddress.parse(DEFAULT_URI).port


def _container() -> dict[str, Any]:
    (container,) = MANIFESTS["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _environments() -> list[tuple[int, dict[str, str]]]:
    """The number of servers and their environment, by each way."""
    server = COMPOSE["services"]["wyoming-fish"]
    deployment = MANIFESTS["Deployment"]["spec"]
    return [
        (server["deploy"]["replicas"], server["environment"]),
        (
            deployment["replicas"] + deployment["strategy"]["rollingUpdate"]["maxSurge"],
            {variable["name"]: variable["value"] for variable in _container()["env"]},
        ),
    ]


def test_compose() -> None:
    """The Compose file is what the Compose specification takes."""
    check_compose("deploy/compose.yaml")
    server = COMPOSE["services"]["wyoming-fish"]
    assert server["image"] == IMAGE
    assert (ROOT / "deploy" / server["build"]).resolve() == ROOT
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_haproxy() -> None:
    """HAProxy takes its configuration, and finds it where Compose puts it."""
    command = (*haproxy(), "-c", "-f", str(ROOT / "deploy" / "haproxy.cfg"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    text = (ROOT / "deploy" / "haproxy.cfg").read_text()
    assert f"bind :::{PORT} " in text
    # The servers know better than HAProxy how long a client may pause.
    first_audio_timeout_s = {
        60 * int(minutes) for minutes in re.findall(r"timeout (?:client|server) (\d+)m", text)
    }
    assert min(first_audio_timeout_s) > TEXT_TIMEOUT_S
    (volume,) = COMPOSE["services"]["balancer"]["volumes"]
    assert volume.startswith("./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg")


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes(kind: str, version: str) -> None:
    """Each manifest is what Kubernetes takes, the oldest meant and the newest, to the last key."""
    kubernetes_validate.validate(MANIFESTS[kind], version, strict=True)


def test_kubernetes_selects_the_servers() -> None:
    """The service, the budget and the deployment mean the same pods and the same port."""
    pod = MANIFESTS["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    (port,) = MANIFESTS["Service"]["spec"]["ports"]
    (own,) = _container()["ports"]
    assert (port["port"], port["targetPort"]) == (PORT, own["name"])
    assert own["containerPort"] == PORT
    assert _container()["image"] == IMAGE


def test_kubernetes_waits() -> None:
    """A pod has the time to be left by new clients, and then to finish what it has begun."""
    pod = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    pause = _container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + STOP_TIMEOUT_S
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert _container()[probe]["exec"]["command"] == ["wyoming-fish-health"]


def test_kubernetes_allows_nothing() -> None:
    """A pod meets the `restricted` Pod Security Standard, and writes nothing."""
    pod = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    own = _container()["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert own["readOnlyRootFilesystem"] is True
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert f"\nUSER {user}\n" in (ROOT / "Dockerfile").read_text()


def test_the_key_is_a_file() -> None:
    """The key is in no variable; the server looks for it where it is mounted."""
    (_, compose), (_, kubernetes) = _environments()
    (secret,) = COMPOSE["services"]["wyoming-fish"]["secrets"]
    assert compose["FISH_API_KEY_FILE"] == f"/run/secrets/{secret}"
    (mount,) = _container()["volumeMounts"]
    assert kubernetes["FISH_API_KEY_FILE"] == f"{mount['mountPath']}/api-key"


@pytest.mark.parametrize(("servers", "environment"), _environments())
def test_shares(servers: int, environment: dict[str, str]) -> None:
    """The servers know each variable, and together do not ask for more than an account may have."""
    assert set(environment) <= {flag.variable for flag in FLAGS}
    # A balancer stands for all clients.
    assert environment["WYOMING_FISH_MAX_CHARACTERS_PER_HOUR_PER_ADDRESS"] == "0"
    checked = environment | {"FISH_API_KEY_FILE": "", "FISH_API_KEY": "key"}
    concurrency = Options.parse([], checked).concurrency
    assert concurrency is not None
    assert servers * concurrency <= LEAST_SESSIONS < servers * (concurrency + 1)
