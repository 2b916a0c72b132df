"""A prepared dataset brought to this host's disk, once."""

import concurrent.futures
import hashlib
import os
import pathlib

from etils import epath

from htt_jax.data import tfrecord
from htt_jax.data.metadata import INFO_FILE, read_metadata
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, fetch
from htt_jax.support.paths import is_bucket, place

_AT_ONCE = 8  # files under way
_DESCRIPTION = (".json", ".txt")  # suffixes of the files beside the shards


def bring(directory: epath.PathLike, into: str | os.PathLike[str]) -> epath.Path:
    """Copies the dataset of `directory` into a folder of its own in `into`, and names that.

    Shards that are there already, whole and with the same checksums, are not copied again. A copy
    that was never finished is no dataset; the same call goes on with it.

    Raises:
        InputError: there is no dataset, one of its shards is damaged, or `into` is in a bucket.
    """
    if is_bucket(into):
        raise InputError(f"config.data.local_copy={into} must be a folder on this host's disk")
    source = place(directory)
    metadata = read_metadata(source)
    shards = [x for split in metadata.shard_lengths for x in metadata.shards(source, split)]
    # Datasets of the same name, from different places, lie side by side.
    mark = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:8]
    folder = pathlib.Path(into, f"{source.name}-{mark}")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool,
        progress.bar(total=len(shards), unit=" shards", label=f"copying to {into}") as bar,
    ):
        for _ in pool.map(lambda shard: _bring_shard(shard, folder), shards):
            bar.update()
    _bring_description(source, folder)
    return place(folder)


def _bring_shard(shard: epath.Path, folder: pathlib.Path) -> None:
    index = tfrecord.stored_index(shard)
    if index is not None and tfrecord.stored_index(folder / shard.name) == index:
        return  # each record is compared with its checksum there whenever it is read
    with atomic_write(folder / shard.name) as file:
        fetch(shard, pathlib.Path(file.name))
        try:
            for _ in tfrecord.read_all(file.name):
                pass
        except InputError as error:  # which names the temporary file
            raise InputError(str(error).replace(file.name, str(shard))) from error
        if index is not None:
            index_file = tfrecord.index_path(shard)
            with atomic_write(folder / index_file.name) as copy:
                copy.write(index_file.read_bytes())


def _bring_description(source: epath.Path, folder: pathlib.Path) -> None:
    """All that is neither shard nor index; last what makes the folder a dataset."""
    found = [x for x in source.iterdir() if x.suffix in _DESCRIPTION and not _is_index(x)]
    for path in sorted(found, key=lambda path: path.name == INFO_FILE):
        with atomic_write(folder / path.name) as copy:
            copy.write(path.read_bytes())


def _is_index(path: epath.Path) -> bool:
    return path.name.endswith(tfrecord.INDEX_SUFFIX)
