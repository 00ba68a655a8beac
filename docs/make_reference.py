"""Build the API reference as HTML: python -W error docs/make_reference.py FOLDER."""

import sys
from pathlib import Path

import pdoc

import mtdetect

MODULES = [
    *("detector", "types", "categories", "scored", "plots", "report", "corpus", "text", "residue", "pages"),
    *("filter", "summary", "roundtrip", "engines", "corrupt", "train", "tune", "evaluate", "classifier"),
    *("accurate", "train_accurate", "intervals"),
    *("matrix", "probes", "reliability"),
    *("integrations", "integrations.batch", "integrations.datatrove", "integrations.spark"),
]

if __name__ == "__main__":
    for name in mtdetect.__all__:
        getattr(mtdetect, name)  # they are imported when they are used, and pdoc looks without using them
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc("mtdetect", *(f"mtdetect.{name}" for name in MODULES), output_directory=Path(sys.argv[1]))
