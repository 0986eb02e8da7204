"""Training: stage 1 aligns encoders to the image, stage 2 fits the MVAE."""
