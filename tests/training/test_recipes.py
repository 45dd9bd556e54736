import pytest

from training.recipes import RECIPES


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_is_filed_under_its_own_name(name):
    assert RECIPES[name].name == name
    assert RECIPES[name].steps > 0
