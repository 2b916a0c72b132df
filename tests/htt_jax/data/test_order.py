import cloudpickle
import grain

from htt_jax.data import order


def test_it_is_grains_and_goes_to_worker_processes():
    expected = grain.MapDataset.range(40).seed(3).shuffle().repeat(None)
    found = cloudpickle.loads(cloudpickle.dumps(order.shuffled(40, 3)))
    epochs = [[found[place] for place in range(start, start + 40)] for start in (0, 40)]
    assert epochs == [[expected[place] for place in range(start, start + 40)] for start in (0, 40)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert [found[5:][2::3][0], found[7]] == [epochs[0][7]] * 2
