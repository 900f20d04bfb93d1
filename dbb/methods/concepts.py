"""What DISC :cite:`wu2023disc` measures: environments among the images, a direction of the features for each concept,
and how much the classes tend to it in each environment (Wuyxin/DISC at d9865a8).
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import one_hot

SVM_C, TRAIN_SHARE = 0.1, 0.8


def clusters(
    features: Float[np.ndarray, "N D"],
    correct: Bool[np.ndarray, " N"],
    labels: Int64[np.ndarray, " N"],
    n: int,
    seed: int,
) -> Int64[np.ndarray, " N"]:
    """Return the cluster of each image within its class, 0 to ``n`` - 1: a mixture of Gaussians in the plane of the two
    first principal components of [features, correct]. Of a class of ``n`` images or fewer, each is one.

    Args:
        correct: whether the base model is right.
    """
    joined, found = np.concatenate([features, correct[:, None]], axis=1, dtype=features.dtype), np.empty_like(labels)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) <= n:
            found[members] = np.arange(len(members))
            continue
        plane = PCA(2, random_state=seed).fit_transform(joined[members])
        found[members] = GaussianMixture(n, random_state=seed).fit_predict(plane)
    return found


def environments(
    found: Int64[np.ndarray, " N"], labels: Int64[np.ndarray, " N"], permutations: Int64[np.ndarray, "C E"]
) -> list[Int64[np.ndarray, " _"]]:
    """Return the positions of each environment's images: e has of every class y its cluster ``permutations[y, e]``."""
    return [np.flatnonzero(found == column[labels]) for column in permutations.T]


def concept_vector(features: Float[np.ndarray, "M D"], shows: Bool[np.ndarray, " M"]) -> Float[np.ndarray, " D"]:
    """Return ``C~ = m v / |v|`` of one concept: v is normal to the plane by which a linear support vector machine parts
    the pictures that show it from the others, m the largest of all signed distances to that plane. 0 where v is.
    """
    machine = SVC(C=SVM_C, kernel="linear").fit(features, shows)
    vector = machine.coef_[0]
    length = np.linalg.norm(vector)
    if length == 0:
        return np.zeros_like(features[0])
    margins = (features @ vector + machine.intercept_) / length
    return (margins.max() * vector / length).astype(features.dtype)


def negatives(concept: int, n_concepts: int, n_pictures: int) -> Int64[Tensor, " M"]:
    """Return positions in all pictures, concept by concept, of those that do not show ``concept``: of every other
    n_pictures // n_concepts + 1, drawn with replacement from torch's global generator.
    """
    others = torch.tensor([other for other in range(n_concepts) if other != concept])
    each = others.repeat_interleave(n_pictures // n_concepts + 1)
    return each * n_pictures + torch.randint(n_pictures, (len(each),))


def concept_vectors(features: Float[Tensor, "K n D"]) -> Float[Tensor, "K D"]:
    """Return C~ of K concepts from the features of n pictures of each: of the first 80 %, and of as many `negatives` at
    most, as in the official code also the first, so that late concepts of a large bank are none.
    """
    n_concepts, n_pictures = features.shape[:2]
    n, vectors = int(TRAIN_SHARE * n_pictures), []
    for concept in range(n_concepts):
        others = features.flatten(0, 1)[negatives(concept, n_concepts, n_pictures)[:n]]
        joined = torch.cat([features[concept, :n], others]).numpy()
        vectors.append(concept_vector(joined, np.arange(len(joined)) < n))
    return torch.from_numpy(np.stack(vectors))


def head_gradient(
    features: Float[Tensor, "B D"], labels: Int64[Tensor, " B"], weight: Float[Tensor, "C D"], bias: Float[Tensor, " C"]
) -> tuple[Float[Tensor, "C D"], Float[Tensor, " C"]]:
    """Return the gradient of the mean cross-entropy with respect to a linear head's weight and bias."""
    surplus = (features @ weight.T + bias).softmax(1) - one_hot(labels, len(bias))
    return surplus.T @ features / len(labels), surplus.mean(0)


def tendencies(
    vectors: Float[Tensor, "K D"],
    weight_gradient: Float[Tensor, "C D"],
    bias_gradient: Float[Tensor, " C"],
    rate: float,
) -> Float[Tensor, "K C"]:
    """Return s[k], softmax over the classes of what a step of the head by ``rate`` adds to the logits of C~_k: where an
    environment's gradient leads a class to the concept.
    """
    return (-rate * (vectors @ weight_gradient.T + bias_gradient)).softmax(1)


def concept_probabilities(tendencies: Float[Tensor, "E K C"]) -> Float[Tensor, "C K"]:
    """Return the chances by which each class draws a concept: in proportion to the standard deviation (of a sample) of
    its tendency over the environments; all alike where there is none.
    """
    spread = tendencies.std(0).T
    total = spread.sum(1, keepdim=True)
    return torch.where(total > 0, spread / total, 1 / spread.shape[1])


def mixed(
    images: Float[Tensor, "M 3 S S"], concepts: Float[Tensor, "M 3 S S"], share: Float[Tensor, " M"]
) -> Float[Tensor, "M 3 S S"]:
    """Return lambda x + (1 - lambda) c for each image x, concept picture c and ``share`` lambda."""
    return torch.lerp(concepts, images, share[:, None, None, None])
