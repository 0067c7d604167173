#!/usr/bin/env python3
"""Makes docs/reliability.md from what the tests reported of themselves.

usage: scripts/reliability.py EVIDENCE [--check]

EVIDENCE is a folder that a test run filled, because SHAKEDOWN_EVIDENCE named it: one JSON file for
each promise and test, {"promise": ..., "test": ..., "figures": {name: count}}. The figures were
counted by the tests while they ran; here they are only laid out, with sums.

  --check   write nothing; fail if a promise is no longer shown by any test, if docs/reliability.md
            names other promises or tests than the evidence, or if a count that must be 0 is not
"""

import json
import pathlib
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "reliability.md"

# What is promised, by the name under which tests report it.
PROMISES = {
    "outcomes": "Every attempt ends in exactly one outcome class, and the counts agree with the server's own",
    "rejection": "Every faulty identity, of a client or of a server, is rejected as expected; one wrong acceptance would be found",
    "real-servers": "Against servers that nobody here wrote: the good certificate is accepted, and each faulty one ends in its expected set",
    "resumption": "The resumed share we claim is the share the server logged, in every combination of tickets, cache, mode and version",
    "alert-recovery": "After a failed write the server's alert is still read before the failure is classified",
    "runs-end": "A run ends by duration + grace + 1 s whatever the server does, and each stage by its timeout",
    "signals": "The first Ctrl-C or SIGTERM drains and writes a complete accounting, the second writes at once",
    "self-watch": "A generator that is starved of CPU says so every time, and one that is not never does",
    "results-survive": "A result file is old, new or absent, never half; an error while saving loses no summary",
    "hostile-server": "A hostile server causes no panic, no unbounded memory, no late end and no wrong class",
    "fuzzing": "Arbitrary scenario files, result files, certificates, keys and server bytes cause no panic",
}

# Tests that some machines cannot run, and then say so: without control groups, or never idle.
MAY_BE_ABSENT = {"`cpu_quota`", "`control`"}

# A promise that more tests than this hold gets one row, with their sums.
MANY = 4

# Counts of what must not happen.
MUST_BE_ZERO = {
    "control_flagged", "crashes", "half_files", "late", "lost", "mismatches", "panics", "unflagged",
    "wrong_classes", "wrong_verdicts",
}

HEAD = """# Reliability

What shakedown promises when things go wrong, the tests that show it, and their counts. Every fault is injected, and its test asserts
that it happened. `scripts/reliability.py` makes this page from the output of `scripts/test`:

<!-- not run: takes an hour -->
```sh
scripts/test; scripts/reliability.py target/evidence
```

| Promise | Test | Figures |
|---|---|---|
"""


def read(folder):
    """The evidence by promise and test."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        entry = json.loads(path.read_text())
        found.setdefault(entry["promise"], {})[entry["test"]] = entry["figures"]
    return found


def document(found):
    rows = []
    for promise, text in PROMISES.items():
        tests = sorted(found.get(promise, {}).items())
        if len(tests) > MANY:
            tests = [("`, `".join(test for test, _ in tests), total(figures for _, figures in tests))]
        for number, (test, figures) in enumerate(tests):
            rows.append(row("" if number else text, f"`{test}`", figures))
    return HEAD + "".join(rows)


def total(several):
    """The sums of figures of one name."""
    sums = {}
    for figures in several:
        for name, count in figures.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def row(promise, test, figures):
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in figures.items())
    return f"| {promise} | {test} | {counts} |\n"


def tests_named(text):
    """Every test in the table, in order."""
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return [test for row in rows[2:] for test in row[2].strip().split(", ")]


def complaints(found):
    for promise in PROMISES:
        if promise not in found:
            yield f"no test reported anything about {promise}"
    for promise, tests in found.items():
        if promise not in PROMISES:
            yield f"{promise} is reported by {', '.join(tests)} and not among PROMISES"
        for test, figures in tests.items():
            for name in MUST_BE_ZERO & figures.keys():
                if figures[name] != 0:
                    yield f"{promise}: {test} counted {figures[name]} {name}"


def main(arguments):
    check = "--check" in arguments
    folders = [argument for argument in arguments if argument != "--check"]
    if len(folders) != 1 or not pathlib.Path(folders[0]).is_dir():
        sys.exit(__doc__)
    found = read(pathlib.Path(folders[0]))
    wrong = list(complaints(found))
    text = document(found)
    if check:
        odd = set(tests_named(text)) ^ set(tests_named(DOCUMENT.read_text()))
        wrong += [f"docs/reliability.md and the tests that ran differ in {test}; make it again"
                  for test in sorted(odd - MAY_BE_ABSENT)]
    if wrong:
        sys.exit("\n".join(f"reliability: {line}" for line in wrong))
    if not check:
        DOCUMENT.write_text(text)
        print(f"wrote {DOCUMENT.relative_to(DOCUMENT.parent.parent)}")


if __name__ == "__main__":
    main(sys.argv[1:])
