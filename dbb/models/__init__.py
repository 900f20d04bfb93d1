"""The models that the method uses: the classifier, the inpainting pipeline, tokens, segmenters, the oracle."""
