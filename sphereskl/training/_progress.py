"""Progress of a fit, for those who ask."""

from skorch.callbacks import Callback
from tqdm import tqdm


class ProgressBar(Callback):
    """Bar that counts epochs and shows the latest losses."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        losses = {name: value for name, value in net.history[-1].items() if name.endswith("_loss")}
        self.bar_.set_postfix(losses)
        self.bar_.update()

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.bar_.close()
        del self.bar_

    def __getstate__(self):
        # A bar holds an open stream, which cannot be pickled with the net.
        return {name: value for name, value in vars(self).items() if name != "bar_"}
