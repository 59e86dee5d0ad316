import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import answers, referral

PREVALENCE = 0.02


def records(split, clean, artifacts, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat([0, 1], [clean, artifacts]))
    subject = [f"{split}-{i // 2}" for i in range(len(label))]
    return pd.DataFrame({"image": [f"{i}" for i in range(len(label))], "subject": subject, "label": label})


def sampled(folder, frame, gain=2.0, samples=20, flips=False, seed=1):
    """Made-up samples: noisy logits around a value that depends on the label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    z = gain * (2 * frame["label"].to_numpy() - 1) + rng.normal(size=len(frame))
    softmax = lambda z: np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], -1).astype(np.float32)  # noqa: E731
    noise = 1 / (0.5 + np.abs(z))
    np.save(folder / "plain.npy", softmax(z))
    np.save(folder / "mc.npy", softmax(z + noise * rng.normal(size=(samples, len(z)))))
    if flips:
        np.save(folder / "flips.npy", softmax(z + noise * rng.normal(size=(8, len(z)))))
        np.save(folder / "flips_mc.npy", softmax(z + noise * rng.normal(size=(8, 3, len(z)))))
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root, sides = tmp_path_factory.mktemp("samples"), {}
    for seed, (split, sizes) in enumerate({"val": (120, 30), "test": (240, 60)}.items()):
        frame = records(split, *sizes, seed)
        sides[split] = answers.answers(sampled(root / split, frame, flips=True, seed=seed), frame)
    return sides["val"], sides["test"], enriched.EnrichedTestSet(sides["test"], PREVALENCE, draws=200)


def way_of(study, column="mutual_information"):
    val, test, test_set = study
    theta = uncertainty.youden(val["label"], val["probability"])
    return referral.referral(test_set, val, test, column, theta, 0.10, column)


def test_answers_stand_beside_the_records(study, tmp_path):
    val, test, _ = study
    assert {"image", "subject", "label", "plain", *uncertainty.METRICS, "flip_probability"} <= set(test.columns)
    assert len(val) == 150
    assert not val.isna().any().any()
    without = answers.answers(sampled(tmp_path, val[["label"]]), val[["label"]])
    assert not any(column.startswith(("flip_", "both_")) for column in without)


def test_samples_in_all_orientations_are_pooled_and_their_variance_is_split(tmp_path):
    frame = records("val", 20, 10)
    folder = sampled(tmp_path, frame, flips=True)
    predictions, p = answers.answers(folder, frame), np.load(folder / "flips_mc.npy").astype(float)
    assert predictions["both_probability"].to_numpy() == pytest.approx(p[..., 1].mean(axis=(0, 1)))
    assert predictions["both_within"].to_numpy() == pytest.approx(p[..., 1].var(axis=1).mean(axis=0))
    assert (predictions["both_within"] + predictions["both_between"]).to_numpy() == pytest.approx(
        predictions["both_variance"].to_numpy()
    )


def test_decisions_carry_the_prevalence(study):
    _, test, test_set = study
    flagged = test["plain"].to_numpy() > 0.5
    values = test_set.decide(flagged)
    assert values["f1"][0] == pytest.approx(sk.f1_score(test_set.labels, flagged, sample_weight=test_set.weight))
    assert test_set.weight[test_set.labels == 1].sum() / test_set.weight.sum() == pytest.approx(PREVALENCE)
    assert all(len(own) == 201 for own in values.values())


class TestRefer:
    def test_shares_by_hand(self):
        frame = pd.DataFrame({"label": [0, 0, 1, 1], "subject": list("abcd")})
        test_set = enriched.EnrichedTestSet(frame, prevalence=0.5, draws=5)
        flagged, kept = np.array([False, True, True, False]), np.array([1, 1, 1, 0])
        values = {name: own[0] for name, own in test_set.refer(flagged, kept).items()}
        expected = {
            "retained": 0.75, "caught": 0.5, "referred": 0.5, "missed": 0, "accuracy_kept": 2 / 3, "f1_kept": 2 / 3,
            "f1_all": 2 / (2 + 1 + 1), "dffmr": 0.25 + 0.5, "udm": 0, "udd": 0.25,
        }  # fmt: skip
        assert values == pytest.approx(expected)

    def test_every_artifact_is_caught_referred_or_missed(self, study):
        test_set, way = study[2], way_of(study)
        values = test_set.refer(way.flagged, way.kept)
        whole = values["caught"] + values["referred"] + values["missed"]
        assert whole == pytest.approx(np.ones(201))

    def test_it_agrees_with_the_decisions(self, study):
        _, test, test_set = study
        way = way_of(study)
        decisions = uncertainty.refer(test["probability"], test["mutual_information"], way.theta, way.eta)
        values = test_set.refer(way.flagged, way.kept)
        for name in ("dffmr", "udm"):
            assert 100 * values[name][0] == pytest.approx(
                getattr(metrics, name)(test_set.labels, decisions, test_set.weight)
            )

    def test_a_share_kept_at_random_is_the_mean_of_many_draws(self, study):
        test_set, rng = study[2], np.random.default_rng(0)
        flagged = study[1]["probability"].to_numpy() > 0.5
        small = enriched.EnrichedTestSet(study[1], PREVALENCE, draws=1)
        drawn = [small.refer(flagged, rng.random(300) < 0.7)["missed"][0] for _ in range(800)]
        assert test_set.refer(flagged, np.full(300, 0.7))["missed"][0] == pytest.approx(np.mean(drawn), abs=0.005)

    def test_keeping_everything_is_no_referral(self, study):
        _, test, test_set = study
        values = test_set.refer(test["probability"] > 0.5, np.ones(300))
        decided = test_set.decide(test["probability"] > 0.5)
        assert values["f1_kept"] == pytest.approx(decided["f1"])
        assert values["f1_all"] == pytest.approx(decided["f1"])
        assert values["caught"] == pytest.approx(decided["sensitivity"])


def test_a_tenth_of_validation_is_reviewed(study):
    val, _, test_set = study
    weights = metrics.prevalence_weights(val["label"], test_set.prevalence)
    way = way_of(study)
    share = weights[(val["mutual_information"] >= way.eta).to_numpy()].sum() / weights.sum()
    assert 0.05 < share <= 0.10 + 1e-9


def test_baselines_refer_no_more_than_the_budget(study):
    _, test, test_set = study
    for baseline in referral.baselines(test_set, test, 0.5, 0.2):
        retained = test_set.refer(baseline.flagged, baseline.kept)["retained"][0]
        assert 0.8 - 1e-9 <= retained < 0.82
    by_p = referral.baselines(test_set, test, 0.5, 0.2)[0]
    assert test["probability"][~by_p.kept].min() > test["probability"][by_p.kept].max()


def test_an_ensemble_is_decomposed_as_samples_are():
    about = pd.DataFrame({"label": [0, 1], "subject": ["s", "t"]})
    both = referral.ensemble([about.assign(plain=[0.2, 0.9]), about.assign(plain=[0.4, 0.1])])
    assert both["plain"].tolist() == both["probability"].tolist() == pytest.approx([0.3, 0.5])
    assert both["mutual_information"].iloc[1] == pytest.approx(np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert both["subject"].tolist() == ["s", "t"]
