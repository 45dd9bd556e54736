import pytest
import torch

from training.data.drawn import SCENES
from training.data.holes import KINDS
from training.loop.features import vgg16_layers
from training.loop.losses import GANS
from training.loop.step import look, truth_and_fill
from training.networks.layers import Outputs
from training.recipe import Phase
from training.recipes import RECIPES
from training.train import open_features

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
        network = RECIPES[name].network()
    count = sum(p.numel() for p in network.parameters()) / 1e6
    digits = len(str(PUBLISHED[name]).split(".")[1])
    assert round(count, digits) == PUBLISHED[name]


def test_spgnet_paper_recipe_has_two_nets_of_48_million():
    with torch.device("meta"):
        network = RECIPES["spgnet-paper"].network()
    for net in (network.sp_net, network.sg_net):
        millions = round(sum(p.numel() for p in net.parameters()) / 1e6, 1)
        assert 48.0 <= millions <= 48.2


@pytest.mark.parametrize("name", sorted(n for n, r in RECIPES.items() if r.discriminator))
def test_discriminator_takes_what_the_loop_gives_it(name):
    recipe = RECIPES[name]
    settings = recipe.discriminator
    image, hole = torch.zeros(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)
    labels = torch.zeros(1, 128, 128, dtype=torch.long)
    outputs = Outputs([image], [torch.zeros(1, len(recipe.classes), 128, 128)])
    batch = image, hole, labels
    features = None
    if settings.sees == "features":
        features = look(recipe, recipe.phases[-1], 0, open_features(recipe, None), outputs, batch)
    seen = truth_and_fill(recipe, settings, outputs, batch, features)
    network = settings.network()
    for each in seen:
        assert all(scale[-1].shape[1] == 1 for scale in network(each))


@pytest.mark.parametrize("name", sorted(n for n, r in RECIPES.items() if r.classes))
def test_network_predicts_as_many_classes_as_the_recipe_names(name):
    recipe = RECIPES[name]
    with torch.device("meta"):
        network = recipe.network()
    assert network.classes == len(recipe.classes)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_names_holes_scenes_losses_and_layers_that_exist(name):
    recipe = RECIPES[name]
    assert set(recipe.holes) <= set(KINDS)
    assert recipe.drawn is None or recipe.drawn.scenes in SCENES
    assert recipe.discriminator is None or recipe.discriminator.loss in GANS
    assert set(recipe.vgg_layers) <= set(vgg16_layers())


def test_rn_trains_ten_epochs_at_four_fifths_of_the_rate_after_each_but_the_first():
    phases = RECIPES["rn-paper"].phases
    rates = [(phase.learning_rate(0), phase.learning_rate(phase.steps)) for phase in phases]
    expected = [1e-4, 1e-4]
    while len(expected) < 10:
        expected.append(0.8 * expected[-1])
    assert rates == [pytest.approx((rate, rate)) for rate in expected]


#: What each paper's discriminator sees, and how it learns; see the networks' headers.
DISCRIMINATORS = {
    "rn": ("non-saturating", "prediction", False, False, False, 0),
    "isnet": ("hinge", "hole", False, False, False, 0),
    "lama": ("non-saturating", "prediction", False, False, True, 0.001),
    "spgnet": ("hinge", "prediction", False, True, False, 0),
    "sgenet": ("minimax", "prediction", False, False, False, 0),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_are_those_of_the_papers(name):
    settings = RECIPES[f"{name}-paper"].discriminator
    found = (
        settings.loss,
        settings.sees,
        settings.sees_hole,
        settings.sees_classes,
        settings.known_is_real,
    )
    assert (*found, settings.r1) == DISCRIMINATORS[name]


@pytest.mark.parametrize("name", ["pconv", "rn", "isnet", "lama"])
def test_slim_networks_for_photographs_learn_what_trained_features_see(name):
    recipe = RECIPES[f"{name}-photo"]
    assert recipe.features == "efficientnet-lite0"
    assert recipe.losses.perceptual_distance > 0
    assert recipe.losses.features_of == ("composite",)  # known pixels are given
    assert recipe.discriminator.sees == "features"
    assert recipe.discriminator.known_is_real
    assert [phase.adversarial for phase in recipe.phases] == [False, False, True]
    assert recipe.phases[0].learning_rate(0) < recipe.phases[0].learning_rate(200)  # warms up
    for phase in recipe.phases:
        assert phase.size % 32 == 0  # whole cells of the coarsest features
    assert recipe.shift == 32  # every place in a cell


def test_sgenet_weighs_all_scales_alike_and_looks_through_the_papers_layers():
    recipe = RECIPES["sgenet-paper"]
    weights = recipe.losses
    assert weights.known == weights.hole == weights.coarse == 1  # |X - up(Y^l)|, l = 0 to 4
    assert weights.features_of == ("prediction", "coarse")
    assert recipe.vgg_layers == ("relu2_2", "relu3_3", "relu4_3")


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
