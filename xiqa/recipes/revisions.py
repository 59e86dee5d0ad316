"""The simulators, frozen by hash before any saliency map was scored, and every revision since.

They were developed on seeds from 100 upwards, looking at classifiers only; the profiles' seeds were not looked at.
A test compares the hashes with the code. Who changes a simulator adds a line here and says what had been looked at.
"""

from typing import NamedTuple


class Frozen(NamedTuple):
    """Code of a generator (`xiqa.synthetic.catalogue.code`), the day, and what changed after having looked at what."""

    code: str
    day: str
    why: str


REVISIONS: dict[str, list[Frozen]] = {
    "object_cxr": [
        Frozen(
            "98aa0e5c75378594",
            "2026-11-22",
            "first freeze; looked at: histogram, blob and count classifiers, ResNet-34, EfficientNet-B0, on seeds 100 "
            "and 101",
        ),
    ],
    "lvot": [
        Frozen(
            "42f3765825f0438a",
            "2026-11-22",
            "first freeze; looked at: histogram and border classifiers, ResNet-50, EfficientNet-B0, with and without "
            "the tract hidden, on seeds 100 to 107",
        ),
    ],
    "mri": [
        Frozen(
            "de5e0aa4a3f6910e",
            "2026-11-22",
            "first freeze; looked at: header, histogram and content classifiers and vggnet3d on seeds 103 to 109",
        ),
    ],
}


def frozen() -> dict[str, str]:
    """Data set -> its simulator as it is frozen now, in words."""
    return {
        name: f"simulator frozen as {revisions[-1].code} on {revisions[-1].day}, revision {len(revisions)}"
        for name, revisions in REVISIONS.items()
        if revisions
    }
