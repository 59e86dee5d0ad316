import pytest

from xiqa.data.records.patients import recognise


def patients(names):
    how, patient = recognise(names)
    return how.split(" (")[0], {split: [patient(name) for name in some] for split, some in names.items()}


def test_a_folder_for_each_patient():
    names = {"train": ["images/p1/a_0.png", "images/p1/b_1.png", "images/p2/a_0.png"], "test": ["images/p3/a_0.png"]}
    how, recognised = patients(names)
    assert how == "the folder they lie in"
    assert recognised == {"train": ["p1", "p1", "p2"], "test": ["p3"]}


@pytest.mark.parametrize("folder", ["", "images/"])
@pytest.mark.parametrize("mark", ["_", "-"])
def test_the_stem_up_to_the_frame_number(folder, mark):
    names = {"train": [f"{folder}p_1{mark}f01.png", f"{folder}p_2{mark}f01.png"], "test": [f"{folder}p_3{mark}f9.jpg"]}
    how, recognised = patients(names)
    assert how == "the file name up to its last _ or -"
    assert recognised == {"train": ["p_1", "p_2"], "test": ["p_3"]}


def test_one_patient_alone():
    assert patients({"test": ["p1_0.png", "p1_1.png"]})[1] == {"test": ["p1", "p1"]}


def test_the_stem_itself():
    how, recognised = patients({"train": ["images/1.png", "images/2.png"], "test": ["images/3.png"]})
    assert how == "nothing"
    assert recognised == {"train": ["1", "2"], "test": ["3"]}


@pytest.mark.parametrize(
    "name",
    [
        "{split}/{number}.png",
        "{split}_{number}.png",
        "frame_{number}.png",
        "{kind}/{number}.png",
        "{kind}_{number}.png",
    ],
)
def test_names_of_splits_and_classes_are_no_patients(name):
    numbers = {"train": range(6), "val": range(6, 9), "test": range(9, 12)}
    names = {
        split: [name.format(split=split, number=n, kind=("good", "lvot")[n % 2]) for n in some]
        for split, some in numbers.items()
    }
    how, recognised = patients(names)
    assert how == "nothing"
    assert len({patient for some in recognised.values() for patient in some}) == 12


def test_the_same_stem_in_two_folders_is_two_images():
    recognised = patients({"train": ["train/1.png", "train/2.png"], "test": ["test/1.png"]})[1]
    assert recognised["train"][0] != recognised["test"][0]


def test_many_patients_in_two_splits_are_a_leak_and_not_a_mistake():
    recognised = patients({"train": [f"p{n}_0.png" for n in range(5)], "test": [f"p{n}_1.png" for n in range(5)]})[1]
    assert recognised["train"] == recognised["test"] == [f"p{n}" for n in range(5)]


def test_an_image_beside_the_folders_is_its_own():
    names = {"train": ["a.png", "p1/1.png", "p2/1.png", "p3/1.png"], "test": ["p4/1.png"]}
    assert patients(names)[1]["train"] == ["a", "p1", "p2", "p3"]


def test_nothing_listed():
    assert recognise({"train": []})[1]("a.png") == "a"
