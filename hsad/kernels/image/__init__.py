"""Operations on images: attribute morphology, the local level of clutter, projection on directions."""
