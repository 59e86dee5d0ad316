"""MRI artifacts: uncertainty, referral, imbalance handling, claims."""
