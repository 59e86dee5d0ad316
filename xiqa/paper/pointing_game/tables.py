"""Tables of the pointing game: functions of ``results.read`` that return a frame and its caption."""

from collections.abc import Iterable

import pandas as pd

from xiqa import recipes, saliency
from xiqa.paper.numbers import percent, text
from xiqa.paper.pointing_game import scores
from xiqa.paper.pointing_game.claims import claims
from xiqa.paper.pointing_game.results import LABELS, PointingGame
from xiqa.paper.products import published as published_values
from xiqa.saliency.names import MIDL_ROWS, label, ordered

Games = dict[str, PointingGame]
Missing = dict[str, str]  # data set -> why there is no pointing game on it
Table = tuple[pd.DataFrame, str]
PX = f"{recipes.TOLERANCE} px"
UNIT = f"test images with an object, in percent with 95 % intervals over radiographs or patients, at {PX}"


def smoothing(games: Games, missing: Missing) -> Table:
    """Table 2: the best network, without and with smoothing."""
    table = _methods(games.values())
    for dataset, name in LABELS.items():
        for smoothed, column in ((False, name), (True, f"{name}, smoothed")):
            run = dataset in games
            table[column] = _column(games[dataset].best, table, smoothed) if run else f"not run: {missing[dataset]}"
    table = _below(table, {game.label: game for game in games.values()})
    networks = " and ".join(f"{game.network} on {game.label}" for game in games.values())
    return _named(table), (
        f"Pointing game of the network of the best validation AUC ({networks}), without and with smoothing: "
        f"share of {UNIT}. {_extent(games.values())}"
    )


def states(games: Games, missing: Missing, dataset: str) -> Table:
    """Tables 3 and 4: untrained network, untrained head and trained network, corrected and published program."""
    if dataset not in games:
        return _not_run(missing[dataset]), f"Pointing game on {LABELS[dataset]}: not run."
    game = games[dataset]
    table, published = _methods([game]), game.by_program("published")
    for name, frame in game.states.items():
        last = f"{name} ({frame['seed'].nunique()})"
        table[last] = _column(frame, table, True)
    hits = [scores.score(game.trained, method, True)["mean"] for method in table["method"]]
    table["above chance"] = [percent((hit - game.chance) / (1 - game.chance)) for hit in hits]
    for name in game.states:
        if name in published:
            table[f"{name}, published"] = _column(published[name], table, True)
    table = _printed(_named(_below(table, {last: game})), f"_normgrad_{dataset}", last)
    return table, (
        f"Pointing game of {game.network} on smoothed maps, number of networks in brackets: untrained (FR), pretrained "
        f"backbone with untrained head (SR) and trained (Repeated); share of {UNIT}. Above chance is "
        f"(Repeated - chance) / (1 - chance); published is the published program. {_extent([game])}"
    )


def architectures(games: Games, missing: Missing) -> Table:
    """Table 5: two architectures, the difference of their scores (DoM*), and the agreement of hits (kappa)."""
    table, columns = _methods(games.values()), {}
    for dataset, name in LABELS.items():
        if dataset not in games:
            table[name] = f"not run: {missing[dataset]}"
            continue
        game = games[dataset]
        first = f"{name}: {game.network} ({game.trained['seed'].nunique()})"
        table[first], columns[first] = _column(game.trained, table, True), game
        if game.second is None:
            table[f"{name}: second network"] = f"not run: {game.missing['second']}"
        else:
            dom = [scores.dom(game.trained, game.second, method) for method in table["method"]]
            table[_second(game)] = _column(game.second, table, True)
            table[f"{name}: DoM*"] = [f"{cell['dom']:.3f}" for cell in dom]
            table[f"{name}: difference, 90 %"] = [percent(d["difference"], d["low"], d["high"]) for d in dom]
        kappas = scores.kappas(game.trained, game.second, table["method"])
        for pair, rows in kappas.groupby("comparison", sort=False):
            cells = [text({"mean": row["kappa"], **row}) for row in rows.to_dict("records")]
            table[f"{name}: kappa, {pair}"] = cells
    table = _named(_below(_with_plain_silu(_named(table), games.values()), columns))
    for game in (game for game in games.values() if game.second is not None):
        table = _printed(table, f"_dom_{game.dataset}", f"{game.label}: DoM*", scale=1, digits=3)
    return table, (
        f"Pointing game on smoothed maps by two architectures, number of seeds in brackets: share of {UNIT}. DoM* is "
        "the absolute difference of the mean scores, and kappa the agreement on which images are hit beyond chance (95 "
        "% bootstrap interval); guided methods zero negative output gradients of SiLU, except in the rows 'plain "
        f"SiLU'. {_extent(games.values())}"
    )


def midl(games: Games, missing: Missing) -> Table:
    """MIDL Table 2: validation and test, not smoothed, corrected and published program."""
    if "object_cxr" not in games:
        return _not_run(missing["object_cxr"]), "Pointing game of the MIDL paper: not run."
    game, variant = games["object_cxr"], "published_midl"
    table = pd.DataFrame({"method": ordered(game.methods, MIDL_ROWS)})
    frames = {"validation": game.validation, "test": game.trained}
    published = {"validation": game.published_validation, "test": game.published["Repeated"]}
    frames = {split: frame for split, frame in frames.items() if frame is not None}
    frames |= {f"{split}, published": scores.with_variant(frames[split], published[split], variant) for split in frames}
    for split, frame in frames.items():
        table[split] = _column(frame, table, False, recipes.TOLERANCE_MIDL)
    table["degenerate maps (test)"] = [scores.score(game.trained, m, False)["degenerate"] for m in table["method"]]
    printed = published_values()["midl_2021_normgrad"]
    return _named(table), (
        f"Pointing game of {game.network} ({game.trained['seed'].nunique()} seeds) at {recipes.TOLERANCE_MIDL} px, "
        "not smoothed: share of images with an object in percent, with 95 % intervals over radiographs and seeds. "
        "Published is the program of the MIDL paper with all its defects, and a dash means that all maps are constant. "
        f"The paper prints {100 * printed['value']:.1f} % for the real test split, variant not known "
        f"({printed['source']})."
    )


def programs(game: PointingGame, delta: float) -> pd.DataFrame:
    """Verdicts on the claims: a row a claim, a column a program (corrected, and the names of ``game.variants``).

    All without combined Grad-CAM and with one pretrained backbone, as the published programs have it.
    """
    rows = {"corrected": claims(game, delta, additions=False)}
    rows |= {name: claims(game, delta, name) for name in game.variants}
    columns = {
        name: frame.drop_duplicates("claim").set_index(["claim", "statement"])["verdict on the claim"]
        for name, frame in rows.items()
    }
    return pd.DataFrame(columns).reset_index()


def published_vs_corrected(games: Games, delta: float, missing: Missing) -> Table:
    """Verdicts on the claims by every program; "=" where a program has the verdict of the corrected one."""
    parts = [programs(game, delta).assign(**{"data set": game.label}) for game in games.values()]
    table = pd.concat(parts, ignore_index=True)
    variants = max((game.variants for game in games.values()), key=len)
    same = table[variants].eq(table["corrected"], axis=0)
    table[variants] = table[variants].mask(same, "=").fillna("-")
    defects = "; ".join(f"{name}: {what}" for name, what in saliency.DEFECTS.items() if name in variants)
    reasons = "".join(f"; {LABELS[name]} not run: {reason}" for name, reason in missing.items())
    return table[["data set", "claim", "statement", "corrected", *variants]], (
        f"Verdicts on the papers' claims, smoothed maps at {PX}, by the corrected program, by the published one with "
        "all its defects, and with one defect alone; = is the verdict of the corrected program, and - means that the "
        "defect does not act on these data. Combined Grad-CAM is left out, and there is one pretrained backbone, as in "
        f"the published programs{reasons}. Defects: {defects}."
    )


def baselines(games: Games) -> pd.DataFrame:
    """Scores of baselines without a network, a column a data set; chance is exact and has no interval."""
    cells = {game.label: _baseline_cells(game) for game in games.values()}
    return pd.DataFrame(cells).fillna("-").rename(index=label)


def ceilings(games: Games) -> pd.DataFrame:
    """Grid ceiling of every saliency layer of the primary networks, in percent."""
    table = pd.concat([game.ceilings.assign(**{"data set": game.label}) for game in games.values()], ignore_index=True)
    return table.assign(ceiling=(100 * table["ceiling"]).round(1)).rename(columns={"ceiling": "ceiling %"})


def values(games: Games) -> list[tuple[str, float, str]]:
    """Single numbers that other texts quote: name, value in [0, 1] and meaning."""
    rows = []
    for dataset, game in games.items():
        place, data = ("", "") if dataset == "object_cxr" else (f"{dataset}_", f" ({game.label})")
        for method in (game.best_normgrad, "gradcam", "guided_backprop"):
            hits = scores.score(game.trained, method, True)["mean"]
            rows.append((f"pointing_{place}{method}", hits, f"{label(method)}, {game.network}, smoothed{data}"))
        rows.append((f"pointing_{place}chance", game.chance, f"share of the picture that counts as a hit{data}"))
        ceiling = game.ceiling(smoothed=True)
        rows.append((f"grid_ceiling_{place}last", ceiling, f"grid ceiling of the last layer, smoothed{data}"))
    return rows


def _methods(games: Iterable[PointingGame]) -> pd.DataFrame:
    return pd.DataFrame({"method": ordered(method for game in games for method in game.methods)})


def _column(frame: pd.DataFrame, table: pd.DataFrame, smoothed: bool, tolerance: float | None = None) -> list[str]:
    cells = [scores.score(frame, method, smoothed, tolerance) for method in table["method"]]
    return [percent(cell["mean"], cell["low"], cell["high"]) for cell in cells]


def _baseline_cells(game: PointingGame) -> dict[str, str]:
    rows = scores.baseline_scores(game.baselines)
    return {method: percent(row["mean"], row["low"], row["high"]) for method, row in rows.iterrows()}


def _below(table: pd.DataFrame, columns: dict[str, PointingGame]) -> pd.DataFrame:
    """A row of each baseline below a table; ``columns`` gives the game of each column that has baselines."""
    cells = {column: _baseline_cells(game) for column, game in columns.items()}
    rows = pd.DataFrame(cells, index=list(dict.fromkeys(method for values in cells.values() for method in values)))
    return pd.concat([table, rows.rename_axis("method").reset_index()], ignore_index=True).fillna("-")


def _printed(table: pd.DataFrame, quantity: str, column: str, scale: float = 100, digits: int = 1) -> pd.DataFrame:
    """A row of each value of ``published.toml`` that ends in ``quantity``, with its source, below a table."""
    rows = [
        {"method": f"NormGrad, as printed ({entry['source']})", column: f"{scale * entry['value']:.{digits}f}"}
        for name, entry in published_values().items()
        if name.endswith(quantity)
    ]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True).fillna("-")


def _with_plain_silu(table: pd.DataFrame, games: Iterable[PointingGame]) -> pd.DataFrame:
    """Rows of the guided methods with the plain gradient of SiLU below a table."""
    columns = {_second(game): game.plain_silu for game in games if game.plain_silu is not None}
    rows = pd.DataFrame({"method": pd.concat(columns.values())["method"].unique() if columns else []})
    rows = rows.assign(**{column: _column(frame, rows, True) for column, frame in columns.items()})
    rows["method"] = [f"{label(method)}, plain SiLU" for method in rows["method"]]
    return pd.concat([table, rows], ignore_index=True).fillna("-")


def _second(game: PointingGame) -> str:
    return f"{game.label}: {game.other} ({game.second['seed'].nunique()})"


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(method=table["method"].map(label))


def _not_run(reason: str) -> pd.DataFrame:
    return pd.DataFrame({"not run": [f"not run: {reason}"]})


def _extent(games: Iterable[PointingGame]) -> str:
    """Images, units, chance and grid ceiling of every data set, as one sentence."""
    parts = []
    for game in games:
        images, units = (game.trained[name].nunique() for name in ("image", "unit"))
        patients = f" of {units} patients (untrained networks: the first of each)" if units < images else ""
        plain, smoothed = (percent(game.ceiling(value)) for value in (False, True))
        parts.append(
            f"{game.label}: {images} images{patients} at {game.size} px, chance {percent(game.chance)} %, grid ceiling "
            f"of the last layer {plain} % and {smoothed} % smoothed"
        )
    return f"{'; '.join(parts)}." if parts else ""
