"""The thorax is the right way round."""

import numpy as np

from xiqa.synthetic.chest import anatomy


def test_heart_lies_to_the_right_of_the_image_and_the_right_lung_is_larger(films):
    sides, areas = [], []
    for number in range(12):
        streams = [np.random.default_rng([1, number, stream]) for stream in range(2)]
        person = anatomy.subject(streams[0])
        view = person.view(80)
        organs = anatomy.mediastinum(view, person, streams[0])
        level = (view.y > person.dome - 90) & (view.y < person.dome - 10)
        sides.append((view.x * (organs > 0))[level].sum() / (organs > 0)[level].sum())
    for _, film in films:
        areas.append(film.lungs[:, :48].sum() - film.lungs[:, 48:].sum())
    assert np.mean(sides) > 8
    assert min(sides) > 0
    assert np.mean(areas) > 0
