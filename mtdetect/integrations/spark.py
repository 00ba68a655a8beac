"""Apache Spark: scores as one more column of a DataFrame. Needs ``pip install 'mtdetect[spark]'`` (and Java)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from mtdetect.detector import DEFAULT_POINT
from mtdetect.integrations.batch import BatchScorer
from mtdetect.types import SCORE_TYPES
from mtdetect.writers import KEY, score_struct

__all__ = ["score_dataframe"]

_SPARK_TYPES = {"bool": "boolean", "int64": "bigint", "list<string>": "array<string>"}


def score_dataframe(
    df: DataFrame,
    model: str | Path = "fast",
    *,
    point: str = DEFAULT_POINT,
    text_field: str = "text",
    key: str = KEY,
) -> DataFrame:
    """Add the scores of the articles to a DataFrame, lazily; the model is loaded once a task.

    It is done by ``mapInArrow``: on the way through ``mapInPandas``, NaN would become null.

    Parameters
    ----------
    df : DataFrame
        Its rows and their order within a partition stay.
    model, point, text_field, key
        As for `BatchScorer`.

    Returns
    -------
    DataFrame
        With the column `key`, a struct with the fields of `SCORE_TYPES`.

    Raises
    ------
    ValueError
        If there is no column `text_field`, or a column `key` already.
    """
    if text_field not in df.columns:
        raise ValueError(f"no column {text_field!r}: the columns are {', '.join(df.columns)}")
    if key in df.columns:
        raise ValueError(f"the DataFrame has a column {key!r} already")
    scorer = BatchScorer(model, point=point, text_field=text_field, key=key)

    def scored(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        kind = score_struct()
        for batch in batches:
            scores = pyarrow.array(scorer.scores(batch.column(text_field).to_pylist()), kind)
            yield pyarrow.RecordBatch.from_arrays([*batch.columns, scores], [*batch.schema.names, key])

    fields = ", ".join(f"{name}: {_SPARK_TYPES.get(kind, kind)}" for name, kind in SCORE_TYPES.items())
    # StructType.add would change the schema of df itself
    added = cast(StructType, StructType.fromDDL(f"`{key}` struct<{fields}>"))
    schema = StructType([*df.schema.fields, *added.fields])
    return df.mapInArrow(scored, schema)
