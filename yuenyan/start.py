"""Where `yuenyan` begins: the one command that is over at once, or else all of them."""

from __future__ import annotations

import sys

from yuenyan.headstart import say, takes_utf8


def main() -> None:
    """Run the command line."""
    words = sys.argv[1:]
    if "flows" in words[:3] and "--json" in words and takes_utf8():
        import gc

        gc.disable()  # it is over before there is anything to collect
        from yuenyan.at_once import answer

        document = answer(words, is_last=True)
        if document is not None:
            say(document)
        gc.enable()
    from yuenyan.cli import main as run

    run(is_last=True)


if __name__ == "__main__":
    main()
