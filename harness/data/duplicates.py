"""Find pictures that two splits share: files with the same bytes, and near-duplicates."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from prunebench.data.inspection import nearest, thumbnails
from prunebench.data.looking import digest_of, look
from prunebench.data.streaming import Files

READ_AT_LOAD = 4 * 2**30  # bytes: more would keep a run of a large streamed set from starting


def near_duplicates(train: Files, *others: Files) -> tuple[Tensor, str]:
    """Find training pictures that are alike to a picture of another split, files of the same bytes included.

    Two pictures are alike if their grey thumbnails correlate by `inspection.ALIKE` or more, as in `prunebench data
    check`. All files are read, in this process. Returns the pictures' numbers (k,), and a sentence with their count and
    the first two pairs.
    """
    names = [name.decode(errors="replace") for part in others for name in part.names]
    shown = [thumbnails(look(part.paths())) for part in (train, *others)]
    pairs = nearest(shown[0], torch.cat(shown[1:]), same=False)
    told = [f"{train.names[number].decode(errors='replace')} ~ {names[other]}" for number, other in pairs]
    noun = "training picture has" if len(pairs) == 1 else "training pictures have"
    listed = f": {'; '.join(told[:2])}{'; ...' * (len(told) > 2)}" if told else ""
    numbers = torch.tensor([number for number, _ in pairs], dtype=torch.int64)
    return numbers, f"{len(pairs)} {noun} a near-duplicate in another split{listed}"


def shared_pictures(parts: Mapping[str, Files]) -> list[str]:
    """Say which splits share pictures: one sentence for each pair of splits, with the first two files.

    Only files whose size occurs in two splits are read. Where these are too many, the sentence says so.

    parts: the splits by name.
    """
    found: dict[int, list[tuple[str, str, str]]] = defaultdict(list)  # by size: split, name, path
    for split, part in parts.items():
        for name, path in zip(part.names, part.paths(), strict=True):
            file = Path(path)
            found[file.stat().st_size if file.exists() else 0].append((split, name.decode(errors="replace"), path))
    alike = {size: files for size, files in found.items() if size and len({split for split, *_ in files}) > 1}
    if sum(size * len(files) for size, files in alike.items()) > READ_AT_LOAD:
        root = next(iter(parts.values())).root
        return [f"too many files have equal sizes to compare them here; run: prunebench data check {root}"]
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for files in alike.values():
        _add_pairs(files, list(parts), pairs)
    return [_sentence(*splits, same) for splits, same in pairs.items()]


def _add_pairs(
    files: list[tuple[str, str, str]], order: list[str], pairs: dict[tuple[str, str], list[tuple[str, str]]]
) -> None:
    """Add each picture of a later split once, with the first equal one of an earlier split."""
    first: dict[tuple[bytes, str], str] = {}
    for split, name, path in files:
        digest = digest_of(Path(path).read_bytes())
        for earlier in order[: order.index(split)]:
            if (digest, earlier) in first:
                pairs[split, earlier].append((name, first[digest, earlier]))
        first.setdefault((digest, split), name)


def _sentence(split: str, earlier: str, same: list[tuple[str, str]]) -> str:
    shown = "; ".join(f"{one} = {other}" for one, other in sorted(same)[:2]) + ("; ..." if len(same) > 2 else "")
    noun = "picture has" if len(same) == 1 else "pictures have"
    return f"{len(same)} {split} {noun} the same bytes as one of {earlier}: {shown}"
