"""The models that `mlops train` can train; others are imported as they are."""

from collections.abc import Mapping

from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import TrainingPlan
from mlops.models.ridership.training import RIDERSHIP_PLAN
from mlops.models.sentiment.training import SENTIMENT_PLAN

PLANS: Mapping[str, TrainingPlan] = {
    plan.contract.model: plan for plan in (CHURN_PLAN, RIDERSHIP_PLAN, SENTIMENT_PLAN)
}
