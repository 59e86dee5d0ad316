import numpy as np
import pytest
from scipy import ndimage

from xiqa.paper import features


def test_a_blob_is_the_strongest_difference_of_gaussians():
    image = np.zeros((160, 160), np.float32)
    image[70:76, 40:46] = 200
    expected = max(
        np.abs(ndimage.gaussian_filter(image, s) - ndimage.gaussian_filter(image, 1.6 * s)).max()
        for s in features.SCALES
    )
    assert features.blob(image) == pytest.approx(expected)
    assert features.blob(np.full((160, 160), 90, np.float32)) == pytest.approx(0, abs=1e-3)
    assert features.blob(image) == pytest.approx(features.blob(255 - image), rel=1e-4)


def test_histograms_are_shares_of_what_networks_see(tmp_path):
    """Two images a split, as the preparation writes them."""
    rng, rows = np.random.default_rng(0), []
    images = rng.integers(0, 256, (2, 32, 32)).astype(np.uint8)
    for split in ("train", "val", "test"):
        np.save(tmp_path / f"{split}.npy", images)
        rows += [f"{split},{i}.png,{name},{i}.png,{i},{i},,32,32" for i, name in enumerate("ab")]
    header = "split,image,unit,path,label,located,annotation,height,width"
    (tmp_path / "records.csv").write_text("\n".join([header, *rows]))
    (tmp_path / "problems.csv").write_text("split,path,line,reason,status,message\n")
    (tmp_path / "notes.txt").write_text("")
    frame = features.histograms(tmp_path, volumes=False)
    bins = [name for name in frame if name.startswith("bin_")]
    assert len(bins) == 32
    assert frame[bins].sum(axis=1).to_numpy() == pytest.approx(1)
    assert frame["bin_00"][0] == (images[0] < 8).mean()
    assert frame["mean"].to_numpy()[:2] == pytest.approx(images.mean(axis=(1, 2)))
    assert frame["unit"].tolist() == list("ab") * 3
