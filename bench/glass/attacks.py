"""What somebody tries who wants out: keys by their place on the board, addresses, page actions."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, int] = {
    "esc": 9,
    **{digit: 10 + n for n, digit in enumerate("1234567890")},
    "minus": 20,
    "plus": 21,
    "tab": 23,
    **{letter: 24 + n for n, letter in enumerate("qwertyuiop")},
    "enter": 36,
    "ctrl": 37,
    **{letter: 38 + n for n, letter in enumerate("asdfghjkl")},
    "shift": 50,
    **{letter: 52 + n for n, letter in enumerate("zxcvbnm")},
    "alt": 64,
    "space": 65,
    **{f"f{n}": 66 + n for n in range(1, 11)},
    "f11": 95,
    "f12": 96,
    "print": 107,
    "home": 110,
    "left": 113,
    "right": 114,
    "del": 119,
    "super": 133,
    "menu": 135,
    "back": 166,
    "www": 158,
    "mail": 163,
    "search": 225,
}
"""Key codes of a common board, as X numbers them."""

_CHORDS = """
ctrl+n ctrl+t ctrl+w ctrl+o ctrl+s ctrl+p ctrl+f ctrl+g ctrl+h ctrl+j ctrl+l ctrl+k ctrl+e
ctrl+d ctrl+u ctrl+r ctrl+q ctrl+f4 ctrl+tab ctrl+1 ctrl+9 ctrl+plus ctrl+minus
ctrl+shift+n ctrl+shift+t ctrl+shift+w ctrl+shift+i ctrl+shift+j ctrl+shift+c ctrl+shift+b
ctrl+shift+o ctrl+shift+del ctrl+shift+m ctrl+shift+a ctrl+shift+q ctrl+shift+p
f1 f3 f5 f6 f7 f10 f11 f12
alt+f4 alt+left alt+right alt+home alt+d alt+f alt+e alt+space
shift+enter shift+f10 shift+esc menu super ctrl+alt+del ctrl+alt+f1 back
"""
KEYS = tuple(_CHORDS.split())

URLS = (
    *(
        f"chrome://{page}"
        for page in (
            *("settings", "policy", "inspect", "version", "flags", "net-export", "extensions"),
            *("history", "downloads", "system", "newtab", "dino", "os-settings", "gpu"),
        )
    ),
    "chrome-untrusted://print",
    "devtools://devtools/bundled/inspector.html",
    "view-source:{origin}/",
    "file:///etc/passwd",
    "file:///",
    "data:text/html,<h1>canary</h1>",
    "javascript:document.write('canary')",
    "about:about",
    "file://{folder}/policies.py",
    "ftp://127.0.0.1/",
    "mailto:somebody@example.org",
    "tel:116123",
    "http://localhost:{port}/",
    "http://2130706433:{port}/",
    "http://kiosk@127.0.0.1:{other}/",
    "http://127.0.0.1:{other}/",
    "https://127.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://127.0.0.2:{port}/",
    "https://example.org/",
    "filesystem:{origin}/temporary/x",
    "blob:{origin}/0b6c5a52-0000-4000-8000-000000000000",
)

STATES = ("question", "error page", "receipt", "server down", "use paper")

ACTIONS: Mapping[str, str] = {
    "window.open": "window.open('/', '_blank'); 0",
    "a link into a new window": """
        const a = document.createElement('a'); a.href = '/'; a.target = '_blank';
        document.body.append(a); a.click(); 0""",
    "a form into a new window": """
        const f = document.createElement('form'); f.action = '/'; f.target = '_blank';
        document.body.append(f); f.requestSubmit(); 0""",
    "a download": """
        const a = document.createElement('a'); a.href = '/static/kiosk.css'; a.download = 'x';
        document.body.append(a); a.click(); 0""",
    "print": "window.print(); 0",
    "alert": "window.alert('x'); 0",
    "a file dialog": """
        const i = document.createElement('input'); i.type = 'file';
        document.body.append(i); i.click(); 0""",
    "mail": "location.href = 'mailto:somebody@example.org'; 0",
    "telephone": "location.href = 'tel:116123'; 0",
    "another program": "location.href = 'intent://x#Intent;scheme=ms-settings;end'; 0",
    "full screen": "document.documentElement.requestFullscreen().catch(() => 0); 0",
    "sub-requests to another port": """
        for (const path of ['fetch', 'beacon', 'image', 'frame']) {
          const url = 'http://127.0.0.1:{other}/' + path
          if (path === 'fetch') fetch(url, {mode: 'no-cors'}).catch(() => 0)
          if (path === 'beacon') navigator.sendBeacon(url, 'x')
          if (path === 'image') new Image().src = url
          if (path === 'frame') {
            const f = document.createElement('iframe'); f.src = url; document.body.append(f)
          }
        }
        const f = document.createElement('form'); f.method = 'post'
        f.action = 'http://127.0.0.1:{other}/form'; document.body.append(f); f.submit(); 0""",
    "a worker that stays": """
        navigator.serviceWorker?.register('/static/kiosk.js').catch(() => 0); 0""",
    "what is kept in the browser": """
        try { localStorage.setItem('canary', 'canary') } catch { 0 }
        0""",
}
"""Scripts that a page would run had somebody got one into it."""
