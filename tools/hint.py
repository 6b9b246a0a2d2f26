#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a misspelt word may have meant: prints `; did you mean X?`, or an empty line."""
import argparse
import difflib


def did_you_mean(word, known):
    """`; did you mean X?`, to be put behind a line that refuses the word; nothing where no known word is near."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, 1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="hint.py", description=__doc__)
    parser.add_argument("word", metavar="WORD")
    parser.add_argument("known", metavar="KNOWN", nargs="*")
    options = parser.parse_args()
    print(did_you_mean(options.word, options.known))
