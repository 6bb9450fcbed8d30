"""The pages before the page: the login, and what is said to those who are not let in.

They are whole without a script, and ask for nothing else.
"""

from __future__ import annotations

from starlette.responses import HTMLResponse

from ui.text import escape_html, logo, page_colours, read_asset

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
COME_BACK = '<p><a href="/">I have opened it already: try again</a></p>'


def login_page(problem: str = "", name: str = "", status: int = 200) -> HTMLResponse:
    """Name and password; ``problem`` says why the last attempt failed."""
    said = f'<p class="problem" role="alert">{escape_html(problem)}</p>' if problem else ""
    body = (
        f"{said}<form method='post' action='/login'>"
        "<label for='name'>Name</label>"
        f'<input id="name" name="name" value="{escape_html(name)}" autocomplete="username" '
        'autocapitalize="none" spellcheck="false" required maxlength="40" autofocus>'
        "<label for='password'>Password</label>"
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        'required maxlength="1024">'
        "<button>Log in</button></form>"
    )
    return _page("Log in to Hone", body, status)


def closed_page(why: str) -> HTMLResponse:
    """401: why nobody is let in here, and what to do."""
    return _page("Hone is closed here", f"<p>{escape_html(why)}</p>{COME_BACK}", 401)


def leading_page(address: str) -> HTMLResponse:
    """Leads on to an address at once."""
    link = f'<p><a href="{escape_html(address)}">Open Hone</a></p>'
    return _page("Opening Hone", link, 200, _refresh(address))


def opening_file(address: str) -> str:
    """A file that leads to an address, which then stands in no program's arguments."""
    return f'<!doctype html><meta charset="utf-8">{_refresh(address)}<title>Hone</title>'


def _refresh(address: str) -> str:
    return f'<meta http-equiv="refresh" content="0;url={escape_html(address)}">'


def _page(title: str, body: str, status: int, head: str = "") -> HTMLResponse:
    light, dark = page_colours()
    styles = f":root {{{light}}}@media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}"
    styles += read_asset("login.css")
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape_html(title)}</title>{head}<style>{styles}</style></head>"
        f"<body><main><header>{logo()}<h1>{escape_html(title)}</h1></header>{body}</main></body>"
        "</html>"
    )
    return HTMLResponse(html, status, PAGE_HEADERS)
