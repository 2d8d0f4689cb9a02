"""Index the words of a tree of source files: for each word, in how many files it occurs.

    wordindex.py TREE OUTPUT

It keeps every file's text until it has read them all, which takes memory, and then splits them, which takes CPU time.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

tree, output = Path(sys.argv[1]), Path(sys.argv[2])
files = [path for path in sorted(tree.rglob("*.go")) if path.is_file()]
texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
words: Counter[str] = Counter()
for text in texts:
    words.update(set(re.findall(r"[A-Za-z_][A-Za-z_0-9]+", text)))
output.write_text(json.dumps(words), encoding="utf-8")
