"""What the report of `wyoming-fish-check --probe` leaves out."""

import json

import pytest

from wyoming_fish.cli.check.probe_wire import harmless, headers_of
from wyoming_fish.fish.errors import FishConnectionError
from wyoming_fish.fish.settings import Endpoint

KEY = "secret-key"


def test_a_report_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the key, wherever the server repeats it, nor the addresses of server and proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.lan:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint = Endpoint(KEY, "http://fish.lan:8080")
    headers = (("Server", f"{'x' * 115}{KEY}"), (f"X-{KEY}", "1"), ("Retry-After", "fish.lan"))
    error = FishConnectionError(f"fish.lan and PROXY.lan:3128 did not answer to '{KEY}'.")
    assert headers_of(headers, endpoint)["server"] == "x" * 115 + "*" * 5 + "…"
    assert (
        harmless(error, endpoint)["message"]
        == "HOST and HOST did not answer to '" + "*" * len(KEY) + "'."
    )
    told = json.dumps([headers_of(headers, endpoint), harmless(error, endpoint)])
    assert not any(name in told.lower() for name in (KEY, "fish.lan", "proxy.lan"))
