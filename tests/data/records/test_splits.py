from dataclasses import dataclass
from pathlib import Path

import pytest

from xiqa.data.records.splits import Split, draw_validation, leave_out_units


@dataclass(frozen=True)
class Record:
    path: Path
    unit: str
    label: int


ROOT = Path("/data")


def split(name, units):
    records = [Record(ROOT / f"{name}{k}", unit, label) for k, (unit, label) in enumerate(units)]
    return Split(ROOT, name, ROOT / "table", records)


def units(records):
    return {record.unit for record in records}


@pytest.mark.parametrize(
    ("positive", "negative", "most", "drawn"), [(16, 40, None, 7), (16, 40, 3, 5), (1, 2, None, 1)]
)
def test_an_eighth_of_either_class_is_drawn_by_unit(positive, negative, most, drawn):
    # Positive units also have a negative record.
    rows = [(f"p{k}", label) for k in range(positive) for label in (0, 1)] + [(f"n{k}", 0) for k in range(negative)]
    train = split("train", rows)
    val = draw_validation(train, "unit", most)
    assert len(units(val)) == drawn
    assert not units(val) & units(train)
    assert len(val) + len(train) == len(rows)
    assert units(draw_validation(split("train", reversed(rows)), "unit", most)) == units(val)


def test_a_unit_stays_in_its_last_split_only():
    dataset = {
        "train": split("train", [("a", 0), ("b", 1), ("c", 1)]),
        "val": split("val", [("b", 0), ("d", 1)]),
        "test": split("test", [("c", 0), ("d", 1), ("d", 0)]),
    }
    leave_out_units(dataset, lambda record: record.unit, "patient", "shared")
    assert {name: sorted(units(records)) for name, records in dataset.items()} == {
        "train": ["a"], "val": ["b"], "test": ["c", "d"],
    }  # fmt: skip
    assert [problem.reason for problem in dataset["train"].problems] == ["shared", "shared"]
    (problem,) = dataset["val"].problems
    assert problem.message == (
        "val1 is of the same patient as test1 (test) and is left out of val: keep a patient in one split only"
    )
