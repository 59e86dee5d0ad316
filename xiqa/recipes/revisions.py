"""The simulators, frozen by hash before any saliency map was scored, and every revision since.

They were developed on seeds from 100 upwards with results of classifiers only; the profiles' seeds were not used.
A test compares the hashes with the code and with the files of a tiny data set. A change of a simulator adds a revision
here, with the results that had been seen before the change.
"""

from typing import NamedTuple


class Frozen(NamedTuple):
    """A revision of a generator.

    code : hash of its code (`xiqa.synthetic.catalogue.code`).
    data : hash of the names and bytes of a tiny data set (`tests/synthetic/test_catalogue.py`): a revision with the
        code of another hash and the data of the same hash changes no image.
    day, why : the date, what changed, and the results that had been seen before.
    """

    code: str
    data: str
    day: str
    why: str


MOVED = "imports moved; data unchanged"

REVISIONS: dict[str, list[Frozen]] = {
    "object_cxr": [
        Frozen(
            "98aa0e5c75378594",
            "5a4c1838bed64318",
            "2026-11-22",
            "first freeze; seen before: histogram, blob and count classifiers, ResNet-34, EfficientNet-B0, on seeds "
            "100 and 101",
        ),
        Frozen("da693844bd37e09d", "5a4c1838bed64318", "2026-11-28", MOVED),
    ],
    "lvot": [
        Frozen(
            "42f3765825f0438a",
            "a05167677a3bb5d5",
            "2026-11-22",
            "first freeze; seen before: histogram and border classifiers, ResNet-50, EfficientNet-B0, with and without "
            "the tract hidden, on seeds 100 to 107",
        ),
        Frozen("cd8222a6c9e16a03", "a05167677a3bb5d5", "2026-11-28", MOVED),
    ],
    "mri": [
        Frozen(
            "de5e0aa4a3f6910e",
            "d095eeaae7450f43",
            "2026-11-22",
            "first freeze; seen before: header, histogram and content classifiers and vggnet3d on seeds 103 to 109",
        ),
        Frozen("c0d6faf96e4178c2", "d095eeaae7450f43", "2026-11-28", MOVED),
    ],
}


def frozen() -> dict[str, str]:
    """Data set -> the current revision of its simulator, in words."""
    return {
        name: f"simulator frozen as {revisions[-1].code} on {revisions[-1].day}, revision {len(revisions)}"
        for name, revisions in REVISIONS.items()
        if revisions
    }
