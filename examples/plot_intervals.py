"""
How far off can a prediction be?
================================

A curve whose noise grows with its height, and patients whose disease goes on at unknown speed. A
regressor on the sphere gives intervals along with values: wide where errors are large, narrow where
they are small. Is the truth inside as often as promised, and everywhere?
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_predict, train_test_split

from sphereskl import HypersphericalRegressor
from sphereskl.metrics import IntervalReport, interval_report

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# A curve and its noise
# ---------------------
# 600 points to learn from, 4,000 to judge by. The standard deviation of the noise is about a fifth
# of the height.

rng = np.random.default_rng(0)


def rise(x):
    return x + 1.2 * np.sin(1.6 * x)


def noise_of_rise(x):
    return 0.1 + 0.22 * rise(x).clip(0)


def sample(curve, noise, n):
    """Points of a curve under noise: places as a column, and values."""
    x = rng.uniform(0, 10, n)
    return x[:, None], curve(x) + rng.normal(size=n) * noise(x)


X_train, y_train = sample(rise, noise_of_rise, 600)
X_test, y_test = sample(rise, noise_of_rise, 4000)
reg = HypersphericalRegressor(random_state=0).fit(X_train, y_train)

# %%
# The band
# --------
# `predict_interval` for shares of 50, 80 and 95 %. Nothing is trained again for another share:
# errors of rows that the members of the network were not trained on say how wide intervals have to
# be. Triangles are points outside of the widest.

BLUES = {0.95: "#cfe3f1", 0.8: "#94c4e0", 0.5: "#4a98c9"}
line = np.linspace(0, 10, 400)[:, None]


def draw_band(ax, model, X, y):
    for share, colour in BLUES.items():
        low, high = model.predict_interval(line, coverage=share).T
        ax.fill_between(line[:, 0], low, high, color=colour, linewidth=0, label=f"{share:.0%}")
    ax.plot(line, model.predict(line), color="#08306b", linewidth=2.2, label="predicted")
    low, high = model.predict_interval(X, coverage=0.95).T
    inside = (low <= y) & (y <= high)
    ax.scatter(X[inside], y[inside], s=9, c="black", alpha=0.55, linewidths=0)
    ax.scatter(X[~inside], y[~inside], s=30, c="#d55e00", marker="^", linewidths=0)
    ax.set(xlim=(0, 10), xlabel="x", ylabel="y")
    ax.spines[["right", "top"]].set_visible(False)


figure, ax = plt.subplots(figsize=(9, 5.6))
draw_band(ax, reg, X_test[:500], y_test[:500])
ax.set_title("Intervals that are meant to hold 50, 80 and 95 % of new points")
ax.legend(loc="upper left", frameon=False, title="shares of values within")
plt.show()

# %%
# One width for all?
# ------------------
# The usual way is to add and subtract one number: the 90 % quantile of errors under
# cross-validation. Over all points that is right as often. But where noise is small it is far too
# wide, and where noise is large it misses too much. `interval_report` splits points into thirds by
# the middle of their intervals.


def one_width(model, X, y, X_new):
    """Intervals as wide for all as errors in cross-validation ask for, at 90 %."""
    error = np.sort(np.abs(y - cross_val_predict(model, X, y, cv=3)))
    reach = error[math.ceil(0.9 * (len(error) + 1)) - 1]
    predicted = model.predict(X_new)
    return np.column_stack([predicted - reach, predicted + reach])


def show(name, report):
    low, middle, high = report.coverage_by_third
    print(
        f"{name:17} {report.coverage:6.1%} | {low:6.1%} {middle:6.1%} {high:6.1%} | "
        f"{report.mean_width:7.2f} {report.interval_score:7.2f}"
    )


TITLE = f"{'':17} inside |    low middle   high |   width   score"
intervals = {
    "predict_interval": reg.predict_interval(X_test),
    "one width for all": one_width(reg, X_train, y_train, X_test),
}
print(TITLE)
for name, interval in intervals.items():
    show(name, interval_report(y_test, *interval.T))

# %%
# Along the curve: here the noise is known, and so is the width that holds 90 % of it. The shares on
# the right are over 400 points each.

order = np.argsort(X_test[:, 0])
parts = np.array_split(order, 10)
places = [X_test[part].mean() for part in parts]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
for (name, interval), style in zip(intervals.items(), ("o-", "s--"), strict=True):
    low, high = interval.T
    inside = (low <= y_test) & (y_test <= high)
    left.plot(places, [np.mean((high - low)[part]) for part in parts], style, label=name)
    right.plot(places, [inside[part].mean() for part in parts], style, label=name)
width = 2 * 1.645 * noise_of_rise(line[:, 0])
left.plot(line[:, 0], width, color="0.35", linestyle=":", label="of the noise")
right.axhline(0.9, color="0.35", linestyle=":", label="promised")
left.set(title="Width", xlabel="x", ylabel="mean width", ylim=(0, None))
right.set(title="Coverage", xlabel="x", ylabel="share inside", ylim=(0.6, 1.01))
left.legend(frameon=False)
right.legend(frameon=False, loc="lower left")
plt.show()

# %%
# Patients
# --------
# The progression of diabetes after a year, in means over three splits. The gain is smaller: errors
# depend less on what is predicted. That intervals reach over half of all values is no failure of
# the method, the columns do not say more.

X, y = load_diabetes(return_X_y=True)
reports = {"predict_interval": [], "one width for all": []}
for split in range(3):
    known, new, y_known, y_new = train_test_split(X, y, test_size=0.5, random_state=split)
    model = HypersphericalRegressor(random_state=0).fit(known, y_known)
    both = model.predict_interval(new), one_width(model, known, y_known, new)
    for name, interval in zip(reports, both, strict=True):
        reports[name].append(interval_report(y_new, *interval.T))
print(TITLE)
for name, found in reports.items():
    mean = [np.mean(field, axis=0) for field in zip(*found, strict=True)]
    show(name, IntervalReport(*mean))

# %%
# When not
# --------
# What the intervals know is how high the prediction is and how far the members of the network
# disagree. Noise that depends on something else, they cannot follow. This wave has the same heights
# left and right, and ever more noise.


def wave(x):
    return 2 * np.sin(1.2 * x)


def noise_of_wave(x):
    return 0.1 + 0.09 * x


X_train, y_train = sample(wave, noise_of_wave, 600)
X_test, y_test = sample(wave, noise_of_wave, 4000)
reg = HypersphericalRegressor(random_state=0).fit(X_train, y_train)
low, high = reg.predict_interval(X_test).T
inside = (low <= y_test) & (y_test <= high)
quarters = np.array_split(np.argsort(X_test[:, 0]), 4)
shares = ", ".join(f"{inside[quarter].mean():.0%}" for quarter in quarters)
print(f"{inside.mean():.1%} inside of all; from left to right {shares} of each quarter")

figure, ax = plt.subplots(figsize=(9, 4.4))
draw_band(ax, reg, X_test[:500], y_test[:500])
ax.set_title("A wave with noise that does not depend on its height")
plt.show()

# %%
# The promise is one for all new points together, drawn as those of training were. It is none for a
# single point, none for points from elsewhere, and none for the value that the curve has without
# noise. Quantile regression, ``loss="quantile"``, learns from `X` where noise is large, at the
# price of a fit for each limit; the table on `intervals <../benchmarks/intervals.html>`_ has both.
