"""Figure of single scans with their maps: three planes of the scan, and the map over them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from xiqa import pictures
from xiqa.paper.appendix.explained_mri import PRIMARY
from xiqa.paper.appendix.explained_mri.examples import FAMILIES, Example
from xiqa.saliency.names import METHOD_NAMES

COLUMNS = 2  # scans side by side
ELSEWHERE = 0.45  # opacity of a cross in a plane that does not hold the peak
RIM = 3  # voxels around a mask that is outlined; gaps up to four voxels wide are closed


def saliency(records: pd.DataFrame, examples: Sequence[Example], name: str) -> tuple[Figure, pd.DataFrame, str]:
    """Single scans with their maps, peaks and changed voxels.

    ``records`` has image, label, artifact, artifact_type, contrast and probability of the scans, in the order of the
    examples; ``name`` is that of the training.
    """
    titles = [title(record, example) for (_, record), example in zip(records.iterrows(), examples, strict=True)]
    peaks = [
        dict(zip("xyz", one.peak, strict=True)) | {"hit": one.hit, "distance_mm": one.distance, "chance": one.chance}
        for one in examples
    ]
    about = records[["image", "label", "artifact", "probability"]].reset_index(drop=True)
    caption = (
        f"{METHOD_NAMES[PRIMARY]} for the class artifact, {name}: of each local kind of artifact (at most {FAMILIES}, "
        "those that change least) the test scan of highest probability, and the clean scan of lowest. Outline: changed "
        "voxels, gaps of up to four voxels closed; cross: the maximum of the map, faint in planes that do not hold it. "
        f"{len(examples)} scans."
    )
    return draw(examples, titles), pd.concat([about, pd.DataFrame(peaks)], axis=1), caption


def title(record: pd.Series, example: Example) -> str:
    """Kind and contrast of a scan, probability of an artifact, and whether the map hits."""
    kind = str(record["artifact"] or record["artifact_type"] or "kind not recorded").replace("_", " ")
    if not record["label"]:
        kind = f"clean to the rater (mild {kind})" if record["artifact"] else "clean"
    parts = [f"{kind}, {record['contrast'] or 'contrast not recorded'}", f"p(artifact) = {record['probability']:.2f}"]
    if example.degenerate:
        parts.append("the map is constant")
    elif not np.isnan(example.distance):
        verdict = "hit" if example.hit else f"miss by {example.distance:.0f} mm"
        parts.append(f"{verdict} (chance {100 * example.chance:.0f} %)")
    return "; ".join(parts)


def draw(examples: Sequence[Example], titles: Sequence[str]) -> Figure:
    """Two rows a scan, three planes each: the scan with its outline; the map over it. Two scans side by side."""
    columns = min(COLUMNS, len(examples))
    rows = -(-len(examples) // columns)
    figure = plt.figure(figsize=(4.7 * columns, 3.2 * rows))
    parts = figure.subfigures(rows, columns, squeeze=False).ravel()
    for part, example, text in zip(parts, examples, titles, strict=False):
        axes, volume = part.subplots(2, 3), example.volume
        for row, heat in zip(axes, (None, example.heat), strict=True):
            pictures.planes(row, volume.array, example.spacing, example.planes, heat, letters=volume.oriented)
            _mark(row, example)
        for ax in axes[1]:
            ax.set_title("")
        part.suptitle(text, fontsize=9)
    return figure


def _mark(row: NDArray, example: Example) -> None:
    """Outline the changed voxels in the three planes of a row, and put the cross at the map's maximum."""
    peak, planes, mask = example.peak, example.planes, example.mask
    for normal, (ax, (across, up)) in enumerate(zip(row, ((1, 2), (0, 2), (0, 1)), strict=True)):
        ax.lines[0].set_data([peak[across]], [peak[up]])
        ax.lines[0].set_visible(not example.degenerate)
        ax.lines[0].set_alpha(1.0 if peak[normal] == planes[normal] else ELSEWHERE)
        plane = None if mask is None else mask.take(planes[normal], axis=normal).T
        if plane is not None and plane.any():
            # Without its narrow gaps: stripes and noise would be all outline. The rim closes it at the scan's edge.
            inside = ndimage.binary_closing(np.pad(plane, RIM), iterations=RIM - 1)
            across_at, up_at = (np.arange(side) - RIM for side in inside.shape[::-1])
            ax.contour(across_at, up_at, inside, levels=[0.5], colors=pictures.ANNOTATION, linewidths=0.8)
