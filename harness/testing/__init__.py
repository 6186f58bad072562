"""The contract suite for criteria, regularisers and models: plugin authors run it in their own tests.

May import study and the rooms below it.
"""

from prunebench.testing.criterion import check_criterion, checks, is_stochastic, run_checks
from prunebench.testing.model import check_model, model_table

__all__ = ["check_criterion", "check_model", "checks", "is_stochastic", "model_table", "run_checks"]
