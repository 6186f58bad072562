"""First-order Taylor saliency in its activation form (Molchanov et al., ICLR 2017)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def taylor_activation(activation: Tensor, activation_grad: Tensor) -> Tensor:
    """Mean over examples of |mean over positions of dL/dz z|, with z the unit's feature map after its nonlinearity.

    As in the paper, the absolute value is taken per example. Published code that first averages the signed product over
    the batch computes another score (`taylor_activation_signed`).

    activation, activation_grad: (batch, units, positions...), with the gradient of each example's own loss. Returns
    (units,).

    >>> import torch
    >>> z, g = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]])
    >>> taylor_activation(z, g)
    tensor([1.5000])
    """
    product = (activation * activation_grad).reshape(*activation.shape[:2], -1)
    return product.mean(dim=2).abs().mean(dim=0)


def l2_normalised(scores: Tensor) -> Tensor:
    """Divide a layer's scores by their l2 norm, as the paper does; zeros stay zeros. (units,) -> (units,)."""
    norm = scores.norm()
    return scores / norm if norm > 0 else scores


CRITERION = Criterion(
    taylor_activation,
    finish=l2_normalised,
    published=Ranking("global"),
    reference="Molchanov et al. Pruning Convolutional Neural Networks for Resource Efficient Inference. ICLR 2017",
)
