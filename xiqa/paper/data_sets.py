"""The data sets of a run: real folders, or embedded data that are written when a file of theirs is first read."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from xiqa.data.arrays import drawn
from xiqa.data.arrays.images import Prepared
from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.recipes import IMAGES, VOLUMES, Profile
from xiqa.store.digests import folder_digest
from xiqa.store.store import Store
from xiqa.synthetic import catalogue, embedded

NAMES = {"object_cxr": "radiographs", "lvot": "cardiac cine frames", "mri": "brain volumes"}


class DataSet:
    """One data set of a run: a real ``folder``, or embedded data by ``spec`` (None: the profile's).

    ``intensity`` is the scale of brain volumes (None: that of the profile's networks).
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        store: Store,
        folder: Path | None = None,
        spec: dict | None = None,
        intensity: str | None = None,
    ):
        self.name, self.profile, self.store, self.folder = name, profile, store, folder
        self.spec = spec or profile.embedded[name]
        self.intensity = intensity or profile.volumes[0].intensity

    @property
    def stand_in(self) -> bool:
        """Whether the data are simulated."""
        return self.folder is None

    @property
    def on_disk(self) -> bool:
        """Whether all files lie on disk, or are drawn when they are needed."""
        return not self.stand_in or self.spec.get("stored", True)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the files of a real folder, or of what is simulated and by which code."""
        if self.stand_in:
            return catalogue.fingerprint(self.name, self.spec)
        return folder_digest(self.folder, memory=self.store.folder.parent / "hashes.json")

    def root(self, paths: Iterable[str] = ()) -> Path:
        """Folder of the files; embedded data are written now if missing (those drawn when needed: only ``paths``)."""
        if not self.on_disk:
            return embedded.fetch(self.name, self.profile.name, self.spec, paths)
        return embedded.folder(self.name, self.profile.name, self.spec) if self.stand_in else self.folder

    @property
    def size(self) -> int:
        """Side of the networks' input in pixels, for data sets of images."""
        return next(recipe.size for recipe in self.profile.classifiers if recipe.dataset == self.name)

    @property
    def shape(self) -> list[int]:
        """Size (X, Y, Z) of the networks' input in voxels, for brain volumes."""
        return list(self.profile.volumes[0].shape)

    @cached_property
    def prepared(self) -> Path:
        """Store entry of the checked and resized images or volumes."""
        root = {"root": self.root}
        if self.name in IMAGES:
            function, arguments = "prepare_images.prepare", {"unkeyed": root, "size": self.size, "dataset": self.name}
        elif self.on_disk:
            function = "prepare_volumes.prepare_volumes"
            arguments = {"unkeyed": root, "shape": self.shape, "intensity": self.intensity}
        else:
            function = "prepare_volumes.prepare_drawn"
            arguments = {"shape": self.shape, "intensity": self.intensity, "spec": self.spec}
        return self.store.path(f"xiqa.data.{function}", data=self.fingerprint, **arguments)

    @cached_property
    def arrays(self) -> Prepared | PreparedVolumes:
        """Checked and resized images or volumes, with their records."""
        return drawn.read_volumes(self.prepared) if self.name in VOLUMES else Prepared(self.prepared)

    def rescaled(self, intensity: str) -> "DataSet":
        """The same brain volumes on another intensity scale."""
        return DataSet(self.name, self.profile, self.store, self.folder, self.spec, intensity)

    def other_scanner(self) -> "DataSet":
        """The shifted set of an embedded data set: other items, by another scanner."""
        return DataSet(self.name, self.profile, self.store, spec=self.profile.other_scanner(self.name))
