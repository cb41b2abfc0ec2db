"""A whole training step as one CUDA graph."""

import torch


class GraphedSteps:
    """Forward and backward pass and update, recorded once and replayed for every batch.

    Parameters
    ----------
    model : nn.Module
        On the GPU, in training.
    loss : callable
        ``loss(X, y)``, a scalar.
    X, y : Tensor
        Samples and targets, on the GPU.
    batch_size : int
        Samples of every batch; a last one that is smaller is left out.
    lr : float
        Learning rate.
    """

    def __init__(self, model, loss, X, y, batch_size, lr):
        self.X, self.y, self.loss, self.batch_size = X, y, loss, batch_size
        # Addresses are part of the graph: every batch is copied to this place.
        self.index = torch.arange(batch_size, device=X.device)
        self.total = torch.zeros((), device=X.device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, fused=True, capturable=True)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # what is allocated on first use must not be part of the graph
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._step()

    def _step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.X[self.index], self.y[self.index])
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach()

    def epoch(self):
        """Train on every sample once; return the sum of the losses."""
        self.total.zero_()
        for index in torch.randperm(len(self.X), device=self.X.device).split(self.batch_size):
            if len(index) == self.batch_size:
                self.index.copy_(index)
                self.graph.replay()
        return self.total.item()
