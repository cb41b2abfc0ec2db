"""Progress bar of a fit."""

from typing import Any

from skorch.callbacks import Callback

from ._bars import make_bar

# Short names of what is shown of an epoch.
_SHOWN = {"train_loss": "loss", "valid_loss": "valid", "valid_score": "score"}


class ProgressBar(Callback):
    """Bar that counts epochs and shows the latest losses, score and learning rate."""

    bar_: Any = None

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.bar_ = make_bar(net.max_epochs)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        epoch = net.history[-1]
        values = {short: epoch[name] for name, short in _SHOWN.items() if name in epoch}
        self.bar_.advance({**values, "lr": net.optimizer_.param_groups[0]["lr"]})

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.close()

    def close(self) -> None:
        """Close the bar, which errors leave open."""
        if self.bar_ is not None:
            self.bar_.close()
            self.bar_ = None

    def __getstate__(self):
        # A bar holds an open stream, which cannot be pickled with the net.
        return {name: value for name, value in vars(self).items() if name != "bar_"}
