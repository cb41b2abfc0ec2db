"""
What has the network learned?
=============================

Six displays of `sphereskl.display` show it, for handwritten digits and for the progression of a
disease: how training ended, where the classes are and how far apart, whether probabilities can be
trusted, which predictions a person should look at, and where a regressor puts its rows.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor
from sphereskl.display import (
    AngleDisplay,
    ArcDisplay,
    EmbeddingDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    TrainingHistoryDisplay,
)

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
clf = HypersphericalPrototypeClassifier(random_state=0).fit(X_train, y_train)
print(f"accuracy {clf.score(X_test, y_test):.3f} on digits not trained on")

# %%
# Did training end well?
# ----------------------
# Both losses should have levelled off. A validation loss that rises again while the training loss
# falls is overfitting; one that still falls at the end asks for more epochs. The vertical line
# marks the epoch whose weights are kept.

TrainingHistoryDisplay.from_estimator(clf)
plt.show()

# %%
# Where are the classes?
# ----------------------
# Sixty-four dimensions on a map: every digit not trained on, and the prototypes as stars. A digit
# in the wrong cluster is misclassified. Distances between clusters mean little on such a map: on
# the sphere all prototypes are equally far apart.

EmbeddingDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# How far from its prototype is a digit?
# --------------------------------------
# The map cannot tell, but angles can. Where the two histograms overlap, digits are as near to
# another prototype as to their own.

AngleDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# Can the probabilities be trusted?
# ---------------------------------
# Of the digits that the classifier is 90 % sure of, nine in ten should be right. Each point stands
# for a fifteenth of the digits; the lower plot shows their share in each bin.

ReliabilityDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# Which predictions should a person look at?
# ------------------------------------------
# If the least confident digits are handed to a person, how many errors are left among the others?
# The nearer a curve is to its dotted optimum, the better its probabilities tell errors from the
# rest.

baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
baseline.fit(X_train, y_train)
display = RiskCoverageDisplay.from_estimator(clf, X_test, y_test)
RiskCoverageDisplay.from_estimator(baseline, X_test, y_test, ax=display.ax_)
plt.show()

# %%
# Where on its arc does a regressor put a patient?
# ------------------------------------------------
# The progression of diabetes after a year, from 25 at the left pole to 346 at the right. Every dot
# is a patient, at the predicted place and in the colour of the true value: the more a dot differs
# from the band above it, the greater the error. The poles stay empty: the data do not allow extreme
# predictions.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
regressor = HypersphericalRegressor(random_state=0).fit(X_train, y_train)
print(f"R2 {regressor.score(X_test, y_test):.3f} on patients not trained on")
ArcDisplay.from_estimator(regressor, X_test, y_test)
plt.show()
