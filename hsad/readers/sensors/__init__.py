"""Products as their producers deliver them: one module a family of products."""
