"""Products of factors: implicit ALS and BPR, and biased factorisation of ratings."""
