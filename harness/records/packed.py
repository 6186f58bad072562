"""Vectors of numbers inside JSON: compressed, and never inflated beyond the length that is expected. Torch-free."""

import base64
import zlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, model_validator

from prunebench.records.validation import Frozen

PICTURES = 10_000_000  # most test pictures of a record
FLOAT16_INFINITY = 0x7C00  # its bits: those of all positive numbers are at most these
Vector = Sequence[float] | NDArray[Any]
DType = Literal["uint8", "uint16", "int64", "float16", "float32", "float64"]


class Packed(Frozen):
    """A numeric vector, little-endian, zlib-compressed, in base64."""

    dtype: DType
    data: str

    @classmethod
    def pack(cls, values: Vector, dtype: DType) -> "Packed":
        """Pack a vector.

        >>> Packed.pack([1, 0, 2], "uint8").unpack(3).tolist()
        [1, 0, 2]
        """
        raw = np.asarray(values).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
        return cls(dtype=dtype, data=base64.b64encode(zlib.compress(raw, 9)).decode())

    def unpack(self, count: int) -> NDArray[Any]:
        """Return the vector, (count,). Raises `ValueError` where it has another length or is damaged.

        A small text can inflate to gigabytes. So inflating stops behind the expected length.
        """
        kind = np.dtype(self.dtype).newbyteorder("<")
        inflater, wanted = zlib.decompressobj(), count * kind.itemsize
        try:
            raw = inflater.decompress(base64.b64decode(self.data, validate=True), wanted + 1)
        except (ValueError, zlib.error):
            raise ValueError("holds no packed numbers") from None
        if len(raw) != wanted or not inflater.eof:
            length = "more" if len(raw) > wanted else len(raw) // kind.itemsize
            raise ValueError(f"holds {length} numbers, not {count}")
        return np.frombuffer(raw, kind)


def _all_positive(values: NDArray[Any]) -> bool:
    """Tell whether no number is negative or not a number."""
    if values.dtype == np.float16 and values.view(np.uint16).max() <= FLOAT16_INFINITY:  # three times as fast
        return True
    return values.dtype.kind == "u" or bool((values >= 0).all())


class PerPicture(Frozen):
    """Results of the fine-tuned network per test picture, in the order of the test split.

    pictures: number of test pictures. predicted: label; loss: in nats; correct: 1 where the label is right, else 0.
    """

    pictures: Annotated[int, Field(ge=1, le=PICTURES)]
    predicted: Packed
    loss: Packed
    correct: Packed
    _right: bytes = PrivateAttr(b"")  # a bit a picture: a report reads it several times, and inflating takes longer

    @classmethod
    def pack(cls, predicted: Vector, loss: Vector, correct: Vector, classes: int = 10) -> "PerPicture":
        """Pack labels, losses and correctness, (pictures,) each."""
        return cls(
            pictures=len(predicted),
            predicted=Packed.pack(predicted, "uint8" if classes <= 256 else "uint16"),
            loss=Packed.pack(loss, "float16"),
            correct=Packed.pack(correct, "uint8"),
        )

    @model_validator(mode="after")
    def _check(self) -> "PerPicture":
        for name in ("predicted", "loss", "correct"):
            try:
                values = getattr(self, name).unpack(self.pictures)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            if not _all_positive(values):
                raise ValueError(f"{name} holds a number that is negative or not a number")
        if self.correct.dtype != "uint8" or values.max() > 1:
            raise ValueError("correct holds other numbers than 0 and 1")
        self._right = np.packbits(values).tobytes()
        return self

    def right(self) -> NDArray[np.int8]:
        """Return 1 for every picture that is classified right, else 0, (pictures,)."""
        right: NDArray[np.int8] = right_by_record([self])[0]
        return right

    @property
    def share_right(self) -> float:
        """The fraction of pictures that are classified right."""
        return int.from_bytes(self._right, "big").bit_count() / self.pictures


def right_by_record(records: Sequence[PerPicture]) -> NDArray[np.int8]:
    """Return 1 for every picture that is classified right, else 0: (records, pictures). All have as many pictures."""
    pictures = records[0].pictures
    bits = np.frombuffer(b"".join(one._right for one in records), np.uint8).reshape(len(records), -1)
    return np.unpackbits(bits, axis=1, count=pictures).view(np.int8)


class DensePerPicture(Frozen):
    """Results of the dense network per test picture, in the order of the test split.

    predicted: label. loss: in nats, kept for two classes alone, where it tells the score of both.
    """

    pictures: Annotated[int, Field(ge=1, le=PICTURES)]
    predicted: Packed
    loss: Packed | None = None

    @model_validator(mode="after")
    def _check(self) -> "DensePerPicture":
        for name, packed in (("predicted", self.predicted), ("loss", self.loss)):
            try:
                values = packed.unpack(self.pictures) if packed else np.zeros(1)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            if not _all_positive(values):
                raise ValueError(f"{name} holds a number that is negative or not a number")
        return self
