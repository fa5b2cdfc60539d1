"""Records of the learners of one pass, of mixtures and kernels, and of what rests on them, beside scikit-learn."""
