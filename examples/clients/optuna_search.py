"""Optuna searches the learning rate and the layers, and prunes trials by their validation scores.

A trial is judged after every epoch on rows of its own. A bad one raises `TrialPruned` from a
callback of scikit-learn in the middle of a fit, which leaves the estimator as it was before.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "scikit-learn>=1.9", "optuna>=4"]
# ///

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import MLP, HypersphericalPrototypeClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X, y, stratify=y, random_state=0)


class Pruning:
    """Tell a trial of the accuracy after every epoch."""

    def __init__(self, trial):
        self.trial, self.epoch = trial, 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.trial.report(fitted_estimator.score(X_val, y_val), self.epoch)
            self.epoch += 1
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def teardown(self, estimator, context):
        pass


def classifier(params):
    backbone = MLP(hidden_layer_sizes=(params["width"],) * params["depth"], n_members=2)
    return HypersphericalPrototypeClassifier(
        backbone=backbone, lr=params["lr"], max_epochs=8, random_state=0, device="cpu"
    )


def objective(trial):
    params = {
        "lr": trial.suggest_float("lr", 1e-5, 1e-1, log=True),
        "width": trial.suggest_categorical("width", [16, 64, 128]),
        "depth": trial.suggest_int("depth", 1, 2),
    }
    return (
        classifier(params).set_callbacks(Pruning(trial)).fit(X_train, y_train).score(X_val, y_val)
    )


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
)
study.optimize(objective, n_trials=12)

pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
epochs = sum(len(trial.intermediate_values) for trial in study.trials)
test = classifier(study.best_params).fit(X, y).score(X_test, y_test)
print(f"{len(study.trials)} trials, {len(pruned)} of them pruned: {epochs} epochs instead of 96")
print(f"best: {study.best_params}, accuracy {study.best_value:.3f}, on test rows {test:.3f}")

# Nobody who looks on changes a bit: without the callback the best trial scores the same.
assert classifier(study.best_params).fit(X_train, y_train).score(X_val, y_val) == study.best_value
assert pruned
assert epochs < 96
assert test > 0.95
