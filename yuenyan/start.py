"""Where `yuenyan` begins: the one command that is over at once, or else all of them."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line."""
    words = sys.argv[1:]
    if "flows" in words[:3] and "--json" in words:
        import gc

        gc.disable()  # it is over before there is anything to collect
        from yuenyan.at_once import answer

        document = answer(words)
        if document is not None:
            _print(document)
            return
        gc.enable()
    from yuenyan.cli import main as run

    run()


def _print(document: str) -> None:
    try:
        sys.stdout.write(document + "\n")
        sys.stdout.flush()
    except (OSError, UnicodeEncodeError) as error:
        from yuenyan.cli import end_with

        end_with(error)
    # Nothing is open any more; taking the interpreter apart piece by piece would take a while.
    os._exit(0)


if __name__ == "__main__":
    main()
