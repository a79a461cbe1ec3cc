"""Prints the document: `python -m tools.openapi DESCRIPTORS`, where DESCRIPTORS is what `buf build` wrote."""

import json
import sys
from pathlib import Path

from tools.openapi.document import write_description
from tools.proto_comments import read_comments

comments = read_comments(Path(sys.argv[1]).read_bytes())
print(json.dumps(write_description(comments), indent=1, ensure_ascii=False))
