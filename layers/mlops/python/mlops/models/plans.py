"""The models that can be trained. Apart from `catalogue`, since serving needs no scikit-learn."""

from collections.abc import Mapping

from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import TrainingPlan

PLANS: Mapping[str, TrainingPlan] = {plan.contract.model: plan for plan in (CHURN_PLAN,)}
