"""Ablations: equal conditions for every arm, and runs that are kept."""

import json
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from training import ablations
from training.ablations import ABLATIONS, Ablation, ablate
from training.data.dataset import load_pictures
from training.data.holes import AREA_BINS
from training.data.pictures import Picture
from training.networks.isnet import ISNet
from training.networks.layers import Network
from training.networks.pconv import PConvUNet
from training.networks.rn import RN
from training.networks.sgenet import SGENet
from training.scores.cases import make_cases

SHARES = len(AREA_BINS)


class Watcher(Network):
    """Predicts one learned colour, and keeps what it was trained on."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen
        self.colour = torch.nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, image, hole):
        if self.training:
            self.seen.append((image, hole))
        return self.colour + 0 * image


@pytest.fixture
def watched(monkeypatch):
    """An ablation of two equal arms on crops of 32 px; what each of them saw."""
    seen = {"one": [], "other": []}
    recipe = ABLATIONS["pconv"].recipe
    phase = replace(recipe.phases[0], steps=3, size=32, batch=2, lr=0.1)
    arms = {name: partial(Watcher, batches) for name, batches in seen.items()}
    monkeypatch.setitem(ABLATIONS, "pconv", Ablation(replace(recipe, phases=(phase,)), arms))
    return seen


def test_training_that_diverges_gives_no_result(watched, monkeypatch, pictures, tmp_path):
    class Diverging(Watcher):
        def forward(self, image, hole):
            return super().forward(image, hole) / 0

    ablation = ABLATIONS["pconv"]
    arms = {"one": partial(Diverging, [])}
    monkeypatch.setitem(ABLATIONS, "pconv", replace(ablation, arms=arms))
    with pytest.raises(FloatingPointError, match="loss of step 0 is not finite"):
        ablate("pconv", pictures, tmp_path / "out.json")


def test_every_arm_of_a_seed_sees_the_same_crops_and_holes(watched, pictures, tmp_path):
    runs = ablate("pconv", pictures, tmp_path / "out.json")
    one, other = watched["one"], watched["other"]
    assert len(one) == len(other) == 2 * 3  # seeds, steps
    for mine, theirs in zip(one, other, strict=True):
        assert torch.equal(mine[0], theirs[0])
        assert torch.equal(mine[1], theirs[1])
    assert not torch.equal(one[0][0], one[3][0])  # another seed
    for mine, theirs in zip(runs["one"], runs["other"], strict=True):  # as do their weights
        assert mine["hole dB"] == theirs["hole dB"]
    assert runs["one"][0]["hole dB"] != runs["one"][1]["hole dB"]
    assert np.shape(runs["one"][0]["hole dB"]) == (1, SHARES)  # every twentieth picture


def test_runs_in_the_results_are_not_trained_again(watched, pictures, tmp_path):
    output = tmp_path / "out.json"
    first = ablate("pconv", pictures, output, seeds=1)
    results = json.loads(output.read_text())
    del results["runs"]["other, seed 0"]
    output.write_text(json.dumps(results))
    for batches in watched.values():
        batches.clear()
    again = ablate("pconv", pictures, output, seeds=2)
    assert again["one"][0] == first["one"][0]
    assert (len(watched["one"]), len(watched["other"])) == (3, 6)  # seed 1; seeds 0 and 1


def test_results_of_other_steps_or_of_something_else_are_refused(watched, pictures, tmp_path):
    output = tmp_path / "out.json"
    ablate("pconv", pictures, output, seeds=1)
    before = output.read_bytes()
    with pytest.raises(ValueError, match=r"holds runs with {'steps': 3}, not with {'steps': 4}"):
        ablate("pconv", pictures, output, steps=4)
    assert output.read_bytes() == before
    for content in ("{}", "[]", "no JSON"):
        output.write_text(content)
        with pytest.raises(ValueError, match="holds no results of an ablation"):
            ablate("pconv", pictures, output)


def test_command_prints_both_tables(watched, pictures, tmp_path, monkeypatch, capsys):
    output = str(tmp_path / "out.json")
    arguments = ["pconv", "--data", str(pictures), "--steps", "2", "--seeds", "1", "-o", output]
    monkeypatch.setattr(sys, "argv", ["ablations", *arguments])
    ablations.main()
    printed = capsys.readouterr().out
    assert len(watched["one"]) == 2
    assert "| other less one | +0.00 | +0.00 (+0.00 to +0.00) |" in printed
    assert "| one | 0.00 M |" in printed


def test_class_maps_are_counted_inside_the_hole_of_each_case(pictures):
    class Segmenter(Network):
        """Says class 1 everywhere, of three."""

        def forward(self, image, hole):
            return image

        def segment(self, image, hole):
            return torch.tensor([0.1, 0.8, 0.1])[:, None, None].expand(1, 3, *hole.shape[2:])

    image = load_pictures(pictures, "", validation=True)[0].image
    labels = np.zeros(image.shape[:2], np.uint8)
    labels[:, 45:] = 1
    cases = make_cases([Picture(image, labels)] * 2, 64)
    counts = np.array(ablations.score_network(Segmenter(), cases)["class counts"])
    assert counts.shape == (2, SHARES, 2, 3)
    right = [(case.mask & (case.labels == 1)).sum() for case in cases]
    np.testing.assert_array_equal(counts[:, :, 0, 1].ravel(), right)
    np.testing.assert_array_equal(counts[:, :, 1, 1].ravel(), [case.mask.sum() for case in cases])


@pytest.mark.parametrize("name", ABLATIONS)
def test_arms_are_one_papers_networks_and_learn_from_pixels_alone(name):
    arms = [arm() for arm in ABLATIONS[name].arms.values()]
    kinds = {"sgenet": SGENet, "rn": RN, "pconv": PConvUNet, "isnet": ISNet}
    assert {type(arm) for arm in arms} == {kinds[name]}
    structures = {repr(arm) for arm in arms}
    # equation 7 is no module
    assert len(structures) == len(arms) - (name == "rn")
    recipe = ABLATIONS[name].recipe
    assert recipe.discriminator is None
    assert recipe.losses.perceptual == recipe.losses.style == recipe.losses.adversarial == 0
    assert bool(recipe.classes) == bool(recipe.losses.segmentation) == (name == "sgenet")


def test_variants_of_sgenet_stand_in_the_papers_order():
    arms = ABLATIONS["sgenet"].arms
    sizes = [sum(p.numel() for p in arm().parameters()) for arm in arms.values()]
    assert list(arms) == ["Base-Net", "SG-Net", "SGE-Net"]
    assert sizes == sorted(sizes)


def test_normalisations_end_as_they_are_named():
    arms = {name: arm() for name, arm in ABLATIONS["rn"].arms.items()}
    for name, arm in arms.items():
        assert arm.restore_colours == ("equation 7" in name)
