"""Segmenters: find the thing that a prompt names in an image."""

# Names repeated after "as" are passed on; an __all__ would print each twice in the book's reference.
from dbb.segmenters.base import Candidates as Candidates
from dbb.segmenters.base import Segmenter as Segmenter
from dbb.segmenters.choice import load_segmenter as load_segmenter
from dbb.segmenters.clipseg import CLIPSegSegmenter as CLIPSegSegmenter
from dbb.segmenters.grounded import GroundedSAMSegmenter as GroundedSAMSegmenter
from dbb.segmenters.langsam import LangSAMSegmenter as LangSAMSegmenter
