"""skore: a report with its automated checks, and which of them fire.

The fits of its checks (baselines, permutations) cost more than that of the classifier.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "skore>=0.28"]
# ///

import skore
from sklearn.datasets import load_diabetes, load_wine

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor

quick = {"max_epochs": 20, "random_state": 0, "device": "cpu"}
reports = {
    "classifier on wine": skore.evaluate(
        HypersphericalPrototypeClassifier(**quick),
        *load_wine(return_X_y=True, as_frame=True),
        splitter=0.25,
    ),
    "regressor on diabetes": skore.evaluate(
        HypersphericalRegressor(**quick),
        *load_diabetes(return_X_y=True, as_frame=True),
        splitter=0.25,
    ),
}
fired = {}
for name, report in reports.items():
    checks = report.checks.summarize().frame().set_index("code")
    fired[name] = checks[checks["section"] == "issue"]
    print(name)
    for code, check in fired[name].iterrows():
        print(f"  {code} {check['title']}: {check['explanation'][:90]}")
    # Nothing is beyond the checks: they run, or say why they do not apply.
    assert not set(checks["section"]) - {"issue", "tip", "passed", "not_applicable"}

# A network is slower than a linear model: that check fires wherever a linear model is as good.
assert set(fired["classifier on wine"].index) <= {"SKD010"}
assert "SKD009" not in fired["regressor on diabetes"].index
loss = reports["classifier on wine"].metrics.log_loss()
print(f"log loss on test rows of wine: {loss:.3f}")
assert loss < 0.1
