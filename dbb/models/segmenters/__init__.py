"""Segmenters: find the thing that a prompt names in an image."""

# Names repeated after "as" are passed on; an __all__ would print each twice in the book's reference.
from dbb.models.segmenters.base import Candidates as Candidates
from dbb.models.segmenters.base import Segmenter as Segmenter
from dbb.models.segmenters.choice import load_segmenter as load_segmenter
from dbb.models.segmenters.clipseg import CLIPSegSegmenter as CLIPSegSegmenter
from dbb.models.segmenters.grounded import GroundedSAMSegmenter as GroundedSAMSegmenter
from dbb.models.segmenters.langsam import LangSAMSegmenter as LangSAMSegmenter
