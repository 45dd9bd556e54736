"""Pictures, stacks and class maps on disk."""
