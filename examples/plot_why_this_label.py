"""
Why this label?
===============

Three cultivars of wine, told apart by thirteen measurements. For a wine that is clear, one that is
doubtful and one that is mistaken: how near are the prototypes, which known wines are its
neighbours, and which measurements turn it towards its label?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patheffects import withStroke
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Three wines to explain
# ----------------------
# The margin is the cosine with the prototype of the label less that with the nearest other: what a
# label hangs by. Double precision is for the check below.

wine = load_wine()
X_train, X_test, y_train, y_test = train_test_split(
    wine.data, wine.target, test_size=0.6, stratify=wine.target, random_state=0
)
clf = HypersphericalPrototypeClassifier(dtype="float64", random_state=0).fit(X_train, y_train)
print(f"accuracy {clf.score(X_test, y_test):.3f} on {len(y_test)} wines not trained on")

z_test = clf.transform(X_test)
cosines = z_test @ clf.prototypes_.T
ranked = np.sort(cosines, axis=1)
margin, right = ranked[:, -1] - ranked[:, -2], clf.predict(X_test) == y_test
by_margin = np.argsort(margin)
chosen = {
    "clear": by_margin[right[by_margin]][-1],
    "doubtful": by_margin[right[by_margin]][0],
    "mistaken": by_margin[~right[by_margin]][0],
}

# %%
# Which prototypes and which wines are near?
# ------------------------------------------
# Three prototypes as far apart as can be lie in a plane, and a wine's cosines with them are its
# place there: known wines as points, prototypes as stars, lines to the two nearest. If the nearest
# wines of training are of another cultivar than the label, or far away, there is reason to doubt.

PALETTE, SHAPES = ["#0072b2", "#e69f00", "#009e73"], "os^"
z_train = clf.transform(X_train)
for title, row in chosen.items():
    near = z_train @ z_test[row]
    nearest = np.argsort(-near)[:5]
    wines = "  ".join(f"{y_train[k]} ({near[k]:.2f})" for k in nearest)
    print(f"{title:9} prototypes {cosines[row].round(2)}   neighbours {wines}")

plane = np.linalg.svd(clf.prototypes_)[2][:2].T
known, stars = z_train @ plane, clf.prototypes_ @ plane
figure, ax = plt.subplots(figsize=(6.6, 6.2))
ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.7"))
for k, (colour, shape) in enumerate(zip(PALETTE, SHAPES, strict=True)):
    style = {"c": colour, "marker": shape, "linewidths": 0}
    ax.scatter(*known[y_train == k].T, s=34, alpha=0.6, label=f"cultivar {k}", **style)
    ax.scatter(*stars[k], c=colour, marker="*", s=380, edgecolors="black", zorder=4)
for title, row in chosen.items():
    place = z_test[row] @ plane
    for k in cosines[row].argsort()[:0:-1]:
        ax.plot(*zip(place, stars[k], strict=True), color="0.2", linestyle=":", linewidth=1.4)
    style = {"c": PALETTE[y_test[row]], "marker": SHAPES[y_test[row]], "edgecolors": "black"}
    ax.scatter(*place, s=170, linewidths=1.6, zorder=5, **style)
    text = ax.annotate(title, place, xytext=(12, 8), textcoords="offset points", zorder=6)
    text.set(fontsize=14, path_effects=[withStroke(linewidth=3, foreground="white")])
ax.legend(loc="center", bbox_to_anchor=(0.55, 0.56), frameon=False, fontsize=12)
ax.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
ax.set_axis_off()
plt.show()

# %%
# Which columns turn the embedding?
# ---------------------------------
# The slope of the margin along a standardised column, times the value there: about what the column
# adds to the margin, compared with a wine that is average in it. `encoder_` standardises,
# `module_` is a torch module, and autograd does the rest.

names = [name.replace("od280/od315_of_diluted_wines", "OD280/OD315") for name in wine.feature_names]
names = [name.replace("_", " ") for name in names]
rows = np.array(list(chosen.values()))
own, other = cosines[rows].argsort(axis=1)[:, :-3:-1].T


def margins(x):
    """Margins between the labels chosen above, of encoded rows."""
    g = clf.module_.embed(x) @ clf.module_.prototypes.T
    n = torch.arange(len(x))
    return g[n, torch.from_numpy(own)] - g[n, torch.from_numpy(other)]


# The network puts columns through curves whose knots are values of known wines. At a knot the
# slopes on both sides differ, and autograd may give neither: evaluate a tiny step away from it.
x = (clf.encoder_.transform(X_test[rows]) + 1e-9).requires_grad_()
(slope,) = torch.autograd.grad(margins(x).sum(), x)
x = x.detach()
pull = (slope * x).numpy()

# %%
# Bars to the right speak for the label, hatched bars to the left for the other one, each wine on a
# scale of its own. Dots are the margin that is lost in fact if a column is set to its mean: they
# agree as far as the network is straight on the way there.

BLUE, VERMILLION = "#0072b2", "#d55e00"


def average_instead(column):
    """What the margins lose if a column is average, which is 0, instead of what it is."""
    changed = x.clone()
    changed[:, column] = 0
    with torch.no_grad():
        return (margins(x) - margins(changed)).numpy()


lost = np.transpose([average_instead(column) for column in range(x.shape[1])])
figure, axes = plt.subplots(1, 3, figsize=(13, 4.4))
for i, (ax, (title, row)) in enumerate(zip(axes, chosen.items(), strict=True)):
    top = np.argsort(np.abs(pull[i]))[-6:]
    labels = [f"{names[k]} ({x[i, k]:+.1f} sd)" for k in top]
    colours = np.where(pull[i, top] > 0, BLUE, VERMILLION)
    hatches = ["" if value > 0 else "//" for value in pull[i, top]]
    ax.barh(labels, pull[i, top], color=colours, hatch=hatches, edgecolor="white", height=0.7)
    ax.plot(lost[i, top], labels, "ko", markersize=5)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_title(f"{title}: {own[i]}, not {other[i]}\n(true: {y_test[row]})", fontsize=13)
    ax.set_xlabel(f"for {other[i]}  ←  margin {margin[row]:.2f}  →  for {own[i]}", fontsize=11)
    ax.spines[["right", "top", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
plt.show()

# %%
# Is that the gradient?
# ---------------------
# Every column a little up, and the margin again.

STEP = 1e-7


def difference(column):
    """Slope of the margins along a column, from finite differences."""
    moved = x.clone()
    moved[:, column] += STEP
    with torch.no_grad():
        return ((margins(moved) - margins(x)) / STEP).numpy()


differences = np.transpose([difference(column) for column in range(x.shape[1])])
deviation = np.abs(differences - slope.numpy()).max()
print(f"largest slope {slope.abs().max():.3f}")
print(f"largest deviation from finite differences {deviation:.1e}")

agreement = [np.corrcoef(pull[i], lost[i])[0, 1] for i in range(len(rows))]
print("correlation of bars and dots:", ", ".join(f"{r:.2f}" for r in agreement))
print("sum of all bars of a wine:   ", ", ".join(f"{total:.2f}" for total in pull.sum(axis=1)))
print("its margin:                  ", ", ".join(f"{value:.2f}" for value in margin[rows]))

# %%
# What it does not mean
# ---------------------
# - **No cause.** The bars explain the network, not the wine. A measurement that matters may have
#   none, because another goes with it and the network took that.
# - **No sum.** Bars do not add up to the margin: slopes change on the way, and columns act
#   together.
# - **No small bars for want of importance.** The clear wine stands next to its prototype, where all
#   slopes are small, whatever brought it there. Compare bars within a wine, never between wines.
# - **No other network's reasons.** Another seed that is right as often may have other bars: explain
#   several before you tell anyone.
