"""What the classifier is given of a picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputFormat:
    """What the classifier is given of a picture.

    Attributes:
        size: px, of the input.
        mean, std: normalisation per channel, for RGB in 0..1.
        margin: pictures are read at ``size + margin`` px; the input is their centre, as in Resize(256),
            CenterCrop(224).
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    margin: int = 0

    @property
    def read_size(self) -> int:
        """px at which pictures are read."""
        return self.size + self.margin
