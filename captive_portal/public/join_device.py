"""Which system a browser runs on, and whether it is one that can install a profile.

A guess from the User-Agent: it only decides what a page shows first. The sign-in sheets of
phones and the browsers inside of other apps download nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class System(StrEnum):
    """Systems that have an instruction of their own, in the order of the page."""

    ANDROID = "android"
    IOS = "ios"
    WINDOWS = "windows"
    MACOS = "macos"
    CHROMEOS = "chromeos"
    LINUX = "linux"


@dataclass(frozen=True, slots=True)
class Device:
    """What asks for the page."""

    system: System
    can_install: bool
    """False in a sheet or another app's browser; there the real browser has to be opened."""


_APPS = (" Line/", "FBAN/", "FBAV/", "Instagram", "MicroMessenger")
_OTHER_BROWSERS_OF_IOS = ("CriOS/", "FxiOS/", "EdgiOS/", "OPiOS/")


def device_of(user_agent: str) -> Device:
    """The device behind a User-Agent; Android when nothing is known, as most are."""
    system = _system(user_agent)
    in_app = any(word in user_agent for word in _APPS)
    if system in (System.IOS, System.MACOS):
        # The sheet is WebKit without the browser's name. On iOS Safari alone takes profiles.
        nameless = "AppleWebKit" in user_agent and "Safari/" not in user_agent
        other = system is System.IOS and any(one in user_agent for one in _OTHER_BROWSERS_OF_IOS)
        in_app = in_app or nameless or other
    if system is System.ANDROID:
        in_app = in_app or "; wv)" in user_agent
    return Device(system, not in_app)


def _system(user_agent: str) -> System:
    words = {
        "iPhone": System.IOS,
        "iPad": System.IOS,
        "iPod": System.IOS,
        "Android": System.ANDROID,
        "Windows": System.WINDOWS,
        "Macintosh": System.MACOS,
        "CrOS": System.CHROMEOS,
        "Linux": System.LINUX,
    }
    return next((system for word, system in words.items() if word in user_agent), System.ANDROID)
