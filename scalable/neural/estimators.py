"""`MLPClassifier` and `MLPRegressor`."""

from __future__ import annotations

from typing import Any, Self

from scalable.features.target import class_array
from scalable.models.supervised import ProbabilityClassifier, Regressor
from scalable.neural.base import Perceptron
from scalable.neural.model import NeuralModel


class MLPClassifier(ProbabilityClassifier, Perceptron):
    """Multilayer perceptron that minimises the logistic loss, or that of a softmax, on data of any size.

    Numbers are standardised, categories embedded, missing values marked; rows come in shuffled batches, see
    `scalable.batches`. The same seed gives the same bits on one machine, whatever reads.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Units of each hidden layer.
    activation : {"relu", "gelu", "identity"}
        Of the hidden units.
    solver : {"adam", "adamw", "sgd"}
        How steps are made.
    alpha : float
        Strength of the squared penalty on weights, divided by the rows of a batch, as in scikit-learn; of AdamW, what
        a weight loses a step, over the learning rate.
    batch_size : int or "auto"
        Rows a step: by default 200 below 65,536 rows, else 1,024.
    learning_rate : {"constant", "cosine"}
        Whether the rate falls to zero over ``max_iter`` epochs.
    learning_rate_init : float
        The rate after the warm-up.
    warmup : float
        Share of all steps over which the rate rises from nothing.
    max_iter : int
        Most epochs.
    random_state : int, generator or None
        Seed of weights, order and dropout; None is 0.
    tol, n_iter_no_change : float, int
        Training ends when the loss has not fallen by `tol` for so many epochs.
    momentum, nesterovs_momentum : float, bool
        Of ``"sgd"``: the share of the step before that is kept.
    early_stopping, validation_fraction : bool, float
        Whether a part of the rows is held out, whose loss decides when training ends and which weights are kept.
    beta_1, beta_2, epsilon : float
        How slowly Adam forgets gradients and their squares, and what is added to the root of these.
    normalization : {None, "batch", "layer"}
        Of the hidden units, before the activation.
    dropout : float
        Chance that a hidden unit is left out of a step.
    residual : bool
        Whether a hidden layer is added to the one before, where both are of one width.
    embedding_dim : int
        Numbers that a category becomes.
    pieces : int
        Numbers that a number becomes: how far it is through each piece between so many quantiles (piecewise-linear
        embeddings of Gorishniy et al., 2022); 0 takes it as it is.
    frequencies, frequency_scale : int, float
        Cosines and sines that a standardised number becomes, of so many learned frequencies (periodic, there);
        and the deviation of these, in turns, to begin with.
    one_hot, n_bins : int
        Columns of up to `one_hot` categories have an embedding for each, others share `n_bins` by a hash.
    categorical : sequence of str, optional
        Integer columns to treat as categories.
    log : bool, "auto" or sequence of str
        Whether heavy-tailed columns are log-transformed; not done to plain arrays unless asked for.
    missing : {"indicator", "error"}
        Missing values become the mean and an indicator, or an error.
    checkpoint, resume : path, bool
        Directory for the state of a training, written every few seconds; and whether to go on from there.
    n_replicas : int
        Models that learn side by side, each from rows of its own, and are averaged after every 2^17 of them; part of
        the result, whoever does the work.
    n_workers : int, optional
        Threads that read, and train replicas. Does not change the result.
    client : distributed.Client or str, optional
        Dask cluster that trains several replicas.
    class_weight : dict, "balanced" or None
        Weights of the classes.

    Attributes
    ----------
    classes_ : array
        Labels.
    coefs_, intercepts_ : list of arrays
        Weights and biases of each layer, of standardised numbers and embeddings.
    loss_curve_, validation_loss_curve_ : list of float
        Mean loss of each epoch, the latter of held-out rows.
    n_iter_, t_ : int
        Epochs and steps.
    converged_ : bool
        Whether the loss stopped falling; there is a ConvergenceWarning where not.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.neural import MLPClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> model = MLPClassifier((8,), learning_rate_init=0.05, tol=1e-3, random_state=0).fit(x, y)
    >>> model.score(x, y) > 0.9
    True
    """

    class_weight: Any = None

    _positional = ("hidden_layer_sizes", "activation")

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Make one pass over one more part of the data; the first one decides how columns are encoded.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array, optional
            All labels that will ever come; by default those of the first part.
        """
        self._learn_part(X, y, classes, sample_weight)
        return self

    def _publish(self, model: NeuralModel) -> None:
        super()._publish(model)
        self.classes_ = class_array(model.classes or ())


class MLPRegressor(Regressor, Perceptron):
    """Multilayer perceptron that minimises half of the squared error of a standardised target.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, warmup, max_iter, \
random_state, tol, n_iter_no_change, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, \
beta_2, epsilon, normalization, dropout, residual, embedding_dim, pieces, frequencies, frequency_scale, one_hot, \
n_bins, n_replicas, categorical, log, missing, checkpoint, resume, n_workers, client
        As for `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_, loss_curve_, validation_loss_curve_, n_iter_, t_, converged_
        As for `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.neural import MLPRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> model = MLPRegressor((8,), learning_rate_init=0.05, random_state=0).fit(x, t)
    >>> model.score(x, t) > 0.9
    True
    """

    _positional = ("hidden_layer_sizes", "activation")

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Make one pass over one more part of the data; the first one decides encoding and the target's scale."""
        self._learn_part(X, y, None, sample_weight)
        return self
