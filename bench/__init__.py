"""Speed as ratios against public peers, all measured in one run."""
