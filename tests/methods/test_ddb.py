"""The paper's method by the protocol: eq. 8 on what was kept, from the base model."""

from dataclasses import replace

import pytest
import torch
from standins import bright_and_dark
from torch.nn.functional import cross_entropy

from dbb.errors import InputError
from dbb.methods.ddb import METHOD, Settings
from dbb.methods.given import Given
from dbb.methods.method import WORST_GROUP
from dbb.training import Batch


def of(few, **how) -> Settings:
    return replace(Settings(**vars(few.retraining)), **{"epochs": 2, "batch_size": 16, **how})


def test_the_base_model_is_trained_on_with_eq_8_on_what_was_kept(given, few, monkeypatch):
    this, kept, seen = given(METHOD.uses, rules=METHOD.rules), bright_and_dark(20, 5), {}
    monkeypatch.setattr(
        Given, "fit", lambda self, model, loss, settings, **how: seen.update(how, model=model, loss=loss)
    )
    METHOD.train(replace(this, kept=kept), of(few, weight=0.5, gammas=(2.0, 6.0)))
    examples, logits = seen["examples"], torch.randn(90, 2)
    assert torch.equal(examples.part, torch.cat([torch.zeros(70).long(), 1 + torch.from_numpy(kept.labels)]))
    assert examples.labels.tolist() == [*this.labels, *kept.labels]
    batch = Batch(torch.zeros(90, 3, 16, 16), examples.labels, examples.part, torch.arange(90))
    losses = cross_entropy(logits, batch.labels, reduction="none")
    expected = sum(w * losses[batch.part == p].mean() for p, w in enumerate((1.0, 1.0, 3.0)))
    assert seen["loss"](lambda images: logits, batch).item() == pytest.approx(expected.item(), rel=1e-6)
    base = this.base_model.state_dict()
    assert all(torch.equal(value, base[name]) for name, value in seen["model"].state_dict().items())
    assert seen["measured"] == {f"into class {y}": int((kept.labels == y).sum()) for y in (0, 1)}


def test_the_weight_multiplies_the_gammas(given, few):
    this = replace(given(METHOD.uses, rules=METHOD.rules), kept=bright_and_dark(20, 5))
    halved = METHOD.train(this, of(few, weight=0.5, gammas=(2.0, 6.0))).weights[WORST_GROUP]
    plain = METHOD.train(this, of(few, weight=1.0, gammas=(1.0, 3.0))).weights[WORST_GROUP]
    full = METHOD.train(this, of(few, weight=1.0, gammas=(2.0, 6.0))).weights[WORST_GROUP]
    assert all(torch.equal(value, plain[name]) for name, value in halved.items())
    assert not torch.equal(halved["head.weight"], full["head.weight"])


def test_without_pictures_it_says_what_to_run(given, few):
    with pytest.raises(InputError, match="run the stages up to pruning first"):
        METHOD.train(given(METHOD.uses), of(few))
