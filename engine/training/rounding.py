"""Weights in bfloat16 that learn although it has three digits: they are rounded up or down by chance.

Between 1 and 1.0078 there is no bfloat16. An update of a thousandth is lost when it is rounded to the nearest, every
time anew; rounded by chance it arrives in an eighth of the steps, and on average as it was.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.training.noise import generator

_LOST = 1 << 16  # a bfloat16 is the upper half of a float32


def round_by_chance(exact: Tensor, rng: torch.Generator) -> Tensor:
    """Round to one of the two nearest bfloat16, to each as likely as the value is near to it.

    Args:
        exact: float32, any shape.
        rng: on the device of ``exact``.

    Returns:
        bfloat16 of the same shape; its mean over many draws is ``exact``. What is infinite or no number stays that.
    """
    bits = exact.view(torch.int32)
    chance = torch.randint(_LOST, bits.shape, generator=rng, device=exact.device, dtype=torch.int32)
    # magnitude and sign are apart: what is added carries away from 0 on both sides
    rounded = torch.where(exact.isfinite(), (bits + chance) & -_LOST, bits)
    return rounded.view(torch.float32).to(torch.bfloat16)


class StochasticRounding(torch.optim.Optimizer):
    """Lets an optimizer work in float32 on weights that are kept in bfloat16; any that are float32 stay exact.

    The parameters take their turns: one is copied to float32, steps, and is rounded back by chance. So only the averages
    are in float32 for all of them. That suits optimizers that treat each parameter by itself, and no others. The chance
    is a function of (seed, step, number of the parameter), and the step is kept in the group: a run that resumes goes on to
    the last bit.
    """

    def __init__(self, inner: torch.optim.Optimizer, seed: int) -> None:
        super().__init__(inner.param_groups, {})  # the same groups, so that both see one learning rate
        self.inner, self.seed = inner, seed
        self.state = inner.state
        (self._group,) = self.param_groups
        self._group["rounded"] = 0

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take a step; every parameter that has a gradient is rounded once."""
        assert closure is None, "the loop has the gradients already"
        parameters, done = self._group["params"], self._group["rounded"]
        try:
            for number, parameter in enumerate(parameters):
                if parameter.grad is not None:
                    seed = generator(self.seed, "rounding", done, number).initial_seed()
                    self._step_one(parameter, torch.Generator(parameter.device).manual_seed(seed))
        finally:
            self._group["params"] = parameters
        self._group["rounded"] = done + 1

    def _step_one(self, parameter: nn.Parameter, rng: torch.Generator) -> None:
        """Let a copy in float32 stand in for a parameter; what the optimizer knows of it moves there and back."""
        stand_in = nn.Parameter(parameter.detach().float())
        stand_in.grad = parameter.grad.float()
        if parameter in self.state:
            self.state[stand_in] = self.state.pop(parameter)
        self._group["params"] = [stand_in]
        self.inner.step()
        self.state[parameter] = self.state.pop(stand_in)
        exact = stand_in.detach()
        parameter.copy_(exact if parameter.dtype == torch.float32 else round_by_chance(exact, rng))
