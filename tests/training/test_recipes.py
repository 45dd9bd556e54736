import pytest
import torch

from training.drawn import SCENES
from training.masks import KINDS
from training.recipe import Phase
from training.recipes import RECIPES

#: Millions of parameters, as the papers or the rebuilt layer tables have them.
PUBLISHED = {
    "pconv-paper": 25.78,
    "rn-paper": 11.60,
    "isnet-paper": 24.774,
    "lama-paper": 27.05,
    "sgenet-paper": 48.0,
}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_is_filed_under_its_own_name(name):
    assert RECIPES[name].name == name


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_paper_recipe_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        network = RECIPES[name].build()
    count = sum(p.numel() for p in network.parameters()) / 1e6
    digits = len(str(PUBLISHED[name]).split(".")[1])
    assert round(count, digits) == PUBLISHED[name]


def test_spgnet_paper_recipe_has_two_nets_of_48_million():
    with torch.device("meta"):
        network = RECIPES["spgnet-paper"].build()
    for net in (network.sp_net, network.sg_net):
        millions = round(sum(p.numel() for p in net.parameters()) / 1e6, 1)
        assert 48.0 <= millions <= 48.2


@pytest.mark.parametrize("name", sorted(n for n, r in RECIPES.items() if r.discriminator))
def test_discriminator_takes_what_the_loop_gives_it(name):
    recipe = RECIPES[name]
    channels = 4 + (len(recipe.classes) if recipe.discriminate_maps else 0)
    with torch.device("meta"):
        scores = recipe.discriminator()(torch.zeros(1, channels, 128, 128))
    assert scores[0][-1].shape[1] == 1


@pytest.mark.parametrize("name", sorted(n for n, r in RECIPES.items() if r.classes))
def test_network_predicts_as_many_classes_as_the_recipe_names(name):
    recipe = RECIPES[name]
    with torch.device("meta"):
        network = recipe.build()
    assert network.classes == len(recipe.classes)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_names_holes_and_scenes_that_exist(name):
    recipe = RECIPES[name]
    assert set(recipe.holes) <= set(KINDS)
    assert recipe.drawn is None or recipe.drawn.scenes in SCENES


def test_learning_rate_falls_along_half_a_cosine():
    phase = Phase(steps=10, size=32, batch=1, lr=1.0, lr_end=0.2)
    assert phase.learning_rate(0) == 1.0
    assert phase.learning_rate(5) == pytest.approx(0.6)
    assert phase.learning_rate(10) == pytest.approx(0.2)


def test_phases_follow_each_other():
    recipe = RECIPES["pconv-smoke"]
    assert [recipe.phase_at(step) for step in (0, 5, 6, 7)] == [(0, 0), (0, 5), (1, 0), (1, 1)]
    with pytest.raises(ValueError, match="ends before"):
        recipe.phase_at(8)
