"""The few pages a gateway shows itself, in both languages at once: it knows nobody's choice yet.

They are small and need nothing else: the device that sees one is not online.
"""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="th"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>body{{font:1.1rem/1.6 sans-serif;max-width:30rem;margin:2rem auto;\
padding:0 1rem}}button{{font:inherit;min-height:44px;padding:0 1.5rem}}a{{display:inline-block;\
min-height:44px}}</style></head><body><h1>{title}</h1>
<p>{thai}</p><p lang="en">{english}</p>{rest}</body></html>
"""

UNKNOWN = (
    "ยังเข้าสู่ระบบไม่ได้",
    "เครือข่ายยังไม่รู้จักอุปกรณ์นี้ กรุณาปิดแล้วเปิด Wi-Fi ใหม่",
    "The network does not know this device yet. Switch Wi-Fi off and on again.",
)
UNAVAILABLE = (
    "ขัดข้องชั่วคราว",
    "ระบบเครือข่ายขัดข้องชั่วคราว กรุณาลองใหม่ในอีกหนึ่งนาที หากยังใช้งานไม่ได้ กรุณาแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่าย",
    "The network's gateway is not working right now. Please try again in a minute, "
    "and tell the staff if it goes on.",
)
PORTAL_AWAY = (
    "หน้าเข้าสู่ระบบขัดข้อง",
    "ขณะนี้เปิดหน้าเข้าสู่ระบบไม่ได้ อุปกรณ์ที่เข้าสู่ระบบไว้แล้วยังใช้งานได้ตามปกติ หน้านี้จะลองใหม่เองทุก 15 วินาที "
    "หากยังใช้งานไม่ได้ กรุณาแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่าย",
    "The sign-in page cannot be opened right now. Devices that are signed in stay online. This "
    "page tries again by itself every 15 seconds; tell the staff if it goes on.",
)
SIGN_OUT = (
    "ออกจากระบบ",
    "อุปกรณ์นี้กำลังใช้งานเครือข่ายอยู่ กดปุ่มด้านล่างเพื่อออกจากระบบ",
    "This device is using the network. Press the button to sign out.",
)
NOT_ONLINE = (
    "ยังไม่ได้เข้าสู่ระบบ",
    "อุปกรณ์นี้ยังไม่ได้เข้าสู่ระบบ",
    "This device is not signed in.",
)


def page(texts: tuple[str, str, str], rest: str = "") -> str:
    """A page of a title, a Thai and an English sentence; `rest` is HTML."""
    title, thai, english = (escape(text) for text in texts)
    return _PAGE.format(title=title, thai=thai, english=english, rest=rest)


AGAIN = '<meta http-equiv="refresh" content="15">'
"""The same address again: it is caught again, and leads on once there is somewhere to lead to."""


def link(url: str) -> str:
    """The way to the portal, for a browser that does not follow by itself."""
    return f'<p><a href="{escape(url)}">ไปที่หน้าเข้าสู่ระบบ <span lang="en">Sign in</span></a></p>'


def sign_out_form(action: str, proof: str) -> str:
    """The button that ends the session; `proof` keeps other pages from pressing it."""
    return (
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="proof" value="{escape(proof)}">'
        '<button>ออกจากระบบ <span lang="en">Sign out</span></button></form>'
    )
