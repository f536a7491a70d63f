"""`python -m evaluation`: what scripts/evaluate runs."""

import sys

from evaluation.command import main

sys.exit(main())
