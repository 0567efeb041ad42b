#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Tests docs_code.py on small projects."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import docs_code  # noqa: E402

EXAMPLE = "int main() {\n    first();\n    second();\n    third();\n}\n"


class DocsCode(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.project = pathlib.Path(self.directory.name)
        self.write("examples/one.cpp", EXAMPLE)

    def write(self, name, text):
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def lost(self, markdown):
        self.write("docs/page.md", markdown)
        return docs_code.quotes(self.project)[0]

    def test_a_quotation_that_stands_in_an_example_is_found_whatever_its_indentation(self):
        self.assertEqual(self.lost("```cpp\nfirst();\n  second();\n```\n"), [])

    def test_a_quotation_that_differs_is_named_with_its_line(self):
        self.assertEqual(self.lost("# Title\n\n```cpp\nfirst();\nthird();\n```\n"), [("docs/page.md", 4)])

    def test_a_cut_quotation_keeps_its_order(self):
        self.assertEqual(self.lost("```cpp\nfirst();\n// ...\nthird();\n```\n"), [])
        self.assertEqual(len(self.lost("```cpp\nthird();\n// ...\nfirst();\n```\n")), 1)

    def test_other_languages_are_left_alone(self):
        self.assertEqual(self.lost("```sh\n./dev test\n```\n```\nplain\n```\n"), [])

    def test_every_block_is_looked_at(self):
        self.assertEqual(len(self.lost("```cpp\nfirst();\n```\n\n```cpp\nfourth();\n```\n\n```cpp\nfifth();\n```\n")), 2)

    def test_a_block_with_an_include_becomes_a_file_that_names_its_page(self):
        self.write("README.md", "text\n```cpp\n#include <string>\nint main() {}\n```\n```cpp\nfirst();\n```\n")
        files = docs_code.extract(self.project, self.project / "out")
        self.assertEqual([path.name for path in files], ["README_1.cpp"])
        text = files[0].read_text()
        self.assertIn("README.md\"\n#include <string>\nint main() {}\n", text)
        self.assertTrue(text.startswith("#line 3 "))
        self.assertEqual(docs_code.quotes(self.project)[0], [])

    def test_a_file_that_did_not_change_is_not_written_again(self):
        self.write("README.md", "```cpp\n#include <string>\n```\n")
        path = docs_code.extract(self.project, self.project / "out")[0]
        before = path.stat().st_mtime_ns
        docs_code.extract(self.project, self.project / "out")
        self.assertEqual(path.stat().st_mtime_ns, before)


if __name__ == "__main__":
    unittest.main()
