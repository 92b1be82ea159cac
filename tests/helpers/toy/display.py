"""The toy is shown as the statistical model is."""

from sweep.kinds.statistical.display import DISPLAY as DISPLAY
