"""Recordings for the rerun viewer, read back."""

import collections

import pyarrow as pa
from rerun.chunk import RrdReader


def read(path):
    """Rows by entity and component, as they were logged."""
    columns = collections.defaultdict(list)
    for chunk in RrdReader(str(path)).stream().to_chunks():
        batch = chunk.to_record_batch()
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_temporal(column.type):
                column = column.cast(pa.int64())  # nanoseconds
            columns[chunk.entity_path, name.split(":")[-1]] += column.to_pylist()
    return columns
