"""The guard of the page, met by a stranger: other pages, other names, other routes, no cookie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ui.access.site import API, UNTIDY, Served, Stranger, file_data, serving
from ui import gradio_script, theme

pytestmark = UNTIDY


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("local") / "workspace") as page:
        yield page


@pytest.fixture(scope="module")
def cookies(served: Served) -> httpx.Cookies:
    return Stranger(served).enter(served.opened).http.cookies


@pytest.fixture
def owner(served: Served, cookies: httpx.Cookies) -> Stranger:
    """Who has opened the printed address."""
    found = Stranger(served)
    found.http.cookies.update(cookies)
    return found


# --- the token ---


def test_the_printed_address_lets_in_and_its_token_leaves_the_address(served: Served) -> None:
    answer = httpx.get(served.opened, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("hone-") and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert f"hone-{served.url.rsplit(':')[-1]}=" in cookie, "another port has another cookie"
    assert served.opened.rpartition("=")[2] not in cookie
    assert Stranger(served).enter(served.opened).http.get("/config").status_code == 200


def test_who_comes_from_elsewhere_is_led_on_by_a_page_of_hone_s(served: Served) -> None:
    """A file or a web terminal: along a redirect the browser would not send the new cookie."""
    came = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = httpx.get(served.opened + "&__theme=dark", headers=came)
    assert answer.status_code == 200 and "set-cookie" in answer.headers
    assert 'content="0;url=/?__theme=dark"' in answer.text and "<script" not in answer.text


@pytest.mark.parametrize("token", ["", "x", "é", "%00", "a" * 5000, "local.1.x"])
def test_another_token_does_not(served: Served, token: str) -> None:
    answer = httpx.get(f"{served.url}/?token={token}", follow_redirects=False)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert "Open the address" in answer.text and "<script" not in answer.text


@pytest.mark.parametrize("cookie", ["x", "local", "local.1.", "local.9999999999.AAAA", "v-1.2.3"])
def test_a_made_up_cookie_does_not(served: Served, cookie: str) -> None:
    name = f"hone-{served.url.rsplit(':')[-1]}"
    answer = httpx.get(f"{served.url}/config", headers={"Cookie": f"{name}={cookie}"})
    assert answer.status_code == 401


def test_without_a_cookie_no_handler_answers(served: Served) -> None:
    """The second visitor of a local workspace: another account of the machine."""
    stranger, before = Stranger(served), len(uploaded(served))
    for number in served.blocks.fns:
        assert stranger.join(number, []).status_code == 401
    probes = [
        *(f"{API}/{rest}" for rest in ("heartbeat/abc", "queue/data?session_hash=abc", "app_id")),
        "/config", "/whoami", "/download/run/a/b", "/download/recipe/a", "/nothing",
    ]  # fmt: skip
    assert {stranger.http.get(path).status_code for path in probes} == {401}
    assert stranger.upload("a.csv", b"a,b").status_code == 401
    assert stranger.ask("live", "poll_run", {}).status_code == 401
    assert len(uploaded(served)) == before


def uploaded(served: Served) -> list[Path]:
    return list(served.ctx.uploads.folder.glob("[0-9a-f]*/*"))


# --- other pages and other names ---

FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "https://127.0.0.1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://[::1"},
    {"Origin": "{url}.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_can_send_nothing(
    served: Served, owner: Stranger, headers: dict[str, str]
) -> None:
    """Even with the owner's cookie: a write into the workspace, an event, a poll, a login."""
    del owner.http.headers["Origin"]
    sent = {name: value.format(url=served.url) for name, value in headers.items()}
    before = sorted(served.home.rglob("*"))
    beacon = {"files": ("evil.csv", b"a,b\n1,2")}
    assert owner.http.post(f"{API}/upload", files=beacon, headers=sent).status_code == 403
    for path in (f"{API}/queue/join", f"{API}/component_server/", f"{API}/cancel", "/login"):
        answer = owner.http.post(path, json={}, headers=sent)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert sorted(served.home.rglob("*")) == before


def test_a_write_says_which_page_it_comes_from(owner: Stranger) -> None:
    del owner.http.headers["Origin"]
    assert owner.upload("a.csv", b"a,b").status_code == 403
    for site in ("same-origin", "none"):
        answer = owner.http.post(f"{API}/cancel", json={}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 400, "it came through, and named no session"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_foreign_page_may_read(served: Served, owner: Stranger, host: str, method: str) -> None:
    """Gradio itself would mirror any origin, with credentials, on any name but these two."""
    asked = {
        "Origin": "http://evil.example",
        "Host": f"{host}:{served.url.rsplit(':')[-1]}",
        "Access-Control-Request-Method": "POST",
    }
    for path in ("/config", "/", f"{API}/queue/data?session_hash=abc", "/theme.css"):
        answer = owner.http.request(method, path, headers=asked)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1.x", "0.0.0.0", "[::1", "", "a:b:c"],
)
def test_a_name_that_leads_here_by_a_trick_is_refused(owner: Stranger, host: str) -> None:
    assert owner.http.get("/config", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/nothing", f"{API}/upload"])
def test_every_answer_is_guarded(owner: Stranger, path: str) -> None:
    for visitor in (owner, Stranger(owner.served)):
        headers = visitor.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


# --- routes ---

CLOSED = [
    f"{API}/file={theme.PLOTLY}", f"{API}/file=/etc/passwd", f"{API}/file=https://evil.example/x",
    f"{API}/file/etc/passwd", "/file=/etc/passwd", f"{API}/proxy=https://x.hf.space/a",
    f"{API}/proxy=http://127.0.0.1:1/", "/?deep_link=abc", "/config?deep_link=abc",
    f"{API}/deep_link?session_hash=abc", "/monitoring", "/monitoring/summary", "/monitoring/x",
    f"{API}/info", f"{API}/openapi.json", f"{API}/token", f"{API}/user", f"{API}/login_check",
    f"{API}/runs", f"{API}/run-history/records", f"{API}/run-history/buckets", f"{API}/dev/reload",
    f"{API}/vibe-code/", f"{API}/call/stop/abc", f"{API}/call/v2/stop/abc", f"{API}/mcp",
    f"{API}/mcp/sse", f"{API}/queue/status", f"{API}/stream/abc/1/2/playlist.m3u8",
    f"{API}/custom_component/x/client/component/a.js", f"{API}/profiling/traces", "/pwa_icon",
    "/docs", "/redoc", "/openapi.json", "/assets/../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fapp.py", "//etc/passwd",
]  # fmt: skip
CLOSED_POSTS = [
    f"{API}/vibe-edit/", f"{API}/undo-vibe-edit/", f"{API}/vibe-code/",
    f"{API}/vibe-starter-queries/",
    f"{API}/call/stop", f"{API}/call/v2/stop", f"{API}/api/stop", f"{API}/process_recording",
    f"{API}/stream/abc", f"{API}/stream/abc/close", f"{API}/run-history/connect", "/login",
    f"{API}/profiling/clear",
]  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
def test_what_the_page_does_not_need_is_closed(owner: Stranger, path: str) -> None:
    answer = owner.http.get(path)
    assert answer.status_code == 404 and "root:" not in answer.text


@pytest.mark.parametrize("path", CLOSED_POSTS)
def test_what_the_page_does_not_send_is_closed(owner: Stranger, path: str) -> None:
    assert owner.http.post(path, json={"session_hash": "abc", "data": []}).status_code == 404


def test_plotly_is_served_and_the_rest_of_its_folder_is_not(owner: Stranger) -> None:
    answer = owner.http.get(theme.PLOTLY_PATH)
    assert answer.status_code == 200 and len(answer.content) > 1_000_000
    assert owner.http.get("/package.json").status_code == 404


def test_the_page_loads_gradio_s_scripts_with_hone_s_changes(owner: Stranger) -> None:
    scripts = gradio_script.changed_scripts()
    changes = gradio_script.CHANGES.values()
    assert len(scripts) == len(changes), "Gradio's scripts have changed: see what is wrong in them"
    for script, made in zip(scripts, changes, strict=True):
        answer = owner.http.get(script.path)
        assert answer.text == script.text and all(one in answer.text for one in made.values())
        assert answer.headers["content-type"].startswith("text/javascript")


def test_a_socket_is_refused(served: Served) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    asked = headers | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert httpx.get(f"{served.url}/", headers=asked).status_code in (400, 401, 403)


# --- files ---


@pytest.mark.parametrize("handler", ["add_files", "add_recipe_file"])
def test_a_file_that_nobody_uploaded_is_neither_read_nor_removed(
    served: Served, owner: Stranger, handler: str
) -> None:
    """The attack that once removed a run's settings: a path of the workspace, sent as an upload."""
    store = served.ctx.engine.store
    victims = [
        store.root / "session.key",
        store.root / "app.log",
        theme.PLOTLY,
        Path("/etc/passwd"),
    ]
    victims.append(store.recipes / "mine.yaml")
    victims[-1].write_text("name: x\nsummary: s\ncost: c\nvalues: {optim.epochs: 2}\n")
    own = Path(owner.upload("a.csv", b"a,b\n1,2\n").json()[0])
    victims += [own.parent / ".." / own.parent.name / own.name, own.parent, own.parent.parent]
    for number in served.functions(handler):
        for victim in victims:
            for value in (file_data(victim), [file_data(victim)], {"path": str(victim)}):
                answer = owner.join(number, [value])
                assert answer.status_code == 400, victim
            assert victim.exists()
    assert own.read_bytes() == b"a,b\n1,2\n"


def test_an_upload_is_used_once_and_goes(served: Served, owner: Stranger) -> None:
    rows = "prompt,completion\n" + "".join(f"Say {n}.,{n} it is.\n" for n in range(12))
    path = owner.upload("mine.csv", rows.encode()).json()[0]
    answer = owner.call("add_files", [file_data(path)])
    assert answer.ok and "dataset:" in answer.text
    assert not Path(path).exists()
    again = owner.call("add_files", [file_data(path)])
    assert again.refused and again.status == 400
