"""Requests to the page that make no sense: each has its status, and no word of it comes back."""

import zlib

import pytest

from wyoming_fish.emulator import EmulatorSettings

from ..support.server import Serving
from ..support.visiting import HTTP, TEXT, ask, connect, posted, read_to_end, visitor


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret",
        b"GET /secret HTTP/9.9\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: secret\r\n\r\n",
        b"GET /secret" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nsecret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: secret\r\n\r\n",
        b"GET /secret HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"SECRET / HTTP/1.1\r\n\r\n",
        b"GET /secret HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /secret HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_no_http(
    serving: Serving, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """It gets 400 and the headers of every answer, and is neither repeated nor logged."""
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, request_)
        async with visitor(served) as session, session.get("/healthz") as response:
            assert response.status == 200
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"nosniff" in answer
    assert b"Server: wyoming-fish\r\n" in answer
    assert b"secret" not in answer
    assert "secret" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


CHUNKED = b"\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /api/speak HTTP/1.1" + CHUNKED + JSON + b"\r\n5\r\nsecret", 400),
        (b"POST /api/speak HTTP/1.1" + CHUNKED + JSON + b"\r\nsecret", 400),
        (b"POST /api/speak HTTP/1.1" + CHUNKED + b"\r\nsecret", 403),
        (b"GET /healthz HTTP/1.1" + CHUNKED + b"\r\nsecret", 200),
    ],
)
async def test_a_body_that_is_no_http(
    serving: Serving, caplog: pytest.LogCaptureFixture, request_: bytes, status: int
) -> None:
    """Neither is a body that breaks off, whether it was to be read or not."""
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, request_)
    assert int(answer.split()[1]) in (status, 400)
    assert b"secret" not in answer
    assert not [record for record in caplog.records if record.exc_info]


async def test_leaving_before_the_answer(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves before it sends its body is not an error of the server."""
    async with serving(EmulatorSettings(), HTTP) as served:
        reader, writer = await connect(served)
        writer.write(posted(TEXT).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        writer.write_eof()
        # From Python 3.12 on, aiohttp answers before it knows that the client has left.
        assert await read_to_end(reader) in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.close()
        async with visitor(served) as session, session.get("/healthz") as response:
            assert response.status == 200
    assert "report" not in caplog.text


BOMB = zlib.compress(b'{"text": "' + b"a" * 50_000_000 + b'"}', 9)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x" * 1000])
@pytest.mark.parametrize("body", [b'{"text": "Hello"}', BOMB], ids=["broken", "bomb"])
async def test_what_is_compressed(
    serving: Serving, caplog: pytest.LogCaptureFixture, encoding: str, body: bytes
) -> None:
    """A body with a Content-Encoding is refused unread, whether it is one or not."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    async with (
        serving(EmulatorSettings(), HTTP) as served,
        visitor(served) as session,
        session.post("/api/speak", data=body, headers=headers) as response,
    ):
        assert response.status == 400
        assert "Content-Encoding" in (await response.json())["error"]
        assert served.emulator.sessions == []
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("OPTIONS", path) for path in ("/", "/healthz", "/api/speak")),
        *((method, "/api/speak") for method in ("GET", "HEAD", "PUT", "DELETE", "PURGE")),
        *((method, "/api/state") for method in ("POST", "PUT", "TRACE")),
    ],
)
async def test_methods(serving: Serving, method: str, path: str) -> None:
    """What cannot be done with an address is 405, whoever asks."""
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", ["/api/voices", "/api/state", "/metrics"])
async def test_heads(serving: Serving, path: str) -> None:
    """The head alone is sent to a client that asks for no more."""
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nContent-Length: " in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/secret", "/../secret", "//secret", "/%73ecret", "/page.js/.."])
async def test_addresses_that_are_not_there(serving: Serving, method: str, path: str) -> None:
    """They are 404, and not repeated."""
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, request)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in answer


async def test_the_speaker_has_an_address(serving: Serving) -> None:
    """What the page has spoken counts for the address that asked for it, as over Wyoming."""
    async with serving(EmulatorSettings(voice="code"), HTTP) as served:
        reader, writer = await connect(served, "127.0.0.2")
        writer.write(posted(TEXT))
        await read_to_end(reader)
        writer.close()
        (record,) = served.server._request_log.replies  # noqa: SLF001 - nothing else tells it
        assert record.host == "127.0.0.2"
