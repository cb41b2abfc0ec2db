"""Metrics of calibration, intervals, novelty and selective prediction; on arrays, for any model."""

from ._calibration import ReliabilityCurve, expected_calibration_error, reliability_curve
from ._interval import IntervalReport, interval_report
from ._novelty import NoveltyReport, novelty_report, novelty_threshold
from ._selective import RiskCoverageCurve, area_under_risk_coverage, risk_coverage_curve

__all__ = [
    "IntervalReport",
    "NoveltyReport",
    "ReliabilityCurve",
    "RiskCoverageCurve",
    "area_under_risk_coverage",
    "expected_calibration_error",
    "interval_report",
    "novelty_report",
    "novelty_threshold",
    "reliability_curve",
    "risk_coverage_curve",
]
