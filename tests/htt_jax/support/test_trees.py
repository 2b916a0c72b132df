from htt_jax.support import trees

TREE = {"params": {"conv": {"kernel": 1, "bias": 2}, "token": 3}, "step": [4]}
FLAT = {"params/conv/kernel": 1, "params/conv/bias": 2, "params/token": 3, "step": [4]}


def test_leaves_are_named_by_the_way_to_them_in_order():
    assert list(trees.flatten(TREE).items()) == list(FLAT.items())
    assert trees.flatten(TREE["params"], ".") == {"conv.kernel": 1, "conv.bias": 2, "token": 3}


def test_there_and_back_is_the_same_tree():
    assert trees.unflatten(trees.flatten(TREE)) == TREE
    assert trees.unflatten({}) == trees.flatten({}) == {}
