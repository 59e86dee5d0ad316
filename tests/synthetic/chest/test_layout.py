"""Designated objects have a place over the lungs and one clear of them."""

import numpy as np

from xiqa.synthetic.chest import annotate, compose, designated, layout, objects, placement


def test_designated_objects_have_two_places_and_no_two_objects_overlap():
    for subject in range(6):
        shown = compose.scene(1, subject, 64)
        assert sum(one.designated for one in shown.laid) <= designated(1, subject)
        places = [one.clear for one in shown.laid] + [one.lung for one in shown.laid if one.designated]
        masks = [annotate.silhouette(placed, 64, 2) for placed in places]
        assert np.mean(np.sum(masks, axis=0)[np.any(masks, axis=0)] > 1) < 0.1
        for one in shown.laid:
            assert one.at(0) is one.clear
            assert one.at(1) is (one.lung or one.clear)
            assert not one.designated or one.lung.visible()


def test_a_film_with_hardly_any_lung_still_shows_an_object_over_it():
    shown = compose.scene(0, 0, 64)
    small = np.zeros_like(shown.body.lungs)
    small[60:66, 40:46] = True
    ground = placement.Ground(shown.chain, small, shown.body.near, np.zeros_like(shown.support), shown.fine)
    laid = layout.lay(objects.things(0, 0), 1, ground, np.random.default_rng(0))
    assert sum(one.designated for one in laid) == 1
    assert annotate.silhouette(next(one.at(1) for one in laid if one.designated), 64, 2)[30:33, 20:23].any()
