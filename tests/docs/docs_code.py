#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The C++ in README.md and docs/**/*.md.

    docs_code.py extract <project> <output directory>   writes each block with an #include as a source file, prints
                                                        their names, one a line
    docs_code.py quotes <project>                       each other block must stand in examples/ or tests/, word for
                                                        word apart from its indentation; says which does not

A block is what stands between ```cpp and ```. A line with nothing but `// ...` or `...` cuts a quotation in two: both
parts have to be found in the same file, in this order.
"""

import pathlib
import re
import sys

FENCE = re.compile(r"^(?P<indent>[ \t]*)```(?P<language>[\w+-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```[ \t]*$", re.M | re.S)
CUT = re.compile(r"^\s*(//\s*)?(\.\.\.|…)\s*$")


def pages(project):
    readme = project / "README.md"
    return ([readme] if readme.exists() else []) + sorted((project / "docs").rglob("*.md"))


def blocks(page):
    """(line of the first line of code, code) of each C++ block of a page."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match.group("language") in ("cpp", "c++", "cc"):
            yield text.count("\n", 0, match.start("body")) + 1, match.group("body")


def is_file(code):
    return re.search(r"^\s*#\s*include\b", code, re.M) is not None


def extract(project, output):
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for page in pages(project):
        relative = page.relative_to(project)
        for line, code in blocks(page):
            if is_file(code):
                stem = re.sub(r"\W+", "_", relative.with_suffix("").as_posix())
                target = output / f"{stem}_{len(written) + 1}.cpp"
                # #line makes the compiler name the page, which is where the mistake has to be mended.
                text = f'#line {line} "{page}"\n{code}'
                if not target.exists() or target.read_text(encoding="utf-8") != text:
                    target.write_text(text, encoding="utf-8")
                written.append(target)
    return written


def squeeze(lines):
    return [line.strip() for line in lines if line.strip()]


def parts(code):
    """The block as runs of lines between cuts."""
    runs = [[]]
    for line in code.splitlines():
        if CUT.match(line):
            runs.append([])
        else:
            runs[-1].append(line)
    return [run for run in map(squeeze, runs) if run]


def quoted_in(runs, source):
    position = 0
    for run in runs:
        for start in range(position, len(source) - len(run) + 1):
            if source[start:start + len(run)] == run:
                position = start + len(run)
                break
        else:
            return False
    return True


def quotes(project):
    """The blocks that stand nowhere else: (page, line)."""
    sources = [
        squeeze(path.read_text(encoding="utf-8").splitlines())
        for directory in ("examples", "tests")
        for path in sorted((project / directory).rglob("*.[ch]pp"))
    ]
    lost, count = [], 0
    for page in pages(project):
        for line, code in blocks(page):
            if is_file(code):
                continue
            count += 1
            if not any(quoted_in(parts(code), source) for source in sources):
                lost.append((page.relative_to(project).as_posix(), line))
    return lost, count


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "extract":
        for path in extract(pathlib.Path(arguments[1]), pathlib.Path(arguments[2])):
            print(path)
        return 0
    if len(arguments) == 2 and arguments[0] == "quotes":
        lost, count = quotes(pathlib.Path(arguments[1]))
        for page, line in lost:
            print(f"{page}:{line}: this code stands in no file of examples/ or tests/, so nothing compiles it")
        print(f"{count} quotations, {len(lost)} not found")
        return 1 if lost else 0
    print("usage: docs_code.py extract <project> <output> | quotes <project>", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
