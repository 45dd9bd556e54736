"""What is trained on: pictures, holes, class maps."""
